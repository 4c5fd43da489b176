"""The value port: a row for each value."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

from alsek.storage.backends.ports import ValuePort
from alsek.storage.backends.records import FOR_EVER
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.rows import end_of
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.rows_by_uuid import delete_rows

_GET: Final = "SELECT value FROM vals WHERE ns = ? AND name = ? AND (expiry IS NULL OR expiry > ?)"
_SET: Final = "INSERT OR REPLACE INTO vals (ns, name, expiry, value) VALUES (?, ?, ?, ?)"
_DELETE: Final = "DELETE FROM vals WHERE ns = ? AND name = ? RETURNING expiry"
_SCAN: Final = """
    SELECT name FROM vals WHERE ns = ? AND name > ? AND (expiry IS NULL OR expiry > ?) ORDER BY name LIMIT 500
"""


class SQLiteValues(ValuePort):
    """Serialized values in a table.

    Args:
        database: The file and the namespace.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> bytes | None:
        row = self._database.read(lambda tx: tx.execute(_GET, (tx.ns, name, tx.now)).fetchone())
        return None if row is None else row[0]

    def put(self, name: str, value: bytes, ttl: int = FOR_EVER, only_new: bool = False) -> bool:
        return self._database.write(lambda tx: _put(tx, name, value, ttl, only_new))

    def delete(self, name: str) -> bool:
        return self._database.write(lambda tx: delete_rows(tx, _DELETE, [name])) > 0

    def scan(self, pattern: str) -> Iterator[str]:
        last = ""
        while True:
            after = last
            rows = self._database.read(
                lambda tx: tx.execute(_SCAN, (tx.ns, after, tx.now)).fetchall()  # noqa: B023 - runs at once
            )
            if not rows:
                return
            last = rows[-1][0]
            yield from (name for (name,) in rows if fnmatchcase(name, pattern))


def _put(tx: Transaction, name: str, value: bytes, ttl: int, only_new: bool) -> bool:
    if only_new and tx.execute(_GET, (tx.ns, name, tx.now)).fetchone() is not None:
        return False
    tx.execute(_SET, (tx.ns, name, end_of(tx.now, ttl), value))
    return True
