"""Opening a claim: each way in which a message that was handed out may not run, and the one in which it may."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.execution.opening import Opened, open_claimed
from alsek.core.message import Message
from alsek.core.task import task
from alsek.exceptions import MessageRevokedError, UnknownTaskError, WorkerLostError
from alsek.storage.backends.records import Claimed, Failed
from tests.unit.core.fakes import a_session


def claimed(broker: Broker, task_name: str = "work", **details: Any) -> Claimed:
    """A claim as a store hands it out."""
    message = Message(task_name, "q", uuid="u")
    return Claimed("u", "q", message.pack(broker.backend.serializer), 7)._replace(**details)


def opened(broker: Broker, what: Claimed, tasks: Any, max_losses: int | None = 5) -> Opened:
    """Open a claim that can be read."""
    found = open_claimed(what, a_session(broker.backend), broker, tasks, max_losses)
    assert isinstance(found, Opened)
    return found


def test_a_message_that_may_run_comes_with_its_task_and_its_claim(broker: Broker) -> None:
    """The delivery holds the message, and the message the claim under which a broker can settle it."""
    work = task(broker, name="work")(lambda: None)
    delivery, found, rejection = opened(broker, claimed(broker), {"work": work})
    assert (found, rejection) == (work, None)
    assert (delivery.uuid, delivery.queue, delivery.message.token) == ("u", "q", 7)


def test_bytes_that_cannot_be_read_become_a_dead_letter(broker: Broker) -> None:
    """Whatever the tasks are, and even if the message was revoked, too."""
    for tasks in (None, {}):
        outcome = open_claimed(
            claimed(broker, payload=b"\xff", revoked=True), a_session(broker.backend), broker, tasks, 5
        )
        assert isinstance(outcome, Failed)
        assert (outcome.uuid, outcome.queue, outcome.token) == ("u", "q", 7)
        assert json.loads(outcome.error)["name"] == "CorruptMessageError"
        assert outcome.dlq_ttl == broker.dlq_ttl


@pytest.mark.parametrize("known", [True, False])
def test_a_rejected_message_says_why_whether_or_not_its_task_is_known(broker: Broker, known: bool) -> None:
    """A revoked message of an unknown task was revoked: that is what its dead letter says."""
    work = task(broker, name="work")(lambda: None)
    found = opened(broker, claimed(broker, revoked=True), {"work": work} if known else {})
    assert found.task is (work if known else None)
    assert type(found.rejection) is MessageRevokedError
    assert type(opened(broker, claimed(broker, losses=6), {"work": work}).rejection) is WorkerLostError


def test_an_unknown_task_is_named_with_those_that_are_known(broker: Broker) -> None:
    """None of the worker's own."""
    work = task(broker, name="work")(lambda: None)
    found = opened(broker, claimed(broker, "stranger"), {"work": work})
    assert found.task is None
    assert type(found.rejection) is UnknownTaskError
    assert "'stranger'" in str(found.rejection)
    assert "work" in str(found.rejection)


def test_without_a_limit_of_losses_a_message_is_not_rejected(broker: Broker) -> None:
    """It has run already: a charge decides how it ends."""
    work = task(broker, name="work")(lambda: None)
    found = opened(broker, claimed(broker, revoked=True, losses=99), {"work": work}, None)
    assert (found.task, found.rejection) == (work, None)


def test_a_consumer_takes_messages_of_any_task(broker: Broker) -> None:
    """It has no tasks, so none is unknown."""
    found = opened(broker, claimed(broker, "stranger"), None)
    assert (found.task, found.rejection) == (None, None)
