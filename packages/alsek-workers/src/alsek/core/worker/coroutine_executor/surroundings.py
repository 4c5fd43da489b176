"""What the jobs of one executor share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alsek.core.broker import Broker
from alsek.core.execution.sync_hooks import with_sync_hooks
from alsek.core.task import AnyTask, Task
from alsek.core.worker.shared_state import SharedState

if TYPE_CHECKING:
    from alsek.core.worker.coroutine_executor.job import CoroutineJob

#: The hooks that run when a message is concluded.
_HOOKS = ("do_retry", "on_retry", "on_failure", "on_success", "on_revocation")


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the jobs of one executor are given.

    Attributes:
        tasks: The pool's tasks by name.
        broker: Whose messages they are.
        state: Where starts and ends of user code are written.
        max_losses: See :func:`~alsek.core.execution.opening.rejection_of`.
        unknown_tasks_wait: A message whose task is unknown does not fail.
        armed: Called with the deadline of a task that begins. In the thread of the loop.
        leave_loop: Runs the rest of a job in a thread for hooks.
        finished: Called with a job that has ended, in the thread of the loop.
        concluded_by: For each task, the one whose hooks are called when a message has ended.
        quiet: The names of the tasks whose successes are concluded without code of the user's that may block.
    """

    tasks: dict[str, AnyTask]
    broker: Broker
    state: SharedState
    max_losses: int
    unknown_tasks_wait: bool
    armed: Callable[[int], None]
    leave_loop: Callable[[CoroutineJob, Callable[[], None]], None]
    finished: Callable[[CoroutineJob], None]
    concluded_by: dict[str, AnyTask]
    quiet: frozenset[str]


def concluding_tasks(tasks: dict[str, AnyTask]) -> dict[str, AnyTask]:
    """Return the tasks with hooks that run to their ends when they are called."""
    return {name: with_sync_hooks(task) for name, task in tasks.items()}


def quiet_tasks(tasks: dict[str, AnyTask]) -> frozenset[str]:
    """Return the names of the tasks with no hooks of their own, and no result store elsewhere."""
    return frozenset(name for name, task in tasks.items() if _is_quiet(task))


def _is_quiet(task: AnyTask) -> bool:
    store = task.result_store
    if store is not None and not store.is_atomic_with(task.broker.backend):
        return False
    return all(getattr(getattr(task, name), "__func__", None) is getattr(Task, name) for name in _HOOKS)
