"""Short functions that report on messages, and say what is kept."""

from __future__ import annotations

from typing import Any

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import Claimed, Report, ReportRecord
from tests.contract.workers import Actor

#: How many lines are kept, unless a test says otherwise.
KEEP = 10


def a_report(claimed: Claimed, number: int = 1, *lines: bytes, **fields: Any) -> Report:
    """A report of the holder of a claim."""
    return Report(claimed.uuid, claimed.queue, claimed.token, number, lines=lines, **{"keep": KEEP, **fields})


def report(worker: Actor, claimed: Claimed, number: int = 1, *lines: bytes, **fields: Any) -> list[str]:
    """Report on a claim; returns what was refused."""
    return worker.messages.report(worker.worker, [a_report(claimed, number, *lines, **fields)])


def report_all(worker: Actor, claimed: Claimed, number: int = 1) -> None:
    """Report progress, a checkpoint and two lines on a claim."""
    told = {"progress": b"half", "checkpoint": b"row 7"}
    assert report(worker, claimed, number, b"one", b"two", **told) == []


def kept(backend: Backend, uuid: str) -> ReportRecord | None:
    """What is kept of the reports on a message, with all lines."""
    (found,) = backend.messages.reports([uuid], lines=True)
    return found


def parts(backend: Backend, uuid: str) -> tuple[bytes | None, bytes | None, tuple[bytes, ...]] | None:
    """Progress, checkpoint and lines of what is kept; None if nothing is."""
    found = kept(backend, uuid)
    return None if found is None else (found.progress, found.checkpoint, found.lines)


#: The parts of what :func:`report_all` tells.
ALL = (b"half", b"row 7", (b"one", b"two"))
