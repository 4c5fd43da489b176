"""What status trackers and middleware are told once the store has accepted an outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from alsek.core.broker import Broker
from alsek.core.execution.conclusions import Conclusion
from alsek.core.execution.delivery import Delivery
from alsek.core.execution.guarded_hooks import call_guarded
from alsek.core.groups.group import Group
from alsek.core.message import Message
from alsek.core.status import TaskStatus
from alsek.core.task import AnyTask
from alsek.types import Ending


class Notice(NamedTuple):
    """A call to make once the store has accepted the outcome.

    Attributes:
        tell: A tracker's ``set``, or a middleware's ``ended``.
        message: Its first argument.
        what: Its second argument.
    """

    tell: Callable[[Message, Any], None]
    message: Message
    what: TaskStatus | Ending


def send_notice(notice: Notice) -> None:
    """Make the call; an exception that it raises is logged."""
    call_guarded(notice.tell, notice.message, notice.message, notice.what)


def send_status(task: AnyTask, delivery: Delivery, status: TaskStatus) -> None:
    """Send a status to the task's tracker at once, if the store does not write the task's statuses itself."""
    if task.status_tracker is not None and not delivery.status_ttl:
        call_guarded(task.status_tracker.set, delivery, delivery.restore(), status)


def pending_notices(
    tasks: Mapping[str, AnyTask],
    task: AnyTask | None,
    delivery: Delivery,
    conclusion: Conclusion,
    broker: Broker,
) -> list[Notice]:
    """Return the notices to send once the store has accepted the outcome: of the message, and of its callback.

    Args:
        tasks: The worker's tasks. The submission of a callback whose task is not among them is not reported.
        task: The message's task; None if the worker does not have it: then no tracker is told.
        delivery: The message.
        conclusion: How it ended.
        broker: Whose middleware is told if there is no task.
    """
    notices: list[Notice] = []
    if task is not None:
        broker = task.broker
        if task.status_tracker is not None and not delivery.status_ttl:
            notices.append(Notice(task.status_tracker.set, delivery.restore(), conclusion.status))
        if conclusion.callback is not None:
            notices += _submission_notices(tasks, conclusion.callback)
    if broker.end_middleware:
        notices += end_notices(broker, delivery, conclusion.ending)
    return notices


def _submission_notices(tasks: Mapping[str, AnyTask], callback: Message | Group) -> Iterator[Notice]:
    """Yield the notices of what was submitted: a callback, or the members of a group."""
    submitted = (
        (callback,)
        if isinstance(callback, Message)
        else (member for group in callback.groups() for member in group.own_messages())
    )
    for message in submitted:
        if not message.status_ttl:
            task = tasks.get(message.task_name)
            if task is not None and task.status_tracker is not None:
                yield Notice(task.status_tracker.set, message, TaskStatus.SUBMITTED)


def end_notices(broker: Broker, delivery: Delivery, ending: Ending) -> list[Notice]:
    """Return the notices to a broker's middleware of how a message ended."""
    return [Notice(each.ended, delivery.restore(), ending) for each in broker.end_middleware]
