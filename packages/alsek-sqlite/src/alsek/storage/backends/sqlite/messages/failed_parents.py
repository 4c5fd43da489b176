"""Notes of callbacks that will not be submitted, because a message before them has failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alsek.defaults import FAILED_PARENT_TTL
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.rows_by_uuid import find_rows

_NOTE: Final = "INSERT OR REPLACE INTO failed_parents (ns, uuid, parent, expiry) VALUES (?, ?, ?, ?)"
_FORGET: Final = "DELETE FROM failed_parents WHERE ns = ? AND uuid = ?"
_GET: Final = "SELECT uuid, parent FROM failed_parents WHERE ns = ? AND expiry > ? AND uuid IN ({})"


def note(tx: Transaction, unreachable: Sequence[str], parent: str) -> None:
    """Write and publish that these callbacks will not be submitted because `parent` has failed."""
    if unreachable:
        tx.executemany(_NOTE, [(tx.ns, uuid, parent, tx.now + FAILED_PARENT_TTL) for uuid in unreachable])
        tx.notes.extend((f"results:{uuid}", b"") for uuid in unreachable)


def forget(tx: Transaction, unreachable: Sequence[str]) -> None:
    """Delete the notes of these callbacks: the message that failed runs again."""
    if unreachable:
        tx.executemany(_FORGET, [(tx.ns, uuid) for uuid in unreachable])


def get(tx: Transaction, uuids: Sequence[str]) -> list[str | None]:
    """Return of each uuid the message because of whose failure it will not be submitted; or None."""
    rows = find_rows(tx, _GET, uuids)
    return [rows[uuid][1] if uuid in rows else None for uuid in uuids]
