"""What type checkers see of a task: run ``mypy`` or ``pyright`` on this file. ``test_typing.py`` does."""

from __future__ import annotations

from typing import Any, assert_type

from apscheduler.triggers.interval import IntervalTrigger

from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.core.status import StatusTracker, TaskStatus
from alsek.core.submission.calls import Call, Generated
from alsek.core.task import Task, TriggerTask, task
from alsek.storage.backends.memory import MemoryBackend

backend = MemoryBackend()
broker = Broker(backend)


@task(broker, queue="math_ops", mechanism="thread")
def add(a: int, b: int = 2) -> int:
    """Adds."""
    return a + b


@task(broker)
async def fetch(url: str) -> bytes:
    """Asynchronous: calling it gives a coroutine."""
    return url.encode()


@task(broker, trigger=IntervalTrigger(hours=1))
def hourly() -> str:
    """With a trigger."""
    return "now"


@task(broker, trigger=IntervalTrigger(hours=1))
def hourly_with_message(message: Message) -> str:
    """With a trigger, and the message of the tick."""
    return message.uuid


@task(broker, trigger=IntervalTrigger(hours=1))
def hourly_with_message_by_name(*, message: Message | None = None) -> int:
    """With a trigger, and a parameter that may be left out."""
    return 0 if message is None else message.retries


class Plain(Task):
    """With a hook, and no type parameters."""

    def op(self, message: Message) -> Any:
        """Something else."""
        return message.args


@task(broker, base_task=Plain)
def plain(text: str) -> str:
    """With a base of its own."""
    return text


def takes_any(one: Task) -> Message:
    """A task, whatever it takes and returns."""
    return one.generate()


class Custom(Task[..., Any]):
    """With a hook."""

    def do_callback(self, message: Message, result: Any) -> bool:
        return bool(result)


@task(broker, base_task=Custom)
def custom(text: str) -> str:
    """With a base of its own."""
    return text


async def uses() -> None:
    """The signature and the result of the function are kept."""
    assert_type(add(1, b=2), int)
    assert_type(await fetch("u"), bytes)
    assert_type(hourly(), str)
    assert_type(hourly, TriggerTask[str])
    assert_type(hourly_with_message, TriggerTask[str])
    assert_type(hourly_with_message_by_name, TriggerTask[int])
    assert_type(hourly_with_message(hourly_with_message.generate()), str)
    assert_type(custom("x"), str)
    assert_type(plain("x"), str)
    assert_type(takes_any(add), Message)
    assert_type(takes_any(hourly), Message)
    assert_type(add.generate(args=(1,)), Message)
    assert_type(add.defer().generate(), Message)
    assert_type(add.defer()(1), int)
    assert_type(add.generate_many([(1, 2), (3, 4)]), Generated)
    assert_type(add.generate_many(zip([1], [2], strict=True))[0], Message)
    assert_type(add.generate_many({"a": n} for n in range(3)).existing, list[Message])
    add.generate_many([(1,), [2], {"a": 3}, Call((4,), {"b": 5}, uuid="u", priority=1)], queue="q", ttl=5)
    assert_type(add.op(add.generate()), int)
    assert_type(StatusTracker(backend).get(add.generate()), TaskStatus)


def misuses() -> None:
    """Each of these is an error to a checker (the ignores are checked: one that ignores nothing is an error)."""
    add("one")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    add(1, c=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    add.generate(priority="high")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    add.generate_many([1, 2])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    Call("one")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    hourly(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    takes_any(misuses)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    @task(broker, trigger=IntervalTrigger(hours=1))  # type: ignore[arg-type]
    def _with_parameters(number: int) -> int:  # pyright: ignore[reportArgumentType]
        return number

    @task(broker, trigger=IntervalTrigger(hours=1))  # type: ignore[arg-type]
    def _with_a_text(message: str) -> str:  # pyright: ignore[reportArgumentType]
        return message
