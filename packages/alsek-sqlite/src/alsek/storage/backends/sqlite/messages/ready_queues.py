"""Finds the queues of a worker that have something ready for it.

The table `lanes` has a row for each lane with something ready. So nothing here looks at a queue that has nothing for
the worker, unless the worker names its queues: then each name is looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from alsek.storage.backends.batches import in_pieces
from alsek.storage.backends.records import Worker
from alsek.storage.backends.sqlite.database.statements import marks
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.lanes import LANES

#: How many names of queues one statement takes.
NAMES_AT_ONCE: Final = 100

#: The first queues after a name that have something in these lanes. Each lane is read in the order of its key, and
#: the streams are merged.
_FIRST: Final = {
    n: " UNION ".join(["SELECT name, queue FROM lanes WHERE ns = ? AND code = ? AND name > ?"] * n)  # noqa: S608
    + " ORDER BY name, queue LIMIT ?"
    for n in range(1, len(LANES) + 1)
}
_NAMED: Final = "SELECT name, queue FROM lanes WHERE ns = ? AND code IN ({}) AND name IN ({})"
_ANY: Final = "SELECT 1 FROM lanes WHERE ns = ? AND code IN ({}) LIMIT 1"
_ANY_NAMED: Final = "SELECT 1 FROM lanes WHERE ns = ? AND code IN ({}) AND name IN ({}) LIMIT 1"


def ready_queues(
    tx: Transaction, worker: Worker, codes: Sequence[int], wanted: int
) -> Iterator[tuple[int, str]]:
    """Iterate over the queues (id and name) of a worker, in its order, that have something ready in these lanes.

    The caller may claim from a queue before it asks for the next one.

    Args:
        tx: The transaction.
        worker: The worker.
        codes: The lanes, by their numbers within a queue. The caller may take some out of the list meanwhile.
        wanted: How many queues will probably do.
    """
    if worker.queues is not None:
        for names in in_pieces(worker.queues, NAMES_AT_ONCE):
            if not codes:
                return
            statement = _NAMED.format(marks(len(codes)), marks(len(names)))
            found = dict(tx.execute(statement, (tx.ns, *codes, *names)).fetchall())
            yield from ((found[name], name) for name in names if name in found)
        return
    last = ""
    while codes:
        places = [value for code in codes for value in (tx.ns, code, last)]
        rows = tx.execute(_FIRST[len(codes)], (*places, wanted)).fetchall()
        for last, queue in rows:
            yield queue, last
        if len(rows) < wanted:
            return


def is_any_ready(tx: Transaction, worker: Worker, codes: Sequence[int]) -> bool:
    """Return True if anything is ready in these lanes of a worker's queues."""
    if worker.queues is None:
        return tx.execute(_ANY.format(marks(len(codes))), (tx.ns, *codes)).fetchone() is not None
    return any(
        tx.execute(
            _ANY_NAMED.format(marks(len(codes)), marks(len(names))), (tx.ns, *codes, *names)
        ).fetchone()
        for names in in_pieces(worker.queues, NAMES_AT_ONCE)
    )
