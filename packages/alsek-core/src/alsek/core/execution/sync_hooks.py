"""Tasks whose hooks are coroutine functions, made fit for synchronous code."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import MethodType
from typing import Any, Final

from alsek.core.coroutine_functions import is_coroutine_function
from alsek.core.event_loops import awaited, run_coroutine
from alsek.core.task import AnyTask, Task

#: The methods of a task that a worker calls.
_CALLED: Final = (
    "op",
    "pre_op",
    "post_op",
    "do_callback",
    "do_retry",
    "on_retry",
    "on_failure",
    "on_success",
    "on_revocation",
)


def with_sync_hooks(task: AnyTask) -> AnyTask:
    """Return a task whose hooks run to their ends when they are called: `task` itself, unless some are ``async def``.

    The other is a copy, so that tasks without such hooks cost nothing. A task that runs on an event loop needs the copy
    only for what follows its attempt.
    """
    found = _async_methods(task)
    if not found:
        return task
    copied = Task.__new__(type(task))
    copied.__dict__.update(task.__dict__)
    for name, method in found.items():
        if isinstance(method, MethodType) and method.__self__ is task:
            method = MethodType(method.__func__, copied)  # so that all of its methods have the same `self`
        setattr(copied, name, _run_to_its_end(method))
    return copied


def needs_loop(task: AnyTask) -> bool:
    """Return True if the task or one of its hooks is an ``async def``."""
    return task.is_async or bool(_async_methods(task))


def _async_methods(task: AnyTask) -> dict[str, Callable[..., Any]]:
    methods = {name: getattr(task, name) for name in _CALLED}
    return {name: method for name, method in methods.items() if is_coroutine_function(method)}


def _run_to_its_end(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def run(*arguments: Any) -> Any:
        return run_coroutine(awaited(method(*arguments)))

    return run
