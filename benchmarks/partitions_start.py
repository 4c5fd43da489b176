"""How long an idle worker takes to start a message, with and without partitions.

    python benchmarks/partitions_start.py [--messages 200]

On one server and on a cluster of three masters: a pool (1 x 8) for each number of partitions, all idle at the same
time. One producer submits one message to one of them at a time, in turn, waits for its result, and pauses a little. So
all of them see the same machine. Reported is the time from the call of `generate()` to the task's first line, and its
ratio to that without partitions.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from cluster_servers import cluster  # noqa: E402
from idle_pool import percentiles, running_pool  # noqa: E402
from servers import redis_server  # noqa: E402

#: The first is what the others are compared with: one partition is none.
PARTITIONS = (1, 4, 16)


def main() -> None:
    """Measure on one server and on a cluster, and print percentiles."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=200)
    options = parser.parse_args()
    with redis_server() as url:
        _compare("one server", url, options.messages)
    with cluster(3) as (ports, _):
        url = "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in ports)
        _compare("three masters", url, options.messages)


def _compare(title: str, url: str, messages: int) -> None:
    with ExitStack() as stack:
        pools = {n: stack.enter_context(_pool(url, n)) for n in PARTITIONS}
        starts: dict[int, list[float]] = {n: [] for n in PARTITIONS}
        for tasks in pools.values():
            tasks.results.get(tasks.started_at.generate(), timeout=60_000)
        time.sleep(3)  # all sleep
        for _ in range(messages):
            for n, tasks in pools.items():
                time.sleep(0.01)
                began = time.monotonic_ns()
                message = tasks.started_at.generate()
                starts[n].append((tasks.results.get(message, timeout=60_000) - began) / 1e6)
    base = statistics.median(starts[PARTITIONS[0]])
    for n, times in starts.items():
        ratio = statistics.median(times) / base
        print(f"{title:14} {n:3} partitions: {percentiles(times)}, {ratio:.2f} of that without", flush=True)


def _pool(url: str, partitions: int) -> AbstractContextManager[ModuleType]:
    """A pool on a namespace of its own, with its tasks."""
    os.environ["ALSEK_BENCH_STORE"], os.environ["ALSEK_BENCH_PARTITIONS"] = url, str(partitions)
    sys.modules.pop("bench_tasks", None)
    return running_pool()


if __name__ == "__main__":
    main()
