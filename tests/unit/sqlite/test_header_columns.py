"""The tables hold what header.py declares."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alsek.storage.backends.header import LINE
from alsek.storage.backends.sqlite import SQLiteBackend

#: What says where a message stands, and is no field of its header.
PLACEMENT = {"id", "ns", "uuid", "due", "suspect", "payload"}


def test_a_message_has_the_declared_columns(backend: SQLiteBackend, path: Path) -> None:
    """Each field of the line is a column, one holds the tail, and there are no others."""
    backend.ping()
    with sqlite3.connect(path) as looking:
        columns = {name for _, name, *_ in looking.execute("PRAGMA table_info(messages)")}
    looking.close()
    assert columns - PLACEMENT == {field.name for field in LINE} | {"version", "tail"}
