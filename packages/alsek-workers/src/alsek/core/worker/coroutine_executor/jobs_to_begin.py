"""The jobs that a loop is to begin, taken by its thread, or by the engine's if the loop is given up."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alsek.core.worker.coroutine_executor.job import CoroutineJob


class JobsToBegin(deque["CoroutineJob"]):
    """A queue of jobs. Several threads may take from it at once."""

    def next(self) -> CoroutineJob | None:
        """Take the first job; None if there is none, or another thread has just taken the last one."""
        try:
            return self.popleft()
        except IndexError:
            return None
