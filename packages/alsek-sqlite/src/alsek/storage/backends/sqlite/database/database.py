"""The file as this process uses it: reads, and writes in transactions.

Nothing here opens the file other than through SQLite: closing any other descriptor of it would drop the locks that
SQLite holds for this process.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from alsek.core.clock import real_time as time
from alsek.core.loggers import guarded_logger
from alsek.exceptions import BackendUnavailableError, ValidationError
from alsek.storage.backends.sqlite.database import errors
from alsek.storage.backends.sqlite.database.connection import BusyRetry, Synchronous, connect
from alsek.storage.backends.sqlite.database.connection_pool import ConnectionPool
from alsek.storage.backends.sqlite.database.expiry import Sweeper
from alsek.storage.backends.sqlite.database.paused_queues import PausedQueues
from alsek.storage.backends.sqlite.database.queue_names import keep_names
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.wakeup.notifier import Notifier

log = guarded_logger(__name__)

T = TypeVar("T")

#: How often to check that the file is still the one that was opened.
_CHECK_EVERY_S: Final = 1.0


class Database:
    """One namespace of one file.

    Args:
        path: The file's resolved path.
        namespace: The namespace. It is created when it is first used.
        synchronous: ``"NORMAL"``: a power cut may undo the last moments, but never half of a step. ``"FULL"``: what
            was answered stays.
        timeout: How long an operation waits for its turn, in milliseconds.
        clock: Returns Unix milliseconds.

    Attributes:
        paused: The paused queues, as this process last saw them.
    """

    def __init__(
        self, path: str, namespace: str, synchronous: Synchronous, timeout: int, clock: Callable[[], int]
    ) -> None:
        self.path = path
        self.namespace = namespace
        self.where = f"SQLite file {path}"
        self.clock = clock
        self.notifier = Notifier(path, namespace)
        self._timeout = timeout
        self.paused = PausedQueues()
        self._sweeper = Sweeper()
        self._pool = ConnectionPool(path, lambda: connect(path, synchronous, timeout))
        self._pid = os.getpid()
        self._write_lock = threading.Lock()  # held by the thread of this process that writes
        self._checked_at = 0.0
        self._forget_file()

    def _forget_file(self) -> None:
        self._file: tuple[int, int] | None = None
        self._ns = 0
        self._queue_names: dict[int, str] = {}

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Return what `work` returns. It reads with one statement, or does not mind a change between two.

        Raises:
            BackendUnavailableError: The file can't be used, or not within the timeout.
            BackendError: SQLite refused.
            ValidationError: A number is larger than SQLite can store.
        """
        value, _ = self._run(work, writing=False)
        return value

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Return what `work` returns, after everything that it wrote is committed, or nothing of it.

        After the commit, what it noted is published and woken.

        Raises:
            BackendUnavailableError: The file can't be used, or not within the timeout.
            BackendError: SQLite refused; nothing was written.
            ValidationError: A number is larger than SQLite can store; nothing was written.
        """
        self._check_process_and_file()
        deadline = time.monotonic() + self._timeout / 1000
        # `with`, and no acquire() with a timeout: an exception set from outside (a task's timeout) can't come between
        # taking the lock and being sure to release it. Each holder's time is bounded, so this wait is.
        with self._write_lock:
            if time.monotonic() > deadline:
                raise BackendUnavailableError(
                    f"{self.where}: it stayed locked within this process; try again"
                )
            value, tx = self._run(work, writing=True)
        self._pool.note_commit(tx.changed)
        if tx.woken_lanes or tx.notes or tx.revocations:
            lanes = self.paused.to_wake(tx.woken_lanes, self.read) if self.paused.any else tx.woken_lanes
            self.notifier.notify(lanes, tx.notes, tx.revocations)
        return value

    def _run(self, work: Callable[[Transaction], T], *, writing: bool) -> tuple[T, Transaction]:
        self._check_process_and_file()
        retry: BusyRetry | None = None
        while True:
            lease = self._pool.take()
            connection = lease.connection
            broken, before = False, 0
            names = self._queue_names  # if the file is replaced meanwhile, these are not those of the new one
            try:
                ns = self._ns or self._ensure_namespace(connection)
                if writing:
                    connection.execute("BEGIN IMMEDIATE")
                    before = connection.total_changes
                tx = Transaction(connection, ns, self.clock(), names)
                value = work(tx)
                if writing:
                    if self._sweeper.sweep_sometimes(tx):
                        self.paused.look(tx)
                    connection.execute("COMMIT")
                    tx.changed = connection.total_changes - before
                if tx.read_names:
                    keep_names(names, tx.read_names)
                return value, tx
            except sqlite3.Error as error:
                broken = errors.is_fatal(error)
                if not errors.is_busy(error):
                    raise errors.explained(error, self.where) from error
                busy = error
            except OverflowError as error:
                raise ValidationError(f"{self.where}: a number is larger than SQLite can store") from error
            finally:
                if connection.in_transaction:
                    broken = not _roll_back(connection) or broken
                self._pool.give_back(lease, broken=broken)
            # Waits without a connection: a fork must not have to wait for it.
            retry = retry or BusyRetry(self._timeout)
            if not retry.wait():
                raise self._stayed_busy() from busy

    def _stayed_busy(self) -> BackendUnavailableError:
        return BackendUnavailableError(
            f"{self.where}: another process has kept it locked for {self._timeout} ms; try again, or look "
            "for a program that holds a transaction open"
        )

    def ping(self) -> None:
        """Return if the file can be read."""
        self.read(_ping)

    def ping_as_writer(self) -> None:
        """Return if the file can be written to: a program that holds a transaction open only stops those who write."""
        self.write(_ping)

    def version(self) -> int:
        """Return a number that changes with every commit to the file, by any process."""
        try:
            return self._pool.version()
        except sqlite3.Error as error:
            raise errors.explained(error, self.where) from error

    def close(self) -> None:
        """Close the connections; the next operation opens new ones."""
        self._pool.close()
        self.notifier.reset()

    def _check_process_and_file(self) -> None:
        """Notice a fork, and a file that was deleted or replaced: what is written to that would be lost."""
        if self._pid != os.getpid():
            self._write_lock = threading.Lock()  # its holder stayed with the parent
            self.notifier.reset()
            self._pid = os.getpid()  # last: another thread must not believe before that this is done
        now = time.monotonic()
        if now - self._checked_at > _CHECK_EVERY_S:
            self._checked_at = now
            if self._file is not None and _identity(self.path) != self._file:
                log.warning("%s was deleted or replaced; opening it anew", self.where)
                self._pool.close()
                self._forget_file()

    def _ensure_namespace(self, connection: sqlite3.Connection) -> int:
        """Return the namespace's id; create it if need be."""
        query = "SELECT id FROM namespaces WHERE name = ?"
        row = connection.execute(query, (self.namespace,)).fetchone()
        if row is None:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT OR IGNORE INTO namespaces (name) VALUES (?)", (self.namespace,))
            row = connection.execute(query, (self.namespace,)).fetchone()
            connection.execute("COMMIT")
        self._file = _identity(self.path)
        self._ns = int(row[0])
        return self._ns


def _ping(tx: Transaction) -> None:
    tx.execute("SELECT 1 FROM namespaces WHERE id = ?", (tx.ns,)).fetchone()


def _roll_back(connection: sqlite3.Connection) -> bool:
    """Roll back; return False if that failed, so that the connection must be closed."""
    try:
        connection.execute("ROLLBACK")
    except sqlite3.Error:
        log.exception("Could not roll back; the connection is given up")
        return False
    return True


def _identity(path: str) -> tuple[int, int] | None:
    try:
        stat = Path(path).stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino
