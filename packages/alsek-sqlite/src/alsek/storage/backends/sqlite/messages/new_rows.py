"""The rows of new messages, and what is known of a uuid that is not new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alsek.defaults import DEDUP_WINDOW
from alsek.exceptions import ValidationError
from alsek.storage.backends.header import RECORD_VERSION
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

_IS_NEW: Final = """
    SELECT NOT EXISTS (SELECT 1 FROM messages WHERE ns = :ns AND uuid = :uuid) AND coalesce((
        SELECT done = 0 AND (request <> :request OR request = '') FROM finished
        WHERE ns = :ns AND bucket IN (:bucket, :bucket - 1, :bucket - 2) AND uuid = :uuid AND at > :since
        ORDER BY bucket DESC LIMIT 1), 1)
"""
_REMEMBER: Final = """
    INSERT OR REPLACE INTO finished (ns, bucket, uuid, request, at, done) VALUES (?, ?, ?, ?, ?, 0)
"""
_STORED_AS: Final = """
    SELECT request FROM finished WHERE ns = ? AND bucket IN (?, ?, ?) AND uuid = ? AND at > ?
    ORDER BY bucket DESC LIMIT 1
"""

#: The request of the stored message, or of the one of this uuid that ended last; and the state of the stored one.
_PRESENT: Final = f"""
    SELECT coalesce(
        (SELECT request FROM messages WHERE ns = :ns AND uuid = :uuid),
        (SELECT request FROM finished
         WHERE ns = :ns AND bucket IN (:bucket, :bucket - 1, :bucket - 2) AND uuid = :uuid AND at > :since
         ORDER BY bucket DESC LIMIT 1)),
        (SELECT {STATE} FROM messages AS m WHERE m.ns = :ns AND m.uuid = :uuid)
"""  # noqa: S608


def insert_row(
    tx: Transaction,
    submission: Submission,
    request: str,
    tail: str,
    *,
    anew: bool = False,
    by_hand: bool = False,
) -> int | None:
    """Store the row of a message if its uuid is new.

    Args:
        tx: The transaction.
        submission: The message.
        request: The request that submits it; empty for a callback, which the store submits itself.
        tail: The tail of its header.
        anew: The uuid counts as new also if a message of it has just ended: this is that message again.
        by_hand: The caller is to place it. Otherwise triggers make it ready or delayed, and count it.

    Returns:
        Its id; None if its uuid is not new.
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
        -1 if by_hand else due,
        ttl,
        now + ttl if ttl and due is None else None,
        status_ttl,
        RECORD_VERSION,
        tail,
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
            return None
        # The queue is new, or its row was deleted by a sweep.
        cursor = tx.execute(_INSERT, row)
        if cursor.rowcount != 1:
            return None
    message = cursor.lastrowid or 0
    if named and not anew:
        clear_traces(tx, uuid, queue)
    if submission.joins:
        hold(tx, submission.joins)
    if status_ttl:
        set_status(tx, uuid, TaskStatus.SUBMITTED, status_ttl)
    if by_hand:
        return message
    if due is None:
        tx.wake(Lane(queue, code))
    else:
        wake_for_due(tx, message, Lane(queue, code))
    return message


def answer(tx: Transaction, uuid: str, request: str) -> Added:
    """Return the answer to a submission whose uuid is not new."""
    known, state = _present(tx, uuid)
    return ACCEPTED if request and known == request else Added(False, uuid, state or "finished")


def with_states_now(tx: Transaction, answers: Sequence[Added]) -> list[Added]:
    """Return answers with the states that messages have now because of which submissions were refused."""
    return [
        each if each.accepted else each._replace(state=_present(tx, each.existing)[1] or "finished")
        for each in answers
    ]


def is_new(tx: Transaction, uuid: str, request: str, *, anew: bool) -> bool:
    """Return True if :func:`insert_row` would store a message of this uuid."""
    values = {
        "ns": tx.ns,
        "uuid": uuid,
        "request": request,
        "bucket": tx.now // BUCKET_MS,
        "since": _LARGEST if anew else tx.now - DEDUP_WINDOW,
    }
    (found,) = tx.execute(_IS_NEW, values).fetchone()
    return bool(found)


def note_replaced(tx: Transaction, uuid: str, request: str, stored_as: str) -> None:
    """Remember that this request submitted a message of this uuid, which was stored under another one."""
    if request:
        bucket = tx.now // BUCKET_MS
        rows = [
            (tx.ns, bucket, uuid, request, tx.now),
            (tx.ns, bucket, _name_of_replaced(uuid, request), stored_as, tx.now),
        ]
        tx.executemany(_REMEMBER, rows)
        tx.finished_count += len(rows)


def replaced_by(tx: Transaction, uuid: str, request: str) -> str:
    """Return under which other uuid the message that this request submitted was stored; empty if it was not."""
    bucket = tx.now // BUCKET_MS
    values = (tx.ns, bucket, bucket - 1, bucket - 2, _name_of_replaced(uuid, request), tx.now - DEDUP_WINDOW)
    row = tx.execute(_STORED_AS, values).fetchone()
    return "" if row is None else row[0]


def _name_of_replaced(uuid: str, request: str) -> str:
    return f"\n={request}\n{uuid}"  # no uuid begins with a line feed, no worker's id with an equals sign


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
