"""Unique keys: which message holds each, and which one waits behind the holder.

A holder whose message is no longer stored holds nothing, so whatever may have removed it, its key is free.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from alsek.storage.backends.records import UniqueKey, UniqueRecord
from alsek.storage.backends.sqlite.database.transaction import Transaction

_FIND: Final = """
    SELECT k.holder, k.held AND EXISTS (SELECT 1 FROM messages AS m WHERE m.ns = k.ns AND m.uuid = k.holder), k.until,
        CASE WHEN EXISTS (SELECT 1 FROM messages AS m WHERE m.ns = k.ns AND m.uuid = k.behind) THEN k.behind
        ELSE '' END
    FROM unique_keys AS k WHERE k.ns = ? AND k.key = ?
"""
#: The key of a window that is over, or of a holder that is replaced.
_TAKE: Final = """
    INSERT INTO unique_keys (ns, key, holder, held, until, behind) VALUES (:ns, :key, :uuid, 1, :until, '')
    ON CONFLICT (ns, key) DO UPDATE
    SET holder = :uuid, held = 1, until = max(CASE WHEN until > :now THEN until ELSE 0 END, :until)
"""
_WAIT: Final = "UPDATE unique_keys SET behind = ?, until = max(until, ?) WHERE ns = ? AND key = ?"
_STOP_WAITING: Final = "UPDATE unique_keys SET behind = '' WHERE ns = ? AND key = ? AND behind = ?"
_HAND_OVER: Final = "UPDATE unique_keys SET holder = behind, held = 1, behind = '' WHERE ns = ? AND key = ?"
#: Only the window is left, if there is one.
_LET_GO: Final = "UPDATE unique_keys SET held = 0, behind = '' WHERE ns = ? AND key = ? AND until > ?"
_FREE: Final = "DELETE FROM unique_keys WHERE ns = ? AND key = ?"


class Holder(NamedTuple):
    """Who holds a key.

    Attributes:
        uuid: The message that holds it, or did last.
        holds: False if only the window is left.
        until: When the last window ends; 0 if there was none.
        behind: The message that waits behind it; empty if none does.
    """

    uuid: str
    holds: bool
    until: int
    behind: str


def holder(tx: Transaction, key: str) -> Holder | None:
    """Return who holds a key; None if it is free."""
    row = tx.execute(_FIND, (tx.ns, key)).fetchone()
    if row is None:
        return None
    uuid, holds, until, behind = row
    known = bool(holds) or bool(behind) or until > tx.now
    return Holder(uuid, bool(holds), until, behind) if known else None


def record(tx: Transaction, key: str) -> UniqueRecord | None:
    """Return who holds a key, to be shown; None if nobody does."""
    found = holder(tx, key)
    return None if found is None else UniqueRecord(key, found.uuid, found.behind, found.until)


def _window_end(tx: Transaction, unique: UniqueKey) -> int:
    return tx.now + unique.window if unique.window else 0


def take(tx: Transaction, uuid: str, unique: UniqueKey) -> None:
    """Give a key that nobody holds, or whose holder it replaces, to a message, which is submitted now."""
    end = _window_end(tx, unique)
    tx.execute(_TAKE, {"ns": tx.ns, "key": unique.key, "uuid": uuid, "until": end, "now": tx.now})


def wait_behind(tx: Transaction, uuid: str, unique: UniqueKey) -> None:
    """Let a message, which is submitted now, be the one that waits behind the holder."""
    tx.execute(_WAIT, (uuid, _window_end(tx, unique), tx.ns, unique.key))


def is_behind(tx: Transaction, uuid: str, unique: UniqueKey) -> bool:
    """Return True if a message waits behind the holder of its key."""
    found = holder(tx, unique.key)
    return found is not None and found.behind == uuid


def let_go(tx: Transaction, uuid: str, unique: UniqueKey) -> str:
    """Take a message from its key, whether it holds it, waits behind the holder, or neither.

    Returns:
        The uuid of the message that holds the key instead; empty if none does.
    """
    row = tx.execute(_FIND, (tx.ns, unique.key)).fetchone()
    if row is None:
        return ""
    present, _, _, behind = row
    if present != uuid:
        tx.execute(_STOP_WAITING, (tx.ns, unique.key, uuid))
        return ""
    if behind:
        tx.execute(_HAND_OVER, (tx.ns, unique.key))
        tx.unsettled = True  # what is due next may have changed
        return str(behind)
    if tx.execute(_LET_GO, (tx.ns, unique.key, tx.now)).rowcount == 0:
        tx.execute(_FREE, (tx.ns, unique.key))
    return ""
