"""What one operation works with: the connection's cursor, the time, and what to tell others once it is committed."""

from __future__ import annotations

import sqlite3
from typing import Final

from alsek.storage.backends.sqlite.lanes import Lane

#: In a statement, the number of a queue; takes `ns` and its name. It is not remembered: an empty queue's row may go.
QUEUE: Final = "(SELECT id FROM queues WHERE ns = ? AND name = ?)"


class Transaction:
    """One transaction (or one read).

    Attributes:
        execute: Runs a statement.
        executemany: Runs a statement for each of many rows.
        ns: The number of the namespace.
        now: The store's time, in milliseconds.
        wakes: Where something has become ready, or due sooner than anything else: sleepers to wake.
        calls: Workers to wake, each by its name.
        notes: What to publish: channel and data.
        gone: How many rows went to `finished`, so that as many can be purged.
        names: Of queues by number, that it came across: remembered only once it is committed.
    """

    __slots__ = ("calls", "cursor", "execute", "executemany", "gone", "names", "notes", "now", "ns", "wakes")

    def __init__(self, connection: sqlite3.Connection, ns: int, now: int) -> None:
        self.cursor = cursor = connection.cursor()
        self.execute = cursor.execute
        self.executemany = cursor.executemany
        self.ns = ns
        self.now = now
        self.wakes: set[Lane] = set()
        self.notes: list[tuple[str, bytes]] = []
        self.calls: list[str] = []
        self.gone = 0
        self.names: dict[int, str] = {}
