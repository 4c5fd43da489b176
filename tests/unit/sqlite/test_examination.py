"""What `SQLiteBackend.examine()` finds wrong with a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from alsek.storage.backends.findings import Finding
from alsek.storage.backends.sqlite import SQLiteBackend, examination


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[SQLiteBackend]:
    """A file that is as it should be."""
    made = SQLiteBackend(tmp_path / "alsek.db")
    made.set("x", 1)
    yield made
    made.close()


def _found(backend: SQLiteBackend) -> dict[str, Finding]:
    return {finding.subject: finding for finding in backend.examine()}


def _pragma_says(monkeypatch: pytest.MonkeyPatch, name: str, answer: str) -> None:
    usual = examination._pragma

    def pragma(tx: Any, asked: str) -> object:
        return answer if asked == name else usual(tx, asked)

    monkeypatch.setattr(examination, "_pragma", pragma)


def test_a_good_file_has_no_faults(backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each subject is looked at, and well; a log of the usual size is no subject."""
    monkeypatch.setattr(examination.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**12))
    found = _found(backend)
    assert {finding.level for finding in found.values()} == {"ok"}
    assert {"writable", "journal", "integrity", "space"} <= found.keys()
    assert "log" not in found


def test_a_damaged_file_is_an_error(backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what SQLite has found, and what to do."""
    _pragma_says(monkeypatch, "quick_check(1)", "row 3 missing from index")
    found = _found(backend)["integrity"]
    assert found.level == "error"
    assert "The file is damaged (row 3 missing from index): restore a backup" in found.text


def test_another_journal_mode_is_an_error(backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program has changed it: readers and writers would block each other."""
    _pragma_says(monkeypatch, "journal_mode", "delete")
    found = _found(backend)["journal"]
    assert (found.level, found.text) == ("error", "The journal mode is delete; it must be wal.")


def test_a_file_that_can_not_be_written_is_an_error(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the file or the folder that lacks the permission."""
    folder = Path(backend.describe().removeprefix("SQLite file ")).parent
    monkeypatch.setattr(examination.os, "access", lambda path, mode: path != folder)
    found = _found(backend)["writable"]
    assert found.level == "error"
    assert found.text.startswith(f"{folder} can't be written")


def test_a_long_log_is_a_warning(backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that does not end keeps the log from being written back."""
    monkeypatch.setattr(examination, "_LONG_LOG", -1)
    found = _found(backend)["log"]
    assert found.level == "warning"
    assert "holds a transaction open" in found.text


@pytest.mark.parametrize(("megabytes", "level"), [(9, "error"), (199, "warning"), (201, "ok")])
def test_little_space_is_told(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch, megabytes: int, level: str
) -> None:
    """Before the disk is full, and all the more when it nearly is."""
    usage = SimpleNamespace(free=megabytes * 1_000_000)
    monkeypatch.setattr(examination.shutil, "disk_usage", lambda path: usage)
    found = _found(backend)["space"]
    assert found.level == level
    assert found.text.startswith(f"{megabytes} MB are free on its disk")
