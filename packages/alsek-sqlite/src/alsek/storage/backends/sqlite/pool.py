"""The connections of this process to one file.

An operation takes a connection and puts it back. So there are never more of them than operations at once, none leaks
with a thread that ends, and, since the writers of a process take turns, writing happens nearly always on the same one,
whose page cache then stays warm. What a fork means for them is in forks.py.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable

from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.sqlite import forks


class Pool:
    """Connections, of which each is used by one thread at a time.

    Args:
        path: Of the file.
        connect: Opens one.
    """

    def __init__(self, path: str, connect: Callable[[], sqlite3.Connection]) -> None:
        self._path = path
        self._connect = connect
        self._begin_anew()
        forks.watch(self)

    def _begin_anew(self) -> None:
        self._mutex = threading.Condition(threading.Lock())  # guards all that follows, for moments
        self._idle: list[sqlite3.Connection] = []
        self._busy: dict[sqlite3.Connection, int] = {}  # and the thread that uses it
        self._outdated: set[sqlite3.Connection] = set()  # busy ones that are not to be used again
        self._observer: sqlite3.Connection | None = None
        self._forking = 0  # the thread that is about to fork
        self._frozen = False

    def take(self) -> sqlite3.Connection:
        """A connection of one's own until it is given back.

        Raises:
            BackendUnavailableError: The file can't be opened.
        """
        me = threading.get_ident()
        with self._mutex:
            while self._forking not in (0, me):
                self._mutex.wait()
            # Opened under the mutex, so that no fork comes between; it takes a millisecond, and seldom happens.
            connection = self._idle.pop() if self._idle else self._open()
            self._busy[connection] = me
            return connection

    def give_back(self, connection: sqlite3.Connection, *, broken: bool = False) -> None:
        """Put a connection back; a broken one is closed."""
        with self._mutex:
            del self._busy[connection]
            if broken or connection in self._outdated:
                self._outdated.discard(connection)
                connection.close()
            else:
                self._idle.append(connection)
            if self._forking:
                self._mutex.notify_all()

    def version(self) -> int:
        """A number that changes with every commit to the file, whoever makes it: also by this pool.

        Raises:
            BackendUnavailableError: The file can't be opened.
            sqlite3.Error: SQLite refused.
        """
        with self._mutex:
            # A connection's own commits don't change its number, so this one never writes.
            if self._observer is None:
                self._observer = self._open()
            (version,) = self._observer.execute("PRAGMA data_version").fetchone()
            return int(version)

    def close(self) -> None:
        """Close all connections that are not in use; those that are, when they are given back."""
        with self._mutex:
            self._close_idle()
            self._outdated.update(self._busy)

    def __del__(self) -> None:
        # A connection that is only collected is reported as a leak by newer Pythons.
        if hasattr(self, "_mutex"):
            self.close()

    def _open(self) -> sqlite3.Connection:
        if forks.is_forsaken(self._path):
            raise BackendUnavailableError(
                f"SQLite file {self._path}: this process was forked while another thread's transaction took longer "
                f"than {forks.PATIENCE:.0f} s, so it can't use the file safely; fork earlier, or start processes by "
                "'spawn'"
            )
        return self._connect()

    def _close_idle(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()
        if self._observer is not None:
            self._observer.close()
            self._observer = None

    # --- forks -------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Let no operation begin, wait for those under way, and close what is open."""
        me = threading.get_ident()
        deadline = time.monotonic() + forks.PATIENCE
        # With a limit: a signal handler may fork in a thread that holds the mutex itself.
        self._frozen = self._mutex.acquire(timeout=forks.PATIENCE)
        if not self._frozen:
            return
        self._forking = me
        while any(thread != me for thread in self._busy.values()):
            left = deadline - time.monotonic()
            if left <= 0 or not self._mutex.wait(left):
                break
        self._close_idle()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        if self._frozen:
            self._frozen, self._forking = False, 0
            self._mutex.notify_all()
            self._mutex.release()

    def after_fork_in_child(self) -> None:
        """Begin with nothing of the parent's."""
        copied = [*self._busy, *self._idle]
        if self._observer is not None:
            copied.append(self._observer)
        forks.forsake(self._path, copied)
        self._begin_anew()
