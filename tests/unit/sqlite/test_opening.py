"""Opening the file: what is created, what is refused, and in which words."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from alsek.exceptions import BackendError, BackendUnavailableError, ValidationError
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.backends.sqlite.database import connection, location
from tests.unit.sqlite.fakes import Process, says, submit, tell

Open = Callable[..., SQLiteBackend]


@pytest.mark.parametrize("name", [":memory:", "", "file:alsek.db?mode=ro", "a\0b"])
def test_what_names_no_file_is_refused(name: str) -> None:
    """A path that names no file is refused at once."""
    with pytest.raises(ValidationError):
        SQLiteBackend(name)


def test_memory_points_to_the_memory_backend() -> None:
    """Whoever wants a store in memory is told which one that is."""
    with pytest.raises(ValidationError, match="MemoryBackend"):
        SQLiteBackend(":memory:")


@pytest.mark.parametrize(
    "options",
    [{"synchronous": "OFF"}, {"timeout": 0}, {"timeout": float("inf")}, {"namespace": "a b"}],
    ids=str,
)
def test_settings_out_of_range_are_refused(path: Path, options: dict[str, object]) -> None:
    """A setting that is out of range is refused at once."""
    with pytest.raises(ValidationError):
        SQLiteBackend(path, **options)  # type: ignore[arg-type]


def test_nothing_is_opened_before_the_first_use(path: Path, open_backend: Open) -> None:
    """Making a backend touches no file; using it creates one."""
    backend = open_backend()
    assert not path.exists()
    backend.ping()
    assert path.exists()


def test_a_missing_folder_is_named(tmp_path: Path, open_backend: Open) -> None:
    """A folder that isn't there is named, with what to do."""
    with pytest.raises(BackendUnavailableError, match=r"no folder .*absent; create it first"):
        open_backend(tmp_path / "absent" / "alsek.db").ping()


def test_a_folder_is_no_file(tmp_path: Path, open_backend: Open) -> None:
    """A path that is a folder is told so."""
    with pytest.raises(BackendUnavailableError, match="this is a folder"):
        open_backend(tmp_path).ping()


def test_a_network_file_system_is_refused(
    tmp_path: Path, open_backend: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the mounts tell of a network file system, the file is not opened on it."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/x {tmp_path} nfs4 rw 0 0\n")
    monkeypatch.setattr(location, "_MOUNTS", mounts)
    with pytest.raises(BackendUnavailableError, match=r"network file system \(nfs4\)"):
        open_backend().ping()
    assert not (tmp_path / "alsek.db").exists()


def test_what_is_no_database_is_left_alone(path: Path, open_backend: Open) -> None:
    """A file that is no database is refused, and not a byte of it changes."""
    path.write_bytes(b"dear diary, " * 200)
    with pytest.raises(BackendUnavailableError, match="not an SQLite database"):
        open_backend().ping()
    assert path.read_bytes() == b"dear diary, " * 200


def test_another_applications_database_is_left_alone(path: Path, open_backend: Open) -> None:
    """Alsek makes no tables among someone else's."""
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(BackendError, match="another application"):
        open_backend().ping()
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused(path: Path, open_backend: Open) -> None:
    """A file of a newer Alsek is refused with what to do."""
    open_backend().ping()
    with sqlite3.connect(path) as other:
        other.execute(f"PRAGMA user_version = {connection.SCHEMA_VERSION + 1}")
    other.close()
    with pytest.raises(BackendError, match="upgrade alsek-sqlite"):
        open_backend().ping()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_file_is_named(path: Path, open_backend: Open) -> None:
    """A file that may not be written is told so."""
    backend = open_backend()
    backend.ping()
    backend.close()
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        with pytest.raises(BackendError, match="writ"):
            submit(backend, "a")
    finally:
        path.parent.chmod(0o700)


def test_the_first_processes_make_the_tables_once(python: Callable[..., Process]) -> None:
    """Several processes that start at once on no file all find the same store."""
    processes = [
        python("say('ready'); sys.stdin.readline(); say(backend.set(sys.argv[2], 1))", f"n{n}")
        for n in range(4)
    ]
    assert [says(process) for process in processes] == ["ready"] * 4
    for process in processes:
        tell(process)
    assert [says(process) for process in processes] == ["True"] * 4
    last = python("say(len(list(backend.scan())))")
    assert says(last) == "4"


def test_a_deleted_file_is_not_written_any_more(
    path: Path, backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the file is deleted under a running process, that goes on with a new one, not with the unlinked."""
    monkeypatch.setattr("alsek.storage.backends.sqlite.database.database._CHECK_EVERY_S", -1.0)
    submit(backend, "a")
    for each in path.parent.glob("alsek.db*"):
        if each.is_file():
            each.unlink()
    submit(backend, "b")
    assert path.exists()
    assert backend.messages.exists("q", "b")
    assert not backend.messages.exists("q", "a")


def test_the_same_file_by_another_name_is_the_same_store(tmp_path: Path, open_backend: Open) -> None:
    """Two paths to one file, and the same namespace, are one store; another namespace is another."""
    (tmp_path / "link").symlink_to(tmp_path)
    one, two = open_backend(), open_backend(tmp_path / "link" / "alsek.db")
    assert one.same_store(two)
    assert not one.same_store(open_backend(namespace="other"))
    assert str(tmp_path) in one.describe()


def test_text_paths_and_home(tmp_path: Path, open_backend: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path may be text, and may begin at the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    backend = SQLiteBackend("~/home.db")
    backend.ping()
    backend.close()
    assert (tmp_path / "home.db").exists()
