"""The pytest plugin, in runs of pytest of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[4] / "docs/testing.md"

#: The module of the page, its tests (with those of the second tour), more tests, and a program.
TASKS, TOUR, MORE, PROGRAM = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)

#: A run that uses nothing of Alsek must not import it.
UNUSED = """
import sys

def test_nothing():
    assert not [name for name in sys.modules if name.partition(".")[0] == "alsek"]
"""

#: Other objects than modules, a second call, a package as a whole.
TARGETS = """
import shop
from shop import tasks

def test_targets(alsek_worker):
    worker = alsek_worker(tasks.send)
    assert alsek_worker(shop) is worker
    assert alsek_worker("shop.tasks") is worker
    message = tasks.sync_customer.send(7)
    worker.run()
    assert worker.outcome(message) == "succeeded"

def test_nothing_is_left_of_other_tests(alsek_worker):
    assert alsek_worker(shop).submitted() == []
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "tasks.py").write_text(TASKS)
    return tmp_path


def _run(project: Path, code: str, *options: str) -> None:
    (project / "test_shop.py").write_text(code)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "test_shop.py"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (project / "shop.db").exists()


@pytest.mark.parametrize("code", [TOUR, MORE], ids=["first", "second"])
def test_the_tests_of_the_page_pass(project: Path, code: str) -> None:
    """What the page shows (and with it the second tour) passes as it stands, and leaves the store on disk alone."""
    _run(project, code)


def test_the_program_of_the_page_runs(project: Path) -> None:
    """The worker needs no pytest."""
    _run(project, "def test_it():\n" + textwrap.indent(PROGRAM, "    "), "-p", "no:alsek")


def test_under_xdist(project: Path) -> None:
    """Processes that share a test run don't meet: each has its own memory."""
    _run(project, TOUR, "-n", "2")


def test_a_run_without_the_fixture_imports_nothing(project: Path) -> None:
    """The plugin costs those nothing who don't use it."""
    _run(project, UNUSED)


def test_targets_may_be_added_and_leave_nothing_behind(project: Path) -> None:
    """Tasks, packages and names are targets; a test has one worker; the next test begins with nothing."""
    _run(project, TARGETS)
