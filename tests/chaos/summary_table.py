"""One table of what all scenarios came to."""

from __future__ import annotations

from collections.abc import Sequence

from tests.chaos.scenario import Row

_HEAD = (
    *("scenario", "store", "pool", "messages", "faults", "lost", "accepted twice", "refused"),
    *("begun again", "executed twice", "recovered in", ""),
)


def table(rows: Sequence[Row]) -> str:
    """The rows, and their sum, as Markdown."""
    lines = [_HEAD, *(_cells(row) for row in rows), _sum(rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(_HEAD))]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join("| " + " | ".join(_padded(line, widths)) + " |" for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    numbers = (row.messages, row.faults, row.lost, row.doubles, row.refused, row.again, row.twice)
    recovery = "" if row.recovery is None else f"{row.recovery:.1f} s"
    state = row.note if row.good else f"FAILED {row.note}".strip()
    return (row.scenario, row.store, row.pool, *map(str, numbers), recovery, state)


def _sum(rows: Sequence[Row]) -> tuple[str, ...]:
    def total(name: str) -> str:
        return str(sum(getattr(row, name) for row in rows))

    names = ("messages", "faults", "lost", "doubles", "refused", "again", "twice")
    failed = sum(not row.good for row in rows)
    return (f"all {len(rows)}", "", "", *map(total, names), "", f"{failed} FAILED" if failed else "")


def _padded(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        cell.rjust(width) if cell[:1].isdigit() else cell.ljust(width)
        for cell, width in zip(line, widths, strict=True)
    ]
