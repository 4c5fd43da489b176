"""Which messages say that their uuid may have been used before."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alsek.core.broker import Broker
from alsek.core.execution.attempts import attempt
from alsek.core.execution.conclusions import conclude
from alsek.core.message import Message
from alsek.core.submission.calls import Call
from alsek.core.task import task
from alsek.core.trigger import ticks
from alsek.core.worker.process_executor.outcome_codec import outcome_from_wire, outcome_to_wire
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Submission, Succeeded
from alsek.storage.serialization import JsonSerializer
from tests.unit.core.fakes import delivered

SERIALIZER = JsonSerializer()


def _unpacked(message: Message) -> Message:
    """The message as its worker gets it."""
    return Message.unpack(message.uuid, message.queue, message.pack(SERIALIZER), SERIALIZER)


def _named(message: Message) -> bool:
    return message.submission(SERIALIZER).named


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Message("t"), False),
        (lambda: Message("t", uuid="u"), True),
        (lambda: Message("t", uuid="u", named=False), False),
        (lambda: Message("t").clone(), True),
        (lambda: _unpacked(Message("t")), True),
    ],
)
def test_a_uuid_that_was_given_is_named(make: Callable[[], Message], named: bool) -> None:
    """Only a uuid that was made for this very message can't have been used before."""
    assert make().named is named
    assert _named(make()) is named


@pytest.mark.parametrize("how", ["submit", "submit_many", "generate", "generate_many"])
def test_a_second_submission_is_named(how: str) -> None:
    """Once a message was given to a store, its uuid may be known there."""
    broker = Broker(MemoryBackend())
    noop = task(broker)(lambda: None)
    if how in ("submit", "submit_many"):
        message = Message("t")
        assert not _named(message)
        broker.submit(message) if how == "submit" else broker.submit_many([message])
    else:
        message = noop.generate() if how == "generate" else noop.generate_many([()])[0]
    assert _named(message)


def test_it_is_no_part_of_the_message() -> None:
    """Messages of one content are equal, and have the same wire form, whoever chose their uuids."""
    made = Message("t")
    given = Message(**made.data)
    assert (made.named, given.named) == (False, True)
    assert made == given
    assert made.data == given.data
    assert made.pack(SERIALIZER) == given.pack(SERIALIZER)


def _callback_submissions(first: Message) -> list[Submission]:
    """The callbacks of a chain, as each is submitted once the one before it has succeeded, through the wire."""
    submitted = []
    message = first
    while message.callback_message_data is not None:
        broker = Broker(MemoryBackend())
        here = task(broker, name="t")(lambda: None)
        delivery = delivered(message, broker)
        outcome = conclude(here, delivery, attempt(here, delivery)).outcome
        assert isinstance(outcome, Succeeded)
        outcome = outcome_from_wire(outcome_to_wire(outcome))
        assert isinstance(outcome, Succeeded)
        assert outcome.callback is not None
        submitted.append(outcome.callback)
        message = Message.unpack(
            outcome.callback.uuid, outcome.callback.queue, outcome.callback.payload, SERIALIZER
        )
    return submitted


def test_callbacks_of_a_chosen_uuid_are_named() -> None:
    """In a chain, over the wire, each callback is named if its own uuid was chosen."""
    chain = [
        Message("t"),
        Message("t"),
        Message("t", uuid="mine"),
        Message("t"),
        Message("t", uuid="mine-too"),
    ]
    for callback in chain[1:]:
        chain[0].append_callback(callback)
    submissions = _callback_submissions(_unpacked(chain[0]))
    assert [submission.uuid for submission in submissions] == [each.uuid for each in chain[1:]]
    assert [submission.named for submission in submissions] == [False, True, False, True]


def test_a_made_uuid_costs_a_callback_no_byte() -> None:
    """The wire form of a chain says nothing of callbacks whose uuids were made for them."""
    message = Message("t")
    message.append_callback(Message("t"))
    assert b"named" not in message.pack(SERIALIZER)
    assert message.callback_message_data is not None
    assert "named" not in message.callback_message_data


def test_each_tick_of_a_trigger_is_new() -> None:
    """The messages that a trigger makes after the first, and their callbacks, have uuids of their own."""
    first = Message("t", uuid="mine")
    first.append_callback(Message("t", uuid="mine-too"))
    following = ticks(first)
    assert _named(next(following))
    second = next(following)
    assert not _named(second)
    assert [each.named for each in _callback_submissions(_unpacked(second))] == [False]


def test_what_a_task_generates() -> None:
    """generate() and generate_many() say of each message whether its uuid was chosen."""

    @task(Broker(MemoryBackend()))
    def noop() -> None:
        pass

    assert not noop.generate(submit=False).named
    assert noop.generate(uuid="u", submit=False).named
    made = noop.generate_many([(), Call((), uuid="v")], submit=False)
    assert [message.named for message in made] == [False, True]
