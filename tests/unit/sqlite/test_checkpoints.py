"""The log is written back beside those that write, and begins anew."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.backends.sqlite.database import checkpoints, connection_pool
from alsek.storage.backends.sqlite.database import connection as sqlite_connection
from alsek.storage.backends.sqlite.database.checkpoints import PAGES, THREAD, Checkpoints, Written, write_back
from tests.unit.sqlite.fakes import submit

#: How long a test waits for a thread at most.
WITHIN_S = 60


@pytest.fixture
def by_threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the threads that do a checkpoint."""
    seen: list[str] = []

    def note(statement: str) -> None:
        if "wal_checkpoint(" in statement:
            seen.append(threading.current_thread().name)

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        made = sqlite3.connect(*arguments, **options)
        made.set_trace_callback(note)
        return made

    stand_in = type("sqlite3", (), {**vars(sqlite3), "connect": staticmethod(connect)})
    monkeypatch.setattr(sqlite_connection, "sqlite3", stand_in)
    return seen


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first commit is followed by a checkpoint."""
    monkeypatch.setattr(checkpoints, "_FIRST", 1)


@pytest.fixture
def file(path: Path, backend: SQLiteBackend) -> Path:
    """A file with something in its log."""
    submit(backend, *[f"m{n}" for n in range(50)])
    return path


def look(path: Path) -> sqlite3.Connection:
    """A connection of another program."""
    return sqlite3.connect(path, isolation_level=None, timeout=0)


@pytest.mark.usefixtures("soon")
def test_a_thread_writes_the_log_back(by_threads: list[str], backend: SQLiteBackend) -> None:
    """The operation whose commit was one too many does not; and close() waits for the thread."""
    submit(backend, "a")
    backend.close()
    assert by_threads == [THREAD]
    assert not any(thread.name == THREAD for thread in threading.enumerate())


def test_a_few_commits_write_nothing_back(by_threads: list[str], backend: SQLiteBackend) -> None:
    """A checkpoint waits until there is enough to write."""
    for n in range(100):
        submit(backend, f"m{n}")
    backend.close()
    assert by_threads == []


@pytest.mark.usefixtures("soon")
def test_others_write_meanwhile(monkeypatch: pytest.MonkeyPatch, backend: SQLiteBackend) -> None:
    """While the log is written back, this process and others submit; and only one thread writes it back."""
    begun, done = threading.Event(), threading.Event()
    threads: list[str] = []

    def slow(connection: sqlite3.Connection) -> Written:
        threads.append(threading.current_thread().name)
        begun.set()
        assert done.wait(WITHIN_S)
        return write_back(connection)

    monkeypatch.setattr(connection_pool, "write_back", slow)
    submit(backend, "a")
    assert begun.wait(WITHIN_S)
    assert submit(backend, "b") == [True]
    assert submit(backend, "c") == [True]
    done.set()
    backend.close()
    assert threads == [THREAD]


@pytest.mark.usefixtures("soon")
def test_the_connection_that_is_warm_is_left_to_others(backend: SQLiteBackend) -> None:
    """The operation after a checkpoint uses the connection of the one before it."""
    backend.messages.exists("q", "a")
    pool = backend._database._pool
    (warm,) = pool._idle
    submit(backend, "a")
    pool._checkpoints.wait(WITHIN_S)
    assert len(pool._idle) == 2
    lease = pool.take()
    assert lease.connection is warm
    pool.give_back(lease)


@pytest.mark.usefixtures("soon")
def test_a_commit_stands_without_a_thread(monkeypatch: pytest.MonkeyPatch, backend: SQLiteBackend) -> None:
    """If the system gives no thread, the log is written back another time."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        assert submit(backend, "a") == [True]
    assert backend.messages.exists("q", "a")


def test_a_long_log_begins_anew(
    monkeypatch: pytest.MonkeyPatch, file: Path, open_backend: Callable[..., SQLiteBackend]
) -> None:
    """After a checkpoint of a very long log the next commit is the first one of it."""
    monkeypatch.setattr(checkpoints, "LONG_LOG", 10)
    connection = look(file)
    written = write_back(connection)
    assert written.done == written.pages > 10
    submit(open_backend(), "later")
    assert 0 < write_back(connection).pages < written.pages
    connection.close()


def test_a_reader_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, file: Path, open_backend: Callable[..., SQLiteBackend]
) -> None:
    """While another program reads what was there before, a checkpoint ends, and writers go on."""
    monkeypatch.setattr(checkpoints, "LONG_LOG", 10)
    reader, connection = look(file), look(file)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM messages").fetchone()
    backend = open_backend()
    submit(backend, "a")
    written = write_back(connection)
    assert written.done < written.pages
    assert submit(backend, "b") == [True]
    for each in (reader, connection):
        each.close()


def due_after(log: Checkpoints, most: int) -> int:
    """After how many changed rows the next checkpoint begins; it finds a log of no pages."""
    begun: list[bool] = []

    def work() -> Written:
        begun.append(True)
        return Written(0, 0)

    for rows in range(1, most + 1):
        log.note_commit(1, work)
        log.wait(WITHIN_S)
        if begun:
            return rows
    raise AssertionError(f"none in {most} rows")


def checkpoint(log: Checkpoints, rows: int, *, pages: int, done: int) -> None:
    """A checkpoint after this many rows that finds a log of so many pages."""
    log.note_commit(rows, lambda: Written(pages, done))
    log.wait(WITHIN_S)


def test_large_messages_are_written_back_sooner() -> None:
    """If rows add ten times as many pages, the next checkpoint is due after a tenth of the rows."""
    log = Checkpoints("a store")
    checkpoint(log, 4_000, pages=10 * PAGES, done=10 * PAGES)
    assert due_after(log, 1_000) == 400


@pytest.mark.parametrize("anew", [False, True])
def test_only_what_was_added_counts(anew: bool) -> None:
    """However long the log is, and whether or not it begins anew, the next checkpoint is due after as many rows."""
    log = Checkpoints("a store")
    for n in range(1, 6):
        pages = PAGES + n if anew else n * PAGES
        checkpoint(log, 4_000, pages=pages, done=pages)
    assert 3_990 <= due_after(log, 5_000) <= 4_000


def test_another_process_may_be_at_it() -> None:
    """What is not known changes nothing."""
    log = Checkpoints("a store")
    checkpoint(log, 4_000, pages=-1, done=-1)
    assert due_after(log, 5_000) == 4_000


def test_a_checkpoint_that_fails_is_told_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """The disk may be full: the commits before it stand."""
    log = Checkpoints("SQLite file x")

    def fail() -> Written:
        raise sqlite3.OperationalError("disk I/O error")

    with caplog.at_level(logging.WARNING):
        log.note_commit(4_000, fail)
        log.wait(WITHIN_S)
    assert (
        "SQLite file x: the log could not be written back, which is tried again: disk I/O error"
        in caplog.text
    )
    assert due_after(log, 5_000) == 4_000
