"""The attempt state of a message, beside its payload: read, written, and mixed with that of version 0.1.0."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alsek.core.attempt_state import read_message
from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Claimed, DeadLetter, Stored
from alsek.storage.serialization import JsonSerializer
from tests.unit.core.fakes import claim

JSON = JsonSerializer()
DETAILS = {"name": "E", "text": "t", "traceback": None}


def stored(payload: dict[str, Any], **state: Any) -> Stored:
    """A message with this payload, and this attempt state beside it."""
    wire = json.dumps({"task_name": "t", "created_at": 5, **payload}).encode()
    return Stored("u", "q", wire, 0, "ready", 0, False, **state)


def test_the_state_beside_the_payload_is_the_messages() -> None:
    """What the last retry left is what the message has."""
    message = read_message(
        stored({}, retries=2, updated_at=9, retry_delay=7, last_error=json.dumps(DETAILS).encode()), JSON
    )
    assert (message.retries, message.created_at, message.updated_at) == (2, 5, 9)
    assert (message.retry_delay, message.exception_details) == (7, DETAILS)


def test_a_payload_of_0_1_0_is_read() -> None:
    """Where only the payload has an attempt state, that counts."""
    old = {"retries": 2, "updated_at": 9, "retry_delay": 7, "exception_details": DETAILS}
    message = read_message(stored(old), JSON)
    assert message.retries == 2
    assert (message.updated_at, message.retry_delay, message.exception_details) == (9, 7, DETAILS)


@pytest.mark.parametrize(("updated_at", "newer"), [(8, "payload"), (9, "header"), (10, "header")])
def test_of_two_states_the_later_counts(updated_at: int, newer: str) -> None:
    """While versions are mixed both may have retried the message: no retry is counted twice or lost."""
    old = {"retries": 2, "updated_at": 9, "retry_delay": 7, "exception_details": DETAILS}
    message = read_message(stored(old, retries=3, updated_at=updated_at), JSON)
    assert message.retries == 3
    expected = (9, 7, DETAILS) if newer == "payload" else (updated_at, None, None)
    assert (message.updated_at, message.retry_delay, message.exception_details) == expected


def test_a_damaged_error_is_none() -> None:
    """What is no JSON does not keep the message from being run."""
    claimed = Claimed("u", "q", stored({}).payload, 1, retries=1, updated_at=6, last_error=b"{")
    assert read_message(claimed, JSON).exception_details is None


def test_a_dead_letter_has_its_own_error() -> None:
    """The error of a letter is told elsewhere; its retries are those of the last retry."""
    letter = DeadLetter("u", "q", stored({}).payload, b"{}", 0, retries=3, updated_at=6)
    message = read_message(letter, JSON)
    assert (message.retries, message.exception_details) == (3, None)


@pytest.mark.parametrize("claimed", [True, False])
def test_a_retry_by_hand_of_an_unchanged_message_keeps_the_payload(claimed: bool) -> None:
    """Nothing of the message travels, and its store has the very bytes that were submitted."""
    broker = Broker(MemoryBackend())
    submitted = Message("t", "q", args=(1,), uuid="u")
    broker.submit(submitted)
    before = broker.backend.messages.get("q", "u")
    message = claim(broker) if claimed else broker.sync_from_backend(submitted)
    broker.retry(message)
    after = broker.backend.messages.get("q", "u")
    assert before is not None
    assert after is not None
    assert after.payload == before.payload
    assert (after.retries, message.retries) == (1, 1)


@pytest.mark.parametrize("claimed", [True, False])
def test_a_retry_by_hand_stores_what_was_changed(claimed: bool) -> None:
    """What a user has changed in a message by hand is stored with its retry; the attempt state is beside it."""
    broker = Broker(MemoryBackend())
    submitted = Message("t", "q", args=(1,), uuid="u")
    broker.submit(submitted)
    message = claim(broker) if claimed else broker.sync_from_backend(submitted)
    message.args, message.exception_details = (2,), DETAILS  # type: ignore[assignment]
    broker.retry(message)
    after = broker.backend.messages.get("q", "u")
    assert after is not None
    assert json.loads(after.payload)["args"] == [2]
    assert "retries" not in json.loads(after.payload)
    read = broker.sync_from_backend(submitted)
    assert (read.args, read.retries, read.exception_details) == ((2,), 1, DETAILS)
