"""Tasks whose hooks are coroutine functions, made fit for synchronous code."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from alsek.core.coroutine_functions import is_coroutine_function
from alsek.core.event_loops import awaited, run_coroutine
from alsek.core.task import AnyTask

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

    The other is an object of its own with the same attributes, so that tasks without such hooks cost nothing. A task
    that runs on an event loop needs it only for what follows its attempt.
    """
    found = _async_methods(task)
    if not found:
        return task
    kind: Any = type(task)
    # Properties, because a method may have been set on the object itself. They call those of the task.
    hooks = {name: property(functools.partial(_given, _run_to_its_end(found[name]))) for name in found}
    copied: Any = object.__new__(type(kind)(kind.__name__, (kind,), hooks))
    copied.__dict__ = task.__dict__  # the same: what one of them sets, the other has
    made: AnyTask = copied
    return made


def _given(function: Callable[..., Any], copied: AnyTask) -> Callable[..., Any]:
    return function


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
