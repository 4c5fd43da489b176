"""Short functions that put schedules, and fire them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import Added, ScheduleRecord, Submission, WorkerFacts
from tests.contract.workers import a_message, a_request, the_facts


def firing(**fields: Any) -> WorkerFacts:
    """What a worker tells of itself that fires schedules."""
    return the_facts(fires=True, **fields)


def put(
    backend: Backend,
    name: str,
    next_at: int | None,
    revision: str = "r1",
    definition: bytes = b"{}",
    expected: str = "",
) -> ScheduleRecord:
    """Put a schedule that can be put."""
    stored = backend.schedules.put(name, definition, revision, next_at, expected)
    assert stored is not None, name
    return stored


def fire(
    backend: Backend,
    name: str,
    tick: int,
    next_at: int | None,
    submissions: Sequence[Submission] | None = None,
    revision: str = "r1",
    request: str | None = None,
) -> list[Added] | None:
    """Fire a tick with one message, named for it, or with these; returns the answers."""
    sent = [a_message(f"{name}@{tick}")] if submissions is None else submissions
    last_at = tick if sent else None
    return backend.schedules.fire(name, revision, tick, sent, request or a_request(), next_at, last_at)


def record(backend: Backend, name: str) -> ScheduleRecord:
    """A schedule that is stored."""
    (found,) = backend.schedules.get([name])
    return found


def names(backend: Backend) -> list[str]:
    """The names of all schedules."""
    return [each.name for each in backend.schedules.get()]
