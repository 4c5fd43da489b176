"""Reads and deletes rows by uuid or name, of a table whose rows may have expired."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from alsek.storage.backends.batches import in_pieces
from alsek.storage.backends.sqlite.database.statements import marks
from alsek.storage.backends.sqlite.database.transaction import Transaction

#: How many values one statement takes.
_PIECE: Final = 500


def find_rows(tx: Transaction, statement: str, uuids: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Return rows by uuid, without those that are not there or have expired.

    Args:
        tx: The transaction.
        statement: Selects the uuid first. It takes the namespace, the time, and in place of ``{}`` the uuids.
        uuids: The uuids.
    """
    found: dict[str, tuple[Any, ...]] = {}
    for piece in in_pieces(uuids, _PIECE):
        rows = tx.execute(statement.format(marks(len(piece))), (tx.ns, tx.now, *piece)).fetchall()
        found.update((row[0], row) for row in rows)
    return found


def delete_rows(tx: Transaction, statement: str, names: Sequence[str]) -> int:
    """Delete rows; return how many of them had not expired.

    Args:
        tx: The transaction.
        statement: Deletes one row and returns its expiry. It takes the namespace and the row's name.
        names: The names or uuids of the rows.
    """
    deleted = 0
    for name in names:
        for (expiry,) in tx.execute(statement, (tx.ns, name)).fetchall():
            deleted += expiry is None or expiry > tx.now
    return deleted
