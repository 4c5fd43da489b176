"""Adds up what workers have counted, by minute, queue and task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alsek.storage.backends.history import MINUTE_MS, first_kept
from alsek.storage.backends.records import HistoryCounts, HistoryRow
from alsek.storage.backends.sqlite.database.transaction import Transaction

#: How many old rows are deleted each time that something is added.
_PIECE: Final = 256

_ADD: Final = """
    INSERT INTO history (minute, ns, queue, task, counts) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (minute, ns, queue, task) DO UPDATE SET counts = add_counts(counts, excluded.counts)
"""
#: Of all namespaces: some may have no worker any more.
_DELETE_OLD: Final = f"""
    DELETE FROM history WHERE (minute, ns, queue, task) IN (
        SELECT minute, ns, queue, task FROM history WHERE minute < ? LIMIT {_PIECE})
"""  # noqa: S608
_ROWS: Final = """
    SELECT minute, queue, task, counts FROM history WHERE minute BETWEEN ? AND ? AND ns = ?
    ORDER BY minute, queue, task
"""


def add(tx: Transaction, history: Sequence[HistoryCounts]) -> None:
    """Add counts to those of the present minute, and delete some of what is too old."""
    minute = tx.now // MINUTE_MS
    tx.executemany(_ADD, [(minute, tx.ns, queue, task, counts) for queue, task, counts in history])
    tx.execute(_DELETE_OLD, (first_kept(tx.now),))


def rows(tx: Transaction, first: int, last: int) -> list[HistoryRow]:
    """Return what was counted in these minutes, in the order of minute, queue and task."""
    oldest = max(first, first_kept(tx.now))
    return [HistoryRow._make(row) for row in tx.execute(_ROWS, (oldest, last, tx.ns)).fetchall()]
