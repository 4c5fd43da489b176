"""Runs messages through tasks, as a pool does, for tests of how they end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from alsek.core.attempt_state import read_message
from alsek.core.broker import Broker
from alsek.core.execution.attempts import attempt
from alsek.core.execution.conclusions import Conclusion, conclude
from alsek.core.execution.session import WorkerSession
from alsek.core.message import Message
from alsek.core.status import TaskStatus
from alsek.core.task import Task
from alsek.storage.backends.records import Failed, Retried, Worker
from tests.unit.core.fakes import claim, held


class Recorder(Task[..., Any]):
    """Writes down which hooks are called, in which order."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.calls: list[str] = []

    def pre_op(self, message: Message) -> None:
        self.calls.append("pre_op")

    def post_op(self, message: Message, result: Any) -> None:
        self.calls.append(f"post_op {result}")

    def do_callback(self, message: Message, result: Any) -> bool:
        self.calls.append("do_callback")
        return True

    def on_retry(self, message: Message, exception: BaseException) -> None:
        self.calls.append(f"on_retry {message.retries} {exception!r}")

    def on_failure(self, message: Message, exception: BaseException) -> None:
        self.calls.append(f"on_failure {exception!r}")

    def on_success(self, message: Message, result: Any) -> None:
        self.calls.append(f"on_success {result}")

    def on_revocation(self, message: Message, exception: BaseException) -> None:
        self.calls.append("on_revocation")


def run(made: Task[..., Any], **options: Any) -> tuple[Message, Conclusion]:
    """Generate, claim, attempt, conclude."""
    made.generate(**options)
    message = claim(made.broker)
    return message, through(made, message)


def through(made: Task[..., Any], message: Message) -> Conclusion:
    """Attempt, conclude."""
    delivery = held(message)
    return conclude(made, delivery, attempt(made, delivery))


def claimed_again(broker: Broker, message: Message) -> Message:
    """A message made by hand, as the store hands it out."""
    message.queue = "by_hand"
    broker.submit(message)
    return claim_in(broker, message.queue)


def dead(conclusion: Conclusion) -> dict[str, Any]:
    """The details of a dead letter to be."""
    assert isinstance(conclusion.outcome, Failed)
    assert conclusion.status is TaskStatus.FAILED
    details: dict[str, Any] = json.loads(conclusion.outcome.error)
    return details


def again(made: Task[..., Any], conclusion: Conclusion) -> Message:
    """The message as it will run again."""
    outcome = conclusion.outcome
    assert isinstance(outcome, Retried)
    assert conclusion.status is TaskStatus.RETRYING
    stored = made.broker.backend.messages.get(outcome.queue, outcome.uuid)
    assert stored is not None
    assert outcome.payload is None
    state = {name: getattr(outcome, name) for name in ("retries", "updated_at", "retry_delay", "last_error")}
    return read_message(stored._replace(**state), made.broker.backend.serializer)


def failing(error: BaseException) -> Callable[[], None]:
    """A function that raises."""

    def function() -> None:
        raise error

    return function


def claim_in(broker: Broker, queue: str) -> Message:
    """The next message of one queue."""
    session = WorkerSession(broker.backend, Worker("", "any", (queue,), 15_000, 1_000, "freely"))
    session.register()
    return claim(broker, session)
