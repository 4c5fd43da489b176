"""Functions that a worker's processes run when they start and stop, to open database pools or load models.

::

    @on_worker_start
    def connect() -> None:
        pool.open()

A hook may be an ``async def``: it runs on the event loop of the process, so that tasks can use what it has made. A pool
finds hooks as it finds tasks, in the modules that it imports. A hook runs in each process that runs tasks, after the
fork and before the first task, or after the last task.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from alsek.core.event_loops import awaited, run_coroutine
from alsek.core.execution import forks
from alsek.core.loggers import guarded_logger

log = guarded_logger(__name__)

When: TypeAlias = Literal["start", "stop"]


class WorkerHook:
    """A function without parameters that a worker's processes run. Calling the hook calls the function."""

    def __init__(self, function: Callable[[], object], when: When) -> None:
        self.function = function
        self.when: When = when
        self.name = getattr(function, "__qualname__", repr(function))

    def __call__(self) -> object:
        """Call the function, and return what it returns."""
        return self.function()

    def __repr__(self) -> str:
        return f"WorkerHook({self.name}, when={self.when!r})"


def on_worker_start(function: Callable[[], object]) -> WorkerHook:
    """Run `function` in each process of a pool before its first task.

    If it raises, the process takes no task: the pool logs it, and starts another process after a while.
    """
    return WorkerHook(function, "start")


def on_worker_stop(function: Callable[[], object]) -> WorkerHook:
    """Run `function` in each process of a pool after its last task, unless the process is killed.

    An exception that it raises is logged.
    """
    return WorkerHook(function, "stop")


def in_start_hooks(hooks: Iterable[WorkerHook]) -> str:
    """Return the names of the start hooks, for a log line about a process that ended before it had started."""
    names = [hook.name for hook in hooks if hook.when == "start"]
    return f" (on_worker_start: {', '.join(names)})" if names else ""


def run_hooks(hooks: Iterable[WorkerHook], when: When) -> bool:
    """Run the hooks for this moment in turn; if one raises, log it, skip the others and return False."""
    for hook in hooks:
        if hook.when != when:
            continue
        try:
            returned = hook()
            if inspect.isawaitable(returned):
                run_coroutine(awaited(returned))
        except BaseException as error:  # sys.exit() in a hook is a failure like any other
            forks.check(error)
            log.exception("Worker hook %s failed (on_worker_%s).", hook.name, when)
            return False
        forks.check()
    return True
