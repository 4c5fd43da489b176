"""Numbers at their bounds: what core lets pass, every store holds exactly, all life long."""

from __future__ import annotations

import pytest

from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.core.task import task
from alsek.defaults import MAX_DURATION, MAX_PRIORITY
from alsek.exceptions import ValidationError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import TaskStatus
from tests.contract.stores import Store
from tests.contract.workers import (
    Actors,
    a_message,
    add,
    by_hand,
    died,
    released,
    result_of,
    retried,
    state_of,
    status_of,
    succeeded,
    uuids,
)


def test_neighbours_among_the_greatest_priorities(backend: Backend, actor: Actors) -> None:
    """The last three priorities keep their order, and their values, through a claim, a return and a retry."""
    top = MAX_PRIORITY
    add(backend, *(a_message(f"p{top - n}", priority=top - n) for n in range(3)))
    expected = [f"p{top - 2}", f"p{top - 1}", f"p{top}"]
    worker = actor()
    claimed = worker.claim()
    assert uuids(claimed) == expected
    worker.step(*(released(each) for each in claimed), limit=0)
    claimed = worker.claim()
    assert uuids(claimed) == expected
    worker.step(*(retried(each) for each in reversed(claimed)), limit=0)
    assert uuids(worker.claim()) == expected
    assert {each.priority for each in backend.messages.browse("q")} == {top - 2, top - 1, top}


def test_equals_among_the_greatest_go_in_order(backend: Backend, actor: Actors) -> None:
    """First in, first out holds at the last priority too, whatever kind of pool is wished for."""
    for name, wish in (("a", "any"), ("b", "thread"), ("c", "any")):
        add(backend, a_message(name, priority=MAX_PRIORITY, wish=wish))
    assert uuids(actor().claim()) == ["a", "b", "c"]


def test_the_longest_delay(backend: Backend, store: Store, actor: Actors) -> None:
    """A message delayed for centuries becomes ready in the very millisecond."""
    worker = actor()
    add(backend, a_message("later", delay=MAX_DURATION), a_message("sooner", delay=MAX_DURATION - 1))
    assert worker.step().next_due == MAX_DURATION - 1
    store.advance(MAX_DURATION - 1)
    assert uuids(worker.claim()) == ["sooner"]
    assert state_of(backend, "later") == "delayed"
    store.advance(1)
    again = actor()
    assert uuids(again.claim()) == ["later"]


def test_the_longest_delay_of_a_retry(
    backend: Backend, messages: MessagePort, store: Store, actor: Actors
) -> None:
    """So does one that is retried, by its worker or by hand."""
    worker = actor()
    add(backend, "a", "b")
    one, _ = worker.claim()
    worker.step(retried(one, delay=MAX_DURATION), limit=0)
    assert messages.reschedule(by_hand("q", "b", b"changed", MAX_DURATION))
    store.advance(MAX_DURATION - 1)
    assert actor().claim() == []
    store.advance(1)
    assert sorted(uuids(actor().claim())) == ["a", "b"]


def test_the_longest_lifetime(backend: Backend, store: Store, actor: Actors) -> None:
    """A message with the longest `ttl` does not expire a millisecond early, nor a millisecond late."""
    add(backend, a_message("a", ttl=MAX_DURATION), a_message("b", ttl=MAX_DURATION - 1))
    store.advance(MAX_DURATION)
    assert {each.uuid: each.expired for each in actor().claim()} == {"a": False, "b": True}


def test_the_longest_lifetime_after_the_longest_delay(backend: Backend, store: Store, actor: Actors) -> None:
    """Both together are a number that the store still counts with."""
    add(backend, a_message("a", ttl=MAX_DURATION, delay=MAX_DURATION))
    store.advance(MAX_DURATION)
    first = actor()
    claimed = first.claim_one()
    first.step(released(claimed), limit=0)
    store.advance(MAX_DURATION)
    assert not actor().claim_one().expired


def test_what_is_kept_for_the_longest_time(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """A result, a status and a dead letter with the longest lifetime are there."""
    worker = actor(dlq_ttl=MAX_DURATION)
    add(backend, "a", "b", status_ttl=MAX_DURATION)
    one, two = worker.claim()
    followed = succeeded(
        one, result_ttl=MAX_DURATION, progenitor="root", callback=a_message("c", delay=MAX_DURATION)
    )
    worker.step(followed, died(two, dlq_ttl=MAX_DURATION), limit=0)
    assert result_of(backend, "a") == b"result"
    assert uuids(backend.results.descendants("root")) == ["a"]
    assert status_of(backend, "a") == TaskStatus.SUCCEEDED
    assert messages.dead_letter("q", "b") is not None
    assert state_of(backend, "c") == "delayed"


@pytest.mark.parametrize("option", ["priority", "delay", "ttl", "timeout_override", "result_ttl"])
def test_generate_at_the_bound(backend: Backend, option: str) -> None:
    """What `generate()` accepts at the bound is stored and read back as it is; one more is never sent."""
    most = MAX_PRIORITY if option == "priority" else MAX_DURATION
    made = task(Broker(backend), name="pay", queue="q")(lambda: None)
    message = made.generate(**{option: most})  # type: ignore[arg-type]
    (many,) = made.generate_many([()], **{option: most})  # type: ignore[arg-type]
    for each in (message, many):
        stored = made.broker.sync_from_backend(each)
        assert stored == each
        assert getattr(stored, option.removesuffix("_override")) == most
    with pytest.raises(ValidationError, match=f"must be at most {most}"):
        made.generate(**{option: most + 1})  # type: ignore[arg-type]
    assert backend.count("queues:q") == 2


def test_a_retry_by_hand_with_a_backoff_without_end(backend: Backend) -> None:
    """A backoff that is longer than any store counts waits for the longest time that there is."""
    endless = {
        "algorithm": "ConstantBackoff",
        "parameters": {"constant": 10**30, "floor": 0, "ceiling": None},
    }
    message = Message("pay", queue="q", backoff_settings=endless)  # type: ignore[arg-type]
    broker = Broker(backend)
    broker.submit(message)
    broker.retry(message)
    assert message.ready_at == message.updated_at + MAX_DURATION
    assert state_of(backend, message.uuid) == "delayed"
