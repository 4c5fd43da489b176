"""The notes that are kept of moves, as rows of `moves`."""

from __future__ import annotations

from alsek.storage.backends.move_book import MoveBook
from alsek.storage.backends.sqlite.database.transaction import Transaction


class SQLiteMoveBook(MoveBook):
    """The fields as rows.

    Args:
        tx: The transaction in which they are read and written.
    """

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def get(self, field: str) -> bytes | None:
        tx = self._tx
        row = tx.execute("SELECT value FROM moves WHERE ns = ? AND field = ?", (tx.ns, field)).fetchone()
        return None if row is None else bytes(row[0])

    def set(self, field: str, value: bytes) -> None:
        tx = self._tx
        tx.execute("INSERT OR REPLACE INTO moves (ns, field, value) VALUES (?, ?, ?)", (tx.ns, field, value))

    def delete(self, field: str) -> None:
        tx = self._tx
        tx.execute("DELETE FROM moves WHERE ns = ? AND field = ?", (tx.ns, field))
