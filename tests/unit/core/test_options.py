"""The options of tasks and messages: each signature that has them has all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from inspect import signature
from typing import Any, get_overloads

from alsek.core.backoff import ConstantBackoff
from alsek.core.broker import Broker
from alsek.core.keys.limits import Concurrency
from alsek.core.keys.unique import Unique
from alsek.core.message import Message
from alsek.core.schedules.scheduled import OPTION_NAMES
from alsek.core.status import StatusTracker
from alsek.core.submission.calls import Call
from alsek.core.submission.options import NAMES
from alsek.core.task import Task, task, without_hooks
from alsek.core.task.options import TaskOptions
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.result import ResultStore


def names(function: Callable[..., Any]) -> set[str]:
    """The names of its parameters."""
    return set(signature(function).parameters)


def test_the_decorator_and_the_class_take_the_same_options() -> None:
    """What a task is made with can be given to the decorator, with and without a trigger; and a schedule."""
    options = set(TaskOptions.__annotations__)
    assert names(Task.__init__) - {"self", "function", "broker"} == options
    assert names(task) - {"broker", "trigger", "schedule", "base_task"} == options
    overloads = get_overloads(task)
    assert len(overloads) == 2
    for overload in overloads:
        assert names(overload) - {"broker", "trigger", "schedule", "base_task"} == options


def test_single_calls_and_many_take_the_same_options() -> None:
    """What `generate` takes, a call of `generate_many` can have; what is of one message alone is not for all."""
    assert names(Task.generate) - {"self", "args", "kwargs", "submit", "on_commit", "options"} | {
        "ttl"
    } == set(NAMES)
    assert {each.name for each in fields(Call)} - {"args", "kwargs"} == set(NAMES)
    of_one = {"uuid", "previous_result", "callback", "failure_callback"}
    assert names(Task.generate_many) - {"self", "calls", "submit", "on_commit"} == set(NAMES) - of_one


def test_schedules_take_the_options_of_messages() -> None:
    """All but what is of one message alone, and its delay: the trigger says when."""
    assert set(OPTION_NAMES) == set(NAMES) - {"uuid", "previous_result", "delay"}


def test_a_copy_without_hooks_has_all_options(backend: MemoryBackend) -> None:
    """Each that was chosen; the hooks alone are those of the base class."""

    class Own(Task[..., Any]):
        def do_retry(self, message: Message, exception: BaseException) -> bool:
            return True

    options: TaskOptions = {
        "name": "named",
        "queue": "q",
        "timeout": 7,
        "max_retries": 9,
        "backoff": ConstantBackoff(5),
        "result_store": ResultStore(backend),
        "status_tracker": StatusTracker(backend),
        "mechanism": "thread",
        "unique": Unique(),
        "limits": (Concurrency(2),),
    }
    assert options.keys() == TaskOptions.__annotations__.keys()
    made = Own(lambda: None, Broker(backend), **options)
    copy = without_hooks(made)
    assert type(copy) is Task
    assert {name: getattr(copy, name) for name in options} == options
    assert copy.function is made.function
    assert copy.mechanism_wish == "thread"
    assert without_hooks(Own(lambda: None, Broker(backend), name="any")).mechanism_wish == "any"
