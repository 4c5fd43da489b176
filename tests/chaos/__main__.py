"""The long form: every scenario on every store with every pool, for a given time, and one table.

``hatch run chaos --minutes 10``, or ``python -m tests.chaos --minutes 10 [--only TEXT] [--store cluster] [--seed 7]``.
Exit code 1 if anything was lost, or accepted twice, or did not go as it must. SIGTERM and SIGINT end all that it has
started.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import tests.chaos.scenarios  # noqa: F401  (registers them)
from tests.chaos.scenario import SCENARIOS, Row, Scale, run
from tests.chaos.stopping import Stopped, end_all, raise_when_told_to_stop
from tests.chaos.stores import StoreKind
from tests.chaos.summary_table import table

#: What a run costs beside its faults: starting, settling, stopping, judging (s).
_OVERHEAD_S = 9.0


def main() -> int:
    """Run, print, and tell by the exit code."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=10.0, help="about how long in all (default: 10)")
    parser.add_argument(
        "--at_once", "--at-once", type=int, default=3, help="scenarios side by side (default: 3)"
    )
    parser.add_argument("--only", default="", help="only scenarios with this in their name")
    stores = list(get_args(StoreKind))
    parser.add_argument("--store", choices=stores, help="only this store")
    parser.add_argument("--pool", choices=["thread", "process"], help="only this kind of pool")
    parser.add_argument(
        "--seed", type=int, default=int(time.time()), help="of all chance (default: the time)"
    )
    options = parser.parse_args()
    chosen = [
        (scenario, store, pool)
        for scenario in SCENARIOS
        for store, pool in scenario.stages
        if options.only in scenario.name
        and options.store in (None, store)
        and options.pool in (None, pool.removesuffix("-pool"))
    ]
    if not chosen:
        print("no scenario is called that; there are:", *sorted(s.name for s in SCENARIOS), sep="\n  ")
        return 2
    each = options.minutes * 60 * options.at_once / len(chosen) - _OVERHEAD_S
    scale = Scale(seconds=max(each, 3.0), long=True)
    print(
        f"{len(chosen)} runs, {scale.seconds:.0f} s of faults each, {options.at_once} at once, seed {options.seed}"
    )
    begun = time.monotonic()

    def one(number: int) -> Row:
        scenario, store, pool = chosen[number]
        row = run(scenario, store, pool, scale, options.seed + number)
        state = "ok" if row.good else "FAILED"
        print(
            f"{time.monotonic() - begun:6.0f} s  {state:6}  {row.scenario} ({store}, {row.pool})", flush=True
        )
        return row

    raise_when_told_to_stop()
    executor = ThreadPoolExecutor(options.at_once)
    try:
        rows = list(executor.map(one, range(len(chosen))))
    except Stopped as stopped:
        end_all(stopped)
    executor.shutdown()
    print()
    print(table(rows))
    bad = [row for row in rows if not row.good]
    for row in bad:
        print(f"\n═══ {row.scenario} ({row.store}, {row.pool})")
        print("\n".join(row.problems[:20]))
        print(row.log)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
