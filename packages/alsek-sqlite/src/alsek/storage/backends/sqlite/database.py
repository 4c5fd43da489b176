"""The file as this process uses it: a pool of connections, transactions, and what a fork does to them.

**Connections.** An operation takes a connection from the pool and puts it back. So there are never more of them
than operations at once, none leaks with a thread that ends, and, since the writers of one process take turns at a
lock of this process, writing happens nearly always on the same connection, whose page cache then stays warm.

**Forks.** SQLite forbids carrying a connection over a fork: its locks belong to the process that took them
(POSIX ``fcntl`` locks are not inherited), while the copied library believes that it still holds them. A child would
read pages that a checkpoint overwrites, or write to a log that the parent has deleted; even ``sqlite3_close`` in the
child may delete the log under the parent. A new connection of the child to the same file is no better while the
copied one exists, because SQLite keeps the locks of all connections to one file in one place. So before each
``os.fork`` every connection of this process is closed, once the operations under way have ended; parent and child
open new ones when they need them. An operation that does not end within :data:`FORK_PATIENCE` keeps its connection;
the child then keeps that one for ever, never used and never closed. (``subprocess`` does not fork in this sense.)

Nothing here opens the file other than through SQLite: closing any descriptor of it would drop the process's locks.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from typing import Final, TypeVar

from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.sqlite import faults
from alsek.storage.backends.sqlite.connection import Patience, Synchronous, connect
from alsek.storage.backends.sqlite.notify import Notifier
from alsek.storage.backends.sqlite.sweeping import Sweeper
from alsek.storage.backends.sqlite.transaction import Transaction

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: How long a fork waits for operations of other threads (s).
FORK_PATIENCE: Final = 5.0

#: How often to look whether the file is still the one that was opened (s).
_LOOK_EVERY: Final = 1.0


def wall_clock() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


class Database:
    """A namespace of one file.

    Args:
        path: Resolved.
        namespace: Made on first use.
        synchronous: ``"NORMAL"``: a power cut may undo the last moments, never half of a step. ``"FULL"``:
            what was answered stays.
        timeout: How long an operation waits for its turn, in milliseconds.
        clock: Unix milliseconds.
    """

    def __init__(
        self, path: str, namespace: str, synchronous: Synchronous, timeout: int, clock: Callable[[], int]
    ) -> None:
        self.path = path
        self.namespace = namespace
        self.where = f"SQLite file {path}"
        self.clock = clock
        self.notifier = Notifier(path, namespace)
        self._synchronous = synchronous
        self._timeout = timeout
        self._sweeper = Sweeper()
        self._begin_anew()
        _DATABASES.add(self)
        _watch_forks()

    def _begin_anew(self) -> None:
        self._mutex = threading.Lock()  # guards what follows, for moments
        self._turn = threading.Lock()  # held by the thread of this process that writes
        self._idle: list[sqlite3.Connection] = []
        self._busy: dict[sqlite3.Connection, int] = {}  # and the thread that uses it
        self._outdated: set[sqlite3.Connection] = set()  # busy ones that are not to be used again
        self._frozen = False
        self._observer: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._looked = 0.0
        self._ns = 0
        self._ids: dict[str, int] = {}
        self._names: dict[int, str] = {}

    # --- operations --------------------------------------------------------------------------------

    def read(self, work: Callable[[Transaction], T]) -> T:
        """What `work` finds, which must consist of one statement or not mind a change between two.

        Raises:
            BackendUnavailableError: The file can't be used, or not within the timeout.
            BackendError: SQLite refused.
        """
        connection = self._take()
        fatal = False
        try:
            patience: Patience | None = None
            while True:
                try:
                    return work(Transaction(connection, self._ns, self.clock()))
                except sqlite3.Error as error:
                    patience = patience or Patience(self._timeout)
                    if not (faults.is_busy(error) and patience.wait()):
                        fatal = faults.is_fatal(error)
                        raise faults.explained(error, self.where) from error
        finally:
            self._give_back(connection, fatal)

    def write(self, work: Callable[[Transaction], T]) -> T:
        """What `work` returns, after all that it wrote is committed, or nothing of it.

        What it noted to be published and to be woken follows the commit.

        Raises:
            BackendUnavailableError: The file can't be used, or not within the timeout.
            BackendError: SQLite refused; nothing was written.
        """
        if not self._turn.acquire(timeout=self._timeout / 1000):
            raise BackendUnavailableError(f"{self.where}: it stayed locked within this process; try again")
        try:
            connection = self._take()
            fatal = False
            try:
                self._begin(connection)
                tx = Transaction(connection, self._ns, self.clock())
                value = work(tx)
                self._sweeper.pass_by(tx)
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                fatal = faults.is_fatal(error)
                raise faults.explained(error, self.where) from error
            finally:
                if connection.in_transaction:
                    fatal = not _rolled_back(connection) or fatal
                self._give_back(connection, fatal)
        finally:
            self._turn.release()
        if tx.queues:
            self._remember(tx.queues)
        if tx.wakes or tx.notes:
            self.notifier.tell(tx.wakes, tx.notes)
        return value

    def ping(self) -> None:
        """Return if the file can be read, and is not to be replaced."""
        self.read(_ping)

    def version(self) -> int:
        """A number that changes with every commit to the file, whoever makes it."""
        with self._mutex:
            if self._observer is None:
                self._observer = connect(self.path, self._synchronous, self._timeout)
            try:
                (version,) = self._observer.execute("PRAGMA data_version").fetchone()
            except sqlite3.Error as error:
                raise faults.explained(error, self.where) from error
            return int(version)

    def _begin(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not faults.is_busy(error):
                raise
        else:
            return
        patience = Patience(self._timeout)
        while patience.wait():
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if not faults.is_busy(error):
                    raise
            else:
                return
        raise BackendUnavailableError(
            f"{self.where}: another process has kept it locked for {self._timeout} ms; try again, or look for a "
            "program that holds a transaction open"
        )

    # --- queues by number --------------------------------------------------------------------------

    def queue_id(self, tx: Transaction, name: str) -> int | None:
        """The number of a queue; None if it never had a message."""
        known = self._ids.get(name) or tx.queues.get(name)
        if known is None:
            row = tx.execute("SELECT id FROM queues WHERE ns = ? AND name = ?", (tx.ns, name)).fetchone()
            if row is not None:
                known = row[0]
                self._remember({name: row[0]})
        return known

    def make_queue(self, tx: Transaction, name: str) -> int:
        """The number of a queue, which is made if need be."""
        known = self.queue_id(tx, name)
        if known is None:
            tx.execute("INSERT INTO queues (ns, name) VALUES (?, ?)", (tx.ns, name))
            known = tx.queues[name] = tx.cursor.lastrowid or 0
        return known

    def queue_name(self, tx: Transaction, number: int) -> str:
        """The name of a queue of this number."""
        known = self._names.get(number)
        if known is None:
            (known,) = tx.execute("SELECT name FROM queues WHERE id = ?", (number,)).fetchone()
        return known

    def _remember(self, queues: dict[str, int]) -> None:
        self._ids.update(queues)
        self._names.update({number: name for name, number in queues.items()})

    # --- the pool ----------------------------------------------------------------------------------

    def _take(self) -> sqlite3.Connection:
        if time.monotonic() - self._looked > _LOOK_EVERY:
            self._look()
        with self._mutex:
            if self._idle:
                connection = self._idle.pop()
                self._busy[connection] = threading.get_ident()
                return connection
            # Opened under the mutex, so that no fork comes between; it takes a millisecond, and seldom happens.
            connection = connect(self.path, self._synchronous, self._timeout)
            self._busy[connection] = threading.get_ident()
        try:
            if not self._ns:
                self._ns = self._make_namespace(connection)
            if self._file is None:
                self._file = _identity(self.path)
        except BaseException:
            self._give_back(connection, fatal=True)
            raise
        return connection

    def _give_back(self, connection: sqlite3.Connection, fatal: bool) -> None:
        with self._mutex:
            del self._busy[connection]
            if not fatal and connection not in self._outdated:
                self._idle.append(connection)
                return
            self._outdated.discard(connection)
        connection.close()

    def _make_namespace(self, connection: sqlite3.Connection) -> int:
        query = "SELECT id FROM namespaces WHERE name = ?"
        try:
            row = connection.execute(query, (self.namespace,)).fetchone()
            if row is None:
                self._begin(connection)
                connection.execute("INSERT OR IGNORE INTO namespaces (name) VALUES (?)", (self.namespace,))
                row = connection.execute(query, (self.namespace,)).fetchone()
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise faults.explained(error, self.where) from error
        return int(row[0])

    def _look(self) -> None:
        """Leave a file that was deleted or replaced: what is written there would be lost."""
        self._looked = time.monotonic()
        if self._file is None or _identity(self.path) == self._file:
            return
        logger.warning("%s was deleted or replaced; opening it anew", self.where)
        self.close()
        with self._mutex:
            self._file, self._ns = None, 0
            self._ids.clear()
            self._names.clear()

    def close(self) -> None:
        """Close all connections that are not in use; those that are, when they are given back."""
        with self._mutex:
            self._close_idle()
            self._outdated.update(self._busy)

    def __del__(self) -> None:
        # A connection that is only collected is reported as a leak by newer Pythons.
        if hasattr(self, "_mutex"):
            self.close()

    def _close_idle(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()
        if self._observer is not None:
            self._observer.close()
            self._observer = None

    # --- forks -------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Wait for operations under way, let none begin, and close what is open."""
        deadline = time.monotonic() + FORK_PATIENCE
        me = threading.get_ident()
        while True:
            # With a limit: a signal handler may fork in a thread that holds the mutex itself.
            self._frozen = self._mutex.acquire(timeout=FORK_PATIENCE)
            others = [thread for thread in self._busy.values() if thread != me]
            if not self._frozen or not others or time.monotonic() > deadline:
                break
            self._mutex.release()
            time.sleep(0.000_2)
        if self._frozen:
            self._close_idle()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        if self._frozen:
            self._frozen = False
            self._mutex.release()

    def after_fork_in_child(self) -> None:
        """Begin with nothing of the parent's."""
        _FORSAKEN.extend(self._busy)
        _FORSAKEN.extend(self._idle)
        if self._observer is not None:
            _FORSAKEN.append(self._observer)
        self._begin_anew()
        self.notifier.begin_anew()


def _ping(tx: Transaction) -> None:
    tx.execute("SELECT 1 FROM namespaces WHERE id = ?", (tx.ns,)).fetchone()


def _rolled_back(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("ROLLBACK")
    except sqlite3.Error:
        logger.exception("Could not roll back; the connection is given up")
        return False
    return True


def _identity(path: str) -> tuple[int, int] | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


_DATABASES: weakref.WeakSet[Database] = weakref.WeakSet()
_held: list[Database] = []

#: Connections of a parent that could not be closed before the fork: kept here, so that nothing ever closes them.
_FORSAKEN: list[sqlite3.Connection] = []
_watching = False


def _watch_forks() -> None:
    """Have forks announced, once in this process and its children."""
    global _watching
    if not _watching and hasattr(os, "register_at_fork"):
        _watching = True
        os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)


def _before() -> None:
    _held[:] = list(_DATABASES)
    for database in _held:
        database.before_fork()


def _in_parent() -> None:
    while _held:
        _held.pop().after_fork_in_parent()


def _in_child() -> None:
    while _held:
        _held.pop().after_fork_in_child()
