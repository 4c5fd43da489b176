"""Submission: a message with a new uuid is stored once, in its place; others are refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alsek.defaults import DEDUP_WINDOW
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import ACCEPTED, Added, Stored, TaskStatus
from tests.contract.stores import SHORT, Store
from tests.contract.workers import (
    Actors,
    a_message,
    a_request,
    add,
    by_hand,
    died,
    replay,
    retried,
    state_of,
    status_of,
    succeeded,
    uuids,
)


def test_a_new_message_is_stored_as_it_was_given(backend: Backend, messages: MessagePort) -> None:
    """A message that was added is stored, ready, with its payload and priority."""
    assert add(backend, a_message("a", priority=3, payload=b"abc")) == [True]
    assert messages.get("q", "a") == Stored("a", "q", b"abc", 3, "ready", 0, False)
    assert messages.exists("q", "a")
    assert messages.count("q") == 1
    assert messages.queues() == ["q"]


def test_nothing_added_is_nothing_answered(messages: MessagePort) -> None:
    """An empty call is accepted and changes nothing."""
    assert messages.add([], a_request()) == []
    assert messages.queues() == []


@pytest.mark.parametrize("payload", [b"", bytes(range(256)), b"|\r\n\x00:", "жар-птица".encode()])
def test_payloads_are_bytes_untouched(
    backend: Backend, messages: MessagePort, actor: Actors, payload: bytes
) -> None:
    """A payload is returned unchanged, whatever bytes it has."""
    add(backend, a_message("a", payload=payload))
    stored = messages.get("q", "a")
    assert stored is not None
    assert stored.payload == payload
    assert actor().claim_one().payload == payload


def test_an_existing_uuid_is_refused_and_left_alone(backend: Backend, messages: MessagePort) -> None:
    """A second message of a uuid is refused, in its own queue and in any other."""
    add(backend, "a")
    assert add(backend, a_message("a", payload=b"other")) == [False]
    assert add(backend, a_message("a", queue="elsewhere")) == [False]
    stored = messages.get("q", "a")
    assert stored is not None
    assert stored.payload == b"payload of a"
    assert messages.queues() == ["q"]
    assert messages.count("q") == 1


def test_the_same_request_again_is_accepted_and_adds_nothing(messages: MessagePort) -> None:
    """A call that is repeated after a lost reply gets the same answer."""
    request, batch = a_request(), [a_message("a"), a_message("b")]
    assert messages.add(batch, request) == [ACCEPTED, ACCEPTED]
    assert messages.add(batch, request) == [ACCEPTED, ACCEPTED]
    assert messages.count("q") == 2


def test_the_same_request_again_after_the_claim(messages: MessagePort, actor: Actors) -> None:
    """A repeated call is a success also when a quick worker holds the message already."""
    request, worker = a_request(), actor()
    messages.add([a_message("a")], request)
    worker.claim_one()
    assert messages.add([a_message("a")], request) == [ACCEPTED]
    assert messages.count("q") == 1
    assert worker.claim() == []


@pytest.mark.parametrize("outcome", [succeeded, died])
def test_the_same_request_again_after_the_end(
    messages: MessagePort, actor: Actors, outcome: Callable[..., object]
) -> None:
    """A repeated call is a success and runs nothing twice when the message has finished since."""
    request, worker = a_request(), actor()
    messages.add([a_message("a")], request)
    worker.step(outcome(worker.claim_one()), limit=0)  # type: ignore[arg-type]
    assert messages.add([a_message("a")], request) == [ACCEPTED]
    assert not messages.exists("q", "a")
    assert worker.claim() == []


def test_the_same_request_again_after_a_retry(messages: MessagePort, actor: Actors) -> None:
    """A repeated call does not touch what the message has become by a retry."""
    request, worker = a_request(), actor()
    messages.add([a_message("a")], request)
    worker.step(retried(worker.claim_one(), b"second", delay=1_000), limit=0)
    assert messages.add([a_message("a")], request) == [ACCEPTED]
    stored = messages.get("q", "a")
    assert stored is not None
    assert (stored.payload, stored.state) == (b"second", "delayed")


@pytest.mark.parametrize("outcome", [succeeded, died])
def test_a_finished_uuid_is_remembered(
    backend: Backend, store: Store, actor: Actors, outcome: Callable[..., object]
) -> None:
    """The uuid of a message that its holder finished is not new for the length of the window, then it is."""
    worker = actor()
    add(backend, "a")
    worker.step(outcome(worker.claim_one()), limit=0)  # type: ignore[arg-type]
    store.advance(DEDUP_WINDOW - 1)
    assert add(backend, a_message("a")) == [False]
    store.advance(2)
    assert add(backend, a_message("a")) == [True]
    assert uuids(worker.claim()) == ["a"]


def test_a_partly_known_batch_is_answered_one_by_one(backend: Backend, messages: MessagePort) -> None:
    """Of a batch, the new ones are stored and the others refused, each at its own position."""
    add(backend, "b", "d")
    assert add(backend, "a", "b", "c", "d", "e") == [True, False, True, False, True]
    assert messages.count("q") == 5


def test_of_two_with_one_uuid_the_first_is_taken(backend: Backend, messages: MessagePort) -> None:
    """Within one call too a uuid is new only once, and a repeated call gets the same answers."""
    batch = [a_message("a", payload=b"first"), a_message("b"), a_message("a", payload=b"second")]
    request = a_request()
    for _ in range(2):
        assert messages.add(batch, request) == [ACCEPTED, ACCEPTED, Added(False, "a", "ready")]
        assert messages.count("q") == 2
        stored = messages.get("q", "a")
        assert stored is not None
        assert stored.payload == b"first"


@pytest.mark.parametrize("size", [1, 199, 200, 201, 500])
def test_batches_of_any_size(backend: Backend, actor: Actors, size: int) -> None:
    """Any number of messages in one call is stored in the order given."""
    names = [f"m{n:04}" for n in range(size)]
    assert add(backend, *names) == [True] * size
    assert backend.messages.count("q") == size
    assert uuids(actor().claim(limit=size)) == names


def test_a_batch_goes_to_several_queues(backend: Backend, messages: MessagePort) -> None:
    """One call may fill several queues."""
    add(backend, a_message("a", queue="x"), a_message("b", queue="y"), a_message("c", queue="x"))
    assert [messages.count("x"), messages.count("y")] == [2, 1]


def test_lower_priority_numbers_go_first_and_equals_in_order(backend: Backend, actor: Actors) -> None:
    """Messages are claimed by priority, then by arrival."""
    add(backend, a_message("c1", priority=2), a_message("a1", priority=0), a_message("b1", priority=1))
    add(backend, a_message("a2", priority=0), a_message("c2", priority=2), a_message("b2", priority=1))
    assert uuids(actor().claim()) == ["a1", "a2", "b1", "b2", "c1", "c2"]


def test_priorities_may_be_large(backend: Backend, actor: Actors) -> None:
    """Any integer from 0 on is a priority, and neighbours among large ones keep their order."""
    large = 10**12
    add(backend, *(a_message(f"p{p}", priority=p) for p in (large + 1, 2**31, large, 0, 256)))
    expected = ["p0", "p256", f"p{2**31}", f"p{large}", f"p{large + 1}"]
    assert uuids(actor().claim()) == expected


def test_a_delayed_message_waits_for_its_time(backend: Backend, store: Store, actor: Actors) -> None:
    """A delay counts from the submission; the message is handed out when it is over, not before."""
    worker = actor()
    add(backend, a_message("a", delay=1_000))
    assert state_of(backend, "a") == "delayed"
    assert backend.messages.count("q") == 1
    store.advance(999)
    assert worker.claim() == []
    assert state_of(backend, "a") == "delayed"
    store.advance(1)
    assert uuids(worker.claim()) == ["a"]


def test_due_at_the_same_moment(backend: Backend, store: Store, actor: Actors) -> None:
    """Of messages that are due at the same moment the one goes first that was delayed first, retried ones included."""
    worker = actor()
    add(backend, "a", "b")
    one, two = worker.claim()
    add(backend, a_message("c", delay=1_000), a_message("d", delay=1_000))
    worker.step(retried(two, delay=1_000), limit=0)
    add(backend, a_message("e", delay=1_000))
    backend.messages.reschedule(by_hand("q", "c", b"again", 1_000))
    worker.step(retried(one, delay=1_000), limit=0)
    store.advance(1_000)
    assert uuids(worker.claim()) == ["d", "b", "e", "c", "a"]


def test_a_tracked_message_is_submitted(backend: Backend, store: Store) -> None:
    """SUBMITTED is written with the message, at the store's time, and only for a tracked one."""
    add(backend, a_message("a"), a_message("b", status_ttl=0), a_message("c", delay=1_000))
    first, second, third = backend.statuses.get(["a", "b", "c"])
    assert first is not None
    assert (first.status, first.timestamp, first.details) == (TaskStatus.SUBMITTED, store.now, None)
    assert second is None
    assert third is not None
    assert third.status == TaskStatus.SUBMITTED


def test_the_status_of_a_message_ends(backend: Backend, store: Store) -> None:
    """A status that the store writes for a message is kept as long as the message says."""
    add(backend, a_message("a", status_ttl=SHORT))
    store.outlive(SHORT, lambda: status_of(backend, "a") is None)


def test_a_refused_message_leaves_no_status(backend: Backend, actor: Actors) -> None:
    """A refused submission does not write SUBMITTED over what a worker has set."""
    worker = actor()
    add(backend, "a")
    worker.claim_one()
    add(backend, "a")
    assert status_of(backend, "a") == TaskStatus.RUNNING


@pytest.mark.parametrize(
    "name", ["a:b", "a|b", "queues:a", "ключ", "a'b\"c", "100%", "dead:x", "-1", "a,b", "a b", " a", "\\"]
)
def test_odd_names(backend: Backend, store: Store, actor: Actors, name: str) -> None:
    """Queues and uuids may hold characters that a store uses for itself, all life long."""
    worker = actor(name)
    messages = backend.messages
    add(backend, a_message(name, queue=name, delay=10), a_message("plain", queue=name, delay=10))
    store.advance(10)
    assert messages.queues() == [name]
    assert messages.count(name) == backend.count(f"queues:{name}") == 2
    claimed = {c.uuid: c for c in worker.claim()}
    assert claimed[name].queue == name
    worker.step(retried(claimed[name], delay=10), died(claimed["plain"]), limit=0)
    assert sorted(uuids(messages.browse(name))) == [name]
    store.advance(10)
    again = worker.claim_one()
    assert again.uuid == name
    worker.step(died(again), limit=0)
    assert uuids(messages.dead_letters(name)) == ["plain", name]
    assert messages.dead_queues() == [name]
    assert replay(messages, a_message(name, queue=name))
    worker.step(succeeded(worker.claim_one()), limit=0)
    assert backend.results.get([name])[0] is not None
    assert messages.queues() == []
