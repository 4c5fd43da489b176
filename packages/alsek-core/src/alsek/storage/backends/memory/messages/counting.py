"""Adds up what workers have counted, by minute, queue and task."""

from __future__ import annotations

from collections.abc import Sequence

from alsek.storage.backends.history import MINUTE_MS, added, first_kept
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.records import HistoryCounts, HistoryRow


def add(table: MessageTable, history: Sequence[HistoryCounts]) -> None:
    """Add counts to those of the present minute, and delete what is too old."""
    if not history:
        return
    now = table.store.clock()
    for queue, task, counts in history:
        key = (now // MINUTE_MS, queue, task)
        table.history[key] = added((table.history.get(key, ""), counts))
    oldest = first_kept(now)
    for key in [key for key in table.history if key[0] < oldest]:
        del table.history[key]


def rows(table: MessageTable, first: int, last: int) -> list[HistoryRow]:
    """Return what was counted in these minutes, in the order of minute, queue and task."""
    oldest = max(first, first_kept(table.store.clock()))
    return [
        HistoryRow(*key, counts) for key, counts in sorted(table.history.items()) if oldest <= key[0] <= last
    ]
