"""How long it takes an idle worker to start a message, from the moment that it is submitted.

    python benchmarks/latency.py [--messages 200]

One producer submits one message at a time to an idle thread pool (1 x 8), waits for its result, and pauses a little.
Reported: submit to start (the call of `generate()` to the task's first line), and submit to result in hand.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from idle_pool import each_store, parser_of, percentiles, running_pool


def main() -> None:
    """Measure on both stores, and print percentiles."""
    parser = parser_of(__doc__)
    parser.add_argument("--messages", type=int, default=200)
    parser.add_argument("--pause", type=float, default=0.01, help="seconds between two messages")
    options = parser.parse_args()
    for store in each_store(options.store):
        starts, trips = _measure(options)
        print(f"{store:7} submit to start: {percentiles(starts)}; submit to result: {percentiles(trips)}")


def _measure(options: argparse.Namespace) -> tuple[list[float], list[float]]:
    starts, trips = [], []
    with running_pool() as tasks:
        tasks.results.get(tasks.started_at.generate(), timeout=20_000)
        for _ in range(options.messages):
            time.sleep(options.pause)
            began = time.monotonic_ns()
            started = tasks.results.get(tasks.started_at.generate(), timeout=20_000)
            trips.append((time.monotonic_ns() - began) / 1e6)
            starts.append((started - began) / 1e6)
    return starts, trips


if __name__ == "__main__":
    main()
