"""One attempt: running a task's function and the hooks around it."""

from __future__ import annotations

from typing import Any, NamedTuple

from alsek.core.current_message import CURRENT
from alsek.core.execution import forks
from alsek.core.execution.delivery import Delivery
from alsek.core.task import AnyTask
from alsek.types import ExceptionDetails


class Attempt(NamedTuple):
    """How an attempt ended.

    Attributes:
        result: What the function returned.
        exception: What was raised instead.
        callback: Whether the callback is to be submitted.
        failure: The exception as text, if it has been described already.
    """

    result: Any = None
    exception: BaseException | None = None
    callback: bool = False
    failure: ExceptionDetails | None = None


def attempt(task: AnyTask, delivery: Delivery) -> Attempt:
    """Run the task on the message. Whatever the user's code raises is in the attempt that is returned.

    Called in a context of the message's own: the current message stays set in it.
    """
    message = delivery.message
    CURRENT.set(message)
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
        callback = message.chain is not None and bool(task.do_callback(message, result))
    except BaseException as error:  # noqa: BLE001  SystemExit in a task ends the task, not the worker
        forks.check(error)
        return Attempt(exception=error)
    if forks.forked:
        forks.leave()
    return Attempt(result, callback=callback)
