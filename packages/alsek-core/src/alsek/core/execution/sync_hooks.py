"""Tasks whose hooks are coroutine functions, made fit for synchronous code."""

from __future__ import annotations

import functools
from collections.abc import Callable
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
    found = {name: getattr(task, name) for name in _CALLED if is_coroutine_function(getattr(task, name))}
    if not found:
        return task
    copied = Task.__new__(type(task))
    copied.__dict__.update(task.__dict__)
    for name, method in found.items():
        if getattr(method, "__self__", None) is task:
            method = method.__func__.__get__(copied)  # so that all of its methods have the same `self`
        setattr(copied, name, _run_to_its_end(method))
    return copied


def _run_to_its_end(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def run(*arguments: Any) -> Any:
        return run_coroutine(awaited(method(*arguments)))

    return run
