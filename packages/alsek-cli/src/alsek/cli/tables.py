"""Tables without lines: on a narrow terminal some columns are shortened, and the others are not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from alsek.cli.output import Column, plain

#: What is left of a column that shrinks, before others are left out for it.
_LEAST: Final = 16
#: The blanks between two columns.
_GAP: Final = 2


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


def fitting(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return the numbers of the columns for which a terminal of this width has room, in order."""
    kept = list(range(len(columns)))
    needed = [_needed(column, [row[number] for row in rows]) for number, column in enumerate(columns)]
    while sum(needed[number] + _GAP for number in kept) - _GAP > width:
        last = max(kept, key=lambda number: columns[number].spare)
        if not columns[last].spare:
            break
        kept.remove(last)
    return kept


def _needed(column: Column, texts: Sequence[str]) -> int:
    widest = max(map(cell_len, (column.title, *texts)))
    return min(widest, _LEAST) if column.shrinks else widest


def _written(cell: str | Text) -> Text:
    text = cell if isinstance(cell, Text) else Text(plain(cell))
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
