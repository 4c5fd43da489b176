"""How many no-op messages a second a process pool runs, beside what forking costs on this machine.

    python benchmarks/process_pool_rate.py [--messages 500] [--n_processes 2]

Three figures, taken in one run, in turns: messages a second with a process for each task; with processes reused (1,000
tasks each); and how often a process that has imported what the template has can fork and wait for an empty child in a
second.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import statistics
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from servers import redis_server, sqlite_file  # noqa: E402


def main() -> None:
    """Three rounds on the store asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--n_processes", type=int, default=2)
    parser.add_argument("--store", choices=["redis", "sqlite"], default="redis")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    forks, alone, reused = [], [], []
    for _ in range(options.rounds):
        with redis_server() if options.store == "redis" else sqlite_file() as where:
            os.environ["ALSEK_BENCH_STORE"] = where
            sys.modules.pop("bench_tasks", None)
            forks.append(_forks())
            alone.append(_drain(options.messages, options.n_processes, 1))
            reused.append(_drain(options.messages * 20, options.n_processes, 1_000))
    for name, rates in (("fork and wait", forks), ("a process a task", alone), ("processes reused", reused)):
        print(f"{name:17} {statistics.median(rates):8,.0f}/s ({min(rates):,.0f}-{max(rates):,.0f})")
    print(f"a process a task, to fork and wait: {statistics.median(alone) / statistics.median(forks):.2f}")


def _forks() -> float:
    """Forks a second of a fresh process with tasks and pool imported, each awaited before the next."""
    program = (
        "import gc, os, sys, time; sys.path.insert(0, '.'); import bench_tasks, alsek.cli.commands.process_pool\n"
        "gc.collect(); gc.freeze()\n"
        "n, began = 300, time.perf_counter()\n"
        "for _ in range(n):\n"
        "    pid = os.fork()\n"
        "    if not pid: os._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
        "print(n / (time.perf_counter() - began))\n"
    )
    return float(
        subprocess.run([sys.executable, "-c", program], cwd=HERE, capture_output=True, check=True).stdout
    )


def _drain(messages: int, n_processes: int, tasks_per_process: int) -> float:
    import bench_tasks as tasks

    gc.collect()
    queue = tasks.backend.messages
    batch = [tasks.anywhere.generate(submit=False) for _ in range(messages)]
    assert tasks.broker.submit_many(batch) == []
    command = [
        str(Path(sysconfig.get_path("scripts")) / "alsek"),
        "process-pool",
        "bench_tasks",
        f"--n_processes={n_processes}",
        f"--tasks_per_process={tasks_per_process}",
        "--log_level=ERROR",
    ]
    worker = subprocess.Popen(command, cwd=HERE)
    try:
        while queue.count("alsek_queue") == messages:
            time.sleep(0.001)
        began = time.perf_counter()
        while queue.count("alsek_queue"):
            time.sleep(0.005)
        return messages / (time.perf_counter() - began)
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(timeout=30)


if __name__ == "__main__":
    main()
