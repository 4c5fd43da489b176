"""What partitions on the masters of a cluster cost: CPU a message in each server, in the producer and in the worker.

    python benchmarks/partitions_rate.py [--messages 10000] [--rounds 3]

Each row has a cluster of its own, of so many masters without replicas. All messages are submitted before the pool
starts (1 x 8 threads, no-op tasks, no statuses). On a machine of few cores the wall clock shows only how busy they are:
a server's CPU a message tells what one could carry, and what is left on each when there are more of them. The last
columns say so: messages a second if no server may use more than one core, and nothing else limits them.
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

from cluster_servers import cluster  # noqa: E402
from process_tree import cpu_seconds  # noqa: E402

#: Masters and partitions; no partitions: the namespace is one, as without this feature.
SETUPS = ((1, 1), (1, 2), (1, 4), (2, 2), (2, 8), (3, 3), (3, 12))


class Round(NamedTuple):
    """CPU in µs a message, the busiest server first, and messages a second as seen."""

    submitting: list[float]
    draining: list[float]
    producer: float
    worker: float
    submitted: float
    drained: float


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(
        "| masters | partitions | submit: busiest server, all | drain: busiest server, all | producer | worker "
        "| submitted/s here | drained/s here | a server could take in | and hand out |"
    )
    print("|" + "---|" * 10)
    for masters, partitions in SETUPS:
        rounds = [_round(masters, partitions, options.messages) for _ in range(options.rounds)]
        submitting = [
            statistics.median(each) for each in zip(*(one.submitting for one in rounds), strict=True)
        ]
        draining = [statistics.median(each) for each in zip(*(one.draining for one in rounds), strict=True)]
        print(
            f"| {masters} | {partitions} | {submitting[0]:.0f}, {sum(submitting):.0f} "
            f"| {draining[0]:.0f}, {sum(draining):.0f} "
            f"| {statistics.median(one.producer for one in rounds):.0f} "
            f"| {statistics.median(one.worker for one in rounds):.0f} "
            f"| {statistics.median(one.submitted for one in rounds):,.0f} "
            f"| {statistics.median(one.drained for one in rounds):,.0f} "
            f"| {1e6 / submitting[0]:,.0f}/s | {1e6 / draining[0]:,.0f}/s |",
            flush=True,
        )


def _round(masters: int, partitions: int, messages: int) -> Round:
    with cluster(masters) as (ports, pids):
        os.environ["ALSEK_BENCH_STORE"] = "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in ports)
        os.environ["ALSEK_BENCH_PARTITIONS"] = str(partitions)
        sys.modules.pop("bench_tasks", None)
        import bench_tasks

        bench_tasks.noop.generate(submit=False)
        bench_tasks.backend.messages.count("alsek_queue")
        before, own, began = [cpu_seconds(pid) for pid in pids], time.process_time(), time.perf_counter()
        for _ in range(messages):
            bench_tasks.noop.generate()
        took, used = time.perf_counter() - began, time.process_time() - own
        middle = [cpu_seconds(pid) for pid in pids]
        command = [str(Path(sysconfig.get_path("scripts")) / "alsek"), "thread-pool", "bench_tasks"]
        worker = subprocess.Popen(
            [*command, "--n_threads=8", "--n_processes=1", "--log_level=ERROR"], cwd=HERE
        )
        count = bench_tasks.backend.messages.count
        while count("alsek_queue") == messages:
            time.sleep(0.005)
        started = time.perf_counter()
        while count("alsek_queue"):
            time.sleep(0.05)
        drained = time.perf_counter() - started
        spent = cpu_seconds(worker.pid)
        after = [cpu_seconds(pid) for pid in pids]
        worker.send_signal(signal.SIGTERM)
        worker.wait(timeout=60)
        bench_tasks.backend.close()
    return Round(
        sorted(((b - a) / messages * 1e6 for a, b in zip(before, middle, strict=True)), reverse=True),
        sorted(((b - a) / messages * 1e6 for a, b in zip(middle, after, strict=True)), reverse=True),
        used / messages * 1e6,
        spent / messages * 1e6,
        messages / took,
        messages / drained,
    )


if __name__ == "__main__":
    main()
