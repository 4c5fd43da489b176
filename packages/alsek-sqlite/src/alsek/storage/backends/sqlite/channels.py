"""Publishing values of any size: a large one waits in a table, and only its number travels."""

from __future__ import annotations

from typing import Final

from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.wakeup.notifier import MOST_DATA, SPOOLED

#: How long a subscriber may take to fetch it (ms).
_KEPT_FOR: Final = 60_000


def publish(database: Database, channel: str, data: bytes) -> None:
    """Tell `data` to whoever is subscribed to `channel` now."""
    notifier = database.notifier
    if not notifier.anyone_listening():
        return
    if len(data) <= MOST_DATA:
        notifier.publish(channel, data)
    else:
        number = database.write(lambda tx: _spool(tx, data))
        notifier.publish(channel, b"%d" % number, SPOOLED)


def _spool(tx: Transaction, data: bytes) -> int:
    tx.execute("INSERT INTO spool (expiry, data) VALUES (?, ?)", (tx.now + _KEPT_FOR, data))
    return tx.cursor.lastrowid or 0


def fetch(database: Database, number: int) -> bytes | None:
    """What was spooled under this number; None if it is gone."""
    row = database.read(lambda tx: tx.execute("SELECT data FROM spool WHERE id = ?", (number,)).fetchone())
    return None if row is None else row[0]
