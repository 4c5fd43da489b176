"""Threads and coroutines that did not end in time: they run on without a slot, until they end or their process does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.thread_executor.concluding_job import ConcludingJob

J = TypeVar("J", bound=ConcludingJob)


class Runner(Protocol):
    """A thread, or what stands for a coroutine."""

    def is_alive(self) -> bool:
        """Whether it has not ended."""
        ...


class Abandoned(Generic[J]):
    """The abandoned threads and coroutines of one executor, each with its job. Only the engine's thread calls it.

    Args:
        state: Is told how many there are, and when no user code runs for their jobs any longer.
        is_in_use: Whether another thread still concludes a job, or reports it.

    Attributes:
        jobs: What each runs.
    """

    def __init__(self, state: SharedState, is_in_use: Callable[[J], bool]) -> None:
        self._state = state
        self._is_in_use = is_in_use
        self.jobs: dict[Runner, J] = {}

    def add(self, runner: Runner, job: J) -> None:
        """Add a thread or a coroutine, which runs `job`."""
        self.jobs[runner] = job
        self._state.abandoned += 1  # of all executors of the group

    def check(self, now: int) -> None:
        """Forget those that have ended, and interrupt the others again."""
        for runner, job in list(self.jobs.items()):
            if not runner.is_alive():
                self._forget(runner, job)
            elif job.deadline and now >= job.next_interrupt:
                job.interrupt(now)

    def _forget(self, runner: Runner, job: J) -> None:
        if self._is_in_use(job):
            return  # user code for it may run in that thread, too
        del self.jobs[runner]
        self._state.abandoned -= 1
        if job not in self.jobs.values():
            self._state.leave_user_code(job.entry)
