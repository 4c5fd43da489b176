"""What the operator of a SQLite store should know: above all, what damages or stops it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from alsek.storage.backends.findings import Finding
from alsek.storage.backends.sqlite.database.connection import SCHEMA_VERSION
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.location import file_system
from alsek.storage.backends.sqlite.database.transaction import Transaction

#: Less free space than this is little: the log alone may grow to 64 MB.
_LITTLE_SPACE: Final = 200_000_000
_NO_SPACE: Final = 10_000_000
#: A log of this size is not written back, because a reader does not end.
_LONG_LOG: Final = 256_000_000


def examine(database: Database) -> Iterator[Finding]:
    """Yield what is found, the most basic things first; nothing more once the file can't be opened.

    Raises:
        BackendError: The file can't be opened, or is damaged; the text says why. On a network file system it is not
            opened.
    """
    path = Path(database.path)
    database.ping()
    size = path.stat().st_size
    yield Finding("reachable", "ok", f"SQLite file {path} can be read ({size / 1_000_000:,.1f} MB).")
    version = database.read(lambda tx: _pragma(tx, "user_version"))
    yield Finding(
        "version", "ok", f"SQLite {sqlite3.sqlite_version}, schema {version} (this is {SCHEMA_VERSION})."
    )
    kind = file_system(str(path.parent))
    yield Finding("file system", "ok", f"It lies on a local disk ({kind or 'of unknown kind'}).")
    yield _writable(path)
    mode = database.read(lambda tx: _pragma(tx, "journal_mode"))
    yield Finding(
        "journal", "ok" if mode == "wal" else "error", f"The journal mode is {mode}; it must be wal."
    )
    yield from _long_log(path)
    damage = database.read(lambda tx: _pragma(tx, "quick_check(1)"))
    if damage == "ok":
        yield Finding("integrity", "ok", "The file is whole.")
    else:
        yield Finding(
            "integrity",
            "error",
            f"The file is damaged ({damage}): restore a backup, or save what can be saved with "
            f"`sqlite3 {path} .recover`.",
        )
    yield _space(path)


def _pragma(tx: Transaction, name: str) -> object:
    row = tx.execute(f"PRAGMA {name}").fetchone()
    return row[0]


def _writable(path: Path) -> Finding:
    for each in (path, path.parent):
        if not os.access(each, os.W_OK):
            return Finding(
                "writable", "error", f"{each} can't be written by this user: give it the permission."
            )
    return Finding("writable", "ok", "The file and its folder can be written.")


def _long_log(path: Path) -> Iterator[Finding]:
    log = path.with_name(f"{path.name}-wal")
    size = log.stat().st_size if log.exists() else 0
    if size > _LONG_LOG:
        yield Finding(
            "log",
            "warning",
            f"{log} has grown to {size / 1_000_000:,.0f} MB: a program reads the file without an end; look for one "
            "that holds a transaction open.",
        )


def _space(path: Path) -> Finding:
    free = shutil.disk_usage(path.parent).free
    text = f"{free / 1_000_000:,.0f} MB are free on its disk"
    if free < _NO_SPACE:
        return Finding("space", "error", f"{text}: once it is full, nothing can be submitted or finished.")
    if free < _LITTLE_SPACE:
        return Finding("space", "warning", f"{text}: that is little.")
    return Finding("space", "ok", f"{text}.")
