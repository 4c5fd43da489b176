"""One attempt of a task whose function is a coroutine function, on an event loop.

The same as :mod:`~alsek.core.execution.attempts`, in the same order and by the same rules. But what the user's code
returns is awaited where it can be, and a middleware's ``attempt`` may return an asynchronous context manager.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import CoroutineType
from typing import Any

from alsek.core.current_message import CURRENT
from alsek.core.execution import forks
from alsek.core.execution.attempts import Attempt, context_of, swallowed
from alsek.core.execution.callback import make_callback, messages_of
from alsek.core.execution.delivery import Delivery
from alsek.core.middleware import Middleware, acall_submitting
from alsek.core.task import AnyTask


async def attempt(task: AnyTask, delivery: Delivery, around: Sequence[Middleware] | None = None) -> Attempt:
    """Run the task on the message. Whatever the user's code raises is in the attempt that is returned.

    That includes ``asyncio.CancelledError``: the caller knows whether it has cancelled the task.

    Args:
        task: The task.
        delivery: The message.
        around: The middleware that is to be entered before; by default that of the task's broker.
    """
    message = delivery.message
    CURRENT.set(message)
    broker = task.broker
    layers = broker.attempt_middleware if around is None else around
    if layers:
        return await _within(layers[0], layers[1:], task, delivery)
    prepared = None
    hook: Any
    try:
        hook = task.pre_op(message)
        if hook is not None and inspect.isawaitable(hook):
            await hook
        if forks.forked:
            forks.leave()
        result = task.op(message)
        if type(result) is CoroutineType or inspect.isawaitable(result):
            result = await result
        if forks.forked:
            forks.leave()
        hook = task.post_op(message, result)
        if hook is not None and inspect.isawaitable(hook):
            await hook
        if forks.forked:
            forks.leave()
        callback = False
        if message.chain is not None or (message.branches is not None and "group" in message.branches):
            hook = task.do_callback(message, result)
            callback = bool(await hook if inspect.isawaitable(hook) else hook)
        if callback and broker.submission_middleware:
            prepared = make_callback(delivery, result)
            for each in messages_of(prepared):
                await acall_submitting(broker.submission_middleware, each)
    except BaseException as error:  # noqa: BLE001  SystemExit in a task ends the task, not the worker
        forks.check(error)
        return Attempt(exception=error)
    if forks.forked:
        forks.leave()
    return Attempt(result, callback=callback, prepared=prepared)


async def _within(
    layer: Middleware, inner: Sequence[Middleware], task: AnyTask, delivery: Delivery
) -> Attempt:
    """Run the attempt within the context manager of one middleware; `inner` are those within it.

    An exception of the attempt is raised in the context manager, and stands if that swallows it.
    """
    made: Attempt | None = None
    trace = None
    stack: AsyncExitStack[bool] = AsyncExitStack()
    try:
        async with stack:
            context: Any = layer.attempt(delivery.message)
            if is_async_context(context):
                await stack.enter_async_context(context)
            else:
                stack.enter_context(context_of(layer, context))
            if forks.forked:
                forks.leave()
            made = await attempt(task, delivery, inner)
            if made.exception is not None:
                trace = made.exception.__traceback__
                raise made.exception
    except BaseException as error:  # noqa: BLE001  as in attempt()
        forks.check(error)
        if made is None or error is not made.exception:
            return Attempt(exception=error)
        BaseException.with_traceback(error, trace)  # without the frames of this function
        return made
    if forks.forked:
        forks.leave()
    if made is None:  # entering it has swallowed what ended it
        return swallowed(layer, delivery)
    return made


def is_async_context(context: object) -> bool:
    """Return True if `context` is an asynchronous context manager, and no synchronous one."""
    kind = type(context)
    if hasattr(kind, "__enter__") and hasattr(kind, "__exit__"):
        return False
    return hasattr(kind, "__aenter__") and hasattr(kind, "__aexit__")
