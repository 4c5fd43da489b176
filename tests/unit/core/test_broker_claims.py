"""The broker, on messages that are held: each step is checked against the claim."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.exceptions import BackendUnavailableError, ClaimLostError
from alsek.storage.backends.memory import MemoryBackend
from tests.clock import Clock
from tests.unit.core.fakes import LossyBackend, a_session, claim

Deed = Callable[[Broker, Message], None]

DEEDS: dict[str, Deed] = {
    "ack": Broker.ack,
    "remove": Broker.remove,
    "retry": Broker.retry,
    "fail": lambda broker, message: broker.fail(message, ValueError("x")),
}

each_deed = pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)


@each_deed
def test_the_holder_may(broker: Broker, deed: Deed) -> None:
    """A message with the current claim is acted on, and is held no more."""
    broker.submit(Message("t"))
    session = a_session(broker.backend)
    message = claim(broker, session)
    assert session.held == {message.token}
    deed(broker, message)
    assert session.held == set()
    assert broker.backend.messages.held(session.worker) == []


@each_deed
def test_the_second_time_is_refused(broker: Broker, deed: Deed) -> None:
    """A claim that was used up is stale."""
    broker.submit(Message("t"))
    message = claim(broker)
    broker.retry(message)
    with pytest.raises(ClaimLostError, match=str(message.token)):
        deed(broker, message)
    assert broker.exists(message)


@each_deed
def test_a_claim_that_was_taken_over_is_refused(broker: Broker, clock: Clock, deed: Deed) -> None:
    """Another worker holds the message now: nothing is changed, here and in the store."""
    broker.submit(Message("t"))
    message = claim(broker, a_session(broker.backend, lease=100))
    other = a_session(broker.backend, lease=10_000)
    clock.advance(50)
    other.renew()
    clock.advance(51)
    again = claim(broker, other)
    assert again.uuid == message.uuid
    before = message.data
    with pytest.raises(ClaimLostError):
        deed(broker, message)
    assert {**message.data, "exception_details": None} == before
    assert other.held == {again.token}
    assert broker.backend.messages.held(other.worker)[0].uuid == message.uuid
    deed(broker, again)


@each_deed
def test_a_claim_of_a_retired_worker_is_refused(broker: Broker, deed: Deed) -> None:
    """What was given back is another's to take."""
    broker.submit(Message("t"))
    session = a_session(broker.backend)
    message = claim(broker, session)
    session.retire()
    with pytest.raises(ClaimLostError):
        deed(broker, message)
    assert broker.exists(message)


@each_deed
def test_a_claim_of_an_earlier_registration_is_refused(broker: Broker, deed: Deed) -> None:
    """After a worker had to register anew, what it held before is no longer its own."""
    broker.submit(Message("t"))
    session = a_session(broker.backend)
    message = claim(broker, session)
    session.register()
    with pytest.raises(ClaimLostError):
        deed(broker, message)


@each_deed
def test_without_a_claim_it_is_done_in_any_case(broker: Broker, deed: Deed) -> None:
    """A producer may act on what a worker holds; the worker's claim ends with it."""
    message = Message("t")
    broker.submit(message)
    held = claim(broker)
    deed(broker, message)
    with pytest.raises(ClaimLostError):
        broker.ack(held)


@pytest.mark.parametrize("lost", ["request", "reply"])
@each_deed
def test_a_deed_may_be_repeated_after_a_lost_answer(clock: Clock, deed: Deed, lost: str) -> None:
    """Whether the store had done it or not: the caller tries again, and it is done once and is no error."""
    backend = LossyBackend(clock)
    broker = Broker(backend)
    broker.submit(Message("t"))
    message = claim(broker)
    backend.plan.append(lost)
    with pytest.raises(BackendUnavailableError):
        deed(broker, message)
    deed(broker, message)
    assert broker.exists(message) == (message.retries == 1)
    assert message.retries in (0, 1)
    with pytest.raises(ClaimLostError):
        broker.ack(message)


def test_another_deed_after_a_lost_answer_is_refused(clock: Clock) -> None:
    """The first one holds: who asks for something else meanwhile hears that it was not done."""
    backend = LossyBackend(clock)
    broker = Broker(backend)
    broker.submit(Message("t"))
    message = claim(broker)
    backend.plan.append("reply")
    with pytest.raises(BackendUnavailableError):
        broker.ack(message)
    with pytest.raises(ClaimLostError):
        broker.fail(message)
    assert not broker.in_dlq(message)


def test_an_ack_does_not_swallow_what_an_unanswered_claim_brings(clock: Clock) -> None:
    """A claim's lost answer that comes with an ack's is kept for the next claim."""
    backend = LossyBackend(clock)
    broker = Broker(backend)
    broker.submit_many([Message("t", uuid="one"), Message("t", uuid="two")])
    session = a_session(backend)
    one = claim(broker, session)
    backend.plan.append("reply")
    with pytest.raises(BackendUnavailableError):
        session.step((), {"any": 1})
    broker.ack(one)
    two = claim(broker, session)
    assert two.uuid == "two"
    assert session.held == {two.token}


def test_acks_do_not_need_the_same_broker(backend: MemoryBackend) -> None:
    """The claim knows its session: any broker of the store may pass the word on."""
    Broker(backend).submit(Message("t"))
    message = claim(Broker(backend))
    Broker(backend).ack(message)
    assert not Broker(backend).exists(message)
