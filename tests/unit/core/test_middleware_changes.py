"""What middleware may make of a message that is submitted, and what it may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.core.middleware import Middleware
from alsek.core.task import task
from alsek.exceptions import ValidationError
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Failed
from tests.unit.core.attempt_harness import run


class Changing(Middleware):
    """Sets a field of the messages of one task."""

    def __init__(self, name: str, field: str, value: Any) -> None:
        self.name, self.field, self.value = name, field, value

    def submitting(self, message: Message) -> None:
        if message.task_name == self.name:
            setattr(message, self.field, self.value)


WRONG = [
    ("uuid", None),
    ("uuid", "another"),
    ("queue", 3),
    ("queue", "two words"),
    ("task_name", ""),
    ("args", "text"),
    ("kwargs", {1: 2}),
    ("priority", "first"),
    ("priority", -1),
    ("delay", "x"),
    ("delay", -5),
    ("ttl", "x"),
    ("timeout", "x"),
    ("mechanism", 5),
    ("mechanism_wish", 5),
    ("status_ttl", None),
    ("created_at", "now"),
    ("progenitor_uuid", 5),
]


def _first() -> int:
    return 1


@pytest.mark.parametrize(("field", "value"), WRONG)
@pytest.mark.parametrize(
    "submit",
    [
        lambda made: made.generate(),
        lambda made: made.generate_many([()]),
        lambda made: made.broker.submit(made.generate(submit=False)),
        lambda made: made.broker.submit_many([made.generate(submit=False)]),
    ],
    ids=["generate", "generate_many", "submit", "submit_many"],
)
def test_a_message_that_can_not_be_submitted_is_refused(
    backend: MemoryBackend, submit: Callable[[Any], Any], field: str, value: Any
) -> None:
    """The caller is told what middleware has done to the message; the store gets nothing."""
    broker = Broker(backend, middleware=[Changing("first", field, value)])
    with pytest.raises(ValidationError, match=rf"Changing\.submitting has changed the message: .*{field}"):
        submit(task(broker, name="first")(_first))
    assert not backend.messages.tallies()


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_callback_that_can_not_be_submitted_fails_its_parent(
    backend: MemoryBackend, field: str, value: Any
) -> None:
    """No store is given a callback that it can't take: its step would fail again and again, and stop the pool."""
    broker = Broker(backend, middleware=[Changing("second", field, value)])
    first = task(broker, name="first", max_retries=0)(_first)
    second = task(broker, name="second")(_first)
    _, conclusion = run(first, callback=second.generate(submit=False))
    assert isinstance(conclusion.outcome, Failed)
    assert b"Changing.submitting has changed the message" in conclusion.outcome.error


def test_what_can_be_submitted_may_be_changed(backend: MemoryBackend) -> None:
    """Another queue or priority is the middleware's right."""
    broker = Broker(backend, middleware=[Changing("first", "queue", "other")])
    task(broker, name="first")(_first).generate()
    assert [tally.queue for tally in backend.messages.tallies()] == ["other"]
