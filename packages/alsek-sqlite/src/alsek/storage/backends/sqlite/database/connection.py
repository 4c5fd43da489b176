"""Opens a connection to the file, with the right settings and on a schema of the right version."""

from __future__ import annotations

import sqlite3
from importlib.resources import files
from typing import Final, Literal, TypeAlias

from alsek.core.clock import real_time as time
from alsek.core.loggers import guarded_logger
from alsek.core.pauses import Pauses
from alsek.exceptions import BackendError, BackendUnavailableError
from alsek.storage.backends.header import merged
from alsek.storage.backends.history import added as added_counts
from alsek.storage.backends.sqlite.database import errors, location
from alsek.storage.backends.sqlite.database.checkpoints import INLINE_PAGES
from alsek.storage.backends.sqlite.database.statements import marks

log = guarded_logger(__name__)

Synchronous: TypeAlias = Literal["NORMAL", "FULL"]

#: The first version with RETURNING (2021).
OLDEST_SQLITE: Final = (3, 35, 0)

#: The version of schema.sql and :data:`ADDITIONS`. A file with a higher one was made by a newer Alsek.
SCHEMA_VERSION: Final = 2

#: The version of files that 0.1.0 made. They get the columns `tail` and what :data:`ADDITIONS` make, and stay as they
#: are otherwise, so that 0.1.0 can go on using them. It keeps the ids of queues for ever, so the rows of empty queues
#: are never deleted from such files.
LASTING_QUEUES: Final = 1

#: The versions that this one opens.
_KNOWN: Final = (LASTING_QUEUES, SCHEMA_VERSION)

#: The scripts that come after schema.sql, in this order, and what shows that a file has had each: a table or trigger of
#: it. A file that an older version made gets what it lacks when it is opened.
ADDITIONS: Final = {
    "lanes.sql": "lanes",
    "pauses.sql": "pauses",
    "tallies.sql": "delayed_added",
    "aside.sql": "aside",
    "worker_facts.sql": "worker_facts",
    "history.sql": "history",
    "moves.sql": "moves",
    "async_lanes.sql": "message_made_ready",
    "groups.sql": "message_groups",
    "limits.sql": "limits",
    "schedules.sql": "schedules",
    "reports.sql": "reports",
    "lines.sql": "lines",
}

#: "ALSK": marks the file as Alsek's own.
APPLICATION_ID: Final = 0x414C534B

#: The page size of a new file. A commit writes every page that it touched, and a step touches a dozen for a few small
#: rows: with half of SQLite's usual 4,096 bytes, steps and submissions of small messages are about a fifth faster. With
#: 1,024 bytes large payloads are slower.
PAGE_SIZE: Final = 2_048

#: The first and the longest pause of a writer that met another one. A transaction takes about 0.2 ms.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.000_1, 0.01

_SETTINGS: Final = (
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -16384",
    "PRAGMA secure_delete = OFF",
    f"PRAGMA wal_autocheckpoint = {INLINE_PAGES}",
    "PRAGMA journal_size_limit = 67108864",
)


class BusyRetry:
    """Growing, jittered pauses of a writer, until a timeout.

    SQLite's own busy handler sleeps 1, 2, 5, 10, … 100 ms, at the same times in all processes: far too long beside
    transactions of a fraction of a millisecond. So it is off, and all waiting is done here.

    Args:
        timeout: How long to go on trying, in milliseconds.
    """

    __slots__ = ("_deadline", "_pauses")

    def __init__(self, timeout: int) -> None:
        self._deadline = time.monotonic() + timeout / 1000
        self._pauses = Pauses(_FIRST_PAUSE_S, _LONGEST_PAUSE_S, factor=1.5, jitter=(0.5, 1.5))

    def wait(self) -> bool:
        """Pause; return False if the timeout is over."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(left, self._pauses.next()))
        return True


def connect(path: str, synchronous: Synchronous, timeout: int) -> sqlite3.Connection:
    """Open a connection in autocommit mode; one thread at a time may use it.

    Raises:
        BackendUnavailableError: The file can't be opened or used; the text says why.
        BackendError: It is another application's, or a newer Alsek's.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        wanted = ".".join(map(str, OLDEST_SQLITE))
        raise BackendUnavailableError(
            f"SQLite {sqlite3.sqlite_version} is too old for Alsek, which needs {wanted}: use a newer Python build"
        )
    location.check(path)
    retry = BusyRetry(timeout)
    while True:
        try:
            return _connect(path, synchronous)
        except sqlite3.Error as error:
            if not (errors.is_busy(error) and retry.wait()):
                raise errors.explained(error, f"SQLite file {path}") from error


def _connect(path: str, synchronous: Synchronous) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=512
    )
    try:
        _prepare(connection, path, synchronous)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: str, synchronous: Synchronous) -> None:
    for setting in _SETTINGS:
        connection.execute(setting)
    connection.create_function("merge_tail", 2, merged, deterministic=True)
    connection.create_function("add_counts", 2, _add_counts, deterministic=True)
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    # In one read transaction: another process may be creating the file, which would look half done.
    connection.execute("BEGIN")
    try:
        version = _version(connection, path)
    finally:
        connection.rollback()
    if version == 0:
        connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    # Outside the transaction below, since the mode can't change within one.
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise BackendUnavailableError(
            f"SQLite file {path}: write-ahead logging can't be had here (the mode is {mode!r}); "
            "put the file on a local disk"
        )
    if version == 0 or (version in _KNOWN and not _is_complete(connection)):
        version = _create_tables(connection, path)
    if version not in _KNOWN:
        raise BackendError(
            f"SQLite file {path}: its schema is version {version}, this alsek-sqlite knows {SCHEMA_VERSION}; "
            "upgrade alsek-sqlite, or use another file"
        )


def _add_counts(first: str, second: str) -> str:
    return added_counts((first, second))


def _version(connection: sqlite3.Connection, path: str) -> int:
    """Return the version of the schema; 0 for an empty file.

    Raises:
        BackendError: The file belongs to another application.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (application or version or tables):
        raise BackendError(
            f"SQLite file {path}: it is another application's database; give Alsek a file of its own"
        )
    return int(version)


def _has_tails(connection: sqlite3.Connection) -> bool:
    query = "SELECT 1 FROM pragma_table_info('messages') WHERE name = 'tail'"
    return connection.execute(query).fetchone() is not None


def _lacking(connection: sqlite3.Connection) -> list[str]:
    """Return the scripts of :data:`ADDITIONS` that the file has not had."""
    query = f"SELECT name FROM sqlite_master WHERE name IN ({marks(len(ADDITIONS))})"  # noqa: S608
    present = {name for (name,) in connection.execute(query, tuple(ADDITIONS.values()))}
    return [script for script, shown_by in ADDITIONS.items() if shown_by not in present]


def _is_complete(connection: sqlite3.Connection) -> bool:
    return _has_tails(connection) and not _lacking(connection)


def _create_tables(connection: sqlite3.Connection, path: str) -> int:
    """Create all tables, or add what an older version lacks, unless another process has just done so.

    Returns:
        The version of the schema now.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection, path)
        if version == 0:
            for script in ("schema.sql", *ADDITIONS):
                _run(connection, script)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            version = SCHEMA_VERSION
            log.info("Created the SQLite store %s", path)
        elif version in _KNOWN:
            added = _lacking(connection)
            if not _has_tails(connection):
                added.append("tails.sql")
            for script in added:
                _run(connection, script)
            if added:
                log.info(
                    "Completed the SQLite store %s, which an older version made: %s", path, ", ".join(added)
                )
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    return version


def _run(connection: sqlite3.Connection, script: str) -> None:
    """Run the statements of a script; ``executescript`` would commit before each."""
    text = (files("alsek.storage.backends.sqlite") / script).read_text(encoding="utf-8")
    pending = ""
    for line in text.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            connection.execute(pending)
            pending = ""
