"""What is written: text that can't steer a terminal, tables, and JSON in every case."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from alsek.cli.main import main
from alsek.cli.output import Column, plain
from alsek.cli.tables import Row, fitting, table
from tests.unit.cli.conftest import Shell


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain [red]text[/]", "plain [red]text[/]"),
        ("żółw 猫", "żółw 猫"),
        ("\x1b[2Jgone\x07", "\\x1b[2Jgone\\x07"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("left\u202eright", "left\\u202eright"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_would_steer_a_terminal_is_written_out(text: str, written: str) -> None:
    """Control characters, marks of direction and halves of characters; markup is text."""
    assert plain(text) == written


def test_the_lines_of_a_traceback_stay() -> None:
    """Where lines are wanted, they and tabs are kept, and nothing else."""
    assert plain("a\n\tb\x1b", lines=True) == "a\n\tb\\x1b"


@pytest.mark.parametrize("width", [30, 200])
def test_only_some_columns_are_shortened(width: int) -> None:
    """On a narrow screen names are cut, and numbers are not."""
    columns = (Column("name", shrinks=True), Column("count", right=True))
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as captured:
        console.print(table(columns, [Row(("x" * 60, "1,234,567"))]))
    line = captured.get().splitlines()[1].rstrip()
    assert line.endswith("1,234,567")
    assert ("…" in line) == (width == 30)


def test_a_mistake_of_alseks_is_json_as_well(alsek: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a command fails with, stdout has one JSON document; the traceback goes on."""

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr("alsek.core.inspection.inspector.Inspector.queues", broken)
    result = CliRunner().invoke(main, ["status", "--json"])
    assert isinstance(result.exception, RuntimeError)
    assert json.loads(result.stdout) == {"error": "RuntimeError: odd"}


def test_an_interrupt_is_json_as_well(alsek: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C during a read: exit code 1."""

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("alsek.core.inspection.inspector.Inspector.queues", interrupted)
    said = alsek("status", "--json")
    assert said.code == 1
    assert said.json == {"error": "interrupted"}


def test_json_holds_any_value(alsek: Shell) -> None:
    """Numbers that JSON does not know, and text that is no Unicode, become text."""
    message = alsek.submit(args=[float("nan"), 10**400, "\ud800"])
    document = alsek("show", message.uuid, "--json").json
    assert document["args"][0] == "nan"
    assert document["args"][2] == "\ud800"


def test_a_narrow_terminal_leaves_out_what_can_be_spared() -> None:
    """What names a thing and what is wrong with it stay readable; the greatest `spare` goes first."""
    columns = (
        Column("uuid"),
        Column("task", shrinks=True),
        Column("died", spare=1),
        Column("tries", spare=2),
        Column("failed with", shrinks=True),
    )
    rows = [["u" * 36, "t" * 40, "14 min 4 s ago", "3", "ValueError: " + "x" * 50]]
    shown = {width: fitting(columns, rows, width) for width in (200, 94, 90, 80, 40)}
    assert shown == {
        200: [0, 1, 2, 3, 4],
        94: [0, 1, 2, 4],
        90: [0, 1, 2, 4],
        80: [0, 1, 4],
        40: [0, 1, 4],
    }


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_without_stdout_the_exit_code_is_the_same(
    alsek: Shell, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that closes it asks for the exit code alone."""
    message = alsek.submit()
    monkeypatch.setattr("sys.stdout", None)
    for command, code in ((["why", message.uuid], 1), (["queue", "list"], 0)):
        with pytest.raises(SystemExit) as ended:
            main([*command, "--store", str(alsek.store), *options])
        assert ended.value.code == code
