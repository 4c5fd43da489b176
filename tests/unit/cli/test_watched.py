"""Which files `--reload` watches."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from alsek.cli.importing.module import NothingToImportError
from alsek.cli.reloading.watched import python_files, watched_paths


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a package, a module and a folder that is no package; nothing of it is imported."""
    for name in ("shop_watched/sub/tasks.py", "shop_watched/sub/__init__.py", "shop_watched/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("raise AssertionError('imported')\n")
    (tmp_path / "alone_watched.py").touch()
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/jobs.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


@pytest.mark.parametrize(
    ("target", "watched"),
    [
        ("shop_watched", "shop_watched"),
        ("shop_watched.sub.tasks", "shop_watched"),
        ("./shop_watched/sub/tasks.py", "shop_watched"),
        ("shop_watched/sub", "shop_watched/sub"),
        ("alone_watched", "."),
        ("alone_watched.py", "."),
        ("plain", "plain"),
        ("plain/", "plain"),
        (".", "."),
        ("plain/jobs.py", "plain"),
    ],
)
def test_the_package_is_watched_however_it_is_named(folder: Path, target: str, watched: str) -> None:
    """All of the topmost package; for a module that is in none, the folder beside it."""
    assert watched_paths(target) == [(folder / watched).resolve()]


@pytest.mark.parametrize("target", ["nothing_watched", "nothing.py", "./nothing"])
def test_what_is_not_there_is_named(folder: Path, target: str) -> None:
    """And where it was looked for."""
    with pytest.raises(NothingToImportError, match=str(folder)):
        watched_paths(target)


def test_an_installed_module_is_watched_alone(folder: Path) -> None:
    """Not all that is installed beside it."""
    installed = folder / "site-packages"
    installed.mkdir()
    (installed / "installed_watched.py").touch()
    sys.path.append(str(installed))
    assert watched_paths("installed_watched") == [installed / "installed_watched.py"]
    assert python_files([str(installed / "installed_watched.py")], [installed / "installed_watched.py"]) == [
        "installed_watched.py"
    ]


def test_only_python_files_of_the_package_count(folder: Path) -> None:
    """Neither data, nor caches, nor what is installed in a virtual environment; each once, in alphabetical order."""
    names = [
        "b.py",
        "a/c.py",
        "b.py",
        "alsek.db",
        "b.pyc",
        "__pycache__/d.py",
        "env/lib/site-packages/e.py",
        ".venv/f.py",
        ".hidden.py",
    ]
    changed = python_files([str(folder / name) for name in names], [folder])
    assert changed == [".hidden.py", "a/c.py", "b.py"]
