"""The result port: a row for each result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alsek.storage.backends.ports import ResultPort
from alsek.storage.backends.records import FOR_EVER, ResultRecord
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.rows import set_result
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.messages import failed_parents
from alsek.storage.backends.sqlite.rows_by_uuid import delete_rows, find_rows

_GET: Final = (
    "SELECT uuid, payload, at, token FROM results "
    "WHERE ns = ? AND (expiry IS NULL OR expiry > ?) AND uuid IN ({})"
)
_DESCENDANTS: Final = """
    SELECT uuid, payload, at, token FROM results
    WHERE ns = ? AND progenitor = ? AND uuid <> progenitor AND (expiry IS NULL OR expiry > ?) ORDER BY id
"""
_DELETE: Final = "DELETE FROM results WHERE ns = ? AND uuid = ? RETURNING expiry"


class SQLiteResults(ResultPort):
    """Results in a table.

    Args:
        database: The file and the namespace.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(
        self,
        uuid: str,
        payload: bytes,
        ttl: int = FOR_EVER,
        token: int = 0,
        progenitor: str | None = None,
    ) -> bool:
        return self._database.write(lambda tx: set_result(tx, uuid, payload, ttl, token, progenitor))

    def get(self, uuids: Sequence[str]) -> list[ResultRecord | None]:
        return self._database.read(lambda tx: _get(tx, uuids))

    def descendants(self, uuid: str) -> list[ResultRecord]:
        return self._database.read(
            lambda tx: [
                ResultRecord(*row) for row in tx.execute(_DESCENDANTS, (tx.ns, uuid, tx.now)).fetchall()
            ]
        )

    def failed_parents(self, uuids: Sequence[str]) -> list[str | None]:
        return self._database.read(lambda tx: failed_parents.get(tx, uuids))

    def delete(self, uuids: Sequence[str]) -> int:
        return self._database.write(lambda tx: delete_rows(tx, _DELETE, uuids))


def _get(tx: Transaction, uuids: Sequence[str]) -> list[ResultRecord | None]:
    rows = find_rows(tx, _GET, uuids)
    return [ResultRecord(*rows[uuid]) if uuid in rows else None for uuid in uuids]
