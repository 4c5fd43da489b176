"""Result stores and status trackers that the step of the broker's store does not write."""

from __future__ import annotations

from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.execution.notices import send_status
from alsek.core.message import Message
from alsek.core.status import StatusTracker, TaskStatus
from alsek.core.task import task
from alsek.exceptions import (
    BackendUnavailableError,
)
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Succeeded
from alsek.storage.result import ResultStore
from tests.unit.core.attempt_harness import (
    again,
    claim_in,
    dead,
    run,
)
from tests.unit.core.fakes import claim, held


def test_a_result_store_elsewhere_is_written_before_the_outcome(broker: Broker) -> None:
    """Under the claim's token; the outcome carries no result then."""
    elsewhere = ResultStore(MemoryBackend())
    made = task(broker, result_store=elsewhere)(lambda: 99)
    message, conclusion = run(made)
    assert isinstance(conclusion.outcome, Succeeded)
    assert conclusion.outcome.result is None
    assert elsewhere.get(message, with_metadata=True)["result"] == 99


def test_an_overridden_set_is_called(broker: Broker, backend: MemoryBackend) -> None:
    """A result store with a `set` of its own has it called, on whichever backend."""
    told = []

    class Own(ResultStore):
        """Tells."""

        def set(self, message: Message, result: Any) -> None:
            told.append((message.uuid, result))

    message, conclusion = run(task(broker, result_store=Own(backend))(lambda: 99))
    assert told == [(message.uuid, 99)]
    assert conclusion.status is TaskStatus.SUCCEEDED


@pytest.mark.parametrize(
    "error",
    [BackendUnavailableError("away"), ConnectionError("db"), KeyError("k"), ValueError("v"), TypeError("t")],
)
def test_a_result_store_that_fails_is_a_failed_attempt(
    broker: Broker, backend: MemoryBackend, error: Exception
) -> None:
    """Whatever the user's `set` raises: the result was not kept, so the message is run again."""

    class Own(ResultStore):
        """Fails."""

        def set(self, message: Message, result: Any) -> None:
            raise error

    made = task(broker, result_store=Own(backend))(lambda: 99)
    retried = again(made, run(made)[1])
    assert retried.exception_details is not None
    assert retried.exception_details["name"] == type(error).__name__


def test_an_unserializable_result_for_a_store_elsewhere(broker: Broker) -> None:
    """It is told from a failing store: it would fail in the same way again."""
    made = task(broker, result_store=ResultStore(MemoryBackend()))(lambda: object())
    assert dead(run(made)[1])["name"] == "SerializationError"


def test_report_tells_trackers_that_the_store_does_not_write(
    broker: Broker, backend: MemoryBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """A tracker elsewhere, or with a `set` of its own, is told; the stock one is not; a failure is logged."""
    told = []

    class Own(StatusTracker):
        """Tells, and fails."""

        def set(self, message: Message, status: TaskStatus, details: Any = None) -> None:
            told.append(status)
            if status is TaskStatus.FAILED:
                raise ConnectionError("db")

    made = task(broker, status_tracker=Own(backend))(lambda: None)
    made.generate()
    delivery = held(claim(broker))
    send_status(made, delivery, TaskStatus.RUNNING)
    send_status(made, delivery, TaskStatus.FAILED)
    assert told == [TaskStatus.SUBMITTED, TaskStatus.RUNNING, TaskStatus.FAILED]
    assert "ConnectionError" in caplog.text
    stock = StatusTracker(backend)
    made = task(broker, status_tracker=stock)(lambda: None)
    message = made.generate(queue="tracked")
    delivery = held(claim_in(broker, "tracked"))
    stock.delete(message)
    send_status(made, delivery, TaskStatus.RUNNING)
    assert stock.get(message) is TaskStatus.UNKNOWN
    send_status(task(broker)(lambda: None), delivery, TaskStatus.RUNNING)
