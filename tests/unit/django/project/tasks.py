"""Tasks of all kinds."""

from __future__ import annotations

from typing import Any

from django.db import connection

from alsek import Retry, Unique
from alsek import task as alsek_task
from alsek.core.current_message import current_message
from alsek.django import broker
from alsek.django.framework import tasks_framework

_backends = tasks_framework().task_backends
Task = tasks_framework().Task


def task(**options: Any) -> Any:
    """Django's decorator, of whichever of the two is here."""
    return lambda function: Task(func=function, run_after=None, **options)


#: What the tasks of a test have seen.
seen: list[Any] = []


@task()
def add(a: int, b: int = 1) -> int:
    return a + b


@task()
def say(name, message):  # type: ignore[no-untyped-def]
    return f"{name}: {message}"


@task()
def fail(text: str) -> None:
    seen.append(text)
    raise LookupError(text)


@task(backend="stubborn")
def fail_twice(first_good: int) -> str:
    seen.append(len(seen))
    if len(seen) < first_good:
        raise ValueError(f"attempt {len(seen)}")
    return "at last"


@task(takes_context=True)
def attempt(context: Any, name: str) -> list[Any]:
    return [context.attempt, context.task_result.id, context.task_result.status.value, name]


@task(takes_context=True)
def wait(context: Any) -> int:
    seen.append(context.attempt)
    if len(seen) < 3:
        raise Retry(delay=10, uncounted=True)
    return context.attempt


@task(queue_name="other", priority=5)
def note(name: str) -> None:
    seen.append(name)


@task()
async def double(n: int) -> int:
    return 2 * n


@task()
def wrong() -> object:
    return object()


@task(backend="careful")
def careful(name: str) -> str:
    seen.append(name)
    return name


@task(backend="elsewhere")
def not_ours() -> None: ...


their_broker = broker()


@alsek_task(their_broker)
def plain(name: str) -> None:
    seen.append(name)


@alsek_task(broker(), unique=Unique("{name}"))
def only_one(name: str) -> None:
    seen.append(name)


@alsek_task(broker())
def query() -> str:
    with connection.cursor() as cursor:
        cursor.execute("select 1")
    message = current_message()
    assert message is not None
    seen.append(connection.connection)
    return message.uuid
