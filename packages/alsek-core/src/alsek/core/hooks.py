"""What a worker's processes run when they start and stop: database pools, models, connections.

::

    @on_worker_start
    def connect() -> None:
        pool.open()

A hook in a module that a pool imports is found there, as tasks are. It runs in each process that runs tasks, after its
fork and before its first task, respectively after its last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from alsek.core.execution import forks
from alsek.core.loggers import guarded_logger

log = guarded_logger(__name__)

When: TypeAlias = Literal["start", "stop"]


class WorkerHook:
    """A function without parameters that a worker's processes run. Calling it calls the function."""

    def __init__(self, function: Callable[[], object], when: When) -> None:
        self.function = function
        self.when: When = when
        self.name = getattr(function, "__qualname__", repr(function))

    def __call__(self) -> None:
        self.function()

    def __repr__(self) -> str:
        return f"WorkerHook({self.name}, when={self.when!r})"


def on_worker_start(function: Callable[[], object]) -> WorkerHook:
    """Run `function` in each process of a pool before its first task.

    If it raises, the process takes no task: the pool logs it, and starts another after a while.
    """
    return WorkerHook(function, "start")


def on_worker_stop(function: Callable[[], object]) -> WorkerHook:
    """Run `function` in each process of a pool after its last task, when it ends in good order.

    If it raises, that is logged.
    """
    return WorkerHook(function, "stop")


def in_start_hooks(hooks: Iterable[WorkerHook]) -> str:
    """For a sentence about a process that ended before it had started: which start hooks it may have been in."""
    names = [hook.name for hook in hooks if hook.when == "start"]
    return f" (on_worker_start: {', '.join(names)})" if names else ""


def run_hooks(hooks: Iterable[WorkerHook], when: When) -> bool:
    """Run those of `hooks` that are for now; False, and logged, when one has raised: those after it are not run."""
    for hook in hooks:
        if hook.when != when:
            continue
        try:
            hook()
        except (
            BaseException
        ) as error:  # the user's code; also sys.exit() in it means no more than that it failed
            forks.check(error)
            log.exception("Worker hook %s failed (on_worker_%s).", hook.name, when)
            return False
        forks.check()
    return True
