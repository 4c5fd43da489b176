"""The log of long work: which rows were done, where attempts began, and what was saved, in order, by message."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

#: Its name, beside the journal.
NAME: Final = "rows"

What: TypeAlias = Literal["begun", "row", "saved"]


class Note(NamedTuple):
    """What a task wrote.

    Attributes:
        what: An attempt began at this row, the row was done, or it was saved: then the save has returned.
        row: The row.
    """

    what: What
    row: int


def append(journal: str, uuid: str, what: What, row: int) -> None:
    """Write a note."""
    descriptor = os.open(Path(journal).with_name(NAME), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(descriptor, f"{uuid} {what} {row}\n".encode())
    finally:
        os.close(descriptor)


def read(journal: Path) -> dict[str, list[Note]]:
    """All notes so far, by message."""
    found: dict[str, list[Note]] = defaultdict(list)
    path = journal.with_name(NAME)
    for line in path.read_text().splitlines() if path.exists() else ():
        uuid, what, row = line.split(" ")
        assert what in ("begun", "row", "saved")
        found[uuid].append(Note(what, int(row)))  # type: ignore[arg-type]
    return found


def problems(notes: list[Note], rows: int, interval: int) -> Iterator[str]:
    """What is wrong with the rows of a message that has succeeded.

    Args:
        notes: All of them.
        rows: How many rows it had.
        interval: How many lie between two saves.
    """
    saved, furthest = 0, -1
    for what, row in notes:
        if what == "saved":
            saved = max(saved, row)
        elif what == "row":
            furthest = max(furthest, row)
        elif row < saved:
            yield f"an attempt began at row {row}, and {saved} was saved"
        elif row < furthest - interval:
            yield f"an attempt began at row {row}, and {furthest} was done: more than {interval} before"
    missing = set(range(rows)) - {row for what, row in notes if what == "row"}
    if missing:
        yield f"rows were left out: {sorted(missing)[:10]}"
