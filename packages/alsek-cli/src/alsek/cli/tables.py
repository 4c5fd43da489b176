"""Tables without lines: on a narrow terminal some columns are shortened, and the others are not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from alsek.cli.output import Column, plain


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        cells: One for each column; a text may have a style of its own.
        style: As rich names it.
    """

    cells: Sequence[str | Text]
    style: str = ""


def table(columns: Sequence[Column], rows: Iterable[Row]) -> Table:
    """Return a table. What would steer a terminal is written out in it."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    written = [(tuple(map(_written, row.cells)), row.style) for row in rows]
    for number, column in enumerate(columns):
        widths = [cell_len(cells[number].plain) for cells, _ in written]
        made.add_column(
            _written(column.title),
            justify="right" if column.right else "left",
            # Rich makes only columns narrower that may wrap. Their texts may not, so these are cut.
            no_wrap=not column.shrinks,
            overflow="ellipsis",
            min_width=None if column.shrinks else max([len(column.title), *widths]),
            style=column.style,
        )
    for cells, style in written:
        made.add_row(*cells, style=style)
    return made


def _written(cell: str | Text) -> Text:
    text = cell if isinstance(cell, Text) else Text(plain(cell))
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
