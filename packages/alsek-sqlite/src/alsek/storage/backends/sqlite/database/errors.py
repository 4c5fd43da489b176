"""Translates SQLite's errors to Alsek's, which say what happened, where, and what to do."""

from __future__ import annotations

import sqlite3
from typing import Final

from alsek.exceptions import BackendError, BackendUnavailableError

#: What each primary result code (https://www.sqlite.org/rescode.html) means for the operator of the store.
_SENTENCES: Final[dict[int, tuple[type[BackendError], str]]] = {
    sqlite3.SQLITE_BUSY: (BackendUnavailableError, "it stayed locked by another process; try again"),
    sqlite3.SQLITE_LOCKED: (BackendUnavailableError, "it stayed locked within this process; try again"),
    sqlite3.SQLITE_PROTOCOL: (BackendUnavailableError, "its locks were in use for too long; try again"),
    sqlite3.SQLITE_CANTOPEN: (
        BackendUnavailableError,
        "it can't be opened; its folder must exist and both must be writable by this user",
    ),
    sqlite3.SQLITE_NOTADB: (
        BackendUnavailableError,
        "it is not an SQLite database (or is encrypted); give another path",
    ),
    sqlite3.SQLITE_READONLY: (
        BackendError,
        "it can't be written; this user needs write permission for the file and its folder",
    ),
    sqlite3.SQLITE_PERM: (BackendError, "the file system denies access; check its permissions"),
    sqlite3.SQLITE_FULL: (
        BackendError,
        "the disk is full; nothing of this step was written; free some space",
    ),
    sqlite3.SQLITE_IOERR: (
        BackendError,
        "the file system reported an I/O error; nothing of this step was written; check the disk",
    ),
    sqlite3.SQLITE_CORRUPT: (
        BackendError,
        "the file is damaged; restore a backup, or save what can be saved with `sqlite3 FILE .recover`",
    ),
    sqlite3.SQLITE_TOOBIG: (BackendError, "a value is larger than SQLite can store (1 GB)"),
    sqlite3.SQLITE_NOMEM: (BackendError, "the process has no memory left"),
}

_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})

#: After these a connection is not used again: what it has cached of the file may be wrong.
_FATAL: Final = frozenset(
    {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN}
)


def code_of(error: sqlite3.Error) -> int:
    """Return the primary result code of an error; 0 if it did not come from SQLite itself."""
    code: int = getattr(error, "sqlite_errorcode", 0) or 0
    return code & 0xFF


def is_busy(error: sqlite3.Error) -> bool:
    """Return True if trying again may help: another connection is writing, recovering or closing."""
    return code_of(error) in _BUSY


def is_fatal(error: sqlite3.Error) -> bool:
    """Return True if the connection must be closed."""
    return code_of(error) in _FATAL


def explained(error: sqlite3.Error, where: str) -> BackendError:
    """Return the error to raise ``from`` this one.

    Args:
        error: The error that SQLite raised.
        where: The store, as :meth:`~alsek.storage.backends.abstract.Backend.describe` names it.
    """
    kind, sentence = _SENTENCES.get(code_of(error), (BackendError, "SQLite refused"))
    return kind(f"{where}: {sentence} ({error})")
