"""What runs an engine's jobs: threads, or processes. The engine alone calls it, in one thread."""

from __future__ import annotations

import select
from collections.abc import Set
from typing import Protocol, TypeVar

from alsek.core.execution.session import WorkerSession
from alsek.storage.backends.records import Claimed, Outcome


class Job(Protocol):
    """A job: one claim, from when it was handed out until the store has accepted what became of it.

    Attributes:
        claimed: What was handed out.
        entry: Its number in the shared state.
        worker_id: Under which it was claimed.
        outcome: What becomes of it, once it has finished.
    """

    claimed: Claimed
    entry: int
    worker_id: str
    outcome: Outcome | None


J = TypeVar("J", bound=Job)


class Executor(Protocol[J]):
    """Runs jobs, and hands them back finished."""

    @property
    def in_flight(self) -> int:
        """How many jobs are under way."""
        ...

    @property
    def free_slots(self) -> int:
        """How many more jobs it takes now: those that could start at once, or (processes) within milliseconds.

        Less than none if threads have some ahead.
        """
        ...

    @property
    def prefetch(self) -> int:
        """How many more threads take than could start at once, since what runs will end within a moment."""
        ...

    @property
    def exhausted(self) -> bool:
        """The process had better be replaced."""
        ...

    def job(self, claimed: Claimed, entry: int, session: WorkerSession) -> J:
        """A job for a claim."""
        ...

    def start(self, job: J) -> None:
        """Run a job."""
        ...

    def collect(self) -> list[J]:
        """What has finished since the last time."""
        ...

    def on_outcome(self, job: J, accepted: bool) -> None:
        """The store has accepted the job's outcome, or refused it."""
        ...

    def revoke(self, uuid: str) -> None:
        """End the task of a message that was revoked while it runs."""
        ...

    def enforce_deadlines(self) -> None:
        """End what runs past its deadline."""
        ...

    def next_deadline(self) -> int | None:
        """When :meth:`enforce_deadlines` is next needed (monotonic ms)."""
        ...

    def register_with(self, poll: select.poll) -> bool:
        """Add to `poll` what tells that something has finished; False if something has already."""
        ...

    def on_ready(self, ready: Set[int]) -> None:
        """The engine sleeps no longer; these descriptors were ready."""
        ...

    def shut_down(self) -> None:
        """End what runs the jobs; none is under way."""
        ...
