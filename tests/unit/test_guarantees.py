"""The page of guarantees names tests that exist, for each guarantee; and what no other test holds is held here."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.unit.named_tests import NAME, ROOT, missing

PAGE = ROOT / "docs" / "guarantees.md"

_NAMED = re.compile(f"`{NAME.pattern}`")
_SECTION = re.compile(r"^## (\d+)\. .+?(?=^## |\Z)", re.MULTILINE | re.DOTALL)

_NAMES = sorted({match.groups() for match in _NAMED.finditer(PAGE.read_text())}, key=str)


@pytest.mark.parametrize(("file", "test", "case"), _NAMES, ids=str)
def test_a_named_test_exists(file: str, test: str | None, case: str | None) -> None:
    """Each test that the page names is there, with the case among its parameters that the page means."""
    assert missing(file, test, case) == ""


def test_each_guarantee_has_tests() -> None:
    """They are in order, and each names a test that holds it."""
    sections = {int(match.group(1)): match.group(0) for match in _SECTION.finditer(PAGE.read_text())}
    assert list(sections) == list(range(1, 21))
    for number, text in sections.items():
        held = text.partition("Held by")[2]
        assert _NAMED.search(held), f"guarantee {number} names no test"


def test_every_scenario_is_told_of() -> None:
    """No scenario of the chaos suite is missing from the page."""
    files = sorted((ROOT / "tests/chaos/scenarios").glob("*.py"))
    names = [name for file in files for name in re.findall(r'@scenario\(\s*"([^"]+)"', file.read_text())]
    told = {case for _, _, case in _NAMES}
    assert sorted(set(names) - told) == []


_RUNS_CODE = {"eval", "exec", "compile", "__import__"}
_UNPICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "jsonpickle", "yaml"}
#: What the processes of one pool say to each other, over sockets made before they were forked.
_MAY_MARSHAL = "packages/alsek-workers/src/alsek/core/worker/process_executor/frames.py"
#: Once, when it is imported: a function that it writes from the declaration of a message's fields.
_MAY_EXEC = "packages/alsek-core/src/alsek/core/payload.py"


@pytest.mark.parametrize(
    "file", sorted((ROOT / "packages").glob("*/src/**/*.py")), ids=lambda file: file.stem
)
def test_nothing_from_the_store_is_executed(file: Path) -> None:
    """No module of ours unpickles anything, or runs text as code."""
    for node in ast.walk(ast.parse(file.read_text())):
        imported: set[str] = set()
        if isinstance(node, ast.Import):
            imported = {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported = {(node.module or "").partition(".")[0]}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _RUNS_CODE:
            assert (file, node.func.id) == (ROOT / _MAY_EXEC, "exec"), f"line {node.lineno}"
        assert not imported & _UNPICKLES, f"line {getattr(node, 'lineno', 0)}"
        if "marshal" in imported:
            assert file == ROOT / _MAY_MARSHAL
