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

_DUE_OF: Final = "(SELECT d.due FROM delayed AS d WHERE d.queue = q.id ORDER BY d.due LIMIT 1)"


def _ready_in(lanes: Sequence[int]) -> str:
    numbers = ", ".join(f"q.id * 8 + {lane}" for lane in lanes)
    return f"EXISTS (SELECT 1 FROM ready AS r WHERE r.lane IN ({numbers}))"  # noqa: S608 - made of constants


#: Queues that hold nothing are left out; the others are known by number, or found by name.
_SURVEY: Final = {
    kind: f"SELECT q.id, q.name, {_DUE_OF}, {_ready_in(lanes)}, {_ready_in([lane + 1 for lane in lanes])} "  # noqa: S608
    "FROM queues AS q WHERE q.messages > 0 AND "
    for kind, lanes in PLAIN_LANES.items()
}
_ONE: Final = {kind: text + "q.id = ?" for kind, text in _SURVEY.items()}
_SOME: Final = {kind: text + "q.id IN ({})" for kind, text in _SURVEY.items()}
_ALL: Final = {kind: text + "q.ns = ? ORDER BY q.name" for kind, text in _SURVEY.items()}

_DUE: Final = "SELECT due, message FROM delayed WHERE queue = ? AND due <= ? ORDER BY due, message LIMIT ?"
_PROMOTED: Final = "DELETE FROM delayed WHERE queue = ? AND due = ? AND message = ?"
_WISHES: Final = "SELECT DISTINCT wish FROM messages WHERE id IN ({})"

_LANES: Final = """
    SELECT DISTINCT q.name, l.value / 2, l.value % 2
    FROM queues AS q, (SELECT 0 AS value UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4
        UNION ALL SELECT 5) AS l
    WHERE q.ns = ? AND q.messages > 0 AND EXISTS (SELECT 1 FROM ready AS r WHERE r.lane = q.id * 8 + l.value)
"""


class Outlook(NamedTuple):
    """One queue that holds messages.

    Attributes:
        number: Of the queue.
        name: Of the queue.
        due: When its next delayed message is due; None if none is delayed.
        plain: Whether something is ready that a worker of this kind may take.
        suspect: Whether a suspect is.
    """

    number: int
    name: str
    due: int | None
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


def soonest(outlooks: Sequence[Outlook]) -> Outlook | None:
    """The queue whose delayed message is due first."""
    delayed = [outlook for outlook in outlooks if outlook.due is not None]
    return min(delayed, key=_due, default=None)


def _due(outlook: Outlook) -> int:
    return outlook.due or 0


def promote(tx: Transaction, outlooks: Sequence[Outlook]) -> bool:
    """Make ready what is due in these queues, the first due first, but no more than a batch; whether any was."""
    due: list[tuple[int, int, Outlook]] = []
    for outlook in outlooks:
        if outlook.due is not None and outlook.due <= tx.now:
            rows = tx.execute(_DUE, (outlook.number, tx.now, PROMOTION_BATCH)).fetchall()
            due.extend((when, message, outlook) for when, message in rows)
    if not due:
        return False
    due.sort(key=_when)
    queues: dict[Outlook, list[tuple[int, int]]] = {}
    for when, message, outlook in due[:PROMOTION_BATCH]:
        queues.setdefault(outlook, []).append((when, message))
    for outlook, rows in queues.items():
        number, name = outlook.number, outlook.name
        tx.executemany(_PROMOTED, [(number, when, message) for when, message in rows])
        make_ready(tx, number, [(message, when) for when, message in rows])
        marks = ",".join("?" * len(rows))
        wishes = tx.execute(_WISHES.format(marks), [message for _, message in rows]).fetchall()
        tx.wakes.update(Lane(name, wish) for (wish,) in wishes)
    return True


def _when(entry: tuple[int, int, Outlook]) -> tuple[int, int]:
    return entry[0], entry[1]


def lanes(tx: Transaction) -> list[Lane]:
    """All lanes of the namespace with something in them."""
    rows = tx.execute(_LANES, (tx.ns,)).fetchall()
    return [Lane(name, wish, suspect) for name, wish, suspect in rows]
