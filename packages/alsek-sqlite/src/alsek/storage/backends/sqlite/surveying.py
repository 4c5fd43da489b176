"""Looking over the queues of a worker: where something is ready for it, and when the next delayed message is due."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from alsek.defaults import PROMOTION_BATCH
from alsek.storage.backends.records import Worker
from alsek.storage.backends.sqlite.claiming import PLAIN_LANES
from alsek.storage.backends.sqlite.database import Database
from alsek.storage.backends.sqlite.moving import make_ready
from alsek.storage.backends.sqlite.transaction import Lane, Transaction


def _ready_in(lanes: Sequence[int]) -> str:
    numbers = ", ".join(f"q.id * 8 + {lane}" for lane in lanes)
    return f"EXISTS (SELECT 1 FROM ready AS r WHERE r.lane IN ({numbers}))"  # noqa: S608 - made of constants


#: Queues that hold nothing are left out; the others are known by number, or found by name.
_SURVEY: Final = {
    kind: f"SELECT q.id, q.name, {_ready_in(lanes)}, {_ready_in([lane + 1 for lane in lanes])} "  # noqa: S608
    "FROM queues AS q WHERE q.messages > 0 AND "
    for kind, lanes in PLAIN_LANES.items()
}
_ONE: Final = {kind: text + "q.id = ?" for kind, text in _SURVEY.items()}
_SOME: Final = {kind: text + "q.id IN ({})" for kind, text in _SURVEY.items()}
_ALL: Final = {kind: text + "q.ns = ? ORDER BY q.name" for kind, text in _SURVEY.items()}

_NEXT_DUE: Final = "SELECT due FROM delayed WHERE ns = ? ORDER BY due LIMIT 1"
_DUE: Final = """
    SELECT d.due, m.arrival, d.message, m.queue, m.wish FROM delayed AS d JOIN messages AS m ON m.id = d.message
    WHERE d.ns = ? AND d.due <= ? ORDER BY d.due, d.message LIMIT ?
"""
_PROMOTED: Final = "DELETE FROM delayed WHERE ns = ? AND due = ? AND message = ?"

_LANES: Final = """
    SELECT q.name, l.value / 2, l.value % 2
    FROM queues AS q, (SELECT 0 AS value UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4
        UNION ALL SELECT 5) AS l
    WHERE q.ns = ? AND q.messages > 0 AND EXISTS (SELECT 1 FROM ready AS r WHERE r.lane = q.id * 8 + l.value)
    LIMIT 100
"""


class Outlook(NamedTuple):
    """One queue that holds messages.

    Attributes:
        number: Of the queue.
        name: Of the queue.
        plain: Whether something is ready that a worker of this kind may take.
        suspect: Whether a suspect is.
    """

    number: int
    name: str
    plain: int
    suspect: int


def survey(database: Database, tx: Transaction, worker: Worker) -> list[Outlook]:
    """The queues of a worker that hold messages, in its order."""
    names = worker.queues
    if names is None:
        outlooks = [Outlook._make(row) for row in tx.execute(_ALL[worker.kind], (tx.ns,)).fetchall()]
        database.learn(tx, [outlook[:2] for outlook in outlooks])
        return outlooks
    numbers = [number for name in names if (number := database.queue_id(tx, name)) is not None]
    if len(numbers) == 1:
        rows = tx.execute(_ONE[worker.kind], numbers).fetchall()
        return [Outlook._make(row) for row in rows]
    marks = ",".join("?" * len(numbers))
    rows = tx.execute(_SOME[worker.kind].format(marks), numbers).fetchall()
    found = {row[0]: Outlook._make(row) for row in rows}
    return [found.pop(number) for number in numbers if number in found]


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


def lanes(tx: Transaction) -> list[Lane]:
    """The lanes of the namespace with something in them: all, unless there are very many; enough to wake by."""
    rows = tx.execute(_LANES, (tx.ns,)).fetchall()
    return [Lane(name, wish, suspect) for name, wish, suspect in rows]
