"""Adds up what workers have counted, by minute, queue and task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alsek.storage.backends.history import KEPT_MS, MINUTE_MS, added
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.records import HistoryCounts, HistoryRow

_KEPT: Final = KEPT_MS // MINUTE_MS


def add(table: MessageTable, history: Sequence[HistoryCounts]) -> None:
    """Add counts to those of the present minute, and delete what is too old."""
    if not history:
        return
    minute = table.store.clock() // MINUTE_MS
    for queue, task, counts in history:
        key = (minute, queue, task)
        table.history[key] = added((table.history.get(key, ""), counts))
    for key in [key for key in table.history if key[0] <= minute - _KEPT]:
        del table.history[key]


def rows(table: MessageTable, first: int, last: int) -> list[HistoryRow]:
    """Return what was counted in these minutes, in the order of minute, queue and task."""
    oldest = max(first, table.store.clock() // MINUTE_MS - _KEPT + 1)
    return [
        HistoryRow(*key, counts) for key, counts in sorted(table.history.items()) if oldest <= key[0] <= last
    ]
