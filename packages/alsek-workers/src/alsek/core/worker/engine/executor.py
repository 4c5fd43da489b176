"""The interface between an engine and its executor, which runs jobs in threads or processes.

The terms of capacity are defined in :mod:`~alsek.core.worker.engine.capacity`.
"""

from __future__ import annotations

import select
from collections.abc import Mapping, Set
from typing import Protocol, TypeVar

from alsek.core.execution.session import WorkerSession
from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.records import Claimed, Outcome, Running


class Job(Protocol):
    """One claim, from when the store has handed it out until the store has accepted its outcome.

    Attributes:
        claimed: What the store has handed out.
        entry: Its entry in the shared state.
        worker_id: The id under which it was claimed.
        outcome: What the store is to be told, once the job has finished.
        verdict_wanted: The executor waits to hear if the store has accepted the outcome.
        task_name: The name of its task; empty if the message could not be opened.
        ready_at: As in :class:`~alsek.core.execution.delivery.Delivery`; None if no attempt was started.
        started_at: When the attempt was started (monotonic ms).
        elapsed_ns: How long it took, hooks, result store and tracker included.
    """

    claimed: Claimed
    entry: int
    worker_id: str
    outcome: Outcome | None
    verdict_wanted: bool
    task_name: str
    ready_at: int | None
    started_at: int
    elapsed_ns: int


J = TypeVar("J", bound=Job)


class Slots(Protocol):
    """The slots of one kind that an executor has."""

    @property
    def free_slots(self) -> int:
        """How many more jobs could start at once, or (processes) within milliseconds.

        Less than zero while jobs wait for a slot.
        """
        ...

    @property
    def prefetch(self) -> int:
        """How many jobs beyond the free slots may be claimed, because running ones end within milliseconds."""
        ...


class Executor(Protocol[J]):
    """Runs jobs. Only the engine calls it, in one thread."""

    @property
    def slots_by_kind(self) -> Mapping[SlotKind, Slots]:
        """Its slots, in the order of :data:`~alsek.storage.backends.kinds.SLOTS_OF`. They never change."""
        ...

    @property
    def in_flight(self) -> int:
        """How many jobs were started and not collected yet."""
        ...

    @property
    def shares_interpreter(self) -> bool:
        """Whether jobs run in threads of this process, which wait for the interpreter's lock while the engine runs."""
        ...

    @property
    def exhausted(self) -> bool:
        """Whether the process should be replaced."""
        ...

    def job(self, claimed: Claimed, entry: int, session: WorkerSession) -> J:
        """Return a job for a claim."""
        ...

    def start(self, job: J) -> None:
        """Start a job."""
        ...

    def collect(self) -> list[J]:
        """Return the jobs that have finished since the last call."""
        ...

    def on_outcome(self, job: J, accepted: bool) -> None:
        """Take in whether the store has accepted the outcome of a collected job. Called if its verdict is wanted."""
        ...

    def revoke(self, uuid: str) -> None:
        """End the running task of a message that was revoked."""
        ...

    def running(self) -> list[Running]:
        """Return what runs now, for the store to show. Jobs that wait are not among it."""
        ...

    def enforce_deadlines(self) -> None:
        """End the tasks that run past their deadlines."""
        ...

    def next_deadline(self) -> int | None:
        """When :meth:`enforce_deadlines` is next needed (monotonic ms)."""
        ...

    def register_with(self, poll: select.poll) -> bool:
        """Add to `poll` what wakes the engine when a job has finished. Returns False if one has finished already."""
        ...

    def on_ready(self, ready: Set[int]) -> None:
        """Take in that the engine no longer sleeps, and which descriptors were ready."""
        ...

    def shut_down(self) -> None:
        """End the threads or processes. No job is in flight."""
        ...
