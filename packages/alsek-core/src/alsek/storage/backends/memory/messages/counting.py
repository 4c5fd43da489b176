"""Adds up what workers have counted, by minute, queue and task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alsek.storage.backends.history import KEPT_MINUTES, added
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.records import HistoryCounts, HistoryRow

_MINUTE_MS: Final = 60_000


def add(table: MessageTable, history: Sequence[HistoryCounts]) -> None:
    """Add counts to those of the present minute, and delete what is too old."""
    if not history:
        return
    minute = table.store.clock() // _MINUTE_MS
    for queue, task, counts in history:
        key = (minute, queue, task)
        table.history[key] = added((table.history.get(key, ""), counts))
    for key in [key for key in table.history if key[0] <= minute - KEPT_MINUTES]:
        del table.history[key]


def rows(table: MessageTable, first: int, last: int) -> list[HistoryRow]:
    """Return what was counted in these minutes, in the order of minute, queue and task."""
    oldest = max(first, table.store.clock() // _MINUTE_MS - KEPT_MINUTES + 1)
    return [
        HistoryRow(*key, counts) for key, counts in sorted(table.history.items()) if oldest <= key[0] <= last
    ]
