"""Publishes values of any size. A large one is written to a table, and only its id is sent."""

from __future__ import annotations

from typing import Final

from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.wakeup.datagrams import MOST_DATA, SPOOLED

#: How long a subscriber may take to fetch it.
_KEPT_FOR_MS: Final = 60_000


def publish_data(database: Database, channel: str, data: bytes) -> None:
    """Send `data` to those that are subscribed to `channel` now."""
    notifier = database.notifier
    if not notifier.anyone_listening():
        return
    if len(data) <= MOST_DATA:
        notifier.publish(channel, data)
    else:
        row = database.write(lambda tx: _spool(tx, data))
        notifier.publish(channel, b"%d" % row, SPOOLED)


def _spool(tx: Transaction, data: bytes) -> int:
    tx.execute("INSERT INTO spool (expiry, data) VALUES (?, ?)", (tx.now + _KEPT_FOR_MS, data))
    return tx.cursor.lastrowid or 0


def fetch_data(database: Database, row_id: int) -> bytes | None:
    """Return the data of the row with this id; None if it is gone."""
    row = database.read(lambda tx: tx.execute("SELECT data FROM spool WHERE id = ?", (row_id,)).fetchone())
    return None if row is None else row[0]
