"""Forgets starts that have left the window of a rate."""

from __future__ import annotations

from typing import Final

from alsek.storage.backends.sqlite.database.transaction import Transaction

#: How many moments at which something started are forgotten at once: the oldest ones.
_PIECE: Final = 1_000

_PRUNE: Final = f"""
    DELETE FROM starts WHERE limit_id = :limit AND at <= (
        SELECT max(at) FROM (
            SELECT at FROM starts WHERE limit_id = :limit AND at <= :until ORDER BY at LIMIT {_PIECE}))
"""  # noqa: S608 - a number


def prune_starts(tx: Transaction, limit: int, until: int) -> bool:
    """Forget the oldest starts of a limit, given by its id, up to this time; return True if there were any."""
    return tx.execute(_PRUNE, {"limit": limit, "until": until}).rowcount > 0
