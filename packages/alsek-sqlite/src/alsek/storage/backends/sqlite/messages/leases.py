"""Workers as the store knows them: their leases, and what becomes of what a lost one held."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from alsek.defaults import DEDUP_WINDOW
from alsek.exceptions import WorkerUnknownError
from alsek.storage.backends.records import TakenOver, TaskStatus, Worker
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.expiry import BUCKET
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.messages.transitions import give_back_all

_REGISTER: Final = """
    INSERT INTO workers (ns, name, lease, lease_end) VALUES (?, ?, ?, ?)
    ON CONFLICT (ns, name) DO UPDATE SET lease = excluded.lease, lease_end = excluded.lease_end
"""
_CONTACT: Final = "UPDATE namespaces SET contact = ? WHERE id = ?"
_LAST_CONTACT: Final = "SELECT contact FROM namespaces WHERE id = ?"
_SPARE: Final = """
    UPDATE workers SET lease_end = max(lease_end, ? + lease) WHERE ns = ? AND lease <= ?
"""
_LOST: Final = "SELECT lease_end, name, id FROM workers WHERE ns = ? AND lease_end <= ? AND id <> ?"
_FORGET: Final = "DELETE FROM workers WHERE id = ?"

_REMEMBER: Final = """
    INSERT OR REPLACE INTO finished (ns, bucket, uuid, request, at, done) VALUES (?, ?, ?, ?, ?, 0)
"""
_REMEMBERED: Final = """
    SELECT request FROM finished WHERE ns = ? AND bucket IN (?, ?, ?) AND uuid = ? AND at > ?
    ORDER BY bucket DESC LIMIT 1
"""

#: All that a step must know before it begins. The worker itself is never lost to itself: it is here.
_GLANCE: Final = """
    SELECT w.id, w.seq, n.contact, n.token, (SELECT d.due FROM delayed AS d WHERE d.ns = n.id ORDER BY d.due LIMIT 1),
        (SELECT l.lease_end FROM workers AS l WHERE l.ns = n.id AND l.id <> w.id ORDER BY l.lease_end LIMIT 1),
        EXISTS (SELECT 1 FROM messages AS m WHERE m.ns = n.id AND m.suspect = 1)
    FROM workers AS w JOIN namespaces AS n ON n.id = w.ns WHERE w.ns = ? AND w.name = ?
"""


class WorkerState(NamedTuple):
    """What the store knows of a worker, and whether there is anything unusual to do.

    Attributes:
        number: Of the worker.
        seq: Its last step that wrote anything; None before the first.
        contact: When a worker last reached the store.
        token: The last token given out.
        next_due: When the next delayed message is due; None if none is delayed.
        next_lost: When the next lease of another worker ends; None if there is no other.
        suspects: Whether there are suspects, in whatever state.
    """

    number: int
    seq: int | None
    contact: int
    token: int
    next_due: int | None
    next_lost: int | None
    suspects: int


def glance(tx: Transaction, worker: Worker) -> WorkerState:
    """What a step must know.

    Raises:
        WorkerUnknownError: The worker is not registered.
    """
    row = tx.execute(_GLANCE, (tx.ns, worker.id)).fetchone()
    if row is None:
        raise WorkerUnknownError(
            f"worker {worker.id} is not registered, or its lease ran out; it must register anew"
        )
    return WorkerState._make(row)


def number_of(tx: Transaction, worker: Worker) -> int | None:
    """The number of a worker; None if it is not registered."""
    row = tx.execute("SELECT id FROM workers WHERE ns = ? AND name = ?", (tx.ns, worker.id)).fetchone()
    return None if row is None else row[0]


def note_contact(tx: Transaction, contact: int | None = None) -> None:
    """A worker has reached the store. If none had for a whole lease, all get a new one: it was an outage."""
    last: int = tx.execute(_LAST_CONTACT, (tx.ns,)).fetchone()[0] if contact is None else contact
    tx.execute(_SPARE, (tx.now, tx.ns, tx.now - last))
    tx.execute(_CONTACT, (tx.now, tx.ns))


def register(tx: Transaction, worker: Worker) -> None:
    """Make a worker known, or renew its lease."""
    note_contact(tx)
    tx.execute(_REGISTER, (tx.ns, worker.id, worker.lease, tx.now + worker.lease))


def forget(tx: Transaction, number: int) -> None:
    """Know a worker no more."""
    tx.execute(_FORGET, (number,))


def remember_accepted(tx: Transaction, worker: Worker, tokens: Iterable[int]) -> None:
    """Keep for the window what a worker's retirement accepted, so that it can be sent again after a lost reply."""
    text = " ".join(map(str, sorted(tokens)))
    tx.execute(_REMEMBER, (tx.ns, tx.now // BUCKET, _memento(worker), text, tx.now))
    tx.gone += 1


def last_accepted(tx: Transaction, worker: Worker) -> list[int]:
    """The tokens that the retirement of this worker accepted, if that was within the window."""
    bucket = tx.now // BUCKET
    values = (tx.ns, bucket, bucket - 1, bucket - 2, _memento(worker), tx.now - DEDUP_WINDOW)
    row = tx.execute(_REMEMBERED, values).fetchone()
    return [] if row is None else [int(token) for token in row[0].split()]


def _memento(worker: Worker) -> str:
    # Its name in `finished`; no uuid has a line feed in it.
    return f"\n{worker.id}"


def take_over(database: Database, tx: Transaction, asking: int) -> list[TakenOver]:
    """Give back what workers hold whose lease has ended, with one loss more, and forget those workers."""
    taken_over: list[TakenOver] = []
    for _, name, number in sorted(tx.execute(_LOST, (tx.ns, tx.now, asking)).fetchall()):
        messages = give_back_all(database, tx, number, TaskStatus.RETRYING, losses=1)
        forget(tx, number)
        taken_over.append(TakenOver(name, messages))
    return taken_over
