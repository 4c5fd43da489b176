"""What the journal says of messages that must not run at the same time: those of one unique key, or of one limit.

A run has a last line however it ends, but not if it was killed: then it ran until its process was killed. If that is
not known, nothing is said of how long it ran. So what is found here has happened: a task writes its lines within the
time for which the store has it hold its key or place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise

from tests.chaos.execution_log import Line


def by_source(lines: Iterable[Line]) -> dict[str, list[Line]]:
    """The lines of each source."""
    found: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        found[line.source].append(line)
    return dict(found)


def overlaps(lines: Iterable[Line], accepted: Callable[[str], str | None]) -> list[str]:
    """Of messages of one unique key: which began before the one before them had ended.

    Args:
        lines: Those of the key.
        accepted: Returns the run of a message whose result stands; None if it has no result.
    """
    begun: dict[str, list[float]] = defaultdict(list)
    ended: dict[str, float] = {}
    for line in lines:
        if line.what == "begun":
            begun[line.uuid].append(line.at)
        elif line.run == accepted(line.uuid):
            ended[line.uuid] = line.at
    order = sorted(begun, key=lambda uuid: begun[uuid][0])
    problems = []
    for before, after in pairwise(order):
        last = max(*begun[before], ended.get(before, 0.0))
        if begun[after][0] < last:
            problems.append(f"{after} began {last - begun[after][0]:.4f} s before {before} had ended")
    return problems


def peak(lines: Iterable[Line], killed: Mapping[int, float]) -> int:
    """How many runs there were at once, at the most.

    Args:
        lines: Those of one limit.
        killed: When processes were killed.
    """
    begun: dict[str, Line] = {}
    ended: dict[str, float] = {}
    for line in lines:
        if line.what == "begun":
            begun[line.run] = line
        else:
            ended[line.run] = line.at
    changes: list[tuple[float, int]] = []
    for run, line in begun.items():
        until = ended.get(run, killed.get(line.pid, line.at))
        changes += [(line.at, 1), (max(until, line.at), -1)]
    most = now = 0
    for _, change in sorted(changes, key=lambda each: (each[0], each[1])):
        now += change
        most = max(most, now)
    return most
