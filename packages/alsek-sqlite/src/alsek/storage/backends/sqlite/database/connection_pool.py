"""The connections of this process to one file.

An operation takes a connection and gives it back. So there are never more connections than operations at once, and a
thread that ends leaves none behind. The writers of a process take turns, so nearly all writing is done on one
connection, whose page cache stays warm. forks.py says what happens at a fork.

A task's timeout is an exception that may be raised in its thread at any call, also in this module. So the mutex is a
plain lock, held by ``with`` alone: a condition's ``with`` is Python code, in which such an exception can leave it
locked for ever. And the pool has no reference to a connection in use: if its operation is interrupted so, the
connection is closed together with its lease.
"""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Callable
from typing import Final

from alsek.core.clock import real_time as time
from alsek.core.this_process import this_process
from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.sqlite.database import errors, forks
from alsek.storage.backends.sqlite.database.checkpoints import Checkpoints, Written, write_back

#: How often a thread checks whether another thread's fork is over, and a fork whether the operations are.
_CHECK_EVERY_S: Final = 0.001

#: More operations than a process does at once.
_MANY: Final = 100


class Lease:
    """A connection in use. If it is dropped without being given back, the connection is closed.

    Attributes:
        connection: The connection; only the thread that took it may use it.
        thread: That thread.
        generation: The pool's generation when it was taken.
    """

    __slots__ = ("__weakref__", "connection", "generation", "thread")

    def __init__(self, connection: sqlite3.Connection, thread: int, generation: int) -> None:
        self.connection = connection
        self.thread = thread
        self.generation = generation


class ConnectionPool:
    """Connections to one file, each of which is used by one thread at a time.

    Args:
        path: The file.
        connect: Opens a connection.
    """

    def __init__(self, path: str, connect: Callable[[], sqlite3.Connection]) -> None:
        self._path = path
        self._connect = connect
        self._generation = 0  # grows when the connections in use must not be used again
        self._start_empty()
        forks.watch(self)

    def _start_empty(self) -> None:
        self._checkpoints = Checkpoints(f"SQLite file {self._path}")
        self._mutex = threading.Lock()  # guards everything below, for moments
        self._idle: list[sqlite3.Connection] = []
        self._busy: dict[int, weakref.ref[Lease]] = {}
        self._observer: sqlite3.Connection | None = None
        self._forking = 0  # the thread that is about to fork: no other one opens a connection
        self._pid = (
            this_process.pid
        )  # last: until then another thread must not use what is left of the parent's

    def take(self, *, beside: bool = False) -> Lease:
        """Return a connection for the calling thread alone, until it is given back.

        Args:
            beside: Leave the connection that was used last to others, and its page cache with it.

        Raises:
            BackendUnavailableError: The file can't be opened.
        """
        self._check_process()
        me = threading.get_ident()
        while True:
            with self._mutex:
                if self._forking in (0, me):
                    # Opened under the mutex, so that no fork comes between; it takes a millisecond, and is rare.
                    connection = self._idle.pop(-1 - beside) if len(self._idle) > beside else self._open()
                    lease = Lease(connection, me, self._generation)
                    if len(self._busy) > _MANY:  # some leases were dropped
                        self._busy = {key: one for key, one in self._busy.items() if one() is not None}
                    self._busy[id(lease)] = weakref.ref(lease)
                    return lease
            time.sleep(_CHECK_EVERY_S)

    def give_back(self, lease: Lease, *, broken: bool = False, beside: bool = False) -> None:
        """Take a connection back; close it if it is broken, or must not be open at a fork.

        One that was taken `beside` is not the next to be used.
        """
        with self._mutex:
            if broken or lease.generation != self._generation or self._forking:
                lease.connection.close()
            else:
                self._idle.insert(0 if beside else len(self._idle), lease.connection)
            self._busy.pop(id(lease), None)

    def version(self) -> int:
        """Return a number that changes with every commit to the file, by any process and also by this pool.

        Raises:
            BackendUnavailableError: The file can't be opened.
            sqlite3.Error: SQLite refused.
        """
        self._check_process()
        me = threading.get_ident()
        while True:
            with self._mutex:
                if self._forking in (0, me):
                    # A connection's own commits don't change its number, so this one never writes.
                    if self._observer is None:
                        self._observer = self._open()
                    (version,) = self._observer.execute("PRAGMA data_version").fetchone()
                    return int(version)
            time.sleep(_CHECK_EVERY_S)

    def note_commit(self, rows: int) -> None:
        """Note that a commit has changed so many rows; a thread writes the log back when it is time."""
        self._checkpoints.note_commit(rows, self._write_back)

    def _write_back(self) -> Written:
        lease = self.take(beside=True)
        broken = False
        try:
            return write_back(lease.connection)
        except sqlite3.Error as error:
            broken = errors.is_fatal(error)
            raise
        finally:
            self.give_back(lease, broken=broken, beside=True)

    def close(self) -> None:
        """Close all connections: those in use when they are given back."""
        self._check_process()
        self._checkpoints.wait(forks.PATIENCE_S)
        with self._mutex:
            self._close_idle()
            self._generation += 1

    def __del__(self) -> None:
        # A connection that is only collected is reported as a leak by newer Pythons.
        if hasattr(self, "_mutex"):
            self.close()

    def _open(self) -> sqlite3.Connection:
        if forks.has_copies(self._path):
            raise BackendUnavailableError(
                f"SQLite file {self._path}: this process was forked while the file was open (another thread's "
                f"transaction took longer than {forks.PATIENCE_S:.0f} s, or a program such as uWSGI forked past "
                "Python's hooks), so it can't use the file safely; fork earlier (with uWSGI: lazy-apps), or start "
                "processes by 'spawn'"
            )
        return self._connect()

    def _close_idle(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()
        if self._observer is not None:
            self._observer.close()
            self._observer = None

    def before_fork(self) -> None:
        """Let no operation start, wait for those that are running, and close all connections."""
        self._check_process()
        me = threading.get_ident()
        deadline = time.monotonic() + forks.PATIENCE_S
        self._checkpoints.wait(forks.PATIENCE_S)
        while not self._frozen(me, deadline) and time.monotonic() < deadline:
            time.sleep(_CHECK_EVERY_S)

    def _frozen(self, me: int, deadline: float) -> bool:
        if threading.current_thread() is not threading.main_thread():
            with self._mutex:
                return self._freeze(me)
        # With a limit: a signal handler may fork in the thread that holds the mutex itself.
        if not self._mutex.acquire(timeout=max(deadline - time.monotonic(), 0)):
            return False
        try:
            return self._freeze(me)
        finally:
            self._mutex.release()

    def _freeze(self, me: int) -> bool:
        """Close idle connections; return True if none is open but those that this thread itself uses."""
        if self._forking not in (0, me):
            return False  # threads that fork at the same time take turns
        self._forking = me
        self._close_idle()
        leases = [reference() for reference in self._busy.values()]
        return all(lease is None or lease.thread == me for lease in leases)

    def after_fork_in_parent(self) -> None:
        """Let operations start again."""
        if self._forking == threading.get_ident():
            self._forking = 0

    def _check_process(self) -> None:
        """Notice a fork of which Python's hooks did not tell: uWSGI forks so."""
        if self._pid != this_process.pid:
            self.after_fork_in_child()

    def after_fork_in_child(self) -> None:
        """Start without the parent's connections."""
        leases = [reference() for reference in self._busy.values()]
        copied = [*(lease.connection for lease in leases if lease is not None), *self._idle]
        if self._observer is not None:
            copied.append(self._observer)
        forks.keep_open(self._path, copied)
        self._start_empty()
