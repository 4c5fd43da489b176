"""Conventions that neither ruff nor mypy checks: names of durations and of loggers, banners, the length of a file."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.packaging.monorepo import CODE, ROOT

#: The folders with the project's own code.
FOLDERS = ("packages", "tests", "benchmarks", "examples")

SOURCES = [file for package in CODE.values() for file in package.sources]
PYTHON = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]
TEXTS = [
    *PYTHON,
    *(file for ending in ("lua", "sql") for file in sorted((ROOT / "packages").rglob(f"*.{ending}"))),
]

#: A constant with one of these words in its name, and a number as its value, is a duration.
DURATION_WORDS = re.compile(
    "_(AFTER|AGAIN|AGE|APART|BREATH|CONNECT|DEADLINE|DELAY|DURATION|EVERY|GRACE|HANGS|HOURS|INTERVAL|KEPT_FOR|LEASE|"
    "LIFETIME|MILLISECONDS|MINUTES|OVERDUE|PATIENCE|PAUSE|PERIOD|RESTART|SECONDS|SLEEP|TIMEOUT|TTL|WAIT|WINDOW|"
    "WITHIN|YOUNG)_"
)
UNITS = ("_S", "_MS", "_NS")

#: Public constants in milliseconds, as documented: their names stay.
PUBLIC = "packages/alsek-core/src/alsek/defaults.py"

#: What broke a convention before it was one. Each list may only shrink.
KNOWN = tomllib.loads(Path(__file__).with_name("known_offenders.toml").read_text())

_BANNER = re.compile(r"^[ \t]*(#|--)[ \t]?[─—=-]{2,}", re.MULTILINE)


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements in this one, and what else is no expression."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr):
            yield child
            yield from _statements(child)


def _constants(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """The constants that a file defines, each with its value."""
    for node in _statements(tree):
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                pairs = list(zip(target.elts, value.elts, strict=False))
            else:
                pairs = [(target, value)]
            for name, one in pairs:
                if isinstance(name, ast.Name) and name.id.isupper():
                    yield name.id, one


def _is_number(value: ast.expr) -> bool:
    """True if an expression is made of numbers alone."""
    allowed = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop)
    return all(
        isinstance(node, allowed)
        and (not isinstance(node, ast.Constant) or isinstance(node.value, int | float))
        for node in ast.walk(value)
    )


def _is_duration(name: str) -> bool:
    return DURATION_WORDS.search(f"_{name}_") is not None


def _durations_without_unit(file: Path) -> Iterator[str]:
    # Most files have none, and need not be parsed.
    if not any(map(_is_duration, set(re.findall(r"\b[A-Z0-9_]+\b", file.read_text())))):
        return
    for name, value in _constants(_tree(file)):
        if _is_duration(name) and _is_number(value) and not name.endswith(UNITS):
            yield name


def test_durations_end_in_their_unit() -> None:
    """A constant that is a duration ends in _S, _MS or _NS, so that no reader has to guess."""
    wrong = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in PYTHON
        if str(file.relative_to(ROOT)) != PUBLIC
        for name in _durations_without_unit(file)
        if name not in KNOWN["durations_without_unit"]
    }
    assert wrong == set(), "add the unit to the name"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("LOOK_EVERY = 1.5", ["LOOK_EVERY"]),
        ("FIRST_PAUSE, LONGEST_PAUSE_MS = 100, 5_000", ["FIRST_PAUSE"]),
        ("KEPT_FOR: int = 60 * 1_000", ["KEPT_FOR"]),
        ("LOOK_EVERY_S = 1.5", []),
        ("MOST_KEPT = 16", []),
        ("TIMEOUT = Setting()", []),
    ],
)
def test_the_check_of_durations_finds_them(line: str, found: list[str], tmp_path: Path) -> None:
    """The check sees tuples, annotations and products, and leaves counts alone."""
    file = tmp_path / "module.py"
    file.write_text(line)
    assert list(_durations_without_unit(file)) == found


def test_loggers_have_one_name() -> None:
    """A module's logger is called `log`."""
    wrong = []
    for file in SOURCES:
        if "guarded_logger" not in file.read_text():
            continue
        for node in _statements(_tree(file)):
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.value, ast.Call)
                and ast.unparse(node.value.func) == "guarded_logger"
                and [ast.unparse(target) for target in node.targets] != ["log"]
            ):
                wrong.append(f"{file.relative_to(ROOT)}:{node.lineno}")  # noqa: PERF401 - a line of three loops
    assert wrong == []


def test_no_banner_comments() -> None:
    """No comment draws a line: a class that needs sections is two classes."""
    wrong = {str(file.relative_to(ROOT)) for file in TEXTS if _BANNER.search(file.read_text())}
    assert wrong - set(KNOWN["files_with_banners"]) == set()


def test_no_source_file_is_too_long() -> None:
    """One idea a file: no source file has more lines than the longest of today."""
    lengths = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in SOURCES}
    assert {file: lines for file, lines in lengths.items() if lines > KNOWN["most_lines"]} == {}
