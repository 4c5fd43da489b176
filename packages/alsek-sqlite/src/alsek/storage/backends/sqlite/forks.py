"""What a fork does to connections: nothing, since there are none at that moment.

SQLite forbids carrying a connection over a fork: its locks belong to the process that took them (POSIX ``fcntl`` locks
are not inherited), while the copied library believes that it still holds them. A child would read pages that a
checkpoint overwrites, or write to a log that the parent has deleted; even ``sqlite3_close`` in the child may delete the
log under the parent. A new connection of the child to the same file is no better while the copied one exists, because
SQLite keeps the locks of all connections to one file in one place.

So before each ``os.fork`` every connection of this process is closed, once the operations under way have ended; parent
and child open new ones when they need them. An operation that does not end within :data:`PATIENCE` keeps its
connection; the child then keeps its copy for ever, never used and never closed, and refuses to use the file. A program
that forks without telling Python (a C extension) gets none of this. ``subprocess`` does not fork in this sense: it
executes at once.

Threads that fork at the same time take turns here, since Python runs their hooks side by side: what one has closed and
locked, another must neither release nor copy.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Sequence
from typing import Final, Protocol

#: How long a fork waits for operations of other threads (s).
PATIENCE: Final = 5.0


class Forkable(Protocol):
    """Something with connections."""

    def before_fork(self) -> None:
        """Close connections, and let none be opened."""

    def after_fork_in_parent(self) -> None:
        """Go on."""

    def after_fork_in_child(self) -> None:
        """Begin anew."""


class _Turn:
    """Whose fork it is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder = 0  # a thread
        self._within = 0  # forks by signal handlers of that thread, within its own
        #: What that thread has frozen.
        self.frozen: list[Forkable] = []

    def take(self) -> bool:
        """Wait for the turn; False if it does not come in time, or if this is a fork within a fork."""
        me = threading.get_ident()
        if self._holder == me:
            self._within += 1
            return False
        if not self._lock.acquire(timeout=2 * PATIENCE):
            return False
        self._holder = me
        return True

    def is_over(self) -> bool:
        """Whether the turn is this thread's, and to be ended now."""
        if self._holder != threading.get_ident():
            return False
        if self._within:
            self._within -= 1
            return False
        return True

    def end(self) -> None:
        """Let the next one fork."""
        self._holder = 0
        self._lock.release()


_watched: weakref.WeakSet[Forkable] = weakref.WeakSet()
_turns = [_Turn()]
_forsaken: dict[str, list[sqlite3.Connection]] = {}
_watching: list[bool] = []


def watch(one: Forkable) -> None:
    """Tell `one` of every fork from now on, for as long as it exists."""
    _watched.add(one)
    if not _watching and hasattr(os, "register_at_fork"):
        _watching.append(True)
        os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)


def forsake(path: str, connections: Sequence[sqlite3.Connection]) -> None:
    """Keep connections of the parent that could not be closed before the fork, so that nothing ever closes them."""
    if connections:
        _forsaken.setdefault(path, []).extend(connections)


def is_forsaken(path: str) -> bool:
    """Whether this process has copies of its parent's connections to this file, and so must not use it."""
    return path in _forsaken


def _before() -> None:
    turn = _turns[0]
    if turn.take():
        turn.frozen = list(_watched)
        for one in turn.frozen:
            one.before_fork()


def _in_parent() -> None:
    turn = _turns[0]
    if turn.is_over():
        try:
            while turn.frozen:
                turn.frozen.pop().after_fork_in_parent()
        finally:
            turn.end()


def _in_child() -> None:
    _turns[0] = _Turn()  # that of the parent may be held by a thread which is not here
    # All, also what was made, or could not be closed, since the turn began.
    for one in list(_watched):
        one.after_fork_in_child()
