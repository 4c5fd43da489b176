"""The job of a thread in a pool that also has `async def` tasks: it may find that its task is one of these."""

from __future__ import annotations

from typing import Final

from alsek.core.execution.attempts import Attempt
from alsek.core.execution.delivery import Delivery
from alsek.core.task import AnyTask
from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.thread_executor.job import ThreadJob

_MISPLACED: Final = Attempt()


class MixedThreadJob(ThreadJob):
    """A thread's job that ends without an outcome if its task is an ``async def``: it is misplaced."""

    __slots__ = ()

    def _attempt(self, task: AnyTask, delivery: Delivery, state: SharedState) -> Attempt:
        return _MISPLACED if task.is_async else super()._attempt(task, delivery, state)

    def _conclude(self, task: AnyTask, delivery: Delivery, attempt: Attempt) -> None:
        if attempt is not _MISPLACED:
            super()._conclude(task, delivery, attempt)
