"""How late an idle pool starts the message of a schedule's tick.

    python benchmarks/schedule_lateness.py [--schedules 5] [--seconds 60] [--pool thread-pool]

One pool fires schedules of a second whose ticks lie apart. Reported: from the tick to the task's first line, so the
offer, the firing and the start of the task together. The store's clock and that of the pool are the same here.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).parent))

from idle_pool import each_store, parser_of, percentiles, running_pool


def main() -> None:
    """Measure on both stores, and print percentiles."""
    parser = parser_of(__doc__)
    parser.add_argument("--schedules", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pool", choices=["thread-pool", "process-pool"], default="thread-pool")
    options = parser.parse_args()
    for store in each_store(options.store):
        late = _measure(options)
        line = f"{store:7} {len(late)} ticks, from tick to start: {percentiles(late)}, at most {max(late):.2f} ms"
        print(line, flush=True)


def _measure(options: argparse.Namespace) -> list[float]:
    from apscheduler.triggers.interval import IntervalTrigger

    first = {}
    with running_pool(options.pool) as tasks:
        tasks.results.get(tasks.late_by.generate(), timeout=20_000)
        for number in range(options.schedules):
            schedule = tasks.late_by.schedule(f"s{number}", IntervalTrigger(seconds=1))
            first[schedule.name] = schedule.next_at
            time.sleep(1 / options.schedules)
        time.sleep(options.seconds)
        for schedule in tasks.broker.schedules():
            schedule.pause()
        time.sleep(1)
        found = tasks.broker.schedules()
        return [late for each in found for late in _of(tasks, each.name, first[each.name], each.last)]


def _of(tasks: ModuleType, name: str, first: int | None, last: int | None) -> list[float]:
    """How late (ms) each tick was started, but for the first two: with the first, the pool imports what it takes."""
    from alsek.core.schedules.template import tick_uuid

    assert first is not None
    assert last is not None
    uuids = [tick_uuid(name, tick) for tick in range(first + 2_000, last + 1, 1_000)]
    records = tasks.backend.results.get(uuids)
    return [float(record.payload) for record in records if record is not None]


if __name__ == "__main__":
    main()
