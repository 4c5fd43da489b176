"""Results, callbacks and errors that can't be kept: the message ends all the same, with a reason."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from alsek.core.backoff import Backoff, ConstantBackoff
from alsek.core.broker import Broker
from alsek.core.execution.attempts import attempt
from alsek.core.execution.conclusions import conclude
from alsek.core.message import Message
from alsek.core.status import TaskStatus
from alsek.core.task import Task, task
from alsek.defaults import MAX_DURATION
from alsek.exceptions import (
    Reject,
    Retry,
)
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Failed, Retried
from alsek.storage.result import ResultStore
from alsek.storage.serialization import JsonSerializer, Serializer
from tests.unit.core.attempt_harness import (
    again,
    claim_in,
    claimed_again,
    dead,
    failing,
    run,
    through,
)
from tests.unit.core.fakes import claim, held


@pytest.mark.parametrize("max_retries", [0, 1])
def test_a_failure_is_logged_with_its_traceback(
    broker: Broker, caplog: pytest.LogCaptureFixture, max_retries: int
) -> None:
    """The log of each failed attempt has the traceback: as WARNING if it is retried, as ERROR if it failed for good."""

    def divide() -> float:
        return 1 / 0

    with caplog.at_level("WARNING"):
        run(Task(divide, broker, max_retries=max_retries))
    assert [record.levelname for record in caplog.records] == [["ERROR", "WARNING"][max_retries]]
    assert "return 1 / 0" in caplog.text
    assert caplog.text.rstrip().endswith("ZeroDivisionError: division by zero")


@pytest.mark.parametrize("asked", [Retry("not yet"), Reject("never")])
def test_what_a_task_asked_for_is_logged_without_a_traceback(
    broker: Broker, caplog: pytest.LogCaptureFixture, asked: Exception
) -> None:
    """`Retry` and `Reject` are no errors in the task's code: one line in the log says what they do."""

    def steer() -> None:
        raise asked

    with caplog.at_level("WARNING"):
        run(Task(steer, broker))
    assert str(asked) in caplog.text
    assert "Traceback" not in caplog.text


def test_a_result_that_can_not_be_serialized(broker: Broker, backend: MemoryBackend) -> None:
    """It would fail in the same way again: to the dead letters, naming task and type."""
    made = task(broker, name="pay", result_store=ResultStore(backend))(lambda: object())
    details = dead(run(made)[1])
    assert details["name"] == "SerializationError"
    assert "'pay' returned object" in details["text"]


def test_nobody_minds_such_a_result_without_a_store(broker: Broker) -> None:
    """What is not kept need not be serializable; unless a callback is to have it."""
    made = task(broker)(lambda: object())
    assert run(made)[1].status is TaskStatus.SUCCEEDED
    made = task(broker)(lambda: object())
    made.generate(queue="other", callback=made.generate(submit=False))
    message = claim_in(broker, "other")
    details = dead(through(made, message))
    assert "previous_result" in details["text"]


class Moody(Serializer):
    """Raises an error of its own for what is 'bad'."""

    class Refusal(Exception):
        """Neither a TypeError nor a ValueError."""

    def forward(self, obj: Any) -> bytes:
        if obj == "bad":
            raise self.Refusal
        return JsonSerializer().forward(obj)

    def reverse(self, obj: bytes) -> Any:
        return JsonSerializer().reverse(obj)


@pytest.mark.parametrize("error", [ConnectionError("db"), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_errors_of_a_result_store_are_met(broker: Broker, error: BaseException) -> None:
    """One that raises anything at all has failed the attempt: the message is retried."""

    class Own(ResultStore):
        def set(self, message: Message, result: Any) -> None:
            raise error

    made = task(broker, result_store=Own(broker.backend))(lambda: 1)
    assert again(made, run(made)[1]).retries == 1


def test_errors_of_any_serializer_are_met() -> None:
    """A serializer of the user's may raise what it likes: the message still ends."""
    backend = MemoryBackend(serializer=Moody())
    made = task(Broker(backend), result_store=ResultStore(backend))(lambda: "bad")
    assert dead(run(made)[1])["name"] == "SerializationError"


class Exits(dict[str, int]):
    """Exits when it is serialized."""

    def items(self) -> Any:
        raise SystemExit(3)


def test_a_result_that_exits_when_it_is_serialized(broker: Broker, backend: MemoryBackend) -> None:
    """It is a result that can't be serialized, like any other."""
    made = task(broker, result_store=ResultStore(backend))(lambda: Exits(a=1))
    details = dead(run(made)[1])
    assert details["name"] == "SerializationError"
    assert "returned Exits" in details["text"]


def test_a_callback_that_exits_when_it_is_serialized(broker: Broker) -> None:
    """It is a failed attempt."""
    made = task(broker, max_retries=0)(lambda: Exits(a=1))
    made.generate(queue="other", callback=made.generate(submit=False))
    message = claim_in(broker, "other")
    assert isinstance(through(made, message).outcome, Failed)


def test_an_exception_whose_text_exits(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """It is a failed attempt, with a stand-in for the text; a delay that exits is none."""

    class Bad(Retry):
        """Can't be shown."""

        def __str__(self) -> str:
            raise SystemExit(3)

    class Delay:
        """Can't be counted."""

        def __int__(self) -> int:
            raise SystemExit(3)

    _, conclusion = run(task(broker)(failing(Bad(delay=Delay()))))  # type: ignore[arg-type]
    assert isinstance(conclusion.outcome, Retried)
    assert b"Bad whose text can't be had: SystemExit" in conclusion.outcome.last_error
    assert "Bad whose text can't be had: SystemExit" in caplog.text


def test_a_retry_that_can_not_be_read(backend: MemoryBackend) -> None:
    """If the serializer fails at that very moment, the message fails for good, by what the task has raised."""
    made = task(Broker(backend))(failing(ValueError("v")))
    made.generate()
    message = claim(made.broker)
    delivery = held(message)
    made_attempt = attempt(made, delivery)
    backend.serializer.reverse = lambda obj: sys.exit(3)  # type: ignore[method-assign]
    assert dead(conclude(made, delivery, made_attempt))["text"] == "v"


@pytest.mark.parametrize("where", ["message", "task", "both"])
def test_a_backoff_that_fails(broker: Broker, where: str) -> None:
    """Unknown here, or raising: the task's own is used, and if that fails too, the default."""

    class Broken(Backoff):
        """Divides by zero."""

        @property
        def parameters(self) -> dict[str, Any]:
            return {}

        def formula(self, incidents: int) -> float:
            return 1 / 0

    own = Broken() if where in ("task", "both") else ConstantBackoff(7, floor=0)
    made = task(broker, backoff=own)(failing(ValueError()))
    unknown: Any = {"algorithm": "NotImported", "parameters": {}}
    message = claimed_again(
        broker, Message(made.name, backoff_settings=made.backoff.settings if where == "task" else unknown)
    )
    conclusion = through(made, message)
    again(made, conclusion)
    assert isinstance(conclusion.outcome, Retried)
    assert conclusion.outcome.delay == (7 if where == "message" else 60_000)


def test_a_backoff_without_end(broker: Broker) -> None:
    """One of the user's own that answers more than any store counts with: the longest duration that there is."""

    class Endless(Backoff):
        """Minds no bound."""

        @property
        def parameters(self) -> dict[str, Any]:
            return {}

        def formula(self, incidents: int) -> float:
            return 0

        def get(self, incidents: int) -> int:
            return 10**30

    made = task(broker, backoff=Endless())(failing(ValueError()))
    _, conclusion = run(made)
    assert isinstance(conclusion.outcome, Retried)
    assert conclusion.outcome.delay == MAX_DURATION
