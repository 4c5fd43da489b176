"""How long one group takes for 1,000 tasks of `await asyncio.sleep(1)`, submitted before it starts.

    python benchmarks/sleeping_coroutines.py [--store redis]

With the default of 100 coroutines at once ten seconds are the least, with `--n_coroutines 1000` one. Reported is the
time from the first task's start to the last one's end, and from the command to that end.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from idle_pool import each_store, parser_of, running_pool  # noqa: E402

MESSAGES = 1_000


def main() -> None:
    """Measure on both stores."""
    options = parser_of(__doc__).parse_args()
    for store in each_store(options.store):
        for at_once in (100, MESSAGES):
            working, all_ = _measure(at_once)
            print(
                f"{store:7} {at_once:5} at once: {working:.2f} s, {all_:.2f} s with the pool's start",
                flush=True,
            )


def _measure(at_once: int) -> tuple[float, float]:
    import bench_tasks

    messages = bench_tasks.dream.generate_many((1.0,) for _ in range(MESSAGES))
    began = time.monotonic()
    with running_pool("thread-pool", f"--n_coroutines={at_once}"):
        spans = [bench_tasks.results.get(message, timeout=120_000) for message in messages]
    last = max(end for _, end in spans)
    return last - min(start for start, _ in spans), last - began


if __name__ == "__main__":
    main()
