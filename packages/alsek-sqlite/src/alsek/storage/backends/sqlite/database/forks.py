"""Closes all connections before a fork.

SQLite forbids carrying a connection over a fork: its locks belong to the process that took them (POSIX ``fcntl`` locks
are not inherited), while the copied library believes that it still holds them. A child would read pages that a
checkpoint overwrites, or write to a log that the parent has deleted; even ``sqlite3_close`` in the child may delete the
log under the parent. A new connection of the child to the same file is no better while the copied one exists, because
SQLite keeps the locks of all connections to one file in one place.

So before each ``os.fork`` every connection of this process is closed, once the operations under way have ended; parent
and child open new ones when they need them. An operation that does not end within :data:`PATIENCE_S` keeps its
connection; the child then keeps its copy for ever, never used and never closed, and refuses to use the file. So it is
with all connections if a C extension forks without calling Python's hooks, as uWSGI does. ``subprocess`` does not fork
in this sense: it executes at once.

Python runs the hooks of threads that fork at the same time side by side. These threads take turns at each file, so
that none opens or uses a connection that another has closed.
"""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Sequence
from typing import Final, Protocol

#: How long a fork waits for operations of other threads.
PATIENCE_S: Final = 5.0


class Forkable(Protocol):
    """An object that holds connections."""

    def before_fork(self) -> None:
        """Close the connections, and let none be opened."""

    def after_fork_in_parent(self) -> None:
        """Let connections be opened again."""

    def after_fork_in_child(self) -> None:
        """Start without the parent's connections."""


_watched: weakref.WeakSet[Forkable] = weakref.WeakSet()
_kept_open: dict[str, list[sqlite3.Connection]] = {}
_watching: list[bool] = []


def watch(one: Forkable) -> None:
    """Call the methods of `one` at every fork from now on, for as long as it exists."""
    _watched.add(one)
    if not _watching and hasattr(os, "register_at_fork"):
        _watching.append(True)
        os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)


def keep_open(path: str, connections: Sequence[sqlite3.Connection]) -> None:
    """Keep a reference to connections of the parent that were open at the fork, so that nothing ever closes them."""
    if connections:
        _kept_open.setdefault(path, []).extend(connections)


def has_copies(path: str) -> bool:
    """Return True if this process has copies of its parent's connections to this file, and so must not use it."""
    return path in _kept_open


def _all() -> list[Forkable]:
    while True:
        try:
            return list(_watched)
        except RuntimeError:  # another thread has added one meanwhile
            continue


def _before() -> None:
    for one in _all():
        one.before_fork()


def _in_parent() -> None:
    for one in _all():
        one.after_fork_in_parent()


def _in_child() -> None:
    for one in _all():
        one.after_fork_in_child()
