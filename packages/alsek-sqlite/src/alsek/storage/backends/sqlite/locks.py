"""The lock port. One counter makes the fence numbers of all names, so that none is used twice when a row is deleted."""

from __future__ import annotations

from typing import Final

from alsek.storage.backends.ports import LockPort
from alsek.storage.backends.records import LockRecord
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.transaction import Transaction

_HOLDER: Final = "SELECT owner, expiry, fence FROM locks WHERE ns = ? AND name = ? AND expiry > ?"
_FENCE: Final = "UPDATE namespaces SET fence = fence + 1 WHERE id = ? RETURNING fence"
_TAKE: Final = "INSERT OR REPLACE INTO locks (ns, name, owner, expiry, fence) VALUES (?, ?, ?, ?, ?)"
_EXTEND: Final = "UPDATE locks SET expiry = ? WHERE ns = ? AND name = ?"
_FREE: Final = "DELETE FROM locks WHERE ns = ? AND name = ?"


class SQLiteLocks(LockPort):
    """Locks in a table.

    Args:
        database: The file and the namespace.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def acquire(self, name: str, owner: str, ttl: int) -> LockRecord:
        # Callers poll a held lock: that must not take the write lock of the file.
        record = self.holder(name)
        return record or self._database.write(lambda tx: _acquire(tx, name, owner, ttl))

    def release(self, name: str, owner: str) -> bool:
        return self._database.write(lambda tx: _release(tx, name, owner))

    def extend(self, name: str, owner: str, ttl: int) -> LockRecord | None:
        return self._database.write(lambda tx: _extend(tx, name, owner, ttl))

    def holder(self, name: str) -> LockRecord | None:
        return self._database.read(lambda tx: _holder(tx, name))


def _holder(tx: Transaction, name: str) -> LockRecord | None:
    row = tx.execute(_HOLDER, (tx.ns, name, tx.now)).fetchone()
    return None if row is None else LockRecord._make(row)


def _acquire(tx: Transaction, name: str, owner: str, ttl: int) -> LockRecord:
    record = _holder(tx, name)
    if record is None:
        ((fence,),) = tx.execute(_FENCE, (tx.ns,)).fetchall()
        record = LockRecord(owner, tx.now + ttl, fence)
        tx.execute(_TAKE, (tx.ns, name, *record))
    return record


def _release(tx: Transaction, name: str, owner: str) -> bool:
    record = _holder(tx, name)
    if record is None or record.owner != owner:
        return False
    tx.execute(_FREE, (tx.ns, name))
    tx.notes.append((f"locks:{name}", b""))
    return True


def _extend(tx: Transaction, name: str, owner: str, ttl: int) -> LockRecord | None:
    record = _holder(tx, name)
    if record is None or record.owner != owner:
        return None
    tx.execute(_EXTEND, (tx.now + ttl, tx.ns, name))
    return record._replace(expires_at=tx.now + ttl)
