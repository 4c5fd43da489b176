"""What SQLite is given, seen from a test."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from alsek.storage.backends.sqlite.database import connection as sqlite_connection


def trace_statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets each statement from now on, of connections that are opened from now on."""
    seen: list[str] = []

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        made = sqlite3.connect(*arguments, **options)
        made.set_trace_callback(seen.append)
        return made

    stand_in = type("sqlite3", (), {**vars(sqlite3), "connect": staticmethod(connect)})
    monkeypatch.setattr(sqlite_connection, "sqlite3", stand_in)
    return seen
