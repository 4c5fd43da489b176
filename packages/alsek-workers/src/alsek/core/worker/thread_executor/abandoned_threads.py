"""Threads that did not end in time: they run on, without a slot, until they end or their process does."""

from __future__ import annotations

import threading
from collections.abc import Callable

from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.thread_executor.job import ThreadJob


class AbandonedThreads:
    """The abandoned threads of one executor, each with the job that it ran. Only the engine's thread calls it.

    Args:
        state: Is told how many there are, and when no user code runs for their jobs any longer.
        is_in_use: Whether another thread still concludes a job, or reports it.

    Attributes:
        jobs: What each thread runs.
    """

    def __init__(self, state: SharedState, is_in_use: Callable[[ThreadJob], bool]) -> None:
        self._state = state
        self._is_in_use = is_in_use
        self.jobs: dict[threading.Thread, ThreadJob] = {}

    def add(self, thread: threading.Thread, job: ThreadJob) -> None:
        """Add a thread, which runs `job`."""
        self.jobs[thread] = job
        self._state.abandoned = len(self.jobs)

    def check(self, now: int) -> None:
        """Forget the threads that have ended, and interrupt the others again."""
        for thread, job in list(self.jobs.items()):
            if not thread.is_alive():
                self._forget(thread, job)
            elif job.deadline and now >= job.next_interrupt:
                job.interrupt(now)

    def _forget(self, thread: threading.Thread, job: ThreadJob) -> None:
        if self._is_in_use(job):
            return  # user code for it may run in that thread, too
        del self.jobs[thread]
        self._state.abandoned = len(self.jobs)
        if job not in self.jobs.values():
            self._state.leave_user_code(job.entry)
