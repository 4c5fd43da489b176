"""How late an idle pool starts the message of a schedule's tick.

    python benchmarks/schedule_lateness.py [--schedules 5] [--seconds 60] [--pool thread-pool]

One pool fires schedules of a second whose ticks lie apart. Reported: from the tick to the task's first line, so the
offer, the firing and the start of the task together. The store's clock and that of the pool are the same here.
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
    parser.add_argument("--schedules", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pool", choices=["thread-pool", "process-pool"], default="thread-pool")
    parser.add_argument("--store", choices=["redis", "sqlite", "both"], default="both")
    options = parser.parse_args()
    for store in ["redis", "sqlite"] if options.store == "both" else [options.store]:
        with redis_server() if store == "redis" else sqlite_file() as where:
            os.environ["ALSEK_BENCH_STORE"] = where
            sys.modules.pop("bench_tasks", None)
            late = _measure(options)
        print(f"{store:7} {len(late)} ticks, from tick to start: {_percentiles(late)}", flush=True)


def _measure(options: argparse.Namespace) -> list[float]:
    import bench_tasks
    from apscheduler.triggers.interval import IntervalTrigger

    command = [str(Path(sysconfig.get_path("scripts")) / "alsek"), options.pool, "bench_tasks"]
    worker = subprocess.Popen([*command, "--n_processes=1", "--log_level=ERROR"], cwd=HERE)
    first = {}
    try:
        bench_tasks.results.get(bench_tasks.late_by.generate(), timeout=20_000)
        for number in range(options.schedules):
            schedule = bench_tasks.late_by.schedule(f"s{number}", IntervalTrigger(seconds=1))
            first[schedule.name] = schedule.next_at
            time.sleep(1 / options.schedules)
        time.sleep(options.seconds)
        for schedule in bench_tasks.broker.schedules():
            schedule.pause()
        time.sleep(1)
        found = bench_tasks.broker.schedules()
        return [late for each in found for late in _of(each.name, first[each.name], each.last)]
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(timeout=30)
        bench_tasks.backend.close()


def _of(name: str, first: int | None, last: int | None) -> list[float]:
    """How late (ms) each tick was started, but for the first two: with the first, the pool imports what it takes."""
    import bench_tasks

    from alsek.core.schedules.template import tick_uuid

    assert first is not None
    assert last is not None
    uuids = [tick_uuid(name, tick) for tick in range(first + 2_000, last + 1, 1_000)]
    records = bench_tasks.backend.results.get(uuids)
    return [float(record.payload) for record in records if record is not None]


def _percentiles(milliseconds: list[float]) -> str:
    ordered = sorted(milliseconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"median {statistics.median(ordered):.1f} ms, p99 {p99:.1f} ms, at most {ordered[-1]:.1f} ms"


if __name__ == "__main__":
    main()
