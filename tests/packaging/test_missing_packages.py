"""What a user reads who imports a module of a package that is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.monorepo import CODE, HOMES


def _with_the_core_alone(program: str, folder: Path) -> str:
    """The standard output of a program that sees no other package than alsek-core."""
    done = subprocess.run(
        [sys.executable, "-S", "-W", "error", "-c", program],
        env={"PYTHONPATH": str(CODE["alsek-core"].folder / "src")},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(("package", "module"), HOMES.items())
@pytest.mark.parametrize(
    "statement",
    [
        "import {module}",
        "import {module}.inner",
        "from {module} import anything",
        "from {module}.inner import anything",
        "from {parent} import {leaf}",
        "import importlib.util; importlib.util.find_spec('{module}')",
    ],
)
def test_it_names_the_package(package: str, module: str, statement: str, tmp_path: Path) -> None:
    """However a missing module is asked for, the error says which package has it and how to install it."""
    parent, _, leaf = module.rpartition(".")
    program = (
        "import alsek\n"
        "try:\n"
        f"    {statement.format(module=module, parent=parent, leaf=leaf)}\n"
        "except ModuleNotFoundError as error:\n"
        "    print(error)\n"
    )
    assert _with_the_core_alone(program, tmp_path) == f"{module!r} lives in {package}: pip install {package}"


def test_a_name_of_alsek_itself_names_its_package(tmp_path: Path) -> None:
    """A name that `alsek` has of a package that is not installed; and `import *` does without it."""
    program = (
        "from alsek import *\n"
        "assert Broker and task\n"
        "try:\n"
        "    from alsek import SQLiteBackend\n"
        "except ModuleNotFoundError as error:\n"
        "    print(error)\n"
    )
    said = _with_the_core_alone(program, tmp_path)
    assert said == "'alsek.storage.backends.sqlite' lives in alsek-sqlite: pip install alsek-sqlite"


def test_other_modules_are_missing_in_the_usual_way(tmp_path: Path) -> None:
    """A module that no package has is reported by Python as ever."""
    program = (
        "import importlib.util\n"
        "print(importlib.util.find_spec('alsek.nonsense'))\n"
        "try:\n"
        "    import alsek.nonsense\n"
        "except ModuleNotFoundError as error:\n"
        "    print(error, error.name)\n"
    )
    assert _with_the_core_alone(program, tmp_path) == "None\nNo module named 'alsek.nonsense' alsek.nonsense"


def test_the_finder_is_installed_once_and_last(tmp_path: Path) -> None:
    """However often `alsek` is executed, one finder of its own stands at the end of the list."""
    program = (
        "import importlib, sys, alsek\n"
        "importlib.reload(alsek)\n"
        "from alsek._missing import MissingPackageFinder\n"
        "print(sys.meta_path.count(MissingPackageFinder), sys.meta_path[-1] is MissingPackageFinder)\n"
    )
    assert _with_the_core_alone(program, tmp_path) == "1 True"
