"""Leases: a worker keeps its messages while it steps or renews."""

from __future__ import annotations

import pytest

from alsek.exceptions import WorkerUnknownError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import TaskStatus
from tests.contract.stores import Store
from tests.contract.workers import (
    LEASE,
    Actor,
    Actors,
    a_message,
    add,
    died,
    released,
    result_of,
    retried,
    state_of,
    status_of,
    succeeded,
    the_facts,
    uuids,
)


def _pass_a_lease(store: Store, *living: Actor) -> None:
    """Let a lease go by in which only the living renew theirs."""
    for _ in range(3):
        store.advance(LEASE // 3 + 1)
        for worker in living:
            worker.renew()


def test_what_a_lost_worker_held_is_taken_over(backend: Backend, store: Store, actor: Actors) -> None:
    """After the lease another worker claims the message, at its old place and with one more loss."""
    dead, alive = actor(), actor()
    add(backend, "a", "b", "c")
    first, _ = dead.claim(limit=2)
    _pass_a_lease(store, alive)
    claimed = alive.claim()
    assert uuids(claimed) == ["a", "b", "c"]
    assert [c.losses for c in claimed] == [1, 1, 0]
    assert claimed[0].token > first.token
    assert dead.held() == []


def test_a_takeover_is_told(backend: Backend, store: Store, actor: Actors) -> None:
    """The step that forgets lost workers says which, how many messages each held, and where it was if it said so.

    No other step says anything.
    """
    facts = the_facts("t", host="höst")
    dead, idle, alive = actor(facts=facts), actor(), actor()
    add(backend, "a", "b", "c")
    dead.claim(limit=2)
    assert alive.step(limit=0).taken_over == ()
    _pass_a_lease(store, alive)
    step = alive.step(limit=1)
    told = [(dead.worker.id, 2, "höst", facts.pid), (idle.worker.id, 0, "", 0)]
    assert sorted(step.taken_over) == sorted(told)
    assert uuids(step.claimed) == ["a"]
    assert alive.step(limit=0).taken_over == ()


def test_a_takeover_is_seen_in_the_status(backend: Backend, store: Store, actor: Actors) -> None:
    """The status of a message that is taken over is RETRYING until it is claimed."""
    dead, alive = actor(), actor()
    add(backend, "a")
    dead.claim_one()
    _pass_a_lease(store, alive)
    step = alive.step(limit=0)
    assert step.waiting
    assert status_of(backend, "a") == TaskStatus.RETRYING
    assert state_of(backend, "a") == "ready"


def test_a_worker_taken_over_is_refused(
    backend: Backend, store: Store, messages: MessagePort, actor: Actors
) -> None:
    """A worker that was taken over can neither report outcomes nor renew, and nothing that it sends is written."""
    dead, alive = actor(), actor()
    add(backend, "a")
    old = dead.claim_one()
    _pass_a_lease(store, alive)
    current = alive.claim_one()
    with pytest.raises(WorkerUnknownError):
        dead.step(succeeded(old))
    with pytest.raises(WorkerUnknownError):
        messages.renew(dead.worker, dead.seq, [old.token])
    assert dead.retire(succeeded(old)) == ["a"]
    assert result_of(backend, "a") is None
    assert alive.held() == [current]


def test_before_the_lease_ends_nothing_is_taken_over(backend: Backend, store: Store, actor: Actors) -> None:
    """A worker that is slow to report keeps what it holds as long as its lease runs."""
    slow, other = actor(), actor()
    add(backend, "a")
    claimed = slow.claim_one()
    for _ in range(3):
        store.advance(LEASE // 3 - 1)
        assert other.claim() == []
    assert slow.step(succeeded(claimed)).refused == []


def test_renewing_keeps_everything(backend: Backend, store: Store, actor: Actors) -> None:
    """A worker that renews its lease keeps its messages."""
    worker, other = actor(), actor()
    add(backend, "a", "b")
    one, two = worker.claim()
    for _ in range(5):
        _pass_a_lease(store, worker, other)
        assert other.claim() == []
    assert worker.step(succeeded(one), succeeded(two)).refused == []


def test_steps_of_others_are_signs_of_no_outage(backend: Backend, store: Store, actor: Actors) -> None:
    """While any worker reaches the store by its steps, a lost one is taken over after its own lease."""
    dead, alive = actor(), actor(lease=10 * LEASE)
    add(backend, "a")
    dead.claim_one()
    for _ in range(3):
        store.advance(LEASE // 3 + 1)
        claimed = alive.claim()
    assert uuids(claimed) == ["a"]


def test_after_an_outage_takeover_waits_one_lease_more(backend: Backend, store: Store, actor: Actors) -> None:
    """When no worker reached the store for a lease, all get one more before anything is taken over."""
    held, other = actor(), actor()
    add(backend, "a")
    claimed = held.claim_one()
    store.advance(3 * LEASE)
    assert other.claim() == []
    assert held.held() == [claimed]
    held.renew()
    store.advance(LEASE // 2)
    other.renew()
    assert other.claim() == []
    assert held.step(succeeded(claimed)).refused == []


def test_after_an_outage_the_dead_are_taken_over_in_the_end(
    backend: Backend, store: Store, actor: Actors
) -> None:
    """A worker that does not reach the store within a lease after the outage is taken over."""
    dead, alive = actor(), actor()
    add(backend, "a")
    dead.claim_one()
    store.advance(5 * LEASE)
    alive.renew()
    assert alive.claim() == []
    _pass_a_lease(store, alive)
    claimed = alive.claim_one()
    assert (claimed.uuid, claimed.losses) == ("a", 1)


def test_a_new_worker_after_an_outage_waits_too(backend: Backend, store: Store, actor: Actors) -> None:
    """A fresh worker that finds an old claim gives its holder a lease to come back."""
    dead = actor()
    add(backend, "a")
    dead.claim_one()
    store.advance(5 * LEASE)
    fresh = actor()
    assert fresh.claim() == []
    _pass_a_lease(store, fresh)
    assert uuids(fresh.claim()) == ["a"]


def test_an_outage_is_measured_by_the_lease_of_each(backend: Backend, store: Store, actor: Actors) -> None:
    """An outage is longer than a worker's own lease, however long the lease of the first worker that comes back is."""
    short, long = actor(lease=LEASE), actor(lease=10 * LEASE)
    add(backend, "a")
    claimed = short.claim_one()
    store.advance(3 * LEASE)
    assert long.claim() == []
    store.advance(LEASE - 1)
    assert long.claim() == []
    assert short.held() == [claimed]
    store.advance(1)
    assert uuids(long.claim()) == ["a"]


def test_a_worker_that_seldom_comes_takes_over_from_one_with_a_short_lease(
    backend: Backend, store: Store, actor: Actors
) -> None:
    """The silence between two of its renewals is no outage for ever: the dead worker is spared once."""
    dead, alive = actor(), actor(lease=12 * LEASE)
    add(backend, "a")
    dead.claim_one()
    for _ in range(2):
        store.advance(4 * LEASE)
        alive.renew()
    assert uuids(alive.claim()) == ["a"]


def test_a_worker_that_came_back_is_spared_again(backend: Backend, store: Store, actor: Actors) -> None:
    """What renews its lease after an outage gets a new one after the next."""
    held, other = actor(), actor()
    add(backend, "a")
    claimed = held.claim_one()
    for _ in range(3):
        store.advance(3 * LEASE)
        assert other.claim() == []
        held.renew()
        other.renew()
    assert held.step(succeeded(claimed)).refused == []


def test_a_silence_shorter_than_its_lease_spares_nobody(
    backend: Backend, store: Store, actor: Actors
) -> None:
    """A worker whose lease is longer than the silence had time to renew it: it is taken over at once."""
    dead, alive = actor(lease=10 * LEASE), actor(lease=LEASE)
    add(backend, "a")
    dead.claim_one()
    for _ in range(19):
        store.advance(LEASE // 2)
        alive.renew()
        assert alive.claim() == []
    store.advance(2 * LEASE)
    assert uuids(alive.claim()) == ["a"]


@pytest.mark.parametrize("how", ["register", "renew"])
def test_any_contact_ends_an_outage(backend: Backend, store: Store, actor: Actors, how: str) -> None:
    """Any call of any worker after an outage renews all leases that ended in it."""
    dead, other = actor(), actor(lease=LEASE // 2)
    add(backend, "a")
    claimed = dead.claim_one()
    store.advance(3 * LEASE)
    if how == "renew":
        other.renew()
    else:
        other = actor(lease=LEASE // 2)
    store.advance(LEASE - 1)
    assert other.claim() == []
    assert dead.held() == [claimed]
    store.advance(1)
    assert uuids(other.claim()) == ["a"]


def test_a_worker_back_before_anyone_noticed_goes_on(backend: Backend, store: Store, actor: Actors) -> None:
    """A lease that ended unnoticed costs nothing: the worker's next renewal or step is accepted."""
    worker = actor()
    add(backend, "a", "b")
    one, two = worker.claim()
    store.advance(LEASE + 1)
    assert worker.step(succeeded(one), limit=0).refused == []
    store.advance(3 * LEASE)
    assert worker.renew() == []
    assert worker.step(succeeded(two), limit=0).refused == []


def test_a_worker_never_takes_itself_over(backend: Backend, store: Store, actor: Actors) -> None:
    """A worker that steps after its lease ended, before anyone else did, goes on with what it holds."""
    late, other = actor(), actor()
    add(backend, "a", "b")
    one, two = late.claim()
    _pass_a_lease(store, other)
    step = late.step(succeeded(one))
    assert (step.refused, step.claimed) == ([], [])
    assert late.held() == [two]


def test_losses_add_up_over_takeovers(backend: Backend, store: Store, actor: Actors) -> None:
    """Each worker that is lost counts one loss; a release counts none."""
    alive = actor()
    add(backend, "a")
    for losses in range(3):
        dead = actor()
        assert dead.claim_one().losses == losses
        _pass_a_lease(store, alive)
        alive.step(limit=0)
    claimed = alive.claim_one()
    alive.step(released(claimed), limit=0)
    assert alive.claim_one().losses == 3


def test_takeover_reaches_all_queues(backend: Backend, store: Store, actor: Actors) -> None:
    """A lost worker's messages come free whichever worker notices, also in queues that one does not drain."""
    dead, alive = actor("a", "b"), actor("c")
    add(backend, a_message("x", queue="a"), a_message("y", queue="b", wish="thread"))
    dead.claim()
    _pass_a_lease(store, alive)
    assert alive.claim() == []
    assert (state_of(backend, "x", "a"), state_of(backend, "y", "b")) == ("ready", "ready")


def test_renewing_gives_back_what_the_worker_never_received(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """A claim whose reply was lost for good is given back, untouched, at its old place."""
    worker, other = actor(), actor()
    add(backend, "a", "b", "c")
    received = worker.claim_one()
    missed = worker.claim_one()
    messages.renew(worker.worker, worker.seq, [received.token])
    assert worker.held() == [received]
    assert status_of(backend, "b") == TaskStatus.SUBMITTED
    claimed = other.claim()
    assert [(c.uuid, c.losses) for c in claimed] == [("b", 0), ("c", 0)]
    assert worker.step(succeeded(missed), limit=0).refused == ["b"]


def test_renewing_spares_claims_of_later_steps(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """A renewal that was under way while a step claimed does not take that claim away."""
    worker = actor()
    add(backend, "a", "b")
    first = worker.claim_one()
    seen = worker.seq
    second = worker.claim_one()
    assert messages.renew(worker.worker, seen, [first.token]) == []
    assert worker.held() == [first, second]


def test_renewing_is_harmless_when_repeated(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """The same renewal twice does what it did once."""
    worker = actor()
    add(backend, "a")
    claimed = worker.claim_one()
    for _ in range(2):
        assert messages.renew(worker.worker, worker.seq, [claimed.token, 987_654_321]) == []
    assert worker.held() == [claimed]


def test_renewing_tells_of_revocations(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """A worker learns with its renewal which of the messages it holds were revoked."""
    worker, other = actor(), actor()
    add(backend, "a", "b", "c")
    worker.claim(limit=2)
    other.claim(limit=1)
    messages.revoke("q", "b")
    messages.revoke("q", "c")
    assert worker.renew() == ["b"]
    assert worker.renew() == ["b"]
    assert other.renew() == ["c"]


def test_retiring_gives_everything_back_uncharged(backend: Backend, actor: Actors) -> None:
    """What a retired worker held is ready again at its old place, with no loss."""
    worker, other = actor(), actor()
    add(backend, "a", "b", "c")
    worker.claim(limit=2)
    assert worker.retire() == []
    assert status_of(backend, "a") == TaskStatus.SUBMITTED
    assert [(c.uuid, c.losses) for c in other.claim()] == [("a", 0), ("b", 0), ("c", 0)]
    assert worker.held() == []


def test_retiring_takes_the_last_outcomes(backend: Backend, actor: Actors) -> None:
    """Outcomes that come with the retirement are accepted as in a step, stale ones reported."""
    worker = actor()
    add(backend, "a", "b", "c", "d", "e")
    one, two, three, four, _ = worker.claim()
    backend.messages.remove("q", "d")
    refused = worker.retire(
        succeeded(one, callback=a_message("next")), died(two), retried(three, delay=100), succeeded(four)
    )
    assert refused == ["d"]
    assert result_of(backend, "a") == b"result"
    assert backend.messages.dead_letter("q", "b") is not None
    states = [state_of(backend, name) for name in ("a", "b", "c", "d", "e", "next")]
    assert states == [None, None, "delayed", None, "ready", "ready"]


def test_retiring_a_stranger_is_no_error(backend: Backend, actor: Actors) -> None:
    """A second retirement changes nothing; the outcomes it carries are refused."""
    worker, other = actor(), actor()
    add(backend, "a")
    claimed = worker.claim_one()
    assert worker.retire() == []
    assert other.claim_one().uuid == "a"
    assert worker.retire(succeeded(claimed)) == ["a"]
    assert status_of(backend, "a") == TaskStatus.RUNNING


def test_held_lists_the_oldest_claim_first(backend: Backend, actor: Actors) -> None:
    """What a worker holds is listed in the order of its claims, as it was handed out."""
    worker = actor()
    add(backend, a_message("late", priority=9), a_message("early", priority=1))
    claims = worker.claim(limit=1) + worker.claim(limit=1)
    add(backend, a_message("urgent", priority=0))
    claims += worker.claim(limit=1)
    assert uuids(claims) == ["early", "late", "urgent"]
    assert worker.held() == claims
    worker.step(released(claims[1]), limit=0)
    assert worker.held() == [claims[0], claims[2]]
