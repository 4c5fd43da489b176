"""How long it takes an idle worker to start a message, from the moment that it is submitted.

    python benchmarks/latency.py [--messages 200]

One producer submits one message at a time to an idle thread pool (1 x 8), waits for its result, and pauses a little.
Reported: submit to start (the call of `generate()` to the task's first line), and submit to result in hand.
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

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from servers import redis_server, sqlite_file  # noqa: E402


def main() -> None:
    """Measure on both stores, and print percentiles."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=200)
    parser.add_argument("--pause", type=float, default=0.01, help="seconds between two messages")
    parser.add_argument("--store", choices=["redis", "sqlite", "both"], default="both")
    options = parser.parse_args()
    for store in ["redis", "sqlite"] if options.store == "both" else [options.store]:
        with redis_server() if store == "redis" else sqlite_file() as where:
            os.environ["ALSEK_BENCH_STORE"] = where
            sys.modules.pop("bench_tasks", None)
            starts, trips = _measure(options)
        print(f"{store:7} submit to start: {_percentiles(starts)}; submit to result: {_percentiles(trips)}")


def _measure(options: argparse.Namespace) -> tuple[list[float], list[float]]:
    import bench_tasks

    command = [str(Path(sysconfig.get_path("scripts")) / "alsek"), "thread-pool", "bench_tasks"]
    worker = subprocess.Popen([*command, "--n_processes=1", "--log_level=ERROR"], cwd=HERE)
    starts, trips = [], []
    try:
        bench_tasks.results.get(bench_tasks.started_at.generate(), timeout=20_000)
        for _ in range(options.messages):
            time.sleep(options.pause)
            began = time.monotonic_ns()
            started = bench_tasks.results.get(bench_tasks.started_at.generate(), timeout=20_000)
            trips.append((time.monotonic_ns() - began) / 1e6)
            starts.append((started - began) / 1e6)
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(timeout=30)
        bench_tasks.backend.close()
    return starts, trips


def _percentiles(milliseconds: list[float]) -> str:
    ordered = sorted(milliseconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"median {statistics.median(ordered):.2f} ms, p99 {p99:.2f} ms"


if __name__ == "__main__":
    main()
