"""Suspects: a message that may have killed a process runs alone, so that it can harm no other."""

from __future__ import annotations

import pytest

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import TaskStatus
from tests.contract.stores import Store
from tests.contract.workers import (
    LEASE,
    Actors,
    a_message,
    add,
    lost,
    released,
    retried,
    status_of,
    succeeded,
    uuids,
)


def _suspects(backend: Backend, actor: Actors, *names: str, **fields: object) -> None:
    """Add messages, and let them be in a process that dies."""
    add(backend, *names, **fields)
    victim = actor(kind="any")
    claimed = victim.claim()
    assert uuids(claimed) == list(names)
    victim.step(*(lost(c, suspect=True) for c in claimed), limit=0)
    victim.retire()


def test_a_suspect_is_told_as_one(backend: Backend, actor: Actors) -> None:
    """A suspect comes with its mark and its loss, and counted as RETRYING until then."""
    _suspects(backend, actor, "a")
    assert status_of(backend, "a") == TaskStatus.RETRYING
    claimed = actor().claim_one()
    assert (claimed.uuid, claimed.suspect, claimed.losses) == ("a", True, 1)


def test_a_worker_that_holds_nothing_is_given_just_one(backend: Backend, actor: Actors) -> None:
    """A suspect is handed out alone, however large the limit, and nothing more until it is finished."""
    _suspects(backend, actor, "a", "b")
    worker = actor()
    step = worker.step(limit=10)
    assert uuids(step.claimed) == ["a"]
    assert step.suspects
    add(backend, "c")
    assert worker.claim() == []
    step = worker.step(succeeded(step.claimed[0]), limit=10)
    assert uuids(step.claimed) == ["b"]
    assert not step.suspects
    assert uuids(worker.step(succeeded(step.claimed[0]), limit=10).claimed) == ["c"]


def test_a_worker_that_holds_something_is_given_no_suspect(backend: Backend, actor: Actors) -> None:
    """A suspect waits until the worker is empty; the step says that it does."""
    worker = actor()
    add(backend, "own")
    own = worker.claim_one()
    _suspects(backend, actor, "a")
    add(backend, "b", "c")
    step = worker.step(limit=1)
    assert (uuids(step.claimed), step.suspects, step.waiting) == (["b"], True, ("thread",))
    step = worker.step(succeeded(own), limit=10)
    assert (uuids(step.claimed), step.suspects, step.waiting) == (["c"], True, ())
    step = worker.step(*(succeeded(c) for c in worker.held()), limit=10)
    assert uuids(step.claimed) == ["a"]


def test_the_step_that_makes_a_suspect_says_that_one_waits(backend: Backend, actor: Actors) -> None:
    """Whether suspects wait is told as of the end of the step, not of its beginning."""
    add(backend, "a", "b")
    worker = actor()
    first, _ = worker.claim()
    step = worker.step(lost(first, suspect=True), limit=1)
    assert (uuids(step.claimed), step.suspects) == ([], True)


def test_a_suspect_is_never_handed_out_beside_others(backend: Backend, actor: Actors) -> None:
    """Whether suspects or others go first, no step hands out both, and in the end each is handed out."""
    _suspects(backend, actor, "s1", "s2")
    add(backend, "a", "b", "c")
    worker, done = actor(), []
    for _ in range(10):
        claimed = worker.claim(limit=2)
        assert len({c.suspect for c in claimed}) <= 1
        assert sum(c.suspect for c in claimed) <= 1
        done += uuids(claimed)
        worker.step(*(succeeded(c) for c in claimed), limit=0)
    assert sorted(done) == ["a", "b", "c", "s1", "s2"]


def test_freely_takes_suspects_like_any_other(backend: Backend, actor: Actors) -> None:
    """A pool with a process for each message is handed suspects at their place, marked, beside others."""
    _suspects(backend, actor, "a", "b")
    add(backend, "c", a_message("urgent", priority=0))
    add(backend, a_message("idle", priority=5))
    worker = actor(suspects="freely")
    step = worker.step(limit=1)
    assert (uuids(step.claimed), step.waiting) == (["a"], ("thread",))
    claimed = step.claimed + worker.claim(limit=10)
    assert uuids(claimed) == ["a", "b", "c", "urgent", "idle"]
    assert [c.suspect for c in claimed] == [True, True, False, False, False]


def test_only_takes_nothing_but_suspects(backend: Backend, actor: Actors) -> None:
    """A worker for suspects takes them one by one and leaves the rest to others."""
    add(backend, "x")
    worker = actor(suspects="only")
    assert worker.claim() == []
    assert not worker.step().waiting
    keeper = actor(suspects="alone")
    assert uuids(keeper.claim()) == ["x"]
    _suspects(backend, actor, "a", "b")
    add(backend, "y")
    step = worker.step(limit=10)
    assert (uuids(step.claimed), step.suspects) == (["a"], True)
    assert worker.claim() == []
    assert uuids(worker.step(succeeded(step.claimed[0]), limit=10).claimed) == ["b"]


def test_suspects_keep_their_place_among_each_other(backend: Backend, actor: Actors) -> None:
    """Suspects leave by (priority, arrival) like all others."""
    add(backend, a_message("c", priority=2), a_message("a", priority=0))
    add(backend, a_message("b1", priority=1), a_message("b2", priority=1))
    victim = actor()
    victim.step(*(lost(c, suspect=True) for c in reversed(victim.claim())), limit=0)
    worker, order = actor(), []
    for _ in range(4):
        claimed = worker.claim_one()
        order.append(claimed.uuid)
        worker.step(succeeded(claimed), limit=0)
    assert order == ["a", "b1", "b2", "c"]


def test_a_suspect_waits_for_its_place(backend: Backend, actor: Actors) -> None:
    """A suspect is claimed when it comes first, not before messages with a better place."""
    worker = actor()
    add(backend, "first", a_message("suspect", priority=1), a_message("last", priority=2))
    claims = {claim.uuid: claim for claim in worker.claim()}
    worker.step(
        lost(claims["suspect"], suspect=True), released(claims["last"]), released(claims["first"]), limit=0
    )
    for limit in (1, 3):
        other = actor()
        step = other.step(limit=limit)
        assert uuids(step.claimed) == ["first", "last"][:limit]
        assert step.suspects
        other.retire()
    worker.step(succeeded(worker.claim_one()), limit=0)
    assert uuids(worker.claim(limit=3)) == ["suspect"]


def test_suspects_respect_wishes_and_queues(backend: Backend, actor: Actors) -> None:
    """A suspect keeps its queue and its wish."""
    _suspects(backend, actor, "a", wish="process")
    thread, elsewhere = actor(), actor("elsewhere", kind="any")
    for worker in (thread, elsewhere):
        step = worker.step()
        assert (step.claimed, step.suspects) == ([], False)
    assert actor(kind="process").claim_one().suspect


def test_a_retry_lifts_the_suspicion(backend: Backend, actor: Actors) -> None:
    """A message that was retried or finished is no longer a suspect."""
    _suspects(backend, actor, "a")
    add(backend, "b")
    worker = actor()
    worker.step(retried(worker.claim_one()), limit=0)
    claimed = worker.claim()
    assert uuids(claimed) == ["b", "a"]
    assert not claimed[1].suspect


@pytest.mark.parametrize("suspect", [False, True])
def test_a_loss_alone_raises_no_suspicion(backend: Backend, actor: Actors, suspect: bool) -> None:
    """Only a message that was given back as a suspect is one."""
    worker = actor()
    add(backend, "a")
    worker.step(lost(worker.claim_one(), suspect=suspect), limit=0)
    assert worker.claim_one().suspect is suspect


def test_a_released_suspect_stays_one(backend: Backend, actor: Actors) -> None:
    """A suspect that is given back unchanged is still a suspect."""
    _suspects(backend, actor, "a")
    worker = actor()
    worker.step(released(worker.claim_one()), limit=0)
    assert worker.claim_one().suspect


def test_a_suspect_whose_holder_was_lost_comes_back(backend: Backend, store: Store, actor: Actors) -> None:
    """A suspect whose worker was lost is taken over and is still a suspect."""
    _suspects(backend, actor, "a")
    dead, alive = actor(), actor()
    assert dead.claim_one().suspect
    for _ in range(3):
        store.advance(LEASE // 3 + 1)
        alive.renew()
    claimed = alive.claim_one()
    assert (claimed.uuid, claimed.suspect, claimed.losses) == ("a", True, 2)
