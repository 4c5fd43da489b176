"""What the journal says of messages that must not run at the same time: those of one unique key, or of one limit.

A run has a last line however it ends, but not if it was killed: then it ran until its process was killed. If that is
not known, nothing is said of how long it ran. So what is found here has happened: a task writes its lines within the
time for which the store has it hold its key or place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Literal, NamedTuple

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
    changes: list[tuple[float, int]] = []
    for line, until, _ in _lived(lines, killed):
        changes += [(line.at, 1), (until, -1)]
    most = now = 0
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most


class Share(NamedTuple):
    """How much was used of what a limit allows, while enough messages were there to use all of it.

    Attributes:
        seconds: How long there were enough.
        run: The share of the places in which something ran.
        held: The same, with the places that the dead held.
    """

    seconds: float
    run: float
    held: float


def share(
    lines: Iterable[Line],
    killed: Mapping[int, float],
    submitted: Mapping[str, float],
    amount: int,
    window: tuple[float, float],
    lease: float,
) -> Share:
    """How much of a limit was used.

    There are enough messages while those that have not begun yet would fill all places in which nothing runs. What
    waits for another attempt is not counted among them.

    The dead hold a place from when their process was killed until their message begins again, but no longer than the
    lease, nor once another message runs in their place. That is as long as the store can have held it for them: it may
    have been less.

    Args:
        lines: Those of one limit.
        killed: When processes were killed.
        submitted: The messages of the limit, and when the store had them.
        amount: What the limit allows at once.
        window: From when until when to look.
        lease: How long (s) a dead holder keeps its place, at the most.
    """
    lives = _lived(lines, killed)
    begun: dict[str, list[float]] = defaultdict(list)
    changes = [_Change(at, "looked at") for at in window]
    for line, until, died in lives:
        begun[line.uuid].append(line.at)
        changes += [_Change(line.at, "begins"), _Change(until, "ends")]
        if died:
            changes.append(_Change(until, "dies", line.run))
    for line, until, died in lives:
        if died:
            again = (at for at in begun[line.uuid] if at > until)
            changes.append(_Change(min([until + lease, *again]), "lets go", line.run))
    for uuid, at in submitted.items():
        changes.append(_Change(at, "waits"))
        if uuid in begun:
            changes.append(_Change(max(min(begun[uuid]), at), "waited"))
    return _measured(sorted(changes, key=lambda each: each.at), amount, window)


class _Change(NamedTuple):
    """Something that changes what runs, or waits."""

    at: float
    what: Literal["looked at", "waits", "waited", "begins", "ends", "dies", "lets go"]
    run: str = ""


def _measured(changes: list[_Change], amount: int, window: tuple[float, float]) -> Share:
    seconds = run = held = 0.0
    waiting = running = 0
    dead: dict[str, None] = {}
    for change, after in pairwise(changes):
        waiting += {"waits": 1, "waited": -1}.get(change.what, 0)
        running += {"begins": 1, "ends": -1}.get(change.what, 0)
        if change.what == "dies":
            dead[change.run] = None
        elif change.what == "lets go":
            dead.pop(change.run, None)
        took = after.at - change.at
        if not took:
            continue
        while dead and running + len(dead) > amount:
            del dead[next(iter(dead))]
        if window[0] <= change.at < window[1] and waiting + running >= amount:
            seconds += took
            run += took * min(running, amount)
            held += took * min(running + len(dead), amount)
    allowed = seconds * amount
    return Share(seconds, run / allowed, held / allowed) if allowed else Share(0.0, 0.0, 0.0)


def _lived(lines: Iterable[Line], killed: Mapping[int, float]) -> list[tuple[Line, float, bool]]:
    """The beginning of each run, until when it is known to have run, and whether it was killed."""
    begun: dict[str, Line] = {}
    ended: dict[str, float] = {}
    for line in lines:
        if line.what == "begun":
            begun[line.run] = line
        else:
            ended[line.run] = line.at
    return [
        (
            line,
            max(ended.get(run, killed.get(line.pid, line.at)), line.at),
            run not in ended and line.pid in killed,
        )
        for run, line in begun.items()
    ]
