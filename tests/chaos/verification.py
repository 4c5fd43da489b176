"""What became of every message: the store's own audit and the journal of executions, against what was submitted."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from alsek.core.status import TaskStatus
from alsek.storage.backends.abstract import Backend
from tests.chaos import execution_log as journal
from tests.chaos.stores import Entry
from tests.chaos.tasks import QUEUE


@dataclass
class Verdict:
    """What a scenario came to. Empty lists are what must be.

    Attributes:
        messages: How many had to end: what was submitted, and the callbacks of what succeeded.
        lost: Those that ended in no way.
        doubles: Where more than one completion was accepted, or what stands together that can't.
        stray: Dead letters of messages that were not to die, and runs of messages that nobody submitted.
        again: How many messages were begun more than once.
        twice: How many ran to their end more than once.
    """

    messages: int = 0
    lost: list[str] = field(default_factory=list)
    doubles: list[str] = field(default_factory=list)
    stray: list[str] = field(default_factory=list)
    again: int = 0
    twice: int = 0


def judge(
    backend: Backend,
    audit: list[Entry],
    lines: list[journal.Line],
    submitted: Iterable[str],
    callbacks: dict[str, str],
    mortal: set[str],
    restless: set[str],
    dropped: set[str],
) -> Verdict:
    """Compare all that is known.

    Args:
        backend: The store, as it is at the end.
        audit: What it accepted.
        lines: What was executed.
        submitted: The uuids of what it took from producers.
        callbacks: Of these, which have a callback: parent to child.
        mortal: Those that are to end among the dead letters.
        restless: Those that run several times by their own doing: not counted as begun again.
        dropped: Those that may end either way, since their group has failed.
    """
    verdict = Verdict()
    begun, ended = journal.runs(lines, "begun"), journal.runs(lines, "ended")
    results = Results(backend)
    dead = {letter.uuid for letter in backend.messages.dead_letters(QUEUE)}
    # A parent that is dead has no callback; one that succeeded must have had its own run.
    expected = list(submitted)
    expected += [child for parent, child in callbacks.items() if results.run(parent) is not None]
    verdict.messages = len(expected)
    for uuid in expected:
        if results.run(uuid) is None and uuid not in dead:
            stored = backend.messages.get(QUEUE, uuid)
            verdict.lost.append(f"{uuid}: {'nowhere' if stored is None else stored.state}")
    known = {*expected, *callbacks.values()}
    verdict.stray += [f"{uuid} is dead" for uuid in dead - mortal - dropped]
    verdict.stray += [f"{uuid} was to die, and has a result" for uuid in mortal if results.run(uuid)]
    verdict.stray += [f"{uuid} was run, and never submitted" for uuid in begun if uuid not in known]
    _accepted_once(verdict, audit)
    _stands_together(verdict, backend, expected, results, dead, ended)
    for parent, child in callbacks.items():
        for line in begun.get(child, []):
            if line.source != results.run(parent):
                verdict.doubles.append(
                    f"callback {child} came from run {line.source}, another's result stands"
                )
    verdict.again = sum(len(each) > 1 for uuid, each in begun.items() if uuid not in restless)
    verdict.twice = sum(len(each) > 1 for uuid, each in ended.items() if uuid not in restless)
    return verdict


class Results:
    """Which run's result stands for each message."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._known: dict[str, str | None] = {}

    def run(self, uuid: str) -> str | None:
        if uuid not in self._known:
            (record,) = self._backend.results.get([uuid])
            self._known[uuid] = None if record is None else json.loads(record.payload)["run"]
        return self._known[uuid]


def _accepted_once(verdict: Verdict, audit: list[Entry]) -> None:
    """Each message was taken in once, and has one end."""
    tokens: dict[str, set[int]] = defaultdict(set)
    taken, gone, died = Counter[str](), Counter[str](), Counter[str]()
    for entry in audit:
        if entry.what == "result":
            tokens[entry.uuid].add(entry.token)
        else:
            {"in": taken, "out": gone, "dead": died}[entry.what][entry.uuid] += 1
    verdict.doubles += [
        f"{uuid}: results of {len(each)} claims" for uuid, each in tokens.items() if len(each) > 1
    ]
    verdict.doubles += [f"{uuid} was taken in {n} times" for uuid, n in taken.items() if n > 1]
    verdict.doubles += [f"{uuid} ended {n} times" for uuid, n in gone.items() if n > 1]
    verdict.doubles += [f"{uuid} died {n} times" for uuid, n in died.items() if n > 1]
    verdict.doubles += [f"{uuid} succeeded and died" for uuid in tokens.keys() & died.keys()]


def _stands_together(
    verdict: Verdict,
    backend: Backend,
    expected: list[str],
    results: Results,
    dead: set[str],
    ended: dict[str, list[journal.Line]],
) -> None:
    """Result, status and removal of each message tell the same story."""
    statuses = {s.uuid: s.status for s in backend.statuses.get(expected) if s is not None}
    for uuid in expected:
        run = results.run(uuid)
        if run is not None:
            if run not in {line.run for line in ended.get(uuid, [])}:
                verdict.doubles.append(f"{uuid}: the result is of a run that never ended")
            if statuses.get(uuid) is not TaskStatus.SUCCEEDED:
                verdict.doubles.append(f"{uuid} has a result, and status {statuses.get(uuid)!r}")
            if backend.messages.exists(QUEUE, uuid):
                verdict.doubles.append(f"{uuid} has a result, and is still there")
        elif uuid in dead and statuses.get(uuid) is not TaskStatus.FAILED:
            verdict.doubles.append(f"{uuid} is dead, and its status {statuses.get(uuid)!r}")
