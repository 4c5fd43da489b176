"""The moves of a message between ready, delayed and claimed, and out of the store."""

from __future__ import annotations

from typing import Final

from alsek.storage.backends.records import TaskStatus
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.expiry import BUCKET
from alsek.storage.backends.sqlite.database.rows import set_statuses
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.lanes import Lane
from alsek.storage.backends.sqlite.messages.submissions import announce_due

#: Back to its old place; its lifetime begins anew, unless it was over.
_PUT_BACK: Final = """
    INSERT INTO ready (lane, priority, arrival, message)
    SELECT queue * 8 + wish * 2 + suspect, priority, arrival, id FROM messages WHERE id = ?
"""
_RESUMED: Final = """
    UPDATE messages SET losses = losses + :losses, suspect = max(suspect, :suspect),
        expiry = CASE WHEN ttl > 0 AND NOT :expired THEN :now + ttl ELSE expiry END
    WHERE id = :message AND (:losses OR :suspect OR ttl > 0)
"""
_PLACE: Final = "SELECT wish, suspect FROM messages WHERE id = ?"

_UNREADY: Final = """
    DELETE FROM ready WHERE (lane, priority, arrival) = (
        SELECT queue * 8 + wish * 2 + suspect, priority, arrival FROM messages WHERE id = :message)
    AND message = :message
"""
_UNDELAY: Final = """
    DELETE FROM delayed WHERE (ns, due, message) = (SELECT ns, due, id FROM messages WHERE id = ?)
"""
_UNCLAIM: Final = "DELETE FROM claims WHERE message = ?"

_REPLACE: Final = """
    UPDATE messages SET payload = ?, due = ?, suspect = 0, ttl = 0, expiry = NULL WHERE id = ? RETURNING wish
"""
_DELAYED: Final = "INSERT INTO delayed (ns, due, message) VALUES (?, ?, ?)"

_ARRIVE: Final = "UPDATE queues SET arrivals = arrivals + ? WHERE id = ? RETURNING arrivals"
_NEW_PLACE: Final = """
    UPDATE messages SET arrival = ?, due = NULL, expiry = CASE WHEN ttl > 0 THEN ? + ttl END WHERE id = ?
"""


def give_back(
    database: Database,
    tx: Transaction,
    message: int,
    queue: int,
    *,
    expired: bool,
    losses: int = 0,
    suspect: bool = False,
) -> None:
    """Make a message ready that is in no table but `messages`: at its old place, for a new lifetime.

    One that had `expired` when it was claimed remains so.
    """
    values = {"losses": losses, "suspect": int(suspect), "expired": int(expired), "now": tx.now}
    tx.execute(_RESUMED, {**values, "message": message})
    tx.execute(_PUT_BACK, (message,))
    wish, is_suspect = tx.execute(_PLACE, (message,)).fetchone()
    tx.wakes.add(Lane(database.queue_name(tx, queue), wish, is_suspect))


def requeue(
    database: Database, tx: Transaction, message: int, queue: int, payload: bytes, delay: int
) -> None:
    """Delay a message that is in no table but `messages`, with another payload; without a delay it is ready."""
    due = tx.now + delay if delay > 0 else None
    ((wish,),) = tx.execute(_REPLACE, (payload, due, message)).fetchall()
    name = database.queue_name(tx, queue)
    if due is None:
        make_ready(tx, queue, [(message, tx.now)])
        tx.wakes.add(Lane(name, wish))
    else:
        # Of those due at the same moment, whichever was delayed first has the lower arrival number.
        ((arrival,),) = tx.execute(_ARRIVE, (1, queue)).fetchall()
        tx.execute("UPDATE messages SET arrival = ? WHERE id = ?", (arrival, message))
        tx.execute(_DELAYED, (tx.ns, due, message))
        announce_due(tx, message, name, wish)


def make_ready(tx: Transaction, queue: int, messages: list[tuple[int, int]]) -> None:
    """Make messages of one queue ready that are in no table but `messages`, behind all that are.

    Args:
        tx: Within this transaction.
        queue: Its number.
        messages: The number of each, and since when it counts as ready.
    """
    ((last,),) = tx.execute(_ARRIVE, (len(messages), queue)).fetchall()
    first = last - len(messages) + 1
    tx.executemany(_NEW_PLACE, [(first + n, since, message) for n, (message, since) in enumerate(messages)])
    tx.executemany(_PUT_BACK, [(message,) for message, _ in messages])


def set_aside(tx: Transaction, message: int) -> str:
    """Take a message from wherever it stands, a claim on it included; where it stood."""
    if tx.execute(_UNREADY, {"message": message}).rowcount == 1:
        return "ready"
    if tx.execute(_UNDELAY, (message,)).rowcount == 1:
        return "delayed"
    tx.execute(_UNCLAIM, (message,))
    return "claimed"


def drop(tx: Transaction, messages: list[int], *, done: bool) -> None:
    """Delete messages that are in no table but `messages`, remembering their uuids.

    Args:
        tx: Within this transaction.
        messages: Their numbers.
        done: Their uuids may not be submitted anew for a while: their holders finished them.
    """
    marks = ",".join("?" * len(messages))
    tx.execute(
        "INSERT OR REPLACE INTO finished (ns, bucket, uuid, request, at, done) "  # noqa: S608 - only question marks
        f"SELECT ns, ?, uuid, request, ?, ? FROM messages WHERE id IN ({marks})",
        (tx.now // BUCKET, tx.now, int(done), *messages),
    )
    tx.execute(f"DELETE FROM messages WHERE id IN ({marks})", messages)  # noqa: S608
    tx.gone += len(messages)


def give_back_all(
    database: Database, tx: Transaction, worker: int, status: TaskStatus, *, losses: int = 0
) -> int:
    """Give back all that a worker holds; how many messages that is."""
    rows = tx.execute(
        "DELETE FROM claims WHERE worker = ? RETURNING message, queue, uuid, status_ttl, expired", (worker,)
    ).fetchall()
    for message, queue, _, _, expired in rows:
        give_back(database, tx, message, queue, expired=bool(expired), losses=losses)
    set_statuses(tx, [(uuid, ttl) for _, _, uuid, ttl, _ in rows], status)
    return len(rows)
