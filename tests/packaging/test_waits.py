"""Waits of tests only end a hung test: they have a minute, whatever else the machine does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.packaging.monorepo import ROOT

#: What waits for a result, a status or a note, with a limit in milliseconds.
_IN_MS = {
    "get",
    "aget",
    "result",
    "aresult",
    "wait_for",
    "await_for",
    "stream",
    "istream",
    "astream",
    "aistream",
    "listen",
}
#: What waits for a thread, a process or an event, with a limit in seconds.
_IN_S = {"wait", "join", "stop", "communicate", "run", "logged", "eventually", "urlopen"}
#: Not run.
_SKIPPED = ("fixtures", "typed", "mutants")


def _limit(call: ast.Call) -> float | None:
    """The limit that a call has, in seconds, if it has one."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    given: list[ast.expr] = [keyword.value for keyword in call.keywords if keyword.arg == "timeout"]
    if name == "eventually":
        given += call.args[1:2]
    elif name in {"wait", "join"} and len(call.args) == 1 and ast.unparse(call.func).count("process"):
        given += call.args
    values = [each.value for each in given if isinstance(each, ast.Constant)]
    if name not in _IN_MS | _IN_S or not values or not isinstance(values[0], int | float):
        return None
    return values[0] / 1_000 if name in _IN_MS else values[0]


def _short_waits(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        limit = _limit(node) if isinstance(node, ast.Call) else None
        if limit is not None and 2 <= limit < 60:
            yield f"{path.relative_to(ROOT)}:{node.lineno}: {limit:g} s"  # type: ignore[attr-defined]


def test_no_test_gives_up_within_a_minute() -> None:
    """A wait of some seconds fails where processes wait for a processor; where it must end, it has less than two."""
    files = [path for path in (ROOT / "tests").rglob("*.py") if not {*path.parts} & {*_SKIPPED}]
    assert [each for path in sorted(files) for each in _short_waits(path)] == []
