"""What one transaction works with: a cursor, the time, and whom to notify once it is committed."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from alsek.storage.backends.sqlite.lanes import Lane

#: In a statement, the id of a queue; takes `ns` and its name. It is not kept: the row of an empty queue may be deleted.
QUEUE: Final = "(SELECT id FROM queues WHERE ns = ? AND name = ?)"


class Transaction:
    """One transaction, or one read.

    Attributes:
        execute: Runs a statement.
        executemany: Runs a statement for each of many rows.
        ns: The id of the namespace.
        now: The store's time, in milliseconds.
        kept_names: The names of queues by id that this process knew before.
        read_names: Those that this transaction has read; they are kept once it is committed.
        wake: Notes a lane whose sleeping workers are to be woken after the commit: something has become ready in it,
            or one of its messages is now the first of all that are delayed.
        woken_lanes: What was noted so.
        revocations: The workers that hold a message revoked in this transaction. They are woken after the commit.
        notes: What is published after the commit: channel and data.
        finished_count: How many rows were added to `finished`, so that as many can be deleted.
        bound_ends: The messages with bonds that have ended in this transaction (``moved_messages.Ended``), in order:
            what follows for their groups is still to be done.
        unsettled: True if a limit may have room for a message that waits, or need not be known any more; or if one that
            waited behind its unique key does so no longer.
        settled: How many messages that waited were looked at.
        changed: How many rows it has changed, once it is committed.
    """

    __slots__ = (
        "bound_ends",
        "changed",
        "cursor",
        "execute",
        "executemany",
        "finished_count",
        "kept_names",
        "notes",
        "now",
        "ns",
        "read_names",
        "revocations",
        "settled",
        "unsettled",
        "wake",
        "woken_lanes",
    )

    def __init__(self, connection: sqlite3.Connection, ns: int, now: int, kept_names: dict[int, str]) -> None:
        self.cursor = cursor = connection.cursor()
        self.execute = cursor.execute
        self.executemany = cursor.executemany
        self.ns = ns
        self.now = now
        self.kept_names = kept_names
        self.read_names: dict[int, str] = {}
        self.woken_lanes: set[Lane] = set()
        self.wake = self.woken_lanes.add
        self.notes: list[tuple[str, bytes]] = []
        self.revocations: list[str] = []
        self.finished_count = 0
        self.bound_ends: list[Any] = []
        self.unsettled = False
        self.settled = 0
        self.changed = 0
