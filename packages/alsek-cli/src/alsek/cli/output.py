"""What a command writes to stdout: JSON, or lines and tables for people."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from io import UnsupportedOperation
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from alsek.cli.json_output import show_json

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

#: Wide enough for any row, where no terminal limits it.
_NO_LIMIT: Final = 100_000


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        title: Its head.
        right: True for numbers, which end at the same place.
        shrinks: True if its texts may be shortened on a narrow terminal.
        style: As rich names it.
        spare: A terminal that is too narrow for all columns has those without which it can be: the greatest number
            goes first, and 0 never.
    """

    title: str
    right: bool = False
    shrinks: bool = False
    style: str = ""
    spare: int = 0


class Output:
    """Stdout.

    Args:
        as_json: Write one JSON document, and nothing for people.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def json(self, value: object) -> None:
        """Write the JSON document. Call this once, and nothing else."""
        show_json(value)

    def line(self, text: str = "", style: str | None = None, *, bold: bool = False) -> None:
        """Write a line. `style` is the name of a colour, which only a terminal shows."""
        _accept_any_text()
        click.secho(plain(text, lines=True), fg=style, bold=bold or None)

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
        """Write a table. On a terminal it is as wide as that; elsewhere nothing is shortened."""
        from alsek.cli.tables import Row, fitting, table

        found = list(rows)
        kept = fitting(columns, found, self.console().width)
        self.show(table([columns[n] for n in kept], [Row([row[n] for n in kept]) for row in found]))

    def show(self, *parts: RenderableType) -> None:
        """Write what rich can draw. Elsewhere than on a terminal no line ends in blanks."""
        console = self.console()
        if console.is_terminal:
            console.print(*parts, sep="\n")
            return
        with console.capture() as captured:
            console.print(*parts, sep="\n")
        click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))

    def console(self) -> Console:
        """Return rich's console on stdout."""
        from rich.console import Console

        _accept_any_text()
        terminal = sys.stdout.isatty()
        return Console(
            file=sys.stdout,
            force_terminal=terminal,
            width=None if terminal else _NO_LIMIT,
            highlight=False,
            markup=False,
        )


def plain(text: str, *, lines: bool = False) -> str:
    """Return text in which what would steer a terminal is written out: users' texts may hold anything.

    Args:
        text: Any text.
        lines: Leave the ends of lines and tabs as they are.
    """
    kept = "\n\t" if lines else ""
    return "".join(
        char if char in kept or unicodedata.category(char) not in ("Cc", "Cf", "Cs") else _escaped(char)
        for char in text
    )


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode()


def _accept_any_text() -> None:
    """Let stdout write out what its encoding lacks, instead of raising."""
    with suppress(AttributeError, UnsupportedOperation):
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
