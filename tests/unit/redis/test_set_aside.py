"""Messages that are set aside on Redis, beside processes of 0.1.0, which know nothing of them."""

from __future__ import annotations

import pytest

from alsek.storage.backends.redis import RedisBackend
from tests.contract.workers import a_message, add, an_actor, by_hand, not_mine, the_facts, uuids

pytestmark = pytest.mark.redis


def _leave_entry(backend: RedisBackend, *, arrival: int) -> None:
    """Write again what stood for the message "a" of the queue "q" while it was set aside: 0.1.0 does not remove it."""
    prefix, call = f"{backend.namespace}:", backend._link.call
    call("HSET", f"{prefix}counters", "aside", "1")
    call("SADD", f"{prefix}aside", "t")
    call("ZADD", f"{prefix}aside:t\na", "0", "q")
    call("ZADD", f"{prefix}aside:t\na:q", "0", f"{arrival:013}a")


@pytest.mark.parametrize("limit", [1, 10])
@pytest.mark.parametrize("how", ["rescheduled", "submitted again"])
def test_a_message_that_0_1_0_has_given_another_place_is_handed_out_once(
    how: str, limit: int, backend: RedisBackend
) -> None:
    """Rescheduled by hand, or removed and submitted again; the entry that was left behind is dropped."""
    other, mine = an_actor(backend), an_actor(backend, facts=the_facts("t"))
    add(backend, "a")
    other.step(not_mine(other.claim_one()), limit=0)
    if how == "rescheduled":
        backend.messages.reschedule(by_hand("q", "a"))
    else:
        backend.messages.remove("q", "a")
        add(backend, a_message("a"))
    add(backend, "b")
    _leave_entry(backend, arrival=1)
    got = [uuid for _ in range(4) for uuid in uuids(mine.claim(limit))]
    assert sorted(got) == ["a", "b"]
    assert backend.messages.aside() == []


@pytest.mark.parametrize("queues", [(), ("own",)])
def test_what_is_set_aside_in_many_paused_queues_hides_nothing(
    queues: tuple[str, ...], backend: RedisBackend
) -> None:
    """However many paused queues come first, a worker gets what is ready, and what is set aside for it, behind them."""
    other, mine = an_actor(backend), an_actor(backend, *queues, facts=the_facts("t"))
    add(backend, *(a_message(f"m{n}", f"q{n}") for n in range(600)), a_message("a", "z"))
    other.step(*(not_mine(claim) for claim in other.claim(1_000)), limit=0)
    for n in range(600):
        backend.messages.pause(f"q{n}", "ada")
    add(backend, a_message("b", queues[0] if queues else "z"))
    step = mine.step(limit=1)
    assert step.waiting
    assert sorted(uuids([*step.claimed, *mine.claim()])) == ["a", "b"]
    assert not mine.step().waiting
