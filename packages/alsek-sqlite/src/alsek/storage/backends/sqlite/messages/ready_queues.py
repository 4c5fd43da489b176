"""What is ready for a worker, and in which of its queues; and when the next delayed message is due.

The table `lanes` has a row for each lane with something ready. So nothing here looks at a queue that has nothing for
the worker, except where it names its queues: then each name is looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from alsek.defaults import PROMOTION_BATCH
from alsek.storage.backends.records import Worker
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.lanes import Lane
from alsek.storage.backends.sqlite.messages.transitions import make_ready

#: Names of queues in one statement.
_PIECE: Final = 100

#: How many lanes to wake by: of each code, and of a worker's own queues.
_MOST_FIRST: Final = 16
_MOST_OWN: Final = 100

#: All lanes of a queue, suspects' included.
CODES: Final = range(6)

#: The first queues after a name that have something in these lanes. Each lane is read in the order of its key, and
#: the streams are merged.
_FIRST: Final = {
    n: " UNION ".join(["SELECT name, queue FROM lanes WHERE ns = ? AND code = ? AND name > ?"] * n)  # noqa: S608
    + " ORDER BY name, queue LIMIT ?"
    for n in range(1, 7)
}
_NAMED: Final = "SELECT name, queue FROM lanes WHERE ns = ? AND code IN ({}) AND name IN ({})"
_ANY: Final = "SELECT 1 FROM lanes WHERE ns = ? AND code IN ({}) LIMIT 1"
_ANY_NAMED: Final = "SELECT 1 FROM lanes WHERE ns = ? AND code IN ({}) AND name IN ({}) LIMIT 1"

_FIRST_LANES: Final = " UNION ALL ".join(
    f"SELECT * FROM (SELECT name, code FROM lanes WHERE ns = ? AND code = {code} ORDER BY name LIMIT {_MOST_FIRST})"  # noqa: S608
    for code in CODES
)
_OWN_LANES: Final = (
    "SELECT name, code FROM lanes WHERE ns = ? AND code IN (0, 1, 2, 3, 4, 5) AND name IN ({}) LIMIT 100"
)

_NEXT_DUE: Final = "SELECT due FROM delayed WHERE ns = ? ORDER BY due LIMIT 1"
_DUE: Final = """
    SELECT d.due, m.arrival, d.message, m.queue, m.wish FROM delayed AS d JOIN messages AS m ON m.id = d.message
    WHERE d.ns = ? AND d.due <= ? ORDER BY d.due, d.message LIMIT ?
"""
_PROMOTED: Final = "DELETE FROM delayed WHERE ns = ? AND due = ? AND message = ?"


def ready_queues(
    tx: Transaction, worker: Worker, codes: Sequence[int], wanted: int
) -> Iterator[tuple[int, str]]:
    """The queues (number and name) of a worker, in its order, with something ready in these lanes.

    They may be claimed from in between; `wanted` tells how many will do, most likely.
    """
    if not codes:
        return
    if worker.queues is not None:
        for names in _pieces(worker.queues):
            statement = _NAMED.format(_marks(codes), _marks(names))
            found = dict(tx.execute(statement, (tx.ns, *codes, *names)).fetchall())
            yield from ((found[name], name) for name in names if name in found)
        return
    statement, last = _FIRST[len(codes)], ""
    while True:
        places = [value for code in codes for value in (tx.ns, code, last)]
        rows = tx.execute(statement, (*places, wanted)).fetchall()
        for last, number in rows:
            yield number, last
        if len(rows) < wanted:
            return


def is_any_ready(tx: Transaction, worker: Worker, codes: Sequence[int]) -> bool:
    """Whether anything is ready in these lanes of the queues of a worker."""
    if worker.queues is None:
        return tx.execute(_ANY.format(_marks(codes)), (tx.ns, *codes)).fetchone() is not None
    return any(
        tx.execute(_ANY_NAMED.format(_marks(codes), _marks(names)), (tx.ns, *codes, *names)).fetchone()
        for names in _pieces(worker.queues)
    )


def _pieces(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[start : start + _PIECE] for start in range(0, len(names), _PIECE))


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def next_due(tx: Transaction) -> int | None:
    """When the next delayed message is due, of all queues; None if none is delayed."""
    row = tx.execute(_NEXT_DUE, (tx.ns,)).fetchone()
    return None if row is None else row[0]


def promote(database: Database, tx: Transaction) -> None:
    """Make ready what is due, the first due first, of all queues, but no more than a batch.

    Whichever worker comes first does it, also for queues and wishes that it does not serve.
    """
    queues: dict[int, list[tuple[int, int]]] = {}
    rows = tx.execute(_DUE, (tx.ns, tx.now, PROMOTION_BATCH)).fetchall()
    rows.sort()  # of those due at the same moment the one goes first that was delayed first
    for due, _, message, queue, wish in rows:
        queues.setdefault(queue, []).append((message, due))
        tx.wakes.add(Lane(database.queue_name(tx, queue), wish))
    tx.executemany(_PROMOTED, [(tx.ns, due, message) for due, _, message, _, _ in rows])
    for queue, messages in queues.items():
        make_ready(tx, queue, messages)


def lanes(tx: Transaction, worker: Worker) -> list[Lane]:
    """Lanes with something in them, for which to wake others in the place of a worker.

    A few of each wish, for sleepers that take from all queues, which any of these wakes. And those of the worker's own
    queues, for sleepers that name them too: a sleeper that names a queue is woken first when something comes there,
    so only another that names it can have left it.
    """
    rows = tx.execute(_FIRST_LANES, (tx.ns,) * len(CODES)).fetchall()
    for names in _pieces(worker.queues or ()):
        rows += tx.execute(_OWN_LANES.format(_marks(names)), (tx.ns, *names)).fetchall()
        if len(rows) >= _MOST_OWN:
            break
    return [Lane(name, code // 2, code % 2) for name, code in rows]
