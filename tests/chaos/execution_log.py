"""The log of executions: one line a run's beginning and end, appended by the tasks themselves.

A line is one ``write`` to a file opened with ``O_APPEND``, so that lines of many processes never mix and none is lost
with the process that wrote it.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from pathlib import Path
from typing import Literal, NamedTuple


class Line(NamedTuple):
    """What a task wrote.

    Attributes:
        what: Whether a run began or ended.
        uuid: Of the message.
        run: Names this run; the result that it returns has it too.
        pid: Of the process.
        at: Seconds on the clock that never jumps, the same in all processes of this machine.
        source: The run of the parent whose result a callback was given.
    """

    what: Literal["begun", "ended"]
    uuid: str
    run: str
    pid: int
    at: float
    source: str


def append(path: str, what: Literal["begun", "ended"], uuid: str, run: str, source: str = "-") -> None:
    """Write one line."""
    line = f"{what} {uuid} {run} {os.getpid()} {time.monotonic():.4f} {source}\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def read(path: Path) -> list[Line]:
    """All lines so far."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_text().splitlines():
        what, uuid, run, pid, at, source = text.split(" ")
        assert what in ("begun", "ended")
        lines.append(Line("begun" if what == "begun" else "ended", uuid, run, int(pid), float(at), source))
    return lines


def runs(lines: list[Line], what: str) -> dict[str, list[Line]]:
    """The lines of one kind by message."""
    found: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if line.what == what:
            found[line.uuid].append(line)
    return dict(found)
