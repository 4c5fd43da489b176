"""Copies dead letters, results, statuses, values and schedules, and takes them out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from alsek.storage.backends.copies import (
    Copy,
    CopyKind,
    DeadLetterCopy,
    Page,
    ResultCopy,
    ScheduleCopy,
    StatusCopy,
    Unreadable,
    ValueCopy,
    page_of,
)
from alsek.storage.backends.records import TaskStatus
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.messages import reports


class _Table(NamedTuple):
    """How the things of a kind are read and deleted.

    Attributes:
        page: The statement that selects the next ones: where they stand in the order, then the columns of a copy. It
            takes `ns`, `now`, the place of the last one (:attr:`first` at the beginning) and how many.
        first: A place before all others.
        find: The statement that selects the columns of one copy; it takes `ns`, `now`, queue and key.
        delete: The statement that deletes it; it takes `ns`, queue and key.
        copy: Makes a copy of the columns; takes the transaction too.
    """

    page: str
    first: int | str
    find: str
    delete: str
    copy: Callable[[Transaction, Sequence[Any]], Copy | Unreadable]


_STATUSES: Final = frozenset(TaskStatus)


def status_copy(row: Sequence[Any]) -> StatusCopy | Unreadable:
    """Copy a status, given as uuid, status, details, time and expiry."""
    uuid, status, details, at, expiry = row
    if status not in _STATUSES:
        return Unreadable(uuid, f"its status is {status!r}")
    return StatusCopy(uuid, status, details, at, expiry, repr((status, details, at)).encode())


def _status_copy(_: Transaction, row: Sequence[Any]) -> StatusCopy | Unreadable:
    return status_copy(row)


def _letter_copy(tx: Transaction, row: Sequence[Any]) -> DeadLetterCopy:
    number, uuid, queue, payload, error, died_at, expiry, tail = row
    report = reports.copy(tx, uuid, stored=False) if reports.is_reported(tail) else None
    return DeadLetterCopy(
        uuid, queue, payload, error, died_at, expiry, tail, repr((number, died_at)).encode(), report
    )


def _result_copy(_: Transaction, row: Sequence[Any]) -> ResultCopy:
    number, uuid, payload, at, token, progenitor, expiry = row
    mark = repr((number, at, token, progenitor)).encode()
    return ResultCopy(uuid, payload, at, token, progenitor, expiry, mark)


def _value_copy(_: Transaction, row: Sequence[Any]) -> ValueCopy:
    name, value, expiry = row
    return ValueCopy(name, value, expiry, value)


def _schedule_copy(_: Transaction, row: Sequence[Any]) -> ScheduleCopy:
    return ScheduleCopy._make((*row, repr(tuple(row)).encode()))


_LETTER: Final = (
    "d.id, d.uuid, q.name, CAST(d.payload AS BLOB), CAST(d.error AS BLOB), d.died_at, d.expiry, d.tail"
)
_RESULT: Final = "id, uuid, CAST(payload AS BLOB), at, token, progenitor, expiry"
_STATUS: Final = "uuid, status, details, at, expiry"
_SCHEDULE: Final = "name, revision, definition, next_at, last_at, last_uuid, paused_by, paused_since"
_ALIVE: Final = "(expiry IS NULL OR expiry > :now)"

#: A page is read in the order of its key: with a sort of all that is left, a move would take time as the square of it.
#: The plus keeps SQLite from such an index.
_TABLES: Final = {
    CopyKind.DEAD_LETTER: _Table(
        f"""SELECT d.id, {_LETTER} FROM dead AS d CROSS JOIN queues AS q ON q.id = d.queue
            WHERE d.id > :after AND q.ns = :ns AND {_ALIVE} ORDER BY d.id LIMIT :most""",  # noqa: S608
        -1,
        f"""SELECT {_LETTER} FROM dead AS d JOIN queues AS q ON q.id = d.queue
            WHERE q.ns = :ns AND q.name = :queue AND d.uuid = :key AND {_ALIVE}""",  # noqa: S608
        "DELETE FROM dead WHERE queue = (SELECT id FROM queues WHERE ns = :ns AND name = :queue) AND uuid = :key",
        _letter_copy,
    ),
    CopyKind.RESULT: _Table(
        f"""SELECT id, {_RESULT} FROM results
            WHERE id > :after AND +ns = :ns AND {_ALIVE} ORDER BY id LIMIT :most""",  # noqa: S608
        -1,
        f"SELECT {_RESULT} FROM results WHERE ns = :ns AND uuid = :key AND {_ALIVE}",  # noqa: S608
        "DELETE FROM results WHERE ns = :ns AND uuid = :key",
        _result_copy,
    ),
    CopyKind.STATUS: _Table(
        f"""SELECT uuid, {_STATUS} FROM statuses AS s WHERE ns = :ns AND uuid > :after AND {_ALIVE}
            AND NOT EXISTS (SELECT 1 FROM messages AS m WHERE m.ns = s.ns AND m.uuid = s.uuid)
            ORDER BY uuid LIMIT :most""",  # noqa: S608
        "",
        f"SELECT {_STATUS} FROM statuses WHERE ns = :ns AND uuid = :key AND {_ALIVE}",  # noqa: S608
        "DELETE FROM statuses WHERE ns = :ns AND uuid = :key",
        _status_copy,
    ),
    CopyKind.VALUE: _Table(
        f"""SELECT name, name, CAST(value AS BLOB), expiry FROM vals WHERE ns = :ns AND name > :after AND {_ALIVE}
            ORDER BY name LIMIT :most""",  # noqa: S608
        "",
        f"SELECT name, CAST(value AS BLOB), expiry FROM vals WHERE ns = :ns AND name = :key AND {_ALIVE}",  # noqa: S608
        "DELETE FROM vals WHERE ns = :ns AND name = :key",
        _value_copy,
    ),
    CopyKind.SCHEDULE: _Table(
        f"SELECT name, {_SCHEDULE} FROM schedules WHERE ns = :ns AND name > :after ORDER BY name LIMIT :most",  # noqa: S608
        "",
        f"SELECT {_SCHEDULE} FROM schedules WHERE ns = :ns AND name = :key",  # noqa: S608
        "DELETE FROM schedules WHERE ns = :ns AND name = :key",
        _schedule_copy,
    ),
}


def read(database: Database, kind: CopyKind, most: int) -> Iterator[Page]:
    """Iterate over the things of a kind, in their order."""
    table = _TABLES[kind]
    place = table.first
    while found := database.read(lambda tx: _next(tx, table, place, most)):  # noqa: B023 - runs at once
        place, _ = found[-1]
        yield page_of(copy for _, copy in found)


def _next(
    tx: Transaction, table: _Table, place: int | str, most: int
) -> list[tuple[int | str, Copy | Unreadable]]:
    """Copy the next things; return where each stands in the order, and the copy."""
    values = {"ns": tx.ns, "now": tx.now, "after": place, "most": most}
    return [(at, table.copy(tx, row)) for at, *row in tx.execute(table.page, values).fetchall()]


def find(tx: Transaction, kind: CopyKind, key: tuple[str, str]) -> Copy | Unreadable | None:
    """Copy one thing, given by queue (empty for all but dead letters) and uuid or name; None if it is not there."""
    queue, name = key
    row = tx.execute(_TABLES[kind].find, {"ns": tx.ns, "now": tx.now, "queue": queue, "key": name}).fetchone()
    return None if row is None else _TABLES[kind].copy(tx, row)


def delete(tx: Transaction, kind: CopyKind, key: tuple[str, str]) -> None:
    """Delete one thing, expired or not."""
    queue, name = key
    tx.execute(_TABLES[kind].delete, {"ns": tx.ns, "queue": queue, "key": name})


def take_out(tx: Transaction, kind: CopyKind, copy: Copy) -> bool:
    """Delete one thing if it is as it was copied."""
    present = find(tx, kind, copy.key)
    if isinstance(present, Unreadable | None) or present.mark != copy.mark:
        return False
    delete(tx, kind, copy.key)
    if isinstance(copy, DeadLetterCopy) and reports.is_reported(copy.tail):
        reports.drop(tx, [copy.uuid])
    return True
