"""The file as this process uses it: reading, writing in transactions, and the numbers that stand for names.

Nothing here opens the file other than through SQLite: closing any descriptor of it would drop the locks that SQLite
holds for this process.
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
from alsek.storage.backends.sqlite.database import errors as faults
from alsek.storage.backends.sqlite.database.connection import BusyRetry, Synchronous, connect
from alsek.storage.backends.sqlite.database.connection_pool import Pool
from alsek.storage.backends.sqlite.database.expiry import Sweeper
from alsek.storage.backends.sqlite.database.queue_names import keep_names
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.wakeup.notifier import Notifier

log = guarded_logger(__name__)

T = TypeVar("T")

#: How often to look whether the file is still the one that was opened (s).
_LOOK_EVERY: Final = 1.0


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
        self._timeout = timeout
        self._sweeper = Sweeper()
        self._pool = Pool(path, lambda: connect(path, synchronous, timeout))
        self._pid = os.getpid()
        self._turn = threading.Lock()  # held by the thread of this process that writes
        self._looked = 0.0
        self._forget()

    def _forget(self) -> None:
        self._file: tuple[int, int] | None = None
        self._ns = 0
        self._names: dict[int, str] = {}

    # --- operations --------------------------------------------------------------------------------

    def read(self, work: Callable[[Transaction], T]) -> T:
        """What `work` finds, which must consist of one statement or not mind a change between two.

        Raises:
            BackendUnavailableError: The file can't be used, or not within the timeout.
            BackendError: SQLite refused.
            ValidationError: A number is larger than SQLite can store.
        """
        value, _ = self._run(work, writing=False)
        return value

    def write(self, work: Callable[[Transaction], T]) -> T:
        """What `work` returns, after all that it wrote is committed, or nothing of it.

        What it noted to be published and to be woken follows the commit.

        Raises:
            BackendUnavailableError: The file can't be used, or not within the timeout.
            BackendError: SQLite refused; nothing was written.
            ValidationError: A number is larger than SQLite can store; nothing was written.
        """
        self._find_ground()
        deadline = time.monotonic() + self._timeout / 1000
        # `with`, and no timed acquire(): an exception set from outside (a task's timeout) can't come between
        # taking the lock and being sure to give it back. Each turn is bounded, so this wait is.
        with self._turn:
            if time.monotonic() > deadline:
                raise BackendUnavailableError(
                    f"{self.where}: it stayed locked within this process; try again"
                )
            value, tx = self._run(work, writing=True)
        if tx.woken_lanes or tx.notes or tx.revocations:
            self.notifier.notify(tx.woken_lanes, tx.notes, tx.revocations)
        return value

    def _run(self, work: Callable[[Transaction], T], *, writing: bool) -> tuple[T, Transaction]:
        self._find_ground()
        patience: BusyRetry | None = None
        while True:
            lease = self._pool.take()
            connection = lease.connection
            broken = False
            names = self._names  # if the file is replaced meanwhile, these are not those of the new one
            try:
                ns = self._ns or self._settle(connection)
                if writing:
                    connection.execute("BEGIN IMMEDIATE")
                tx = Transaction(connection, ns, self.clock(), names)
                value = work(tx)
                if writing:
                    self._sweeper.pass_by(tx)
                    connection.execute("COMMIT")
                if tx.read_names:
                    keep_names(names, tx.read_names)
                return value, tx
            except sqlite3.Error as error:
                broken = faults.is_fatal(error)
                if not faults.is_busy(error):
                    raise faults.explained(error, self.where) from error
                busy = error
            except OverflowError as error:
                raise ValidationError(f"{self.where}: a number is larger than SQLite can store") from error
            finally:
                if connection.in_transaction:
                    broken = not _rolled_back(connection) or broken
                self._pool.give_back(lease, broken=broken)
            # Waits without a connection: a fork must not have to wait for it.
            patience = patience or BusyRetry(self._timeout)
            if not patience.wait():
                raise BackendUnavailableError(
                    f"{self.where}: another process has kept it locked for {self._timeout} ms; try again, or look "
                    "for a program that holds a transaction open"
                ) from busy

    def ping(self) -> None:
        """Return if the file can be read."""
        self.read(_ping)

    def version(self) -> int:
        """A number that changes with every commit to the file, whoever makes it."""
        try:
            return self._pool.version()
        except sqlite3.Error as error:
            raise faults.explained(error, self.where) from error

    def close(self) -> None:
        """Give back connections; the next operation opens them anew."""
        self._pool.close()
        self.notifier.begin_anew()

    # --- the ground one stands on ------------------------------------------------------------------

    def _find_ground(self) -> None:
        """Notice a fork, and a file that was deleted or replaced: what is written there would be lost."""
        if self._pid != os.getpid():
            self._turn = threading.Lock()  # its holder stayed with the parent
            self.notifier.begin_anew()
            self._pid = os.getpid()  # last: until then another thread must not take this for its own ground
        now = time.monotonic()
        if now - self._looked > _LOOK_EVERY:
            self._looked = now
            if self._file is not None and _identity(self.path) != self._file:
                log.warning("%s was deleted or replaced; opening it anew", self.where)
                self._pool.close()
                self._forget()

    def _settle(self, connection: sqlite3.Connection) -> int:
        """Find or make the namespace; its number."""
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


def _rolled_back(connection: sqlite3.Connection) -> bool:
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
