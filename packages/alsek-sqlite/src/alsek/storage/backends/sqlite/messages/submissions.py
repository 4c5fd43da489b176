"""Stores new messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alsek.defaults import DEDUP_WINDOW
from alsek.exceptions import ValidationError
from alsek.storage.backends.header import RECORD_VERSION, submission_tail
from alsek.storage.backends.records import ACCEPTED, Added, Submission, TaskStatus
from alsek.storage.backends.sqlite.database.expiry import BUCKET_MS
from alsek.storage.backends.sqlite.database.rows import clear_traces, set_status
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.lanes import WISH_NUMBERS, Lane
from alsek.storage.backends.sqlite.messages.groups import hold
from alsek.storage.backends.sqlite.messages.transitions import STATE, wake_for_due
from alsek.storage.backends.states import MessageState

#: The largest integer of SQLite.
_LARGEST: Final = 2**63 - 1

#: Stores a message behind those of its queue, unless its uuid is taken: by a stored message or one that has just ended.
#: The triggers of schema.sql make it ready or delayed, and count it.
_INSERT: Final = """
    INSERT INTO messages
        (ns, queue, uuid, request, priority, wish, arrival, due, ttl, expiry, status_ttl, version, tail, payload)
    SELECT ns, id, ?, ?, ?, ?, arrivals + 1, ?, ?, ?, ?, ?, ?, ?
    FROM queues WHERE queues.ns = ? AND queues.name = ?
    AND coalesce((
        SELECT done = 0 AND (request <> ? OR request = '') FROM finished
        WHERE finished.ns = ? AND bucket IN (?, ?, ?) AND uuid = ? AND at > ?
        ORDER BY bucket DESC LIMIT 1), 1)
    ON CONFLICT (ns, uuid) DO NOTHING
"""

_MAKE_QUEUE: Final = "INSERT INTO queues (ns, name) VALUES (?, ?) ON CONFLICT (ns, name) DO NOTHING"

#: The request of the stored message, or of the one of this uuid that ended last; and the state of the stored one.
_PRESENT: Final = f"""
    SELECT coalesce(
        (SELECT request FROM messages WHERE ns = :ns AND uuid = :uuid),
        (SELECT request FROM finished
         WHERE ns = :ns AND bucket IN (:bucket, :bucket - 1, :bucket - 2) AND uuid = :uuid AND at > :since
         ORDER BY bucket DESC LIMIT 1)),
        (SELECT {STATE} FROM messages AS m WHERE m.ns = :ns AND m.uuid = :uuid)
"""  # noqa: S608


def add(tx: Transaction, submissions: Sequence[Submission], request: str) -> list[Added]:
    """Store messages whose uuid is new, or was submitted by the same request before."""
    return [
        ACCEPTED if insert(tx, submission, request) else _answer(tx, submission.uuid, request)
        for submission in submissions
    ]


def _answer(tx: Transaction, uuid: str, request: str) -> Added:
    """Return the answer to a submission whose uuid is not new."""
    known, state = _present(tx, uuid)
    return ACCEPTED if request and known == request else Added(False, uuid, state or "finished")


def insert(tx: Transaction, submission: Submission, request: str, *, anew: bool = False) -> bool:
    """Store one message if its uuid is new; return True if it was.

    Args:
        tx: The transaction.
        submission: The message.
        request: The request that submits it; empty for a callback, which the store submits itself.
        anew: The uuid counts as new also if a message of it has just ended: this is that message again.
    """
    uuid, queue, payload, priority, wish, delay, ttl, status_ttl, named = submission[:9]
    if priority > _LARGEST:
        raise ValidationError(
            f"priority {priority} of message {uuid}: SQLite stores integers up to {_LARGEST}"
        )
    now = tx.now
    due = now + delay if delay > 0 else None
    code = WISH_NUMBERS[wish]
    bucket = now // BUCKET_MS
    row = (
        uuid,
        request,
        priority,
        code,
        due,
        ttl,
        now + ttl if ttl and due is None else None,
        status_ttl,
        RECORD_VERSION,
        "" if submission_tail is None else submission_tail(submission),
        payload if type(payload) is bytes else bytes(payload),
        tx.ns,
        queue,
        request,
        tx.ns,
        bucket,
        bucket - 1,
        bucket - 2,
        uuid,
        # Since when an ended message is looked for; none ends at the largest time.
        _LARGEST if anew else now - DEDUP_WINDOW,
    )
    cursor = tx.execute(_INSERT, row)
    if cursor.rowcount != 1:
        if not make_queue(tx, queue):
            return False
        # The queue is new, or its row was deleted by a sweep.
        cursor = tx.execute(_INSERT, row)
        if cursor.rowcount != 1:
            return False
    message = cursor.lastrowid or 0
    if named and not anew:
        clear_traces(tx, uuid, queue)
    if submission.joins:
        hold(tx, submission.joins)
    if status_ttl:
        set_status(tx, uuid, TaskStatus.SUBMITTED, status_ttl)
    if due is None:
        tx.wake(Lane(queue, code))
    else:
        wake_for_due(tx, message, Lane(queue, code))
    return True


def make_queue(tx: Transaction, queue: str) -> bool:
    """Make the row of a queue; return False if there is one."""
    return tx.execute(_MAKE_QUEUE, (tx.ns, queue)).rowcount == 1


def same_request(tx: Transaction, uuid: str, request: str) -> bool:
    """Return True if the message of this uuid, stored or just ended, was submitted by this request."""
    known, _ = _present(tx, uuid)
    return bool(request) and known == request


def _present(tx: Transaction, uuid: str) -> tuple[str | None, MessageState | None]:
    """Return the request of the message of this uuid, stored or just ended; and its state if it is stored."""
    values = {
        "ns": tx.ns,
        "uuid": uuid,
        "bucket": tx.now // BUCKET_MS,
        "since": tx.now - DEDUP_WINDOW,
    }
    request, state = tx.execute(_PRESENT, values).fetchone()
    return request, state
