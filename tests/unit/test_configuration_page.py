"""docs/configuration.md has each argument that users can set, with its default."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import alsek
from alsek.core.submission import options

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()

#: Rows of a table: its cells.
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| `")
]

#: What is documented elsewhere on the page, or is the object itself.
_NOT_SETTINGS = {
    "backend",
    "name",
    "members",
    "callback",
    "broker",
    "args",
    "kwargs",
    "trigger",
    "bounds",
    "options",
}


def section(title: str) -> list[list[str]]:
    """The rows below a heading."""
    text = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return [row for row in ROWS if f"| {' | '.join(row)} |" in text]


def parameters(of: Callable[..., Any]) -> dict[str, Any]:
    """The arguments of a callable, with their defaults."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(of).parameters.items()
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    }


def shown(default: Any) -> str:
    """As the page has it."""
    return "required" if default is inspect.Parameter.empty else f"`{default!r}`"


@pytest.mark.parametrize(
    ("title", "callables"),
    [
        ("Backends", (alsek.RedisBackend, alsek.SQLiteBackend, alsek.MemoryBackend)),
        ("Brokers", (alsek.Broker,)),
        ("Tasks", (alsek.task,)),
    ],
)
def test_each_argument_has_its_row(title: str, callables: tuple[Callable[..., Any], ...]) -> None:
    """The table has each argument with its default, and none that does not exist."""
    rows = {row[0].strip("`"): row[1] for row in section(title)}
    wanted: dict[str, str] = {}
    for each in callables:
        wanted |= {name: shown(default) for name, default in parameters(each).items()}
    if "backoff" in wanted:
        wanted["backoff"] = "exponential"
    assert rows == wanted


def test_each_option_of_a_message_has_its_row() -> None:
    """The table has each option, with what `generate()` has as its default."""
    defaults = parameters(alsek.Task.generate)
    assert {row[0].strip("`"): row[1] for row in section("Messages")} == {
        name: shown(defaults.get(name)) for name in options.SEND_NAMES
    }


@pytest.mark.parametrize(
    "name",
    [
        *(
            "ResultStore",
            "StatusTracker",
            "Lock",
            "Group",
            "Unique",
            "Concurrency",
            "Rate",
            "Scheduled",
            "Consumer",
        ),
        *("ExponentialBackoff", "ConstantBackoff", "LinearBackoff"),
    ],
)
def test_each_argument_of_the_others_has_its_row(name: str) -> None:
    """Where several objects share a table, a row names the object."""
    rows = {row[0].strip("`"): row[2] for row in ROWS if len(row) == 4 and f"`{name}`" in row[1]}
    wanted = {
        argument: shown(default)
        for argument, default in parameters(getattr(alsek, name)).items()
        if argument not in _NOT_SETTINGS
    }
    assert rows == wanted


def test_the_bounds_of_backoffs_are_named() -> None:
    """The page names each argument that all backoffs take."""
    from alsek.core.backoff import Backoff

    for name in parameters(Backoff):
        assert re.search(rf"`{name}`", PAGE), name
