"""The result port: a row for each result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alsek.storage.backends.ports import ResultPort
from alsek.storage.backends.records import FOR_EVER, ResultRecord
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.rows import set_result
from alsek.storage.backends.sqlite.database.transaction import Transaction

#: How many names one statement takes.
PIECE: Final = 500

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

    def delete(self, uuids: Sequence[str]) -> int:
        return self._database.write(lambda tx: delete_each(tx, _DELETE, uuids))


def _get(tx: Transaction, uuids: Sequence[str]) -> list[ResultRecord | None]:
    found: dict[str, ResultRecord] = {}
    for start in range(0, len(uuids), PIECE):
        piece = uuids[start : start + PIECE]
        rows = tx.execute(_GET.format(",".join("?" * len(piece))), (tx.ns, tx.now, *piece)).fetchall()
        found.update((row[0], ResultRecord(*row)) for row in rows)
    return [found.get(uuid) for uuid in uuids]


def delete_each(tx: Transaction, statement: str, names: Sequence[str]) -> int:
    """Delete rows by name, with a statement that returns the expiry; return how many had not expired."""
    deleted = 0
    for name in names:
        for (expiry,) in tx.execute(statement, (tx.ns, name)).fetchall():
            deleted += expiry is None or expiry > tx.now
    return deleted
