"""The long form: new histories on each pair of stores, for a given time.

``hatch run differential --minutes 10``, or ``python -m tests.differential --minutes 10 [--store redis] [--seed 7]``.
Exit code 1 if two stores differed; the history is made small first and printed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import RedisServer
from tests.contract.stores import InMemory, InRedis, InSQLite, Store
from tests.differential.machine import explore

#: Histories between two looks at the clock.
_PIECE = 20


def main() -> int:
    """Run, print, and tell by the exit code."""
    parser = argparse.ArgumentParser(
        prog="differential", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="about how long in all (default: 10)")
    parser.add_argument("--store", choices=["sqlite", "redis"], help="compare only this one with memory")
    parser.add_argument(
        "--seed", type=int, default=int(time.time()), help="of all chance (default: the time)"
    )
    parser.add_argument("--keys", action="store_true", help="messages have unique keys and limits")
    options = parser.parse_args()
    kinds = [options.store] if options.store else ["sqlite", "redis"]
    differ = [
        kind
        for kind in kinds
        if not _alike(kind, options.minutes * 60 / len(kinds), options.seed, options.keys)
    ]
    return 1 if differ else 0


def _alike(kind: str, seconds: float, seed: int, keys: bool) -> bool:
    """Whether no history of so many seconds shows a difference."""
    deadline, histories = time.monotonic() + seconds, 0
    with _opened(kind) as other, _finished(InMemory()) as memory:
        while time.monotonic() < deadline:
            print(f"{kind}: {histories} histories; next with seed {seed}", flush=True)
            try:
                explore(memory, other, _PIECE, seed, keys)
            except AssertionError:
                traceback.print_exc()
                print(
                    f"{kind} DIFFERS from memory: --store {kind} --seed {seed}{' --keys' * keys}", flush=True
                )
                return False
            histories, seed = histories + _PIECE, seed + 1
    print(f"{kind}: {histories} histories, as in memory", flush=True)
    return True


@contextmanager
def _opened(kind: str) -> Iterator[Store]:
    """A store of this kind, in a place of its own."""
    if kind == "sqlite":
        with (
            tempfile.TemporaryDirectory(prefix="alsek-") as folder,
            _finished(InSQLite(Path(folder))) as store,
        ):
            yield store
        return
    server = RedisServer()
    try:
        server.start()
        with _finished(InRedis(server.url)) as store:
            yield store
    finally:
        server.discard()


@contextmanager
def _finished(store: Store) -> Iterator[Store]:
    try:
        yield store
    finally:
        store.finish()


if __name__ == "__main__":
    sys.exit(main())
