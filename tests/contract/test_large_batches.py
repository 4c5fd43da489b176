"""One worker that holds thousands: no step has too much in it."""

from __future__ import annotations

from alsek.storage.backends.abstract import Backend
from tests.contract.stores import Store
from tests.contract.workers import LEASE, Actors, a_message, add, lost, not_mine, succeeded, the_facts, uuids

#: A Lua stack takes 8,000 values: more than that, and more than twice that in pairs.
MANY = 8_200


def _ready(backend: Backend, queue: str) -> int:
    return sum(message.state == "ready" for message in backend.messages.browse(queue))


def test_thousands_come_back_from_a_lost_worker(store: Store, backend: Backend, actor: Actors) -> None:
    """What a worker claimed in one step and lost is ready again to the last one, by the step that takes it over."""
    add(backend, *(f"m{n}" for n in range(MANY)), status_ttl=0)
    lost, other = actor(), actor()
    assert len(lost.claim(limit=MANY)) == MANY
    store.advance(LEASE // 2)
    other.renew()
    store.advance(LEASE // 2 + 1)
    assert other.step(limit=0).waiting
    assert _ready(backend, "q") == MANY
    assert {claimed.losses for claimed in other.claim(limit=MANY)} == {1}


def test_thousands_are_finished_in_one_step(backend: Backend, actor: Actors) -> None:
    """Thousands of outcomes and callbacks are accepted together; a worker that retires gives as many back."""
    add(backend, *(f"m{n}" for n in range(MANY)), status_ttl=0)
    worker = actor()
    outcomes = [
        succeeded(claimed, None, callback=a_message(f"c{claimed.uuid}", "next", status_ttl=0))
        for claimed in worker.claim(limit=MANY)
    ]
    assert worker.step(*outcomes, limit=0).refused == []
    assert backend.messages.count("q") == 0
    assert backend.messages.count("next") == MANY
    assert len(worker.claim(limit=MANY)) == MANY
    worker.retire()
    assert _ready(backend, "next") == MANY


def test_messages_are_set_aside_for_thousands_of_tasks(backend: Backend, actor: Actors) -> None:
    """A worker that has all of these tasks gets its messages in their order; a suspect is handed out alone."""
    many = MANY // 2
    other, third, mine = actor(), actor(), actor(facts=the_facts(*(f"t{n}" for n in range(many))))
    add(backend, *(f"m{n}" for n in range(many)), status_ttl=0)
    claims = other.claim(limit=many)
    other.step(lost(claims[0], suspect=True), limit=0)
    third.step(not_mine(third.claim_one(), "t0"), limit=0)
    other.step(*(not_mine(claim, f"t{claim.uuid[1:]}") for claim in claims[1:]), limit=0)
    step = mine.step(limit=3)
    assert uuids(step.claimed) == ["m0"]
    assert uuids(mine.step(succeeded(step.claimed[0]), limit=3).claimed) == ["m1", "m2", "m3"]
