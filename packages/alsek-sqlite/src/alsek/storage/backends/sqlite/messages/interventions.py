"""What anyone may do to a message, in whatever state it is: remove, reschedule, fail, revoke."""

from __future__ import annotations

from typing import Final, NamedTuple

from alsek.storage.backends.endings import End
from alsek.storage.backends.records import Retried, Submission, TaskStatus
from alsek.storage.backends.sqlite.database.rows import set_statuses
from alsek.storage.backends.sqlite.database.transaction import QUEUE, Transaction
from alsek.storage.backends.sqlite.messages import dead_letters, failed_parents
from alsek.storage.backends.sqlite.messages.becoming_ready import requeue
from alsek.storage.backends.sqlite.messages.bonds import bonds_of
from alsek.storage.backends.sqlite.messages.moved_messages import Ended
from alsek.storage.backends.sqlite.messages.submissions import insert
from alsek.storage.backends.sqlite.messages.transitions import end, free_key, leave_any, waits_behind

_FIND: Final = f"""
    SELECT id, queue, status_ttl, tail FROM messages WHERE ns = ? AND uuid = ? AND queue = {QUEUE}
"""  # noqa: S608
_HOLDER: Final = "SELECT w.name FROM claims AS c JOIN workers AS w ON w.id = c.worker WHERE c.message = ?"


class _Found(NamedTuple):
    message: int
    queue: int
    status_ttl: int
    tail: str


def _find(tx: Transaction, queue: str, uuid: str) -> _Found | None:
    row = tx.execute(_FIND, (tx.ns, uuid, tx.ns, queue)).fetchone()
    return None if row is None else _Found._make(row)


def remove(tx: Transaction, queue: str, uuid: str, waiting: bool) -> bool:
    """Delete a message; return True if it was stored. Its status becomes UNKNOWN, unless it is final.

    With `waiting`, one that a worker holds is left.
    """
    found = _find(tx, queue, uuid)
    if found is None or (waiting and tx.execute(_HOLDER, (found.message,)).fetchone() is not None):
        return False
    leave_any(tx, found.message)
    end(tx, [Ended(found.message, uuid, found.status_ttl, End.REMOVED, found.tail)])
    return True


def reschedule(tx: Transaction, retried: Retried) -> bool:
    """Delay a message for another attempt; return True if it was stored."""
    found = _find(tx, retried.queue, retried.uuid)
    if found is None:
        return False
    leave_any(tx, found.message)
    requeue(tx, found.message, found.queue, retried, found.tail)
    set_statuses(tx, [(retried.uuid, found.status_ttl)], TaskStatus.RETRYING)
    return True


def fail(
    tx: Transaction,
    queue: str,
    uuid: str,
    error: bytes,
    dlq_ttl: int,
    callback: Submission | None,
    unreachable: tuple[str, ...],
) -> bool:
    """Move a message to the dead letters; return True if it was stored, or is a dead letter already."""
    found = _find(tx, queue, uuid)
    if found is None:
        return dead_letters.exists(tx, queue, uuid)
    leave_any(tx, found.message)
    dead_letters.add(tx, found.message, error, dlq_ttl)
    ended = Ended(
        found.message, uuid, found.status_ttl, End.FAILED_BY_HAND, found.tail, error, dlq_ttl=dlq_ttl
    )
    end(tx, [ended])
    failed_parents.note(tx, unreachable, uuid)
    if callback is not None:
        insert(tx, callback, request="")
    return True


def revoke(tx: Transaction, queue: str, uuid: str) -> bool:
    """Mark a message as revoked, and notify its worker; if there is none, those who wait for its result.

    If no worker holds it, it holds its unique key no longer: it will not run.

    Returns:
        True if it was stored.
    """
    found = _find(tx, queue, uuid)
    if found is None:
        return False
    tx.execute("UPDATE messages SET revoked = 1 WHERE id = ?", (found.message,))
    holders = [name for (name,) in tx.execute(_HOLDER, (found.message,)).fetchall()]
    tx.revocations.extend(holders)
    if not holders:
        unique = bonds_of(found.tail).unique if found.tail else None
        if unique is not None and not waits_behind(tx, found.message, found.tail):
            free_key(tx, uuid, unique)
        tx.notes.append((f"results:{uuid}", b""))
    return True
