"""One attempt: running a task's function, the hooks around it, and the middleware around those."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from alsek.core.current_message import CURRENT
from alsek.core.execution import forks
from alsek.core.execution.callback import make_callback, messages_of
from alsek.core.execution.delivery import Delivery
from alsek.core.failure import qualified_name
from alsek.core.groups.group import Group
from alsek.core.message import Message
from alsek.core.middleware import Middleware, call_submitting
from alsek.core.short_repr import shown
from alsek.core.task import AnyTask
from alsek.exceptions import TaskFailedError, ValidationError
from alsek.types import ExceptionDetails


class Attempt(NamedTuple):
    """How an attempt ended.

    Attributes:
        result: What the function returned.
        exception: What was raised instead.
        callback: Whether the callback is to be submitted.
        failure: The exception as text, if it has been described already.
        prepared: The callback as middleware has left it, if there is middleware for submissions.
    """

    result: Any = None
    exception: BaseException | None = None
    callback: bool = False
    failure: ExceptionDetails | None = None
    prepared: Message | Group | None = None


def attempt(task: AnyTask, delivery: Delivery, around: Sequence[Middleware] | None = None) -> Attempt:
    """Run the task on the message. Whatever the user's code raises is in the attempt that is returned.

    Called in a context of the message's own: the current message stays set in it.

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
        return _within(layers[0], layers[1:], task, delivery)
    prepared = None
    try:
        task.pre_op(message)
        if forks.forked:
            forks.leave()
        result = task.op(message)
        if forks.forked:
            forks.leave()
        task.post_op(message, result)
        if forks.forked:
            forks.leave()
        callback = (
            message.chain is not None or (message.branches is not None and "group" in message.branches)
        ) and bool(task.do_callback(message, result))
        if callback and broker.submission_middleware:
            prepared = make_callback(delivery, result)
            for each in messages_of(prepared):
                call_submitting(broker.submission_middleware, each)
    except BaseException as error:  # noqa: BLE001  SystemExit in a task ends the task, not the worker
        forks.check(error)
        return Attempt(exception=error)
    if forks.forked:
        forks.leave()
    return Attempt(result, None, True, None, prepared) if callback else Attempt(result)


def _within(layer: Middleware, inner: Sequence[Middleware], task: AnyTask, delivery: Delivery) -> Attempt:
    """Run the attempt within the context manager of one middleware; `inner` are those within it.

    An exception of the attempt is raised in the context manager, and stands if that swallows it.
    """
    made: Attempt | None = None
    trace = None
    try:
        with context_of(layer, layer.attempt(delivery.message)):
            if forks.forked:
                forks.leave()
            made = attempt(task, delivery, inner)
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
    if made is None:  # interrupted between the two
        return swallowed(layer, delivery)
    return made


def swallowed(layer: Middleware, delivery: Delivery) -> Attempt:
    """Return the attempt of a message whose middleware has swallowed an interruption before the attempt had begun."""
    what = qualified_name(layer.attempt)
    return Attempt(exception=TaskFailedError(f"{what} swallowed what ended {delivery.summary}"))


def context_of(layer: Middleware, context: Any) -> AbstractContextManager[Any, bool]:
    """Return what `attempt` of a middleware has returned, if it is a context manager.

    Raises:
        ValidationError: It is something else.
    """
    kind = type(context)
    if hasattr(kind, "__enter__") and hasattr(kind, "__exit__"):
        entered: AbstractContextManager[Any, bool] = context
        return entered
    if inspect.iscoroutine(context):
        context.close()
    if hasattr(kind, "__aenter__") and hasattr(kind, "__aexit__"):
        raise ValidationError(
            f"{qualified_name(layer.attempt)} returned {shown(context)}, an asynchronous context manager, and the task "
            "is no `async def`: return a synchronous one for it, or one that is both"
        )
    raise ValidationError(
        f"{qualified_name(layer.attempt)} returned {shown(context)}: it must return a context manager; decorate it "
        "with contextlib.contextmanager"
    )
