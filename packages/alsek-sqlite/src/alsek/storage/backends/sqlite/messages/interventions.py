"""What anyone may do to a message, whoever holds it."""

from __future__ import annotations

from typing import Final, NamedTuple

from alsek.storage.backends.records import REPLAYED, Submission, TaskStatus
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.rows import add_dead_letter, set_statuses
from alsek.storage.backends.sqlite.database.transaction import QUEUE, Transaction
from alsek.storage.backends.sqlite.messages.submissions import insert, same_request
from alsek.storage.backends.sqlite.messages.transitions import drop, requeue, set_aside

_FIND: Final = f"SELECT id, queue, status_ttl FROM messages WHERE ns = ? AND uuid = ? AND queue = {QUEUE}"  # noqa: S608
_HOLDER: Final = "SELECT w.name FROM claims AS c JOIN workers AS w ON w.id = c.worker WHERE c.message = ?"
_HAS_ENDED: Final = "SELECT 1 FROM statuses WHERE ns = ? AND uuid = ? AND status IN (?, ?)"
_DEAD: Final = (
    f"SELECT id, died_at FROM dead WHERE queue = {QUEUE} AND uuid = ? AND (expiry IS NULL OR expiry > ?)"  # noqa: S608
)
_PURGE: Final = f"DELETE FROM dead WHERE queue = {QUEUE} RETURNING expiry"  # noqa: S608
_PURGE_ONE: Final = f"DELETE FROM dead WHERE queue = {QUEUE} AND uuid = ? RETURNING expiry"  # noqa: S608


class _Found(NamedTuple):
    message: int
    queue: int
    status_ttl: int


def _find(tx: Transaction, queue: str, uuid: str) -> _Found | None:
    row = tx.execute(_FIND, (tx.ns, uuid, tx.ns, queue)).fetchone()
    return None if row is None else _Found._make(row)


def remove(tx: Transaction, queue: str, uuid: str) -> bool:
    """Delete a message; whether it was there. Its status is UNKNOWN then, unless it tells of an end."""
    found = _find(tx, queue, uuid)
    if found is None:
        return False
    set_aside(tx, found.message)
    drop(tx, [found.message], done=False)
    if tx.execute(_HAS_ENDED, (tx.ns, uuid, TaskStatus.FAILED, TaskStatus.SUCCEEDED)).fetchone() is None:
        set_statuses(tx, [(uuid, found.status_ttl)], TaskStatus.UNKNOWN)
    tx.notes.append((f"results:{uuid}", b""))
    return True


def reschedule(
    database: Database, tx: Transaction, queue: str, uuid: str, payload: bytes, delay: int
) -> bool:
    """Give a message another payload and delay it; whether it was there."""
    found = _find(tx, queue, uuid)
    if found is None:
        return False
    set_aside(tx, found.message)
    requeue(database, tx, found.message, found.queue, payload, delay)
    set_statuses(tx, [(uuid, found.status_ttl)], TaskStatus.RETRYING)
    return True


def fail(tx: Transaction, queue: str, uuid: str, error: bytes, dlq_ttl: int) -> bool:
    """Move a message to the dead letters; whether it was there, or is there already."""
    found = _find(tx, queue, uuid)
    if found is None:
        return _find_dead(tx, queue, uuid) is not None
    set_aside(tx, found.message)
    add_dead_letter(tx, found.message, error, dlq_ttl)
    drop(tx, [found.message], done=False)
    set_statuses(tx, [(uuid, found.status_ttl)], TaskStatus.FAILED)
    tx.notes.append((f"results:{uuid}", b""))
    return True


def revoke(tx: Transaction, queue: str, uuid: str) -> bool:
    """Mark a message as revoked, and tell its holder or those who wait for the result; whether it was there."""
    found = _find(tx, queue, uuid)
    if found is None:
        return False
    tx.execute("UPDATE messages SET revoked = 1 WHERE id = ?", (found.message,))
    holders = [name for (name,) in tx.execute(_HOLDER, (found.message,)).fetchall()]
    tx.calls.extend(holders)
    if not holders:
        tx.notes.append((f"results:{uuid}", b""))
    return True


class _Dead(NamedTuple):
    number: int
    died_at: int


def _find_dead(tx: Transaction, queue: str, uuid: str) -> _Dead | None:
    row = tx.execute(_DEAD, (tx.ns, queue, uuid, tx.now)).fetchone()
    return None if row is None else _Dead._make(row)


def replay(tx: Transaction, submission: Submission, died_at: int) -> bool:
    """Take the dead letter of that time back as this message; whether it was, now or before."""
    dead = _find_dead(tx, submission.queue, submission.uuid)
    if dead is None or dead.died_at != died_at:
        return same_request(tx, submission.uuid, REPLAYED)
    if not insert(tx, submission, request=REPLAYED, anew=True):
        return False
    tx.execute("DELETE FROM dead WHERE id = ?", (dead.number,))
    return True


def purge(tx: Transaction, queue: str, uuid: str | None) -> int:
    """Delete one dead letter of a queue, or all; how many that could still be seen."""
    if uuid is None:
        rows = tx.execute(_PURGE, (tx.ns, queue)).fetchall()
    else:
        rows = tx.execute(_PURGE_ONE, (tx.ns, queue, uuid)).fetchall()
    return sum(expiry is None or expiry > tx.now for (expiry,) in rows)
