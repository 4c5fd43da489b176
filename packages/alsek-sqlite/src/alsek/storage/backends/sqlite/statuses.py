"""The status port: a row for each status."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from alsek.storage.backends.ports import StatusPort
from alsek.storage.backends.records import FOR_EVER, StatusRecord, TaskStatus
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.rows import set_status
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.rows_by_uuid import delete_rows, find_rows

_GET: Final = (
    "SELECT uuid, status, details, at FROM statuses "
    "WHERE ns = ? AND (expiry IS NULL OR expiry > ?) AND uuid IN ({})"
)
_SCAN: Final = """
    SELECT uuid, status, details, at FROM statuses
    WHERE ns = ? AND (expiry IS NULL OR expiry > ?) AND uuid > ? ORDER BY uuid LIMIT 500
"""
_DELETE: Final = "DELETE FROM statuses WHERE ns = ? AND uuid = ? RETURNING expiry"


class SQLiteStatuses(StatusPort):
    """Statuses in a table.

    Args:
        database: The file and the namespace.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(
        self,
        uuid: str,
        status: TaskStatus,
        details: bytes | None = None,
        ttl: int = FOR_EVER,
        only_new: bool = False,
    ) -> bool:
        return self._database.write(lambda tx: _put(tx, uuid, status, details, ttl, only_new))

    def get(self, uuids: Sequence[str]) -> list[StatusRecord | None]:
        return self._database.read(lambda tx: _get(tx, uuids))

    def replace(self, uuid: str, expected: StatusRecord, status: TaskStatus, ttl: int = FOR_EVER) -> bool:
        return self._database.write(lambda tx: _replace(tx, uuid, expected, status, ttl))

    def delete(self, uuids: Sequence[str]) -> int:
        return self._database.write(lambda tx: delete_rows(tx, _DELETE, uuids))

    def scan(self) -> Iterator[StatusRecord]:
        last = ""
        while True:
            after = last
            rows = self._database.read(
                lambda tx: tx.execute(_SCAN, (tx.ns, tx.now, after)).fetchall()  # noqa: B023 - runs at once
            )
            if not rows:
                return
            last = rows[-1][0]
            for row in rows:
                yield _record(*row)


def _put(
    tx: Transaction, uuid: str, status: TaskStatus, details: bytes | None, ttl: int, only_new: bool
) -> bool:
    if only_new and _get(tx, [uuid])[0] is not None:
        return False
    set_status(tx, uuid, TaskStatus(status), ttl, details or None)
    return True


def _replace(tx: Transaction, uuid: str, expected: StatusRecord, status: TaskStatus, ttl: int) -> bool:
    stored = _get(tx, [uuid])[0]
    if stored is None or (stored.status, stored.timestamp) != (expected.status, expected.timestamp):
        return False
    set_status(tx, uuid, TaskStatus(status), ttl)
    return True


def _get(tx: Transaction, uuids: Sequence[str]) -> list[StatusRecord | None]:
    rows = find_rows(tx, _GET, uuids)
    return [_record(*rows[uuid]) if uuid in rows else None for uuid in uuids]


def _record(uuid: str, status: int, details: bytes | None, at: int) -> StatusRecord:
    return StatusRecord(uuid, TaskStatus(status), details, at)
