"""Submits a message by the name of its task, and waits for its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from alsek.cli.failures import NotFoundError, PartlyDoneError
from alsek.cli.stores import tasks_of
from alsek.core.arguments.parameters import did_you_mean
from alsek.core.message import Message
from alsek.core.task import AnyTask, TriggerTask
from alsek.exceptions import TaskDefinitionError, TaskFailedError, ValidationError


def task_named(package: str, name: str) -> AnyTask:
    """Return the task of this name that a package defines.

    Raises:
        NotFoundError: It defines none of this name.
        TaskDefinitionError: Its store is one that no worker can use, or there are two.
    """
    tasks = tasks_of(package)
    found = {id(task): task for task in tasks if task.name == name}
    if not found:
        names = sorted({task.name for task in tasks})
        raise NotFoundError(
            f"{package!r} defines no task {name!r}{did_you_mean(name, names)}; it defines {', '.join(names)}"
        )
    if len(found) > 1:
        raise TaskDefinitionError(f"{package!r} defines several tasks named {name!r}: name the module of one")
    (task,) = found.values()
    if not task.broker.backend.shared:
        raise TaskDefinitionError(
            f"the store of task {name!r} is {task.broker.backend.describe()}, which no worker can look into"
        )
    return task


def submit_message(
    task: AnyTask, args: Sequence[Any], kwargs: Mapping[str, Any], delay: int | None, queue: str | None
) -> Message:
    """Submit one message for a task, also if that has a trigger, and return it."""
    if not isinstance(task, TriggerTask):
        return task.generate(list(args), dict(kwargs), delay=delay, queue=queue)
    if args or kwargs:
        raise ValidationError(f"task {task.name!r} has a trigger: it takes no arguments")
    message = task.generate(delay=delay, queue=queue, submit=False)  # does not start the trigger
    task.broker.submit(message)
    return message


def wait_for_result(task: AnyTask, message: Message, timeout: int) -> Any:
    """Return what the message's task returned. The result stays in the store.

    Args:
        task: A task with a result store.
        message: Its message.
        timeout: How long to wait at most.

    Raises:
        PartlyDoneError: It has failed, or there is no result after so long; the message is submitted all the same.
    """
    assert task.result_store is not None
    facts = {"uuid": message.uuid, "queue": message.queue, "task": message.task_name}
    try:
        return task.result_store.get(message, timeout, keep=True)
    except TaskFailedError as error:
        traceback = error.details.get("traceback")
        if traceback:
            click.echo(str(traceback), err=True, nl=False)
        raise PartlyDoneError(str(error), {**facts, "details": error.details}) from error
    except TimeoutError as error:
        raise PartlyDoneError(f"{error}: it may still come (alsek show {message.uuid})", {**facts}) from error
