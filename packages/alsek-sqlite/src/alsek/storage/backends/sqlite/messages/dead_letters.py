"""Dead letters: moves messages to them, reads them, and takes them back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from alsek.storage.backends.corrupt_records import error_details
from alsek.storage.backends.endings import End
from alsek.storage.backends.header import tail_values
from alsek.storage.backends.records import ACCEPTED, REPLAYED, Added, Corrupt, DeadLetter, Submission
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.rows import end_of
from alsek.storage.backends.sqlite.database.transaction import QUEUE, Transaction
from alsek.storage.backends.sqlite.messages import failed_parents, reports
from alsek.storage.backends.sqlite.messages.moved_messages import Ended
from alsek.storage.backends.sqlite.messages.new_rows import same_request
from alsek.storage.backends.sqlite.messages.submissions import add_one
from alsek.storage.backends.sqlite.messages.transitions import end, mark_reported

#: How many rows one read looks at: while a read lasts, the log can't be written back.
_PIECE: Final = 500

_NOT_EXPIRED: Final = "(expiry IS NULL OR expiry > ?)"
_INSERT: Final = """
    INSERT OR REPLACE INTO dead (ns, queue, uuid, error, died_at, expiry, tail, payload)
    SELECT ns, queue, uuid, ?, ?, ?, tail, CAST(payload AS BLOB) FROM messages WHERE id = ?
"""
_FIND: Final = f"SELECT id, died_at FROM dead WHERE queue = {QUEUE} AND uuid = ? AND {_NOT_EXPIRED}"  # noqa: S608
_GET: Final = f"""
    SELECT uuid, payload, error, died_at, tail FROM dead WHERE queue = {QUEUE} AND uuid = ? AND {_NOT_EXPIRED}
"""  # noqa: S608
#: One search for each queue of the namespace, in alphabetical order.
_OF_UUID: Final = """
    SELECT q.name, d.uuid, d.payload, d.error, d.died_at, d.tail
    FROM queues AS q CROSS JOIN dead AS d ON d.queue = q.id
    WHERE q.ns = ? AND d.uuid = ? AND (d.expiry IS NULL OR d.expiry > ?) ORDER BY q.name
"""
_COUNT: Final = f"SELECT count(*) FROM dead WHERE queue = {QUEUE} AND {_NOT_EXPIRED}"  # noqa: S608
_QUEUES: Final = f"""
    SELECT q.name FROM queues AS q
    WHERE q.ns = ? AND EXISTS (SELECT 1 FROM dead WHERE queue = q.id AND {_NOT_EXPIRED})
"""  # noqa: S608
#: The last of a queue. An id may be given out again once the letter is deleted, so the time counts as well.
_LAST: Final = f"SELECT queue, max(id), max(died_at) FROM dead WHERE queue = {QUEUE}"  # noqa: S608
_BROWSE: Final = f"""
    SELECT id, uuid, payload, error, died_at, tail FROM dead
    WHERE +queue = ? AND id > ? AND id <= ? AND died_at <= ? AND {_NOT_EXPIRED} ORDER BY id LIMIT {_PIECE}
"""  # noqa: S608
_PURGE: Final = f"DELETE FROM dead WHERE queue = {QUEUE} RETURNING expiry, uuid"  # noqa: S608
_PURGE_ONE: Final = f"DELETE FROM dead WHERE queue = {QUEUE} AND uuid = ? RETURNING expiry, uuid"  # noqa: S608


class _Found(NamedTuple):
    id: int
    died_at: int


def add(tx: Transaction, message: int, error: bytes, dlq_ttl: int) -> None:
    """Copy a stored message to the dead letters, unless `dlq_ttl` is 0."""
    if dlq_ttl:
        tx.execute(_INSERT, (error, tx.now, end_of(tx.now, dlq_ttl), message))


def reject(tx: Transaction, message: int, status_ttl: int, corrupt: Corrupt, dlq_ttl: int, tail: str) -> None:
    """Move a message that can't be read, and that is in no state, to the dead letters."""
    error = error_details(corrupt)
    add(tx, message, error, dlq_ttl)
    end(tx, [Ended(message, corrupt.uuid, status_ttl, End.CORRUPT, tail, error, dlq_ttl=dlq_ttl)])


def get(tx: Transaction, queue: str, uuid: str) -> DeadLetter | None:
    """Return a dead letter, or None."""
    row = tx.execute(_GET, (tx.ns, queue, uuid, tx.now)).fetchone()
    return None if row is None else _dead_letter(queue, row)


def of_uuid(tx: Transaction, uuid: str) -> list[DeadLetter]:
    """Return the dead letters of a uuid, by queue."""
    rows = tx.execute(_OF_UUID, (tx.ns, uuid, tx.now)).fetchall()
    return [_dead_letter(queue, row) for queue, *row in rows]


def _dead_letter(queue: str, row: Sequence[Any]) -> DeadLetter:
    uuid, payload, error, died_at, tail = row
    return DeadLetter(uuid, queue, payload, error, died_at, **tail_values(DeadLetter, tail))


def browse(database: Database, queue: str) -> Iterator[DeadLetter]:
    """Iterate over the dead letters that a queue has when the iteration begins, oldest first."""
    number, *bounds = database.read(lambda tx: tx.execute(_LAST, (tx.ns, queue)).fetchone())
    last = -1
    while number is not None:
        values = (number, last, *bounds)
        rows = database.read(lambda tx: tx.execute(_BROWSE, (*values, tx.now)).fetchall())  # noqa: B023 - runs at once
        for _, *row in rows:
            yield _dead_letter(queue, row)
        if len(rows) < _PIECE:
            return
        last = rows[-1][0]


def queues(tx: Transaction) -> list[str]:
    """Return the queues that have dead letters, in alphabetical order."""
    return sorted(name for (name,) in tx.execute(_QUEUES, (tx.ns, tx.now)).fetchall())


def count(tx: Transaction, queue: str) -> int:
    """Return how many dead letters a queue has."""
    (found,) = tx.execute(_COUNT, (tx.ns, queue, tx.now)).fetchone()
    return int(found)


def exists(tx: Transaction, queue: str, uuid: str) -> bool:
    """Return True if there is this dead letter."""
    return _find(tx, queue, uuid) is not None


def _find(tx: Transaction, queue: str, uuid: str) -> _Found | None:
    row = tx.execute(_FIND, (tx.ns, queue, uuid, tx.now)).fetchone()
    return None if row is None else _Found._make(row)


def replay(tx: Transaction, submission: Submission, died_at: int, unreachable: tuple[str, ...]) -> Added:
    """Store this message in place of its dead letter of that time; accepted if this was done, now or before.

    It is in no group. The notes of the `unreachable` callbacks are deleted.
    """
    found = _find(tx, submission.queue, submission.uuid)
    if found is None or found.died_at != died_at:
        return ACCEPTED if same_request(tx, submission.uuid, REPLAYED) else Added(False)
    added = add_one(tx, submission._replace(group=None), request=REPLAYED, anew=True)
    if not added.accepted:
        return added
    tx.execute("DELETE FROM dead WHERE id = ?", (found.id,))
    failed_parents.forget(tx, unreachable)
    if reports.take_up_again(tx, submission.uuid):
        mark_reported(tx, submission.uuid)
    return ACCEPTED


def purge(tx: Transaction, queue: str, uuid: str | None) -> int:
    """Delete one dead letter of a queue, or all, with what is kept of reports; return how many had not expired."""
    if uuid is None:
        rows = tx.execute(_PURGE, (tx.ns, queue)).fetchall()
    else:
        rows = tx.execute(_PURGE_ONE, (tx.ns, queue, uuid)).fetchall()
    reports.drop(tx, [each for _, each in rows])
    return sum(expiry is None or expiry > tx.now for expiry, _ in rows)
