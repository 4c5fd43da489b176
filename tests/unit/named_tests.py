"""Tests that a document names: `tests/path/test_file.py::test_name[case]`."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: Groups: the file, the test, the case among its parameters; the last two may be missing.
NAME = re.compile(r"(tests/[\w/]+\.py)(?:::(\w+)(?:\[([^\]]+)\])?)?")


def missing(file: str, test: str | None, case: str | None) -> str:
    """What of this name does not exist; empty if all of it does."""
    if not (ROOT / file).exists():
        return f"there is no {file}"
    source, functions = _read(file)
    if test is not None and test not in functions:
        return f"{file} has no {test}"
    if (
        case is not None
        and f'"{case}"' not in _scenarios()
        and not re.search(rf"\b{re.escape(case)}\b", source)
    ):
        return f"{file}::{test} has no case {case!r}"
    return ""


@functools.cache
def _read(file: str) -> tuple[str, frozenset[str]]:
    source = (ROOT / file).read_text()
    return source, frozenset(
        node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)
    )


@functools.cache
def _scenarios() -> str:
    """The chaos suite's scenarios are the cases of one test, from several files."""
    return "".join(path.read_text() for path in sorted((ROOT / "tests/chaos/scenarios").glob("*.py")))
