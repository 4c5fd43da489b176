"""Trouble with the file: told in a sentence, and nothing half-written."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from alsek.exceptions import BackendError, BackendUnavailableError, ValidationError
from alsek.storage.backends.records import ACCEPTED, Submission
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.backends.sqlite.database import connection
from tests.unit.sqlite.fakes import Player, done, submit

Open = Callable[..., SQLiteBackend]


def test_a_full_disk_leaves_nothing_half_written(
    path: Path, open_backend: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk is full the whole step is undone, the error says so, and it works again with space."""
    monkeypatch.setattr(connection, "_SETTINGS", (*connection._SETTINGS, "PRAGMA max_page_count = 120"))
    backend = open_backend()
    submit(backend, "small")
    batch = [Submission(f"m{n}", "q", b"x" * 2_000) for n in range(150)]
    with pytest.raises(BackendError, match="disk is full"):
        backend.messages.add(batch, "request")
    assert backend.messages.count("q") == 1
    assert [stored.uuid for stored in backend.messages.browse("q")] == ["small"]
    monkeypatch.undo()
    backend.close()
    assert backend.messages.add(batch, "request") == [ACCEPTED] * 150


def test_a_full_disk_keeps_claims(open_backend: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finish that found no space can be sent again, and is then accepted."""
    monkeypatch.setattr(connection, "_SETTINGS", (*connection._SETTINGS, "PRAGMA max_page_count = 120"))
    backend = open_backend()
    submit(backend, "a")
    player = Player(backend)
    (claimed,) = player.step().claimed
    large = done(claimed, b"x" * 500_000)
    with pytest.raises(BackendError, match="disk is full"):
        player.step(large)
    assert backend.messages.held(player.worker) == [claimed]
    monkeypatch.undo()
    backend.close()
    assert player.messages.step(player.worker, player.seq, [large], {player.worker.kind: 0}).refused == []
    assert backend.results.get(["a"])[0] is not None


def test_a_file_that_stays_locked_is_unavailable(path: Path, open_backend: Open) -> None:
    """A producer gets an error within its timeout when another program keeps the file locked, and reading goes on."""
    backend = open_backend(timeout=50)
    submit(backend, "a")
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BackendUnavailableError, match="kept it locked for 50 ms"):
            submit(backend, "b")
        assert backend.messages.count("q") == 1
        other.execute("ROLLBACK")
        assert submit(backend, "b") == [True]
    finally:
        other.close()


def test_a_file_that_stays_locked_does_not_answer_a_ping(path: Path, open_backend: Open) -> None:
    """So that `/ready` of a pool says that it can't take messages. Once the lock is gone it answers again."""
    backend = open_backend(timeout=50)
    backend.ping()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BackendUnavailableError, match="kept it locked for 50 ms"):
            backend.ping()
    backend.ping()


def test_a_file_that_is_locked_for_a_moment_is_waited_for(path: Path, open_backend: Open) -> None:
    """A writer waits for its turn."""
    backend = open_backend()
    submit(backend, "a")
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.05, other.execute, ["ROLLBACK"])
    release.start()
    try:
        assert submit(backend, "b") == [True]
    finally:
        release.join()
        other.close()


def test_a_damaged_file_is_told_so(path: Path, open_backend: Open) -> None:
    """Damage is reported as such, with what to do."""
    backend = open_backend()
    submit(backend, *(f"m{n}" for n in range(200)))
    backend.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(bytes(data))
    with pytest.raises(BackendError, match="damaged"):
        list(open_backend().messages.browse("q"))


def test_a_priority_beyond_sqlite_is_refused(backend: SQLiteBackend) -> None:
    """A priority larger than SQLite's integers is refused in a sentence, and nothing of its batch is stored."""
    submissions = [Submission("a", "q", b""), Submission("b", "q", b"", priority=2**63)]
    with pytest.raises(ValidationError, match="priority"):
        backend.messages.add(submissions, "request")
    assert backend.messages.count("q") == 0
    assert submit(backend, "c", priority=2**63 - 1) == [True]


def test_a_number_beyond_sqlite_is_refused(backend: SQLiteBackend) -> None:
    """So is any other number that SQLite can't store."""
    with pytest.raises(ValidationError, match="larger than SQLite can store"):
        submit(backend, "a", delay=2**63)
    assert submit(backend, "a") == [True]


def test_an_error_of_the_caller_leaves_no_transaction_open(backend: SQLiteBackend) -> None:
    """Whatever goes wrong within a step, the connection is fit for the next one."""
    with pytest.raises(KeyError):
        backend.messages.add([Submission("a", "q", b"", wish="nonsense")], "r")  # type: ignore[arg-type]
    assert submit(backend, "a") == [True]
