"""The answer to a submission that is refused: the message that exists, and its state."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alsek.defaults import SUBMISSION_BATCH
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import ACCEPTED, Added
from alsek.storage.backends.states import MessageState
from tests.contract.workers import Actors, a_message, a_request, add, died, lost, retried, succeeded


def refusals(messages: MessagePort) -> list[Added]:
    """The answers to two further submissions of the uuid "a", one alone and one among others."""
    (alone,) = messages.add([a_message("a")], a_request())
    among = messages.add([a_message(f"x{a_request()}"), a_message("a", queue="other")], a_request())
    assert among[0] == ACCEPTED
    return [alone, among[1]]


@pytest.mark.parametrize(("delay", "state"), [(0, "ready"), (60_000, "delayed")])
def test_a_waiting_message(messages: MessagePort, backend: Backend, delay: int, state: MessageState) -> None:
    """A refusal says that the existing message is ready, or delayed."""
    add(backend, a_message("a", delay=delay))
    assert refusals(messages) == [Added(False, "a", state)] * 2


@pytest.mark.parametrize("suspects", ["alone", "freely"])
def test_a_suspect(messages: MessagePort, backend: Backend, actor: Actors, suspects: str) -> None:
    """A suspect that waits is ready."""
    add(backend, "a")
    worker = actor(suspects=suspects)
    worker.step(lost(worker.claim_one(), suspect=True), limit=0)
    assert refusals(messages) == [Added(False, "a", "ready")] * 2


def test_a_claimed_message(messages: MessagePort, backend: Backend, actor: Actors) -> None:
    """A refusal says that a worker holds the existing message."""
    add(backend, "a")
    actor().claim_one()
    assert refusals(messages) == [Added(False, "a", "claimed")] * 2


def test_a_retried_message(messages: MessagePort, backend: Backend, actor: Actors) -> None:
    """A message that waits for its retry is delayed."""
    add(backend, "a")
    worker = actor()
    worker.step(retried(worker.claim_one(), delay=60_000), limit=0)
    assert refusals(messages) == [Added(False, "a", "delayed")] * 2


@pytest.mark.parametrize("outcome", [succeeded, died])
def test_a_finished_message(
    messages: MessagePort, backend: Backend, actor: Actors, outcome: Callable[..., object]
) -> None:
    """A uuid that was finished within the window is refused, and no message of it is stored."""
    add(backend, "a")
    worker = actor()
    worker.step(outcome(worker.claim_one()), limit=0)  # type: ignore[arg-type]
    assert refusals(messages) == [Added(False, "a", "finished")] * 2


def test_two_with_one_uuid_in_one_call(messages: MessagePort, backend: Backend) -> None:
    """The second is refused, with the state in which the first is stored; a repeated call gets the same answers."""
    add(backend, "old")
    batch = [
        a_message("a", delay=5_000),
        a_message("b"),
        *(a_message(uuid) for uuid in ("a", "b", "b", "old", "old")),
    ]
    request = a_request()
    expected = [
        ACCEPTED,
        ACCEPTED,
        Added(False, "a", "delayed"),
        Added(False, "b", "ready"),
        Added(False, "b", "ready"),
        Added(False, "old", "ready"),
        Added(False, "old", "ready"),
    ]
    assert messages.add(batch, request) == expected
    assert messages.add(batch, request) == expected


def test_an_accepted_answer_stays_the_same(messages: MessagePort, actor: Actors) -> None:
    """A call that is repeated after a lost reply gets the same answer, even if the message has changed its state."""
    request, worker, batch = a_request(), actor(), [a_message("a"), a_message("b", delay=60_000)]
    assert messages.add(batch, request) == [ACCEPTED] * 2
    claimed = worker.claim_one()
    assert messages.add(batch, request) == [ACCEPTED] * 2
    worker.step(succeeded(claimed), limit=0)
    assert messages.add(batch, request) == [ACCEPTED] * 2


def test_each_answer_is_at_its_place_in_a_large_call(messages: MessagePort, backend: Backend) -> None:
    """Refusals in the second batch of a call are those of its messages."""
    number = SUBMISSION_BATCH + 50
    add(backend, f"m{number - 1}", "m3")
    answers = messages.add([a_message(f"m{n}") for n in range(number)], a_request())
    refused = {n: answer for n, answer in enumerate(answers) if not answer.accepted}
    assert refused == {n: Added(False, f"m{n}", "ready") for n in (3, number - 1)}
