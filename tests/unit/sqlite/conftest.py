"""What the tests of the SQLite backend share: a file, a clock, and other processes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.backends.sqlite.database import checkpoints
from alsek.storage.backends.sqlite.database import connection as sqlite_connection
from tests.clock import Clock
from tests.unit.sqlite.fakes import Process
from tests.unit.sqlite.instructions import Instructions

_HEAD = """
import os, sys, time
from alsek.storage.backends.records import *
from alsek.storage.backends.sqlite import SQLiteBackend
backend = SQLiteBackend(sys.argv[1])
messages = backend.messages
def say(*words):
    print(*words, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file will be."""
    return tmp_path / "alsek.db"


@pytest.fixture
def clock() -> Clock:
    """The store's time."""
    return Clock()


@pytest.fixture
def open_backend(path: Path) -> Iterator[Callable[..., SQLiteBackend]]:
    """Opens backends on the file, and closes them at the end."""
    opened: list[SQLiteBackend] = []

    def make(at: Path | None = None, **options: Any) -> SQLiteBackend:
        opened.append(SQLiteBackend(at or path, **options))
        return opened[-1]

    yield make
    for backend in opened:
        backend.close()


@pytest.fixture
def instructions(monkeypatch: pytest.MonkeyPatch) -> Instructions:
    """Counts what SQLite does."""
    counting = Instructions()
    stand_in = type("sqlite3", (), {**vars(sqlite3), "connect": staticmethod(counting.connect)})
    monkeypatch.setattr(sqlite_connection, "sqlite3", stand_in)
    monkeypatch.setattr(
        checkpoints, "_FIRST", 10**9
    )  # what another thread does meanwhile is not to be counted
    return counting


@pytest.fixture
def backend(open_backend: Callable[..., SQLiteBackend]) -> SQLiteBackend:
    """A backend on the wall clock."""
    return open_backend()


@pytest.fixture
def timed(open_backend: Callable[..., SQLiteBackend], clock: Clock) -> SQLiteBackend:
    """A backend on the test's clock."""
    return open_backend(clock=clock)


@pytest.fixture
def python(path: Path) -> Iterator[Callable[..., Process]]:
    """Runs programs in processes of their own, with `backend` made for the same file, and ends them with the test."""
    running: list[Process] = []

    def run(program: str, *arguments: str) -> Process:
        command = [sys.executable, "-c", _HEAD + textwrap.dedent(program), str(path), *arguments]
        running.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.communicate()
