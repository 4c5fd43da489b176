"""Paused queues: they take messages in and hand none out."""

from __future__ import annotations

import pytest

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import Pause
from tests.contract.stores import Store
from tests.contract.workers import (
    Actors,
    a_message,
    add,
    lost,
    not_mine,
    released,
    replay,
    retried,
    status_of,
    succeeded,
    the_facts,
    uuids,
    who_rings,
)


@pytest.mark.parametrize("queues", [(), ("q", "other")])
def test_a_paused_queue_hands_nothing_out(
    backend: Backend, messages: MessagePort, actor: Actors, queues: tuple[str, ...]
) -> None:
    """Messages of a paused queue are not claimed, whether they came before or after the pause; other queues go on."""
    worker = actor(*queues)
    add(backend, "before")
    assert messages.pause("q", "ada")
    add(backend, "after", a_message("other", queue="other"))
    step = worker.step()
    assert uuids(step.claimed) == ["other"]
    assert not step.waiting
    step = worker.step(succeeded(step.claimed[0]))
    assert not step.claimed
    assert not step.waiting
    assert messages.count("q") == 2


@pytest.mark.parametrize("queues", [(), ("q",)])
def test_a_resumed_queue_goes_on_in_its_order(
    backend: Backend, messages: MessagePort, actor: Actors, queues: tuple[str, ...]
) -> None:
    """After a pause the messages are claimed in their order, as if there had been none."""
    worker = actor(*queues)
    add(backend, "b", "c", a_message("a", priority=-0), a_message("last", priority=3))
    messages.pause("q", "ada")
    add(backend, a_message("d", priority=1))
    assert worker.claim() == []
    assert messages.resume("q")
    assert uuids(worker.claim()) == ["b", "c", "a", "d", "last"]


def test_a_pause_is_told(messages: MessagePort, store: Store) -> None:
    """A pause says who and since when; a second one changes nothing; a resumed queue has none."""
    began = messages.now()
    assert messages.pause("b", "ada")
    store.advance(5_000)
    assert not messages.pause("b", "eve")
    assert messages.pause("a|:;\\ é", "")
    pauses = messages.pauses()
    assert [pause.queue for pause in pauses] == ["a|:;\\ é", "b"]
    assert pauses[1].by == "ada"
    assert 0 <= pauses[1].since - began < 1_000
    assert messages.tallies(["b"])[0].paused == Pause("b", "ada", pauses[1].since)
    assert messages.resume("b")
    assert not messages.resume("b")
    assert not messages.resume("never")
    assert [pause.queue for pause in messages.pauses()] == ["a|:;\\ é"]


def test_whatever_comes_back_to_a_paused_queue_stays(
    backend: Backend, messages: MessagePort, store: Store, actor: Actors
) -> None:
    """What is claimed goes on, and what is released, lost, retried, promoted, replayed or set aside waits."""
    worker, other = actor(), actor(facts=the_facts("t"))
    names = ["done", "released", "lost", "suspect", "retried", "delayed", "aside"]
    add(backend, *names)
    add(backend, "late", delay=1_000)
    claims = {claim.uuid: claim for claim in worker.claim()}
    messages.pause("q", "ada")
    step = worker.step(
        succeeded(claims["done"]),
        released(claims["released"]),
        lost(claims["lost"]),
        lost(claims["suspect"], suspect=True),
        retried(claims["retried"]),
        retried(claims["delayed"], delay=500),
        not_mine(claims["aside"], wait=True),
    )
    assert not step.refused
    store.advance(2_000)
    for each in (worker, other):
        step = each.step()
        assert not step.claimed
        assert not step.waiting
        assert not step.suspects
    assert messages.count("q") == 7
    messages.resume("q")
    got = other.claim()
    while (step := other.step(*map(succeeded, got))).claimed:
        got = step.claimed
    assert messages.count("q") == 0


def test_a_paused_message_can_be_steered(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """Messages of a paused queue can be looked at, removed, failed, revoked, rescheduled and replayed."""
    worker = actor()
    messages.pause("q", "ada")
    add(backend, "a", "b", "c")
    assert [stored.uuid for stored in messages.browse("q")] != []
    assert messages.remove("q", "a")
    assert messages.fail("q", "b", b"{}", 1_000_000)
    assert replay(messages, a_message("b"))
    assert messages.revoke("q", "c")
    assert worker.claim() == []
    messages.resume("q")
    assert [(claim.uuid, claim.revoked) for claim in worker.claim()] == [("c", True), ("b", False)]


def test_a_pause_lasts_without_messages(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """A queue stays paused while it is empty, and when all of its messages have gone."""
    worker = actor()
    messages.pause("q", "ada")
    add(backend, "a")
    messages.remove("q", "a")
    assert [tally.queue for tally in messages.tallies()] == ["q"]
    add(backend, "b")
    assert worker.claim() == []


def test_workers_are_woken_when_a_queue_is_resumed(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """A worker that sleeps beside a paused queue with messages is woken when it is resumed, and claims them."""
    worker = actor("q")
    messages.pause("q", "ada")
    add(backend, "a", "b")
    worker.step()
    waiter = worker.waiter()
    try:
        waiter.arm()
        while who_rings([waiter], at_least=0):  # the messages that came in may have woken it once
            worker.step()
            waiter.arm()
        messages.resume("q")
        assert who_rings([waiter]) == [0]
        assert uuids(worker.claim()) == ["a", "b"]
    finally:
        waiter.close()


def test_an_expired_message_of_a_paused_queue_has_expired(
    backend: Backend, messages: MessagePort, store: Store, actor: Actors
) -> None:
    """A lifetime goes on while the queue is paused."""
    worker = actor()
    add(backend, "a", ttl=1_000)
    messages.pause("q", "ada")
    store.advance(2_000)
    messages.resume("q")
    assert worker.claim_one().expired


def test_pauses_are_of_one_namespace(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """Clearing the namespace ends its pauses."""
    messages.pause("q", "ada")
    backend.clear_namespace()
    assert messages.pauses() == []
    add(backend, "a")
    assert uuids(actor().claim()) == ["a"]
    assert status_of(backend, "a") is not None
