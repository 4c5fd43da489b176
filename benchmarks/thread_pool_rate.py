"""How fast one thread pool empties a queue of no-op messages, and what CPU time a message costs.

    python benchmarks/thread_pool_rate.py [--messages 10000] [--n_threads 8] [--n_processes 1] [--tracked] [--rounds 3]

Every message is submitted before the worker starts. Timed is from the first message that left the queue to the last;
what the worker needs to start is left out. CPU is that of the worker's processes, and of the Redis server's, from
start to end, less what a worker uses that starts and stops without messages.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from servers import redis_server, sqlite_file  # noqa: E402


class Drained(NamedTuple):
    """One round: messages a second, and the worker's CPU time in microseconds a message."""

    rate: float
    cpu: float


def main() -> None:
    """Run all rounds on both stores, and print the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--n_threads", type=int, default=8)
    parser.add_argument("--n_processes", type=int, default=1)
    parser.add_argument("--tracked", action="store_true", help="with statuses and results")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--store", choices=["redis", "sqlite", "both"], default="both")
    options = parser.parse_args()
    stores = ["redis", "sqlite"] if options.store == "both" else [options.store]
    for store in stores:
        rounds = [_round(store, options) for _ in range(options.rounds)]
        rates, cpus = [r.rate for r in rounds], [r.cpu for r in rounds]
        print(
            f"{store:7} {options.messages} messages, {options.n_processes} x {options.n_threads} threads"
            f"{', statuses and results' if options.tracked else ''}: "
            f"{statistics.median(rates):,.0f}/s ({min(rates):,.0f}-{max(rates):,.0f}), "
            f"worker CPU {statistics.median(cpus):.0f} us a message ({min(cpus):.0f}-{max(cpus):.0f})"
        )


def _round(store: str, options: argparse.Namespace) -> Drained:
    with redis_server() if store == "redis" else sqlite_file() as where:
        os.environ["ALSEK_BENCH_STORE"] = where
        for name in [name for name in sys.modules if name == "bench_tasks"]:
            del sys.modules[name]
        import bench_tasks

        idle = _work(options, bench_tasks, 0)
        task = bench_tasks.tracked if options.tracked else bench_tasks.noop
        for _ in range(0, options.messages, 1_000):
            batch = [task.generate(submit=False) for _ in range(min(1_000, options.messages))]
            assert bench_tasks.broker.submit_many(batch) == []
        full = _work(options, bench_tasks, options.messages)
        bench_tasks.backend.close()
    return Drained(full.rate, full.cpu - idle.cpu)


def _work(options: argparse.Namespace, tasks: object, expected: int) -> Drained:
    """One worker, from start to stop; rate and CPU (of all of it, in us a message)."""
    backend = tasks.backend  # type: ignore[attr-defined]
    command = [
        str(Path(sysconfig.get_path("scripts")) / "alsek"),
        "thread-pool",
        "bench_tasks",
        f"--n_threads={options.n_threads}",
        f"--n_processes={options.n_processes}",
        "--log_level=ERROR",
    ]
    before = os.times()
    worker = subprocess.Popen(command, cwd=HERE)
    began = time.perf_counter()
    queue = "alsek_queue"
    if expected:
        while backend.messages.count(queue) == expected:
            time.sleep(0.001)
        began = time.perf_counter()
        while backend.messages.count(queue):
            time.sleep(0.005)
    else:
        time.sleep(1.0)
    took = time.perf_counter() - began
    worker.send_signal(signal.SIGTERM)
    worker.wait(timeout=30)
    after = os.times()
    spent = after.children_user - before.children_user + after.children_system - before.children_system
    return Drained(expected / took, spent / max(1, options.messages) * 1e6)


if __name__ == "__main__":
    main()
