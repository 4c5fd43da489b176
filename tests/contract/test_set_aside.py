"""Messages whose task the worker does not have: set aside for a worker that has it, or failed."""

from __future__ import annotations

import pytest

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import Aside, Claimed, TaskStatus
from tests.contract.stores import Store
from tests.contract.workers import (
    ERROR,
    LEASE,
    Actors,
    a_message,
    add,
    not_mine,
    released,
    retried,
    state_of,
    status_of,
    succeeded,
    the_facts,
    uuids,
    who_rings,
)


def test_a_message_waits_for_the_worker_that_has_its_task(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """It is handed to nobody else, uncharged, and with status SUBMITTED."""
    mine, other, third = actor(facts=the_facts("t", "u")), actor(facts=the_facts("v")), actor()
    add(backend, "a")
    claim = other.claim_one()
    step = other.step(not_mine(claim))
    assert (step.refused, step.failed, step.claimed, step.waiting) == ([], (), [], ())
    assert state_of(backend, "a") == "ready"
    assert status_of(backend, "a") == TaskStatus.SUBMITTED
    assert messages.aside() == [Aside("q", "t", 1)]
    assert third.claim() == []
    again = mine.claim_one()
    assert (again.uuid, again.losses, again.retries, again.payload) == ("a", 0, 0, claim.payload)
    assert messages.aside() == []
    assert mine.step(succeeded(again)).refused == []


def test_a_message_for_a_task_that_nobody_has_fails(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """It becomes a dead letter in the worker's step, which says so; a repeated step says the same."""
    other = actor(facts=the_facts("v"))
    add(backend, "a", "b")
    claims = other.claim()
    outcomes = [not_mine(claims[0]), succeeded(claims[1])]
    step = other.step(*outcomes)
    assert step.failed == ("a",)
    assert other.again(*outcomes).failed == ("a",)
    letter = messages.dead_letter("q", "a")
    assert letter is not None
    assert letter.error == ERROR
    assert status_of(backend, "a") == TaskStatus.FAILED
    assert other.step().failed == ()


def test_a_message_may_wait_for_a_worker_that_is_to_come(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """With `wait` it is set aside also if nobody has the task; whoever registers the task gets it."""
    other = actor(facts=the_facts("v"))
    add(backend, "a", "b")
    first, second = other.claim()
    assert other.step(not_mine(first, wait=True), not_mine(second, "u", wait=True)).failed == ()
    assert messages.aside() == [Aside("q", "t", 1), Aside("q", "u", 1)]
    assert uuids(actor(facts=the_facts("u")).claim()) == ["b"]
    assert uuids(actor(facts=the_facts("t")).claim()) == ["a"]


@pytest.mark.parametrize("how", ["retired", "lost"])
def test_a_worker_that_was_just_there_may_come_back(
    backend: Backend, messages: MessagePort, store: Store, actor: Actors, how: str
) -> None:
    """For a lease after the last worker with the task has gone, messages wait; after that they fail."""
    other, mine = actor(facts=the_facts("v")), actor(facts=the_facts("t"))
    add(backend, "a", "b")
    if how == "retired":
        mine.retire()
    else:
        for _ in range(3):
            store.advance(LEASE // 3 + 1)
            other.renew()
        assert other.step(limit=0).taken_over
    first, second = other.claim()
    assert other.step(not_mine(first), limit=0).failed == ()
    for _ in range(3):
        store.advance(LEASE // 3 + 1)
        other.renew()
    assert other.step(not_mine(second), limit=0).failed == ("b",)
    assert messages.aside() == [Aside("q", "t", 1)]


def test_it_goes_in_its_place(backend: Backend, actor: Actors) -> None:
    """Within its queue it is claimed by (priority, arrival) among the ready ones."""
    mine, other = actor(facts=the_facts("t")), actor(facts=the_facts("v"))
    add(
        backend, a_message("first", priority=1), a_message("aside", priority=1), a_message("last", priority=1)
    )
    claims = {claim.uuid: claim for claim in other.claim()}
    other.step(not_mine(claims["aside"]), released(claims["first"]), released(claims["last"]), limit=0)
    add(backend, a_message("urgent", priority=0))
    assert uuids(mine.claim()) == ["urgent", "first", "aside", "last"]


def test_a_worker_takes_it_from_queues_that_it_does_not_serve(backend: Backend, actor: Actors) -> None:
    """Those come after its own queues, in alphabetical order."""
    mine, other = actor("own", facts=the_facts("t")), actor(facts=the_facts("v"))
    add(backend, a_message("z", queue="z"), a_message("a", queue="a"), a_message("b", queue="a"))
    claims = other.claim()
    assert other.step(*(not_mine(claim) for claim in claims if claim.uuid != "b"), limit=0).failed == ()
    add(backend, a_message("own", queue="own"))
    assert uuids(mine.claim(limit=2)) == ["own", "a"]
    step = mine.step()
    assert uuids(step.claimed) == ["z"]
    assert not step.waiting


def test_the_limit_holds_and_the_rest_is_waiting(backend: Backend, actor: Actors) -> None:
    """A worker that leaves something set aside for it is told that it waits."""
    mine, other = actor("own", facts=the_facts("t")), actor(facts=the_facts("v"))
    add(backend, "a", "b", "c")
    other.step(*map(not_mine, other.claim()), limit=0)
    step = mine.step(limit=2)
    assert uuids(step.claimed) == ["a", "b"]
    assert step.waiting
    assert uuids(mine.claim()) == ["c"]


def test_the_kind_of_worker_counts(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """A worker that has the task takes it only if its kind may take the message."""
    threads, processes = actor(facts=the_facts("t")), actor(kind="process", facts=the_facts("t"))
    other = actor(kind="process", facts=the_facts("v"))
    add(backend, "a", wish="process")
    assert other.step(not_mine(other.claim_one())).failed == ()
    assert threads.claim() == []
    assert uuids(processes.claim()) == ["a"]


def test_a_consumer_takes_it_from_its_own_queues(backend: Backend, actor: Actors) -> None:
    """A worker that takes messages of any task is handed what is set aside in queues that it serves, and no other."""
    other = actor(facts=the_facts("v"))
    add(backend, "a", a_message("b", queue="other"))
    other.step(*(not_mine(claim, wait=True) for claim in other.claim()), limit=0)
    consumer = actor("q", kind="any", facts=the_facts(tasks=None))
    assert uuids(consumer.claim()) == ["a"]


def test_a_consumer_does_not_make_it_wait(backend: Backend, actor: Actors) -> None:
    """A worker that takes messages of any task does not count as one that has the task."""
    other = actor(facts=the_facts("v"))
    actor("q", kind="any", facts=the_facts(tasks=None))
    add(backend, "a")
    assert other.step(not_mine(other.claim_one()), limit=0).failed == ("a",)


def test_it_can_be_steered(backend: Backend, messages: MessagePort, store: Store, actor: Actors) -> None:
    """What is set aside is counted, browsed, removed, failed, revoked and rescheduled like every message."""
    other = actor(facts=the_facts("v"))
    add(backend, "removed", "failed", "revoked", "rescheduled", "found")
    other.step(*(not_mine(claim, wait=True) for claim in other.claim()), limit=0)
    assert messages.count("q") == 5
    assert sorted(stored.uuid for stored in messages.browse("q")) == sorted(
        ["removed", "failed", "revoked", "rescheduled", "found"]
    )
    assert {stored.state for stored in messages.browse("q")} == {"ready"}
    assert messages.tallies(["q"])[0][:4] == ("q", 5, 0, 0)
    found = messages.find("found")
    assert found is not None
    assert (found.aside, found.worker, found.stored.state) == ("t", None, "ready")
    assert messages.remove("q", "removed")
    assert messages.fail("q", "failed", ERROR, 1_000_000)
    assert messages.revoke("q", "revoked")
    assert messages.reschedule(retried(claim_like("rescheduled")))
    assert messages.aside() == [Aside("q", "t", 2)]
    assert uuids(other.claim()) == ["rescheduled"]
    mine = actor(facts=the_facts("t"))
    assert [(claim.uuid, claim.revoked) for claim in mine.claim()] == [("revoked", True), ("found", False)]


def claim_like(uuid: str) -> Claimed:
    """A claim of this message that nobody has."""
    return Claimed(uuid, "q", b"", 0)


def test_it_expires(backend: Backend, store: Store, actor: Actors) -> None:
    """Its lifetime begins anew when it is set aside."""
    other, mine = actor(facts=the_facts("v")), actor(facts=the_facts("t"))
    add(backend, "a", "b", ttl=5_000)
    first, second = other.claim()
    store.advance(3_000)
    other.step(not_mine(first), limit=0)
    store.advance(3_000)
    mine.renew()
    other.step(not_mine(second), limit=0)
    assert [(claim.uuid, claim.expired) for claim in mine.claim()] == [("a", False), ("b", False)]
    mine.step(*(not_mine(claim) for claim in mine.held()), limit=0)
    store.advance(5_001)
    mine.renew()
    assert [claim.expired for claim in mine.claim()] == [True, True]


def test_a_lost_worker_gives_it_back(backend: Backend, store: Store, actor: Actors) -> None:
    """What was set aside and claimed is a message like others when its worker is lost."""
    other, mine = actor(facts=the_facts("v")), actor(facts=the_facts("t"))
    add(backend, "a")
    other.step(not_mine(other.claim_one()), limit=0)
    assert mine.claim_one().uuid == "a"
    for _ in range(3):
        store.advance(LEASE // 3 + 1)
        other.renew()
    claim = other.claim_one()
    assert (claim.uuid, claim.losses) == ("a", 1)


def test_workers_that_have_the_task_are_woken(backend: Backend, actor: Actors) -> None:
    """A sleeping worker is woken for what is set aside for it, also if it does not serve the queue."""
    mine, other = actor("own", facts=the_facts("t")), actor("q", facts=the_facts("v"))
    mine.step()
    add(backend, "a")
    claim = other.claim_one()
    waiter = mine.waiter()
    try:
        waiter.arm()
        other.step(not_mine(claim), limit=0)
        assert who_rings([waiter]) == [0]
        assert uuids(mine.claim()) == ["a"]
    finally:
        waiter.close()


def test_a_stale_claim_sets_nothing_aside(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """The outcome is accepted only under the token of the current claim, and repeated without harm."""
    other = actor(facts=the_facts("v"))
    actor(facts=the_facts("t"))
    add(backend, "a")
    claim = other.claim_one()
    assert other.step(not_mine(claim._replace(token=claim.token + 1)), limit=0).refused == ["a"]
    other.step(not_mine(claim), limit=0)
    other.again(not_mine(claim), limit=0)
    assert messages.aside() == [Aside("q", "t", 1)]
    assert messages.count("q") == 1


def test_a_retirement_sets_aside(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """The last outcomes of a worker may be of this kind."""
    other = actor(facts=the_facts("v"))
    actor(facts=the_facts("t"))
    add(backend, "a", "b")
    first, second = other.claim()
    assert other.retire(not_mine(first), not_mine(second, "nobody's")) == []
    assert messages.aside() == [Aside("q", "t", 1)]
    assert messages.dead_letter("q", "b") is not None


@pytest.mark.parametrize("task", ["a|b", "a;b", "line\nfeed", "{}*?[]", "é", "x" * 1_000, " "])
def test_any_name_of_a_task_will_do(
    backend: Backend, messages: MessagePort, actor: Actors, task: str
) -> None:
    """Names of tasks are kept as they are."""
    other, mine = actor(facts=the_facts("v")), actor(facts=the_facts(task))
    add(backend, "a")
    assert other.step(not_mine(other.claim_one(), task), limit=0).failed == ()
    assert messages.aside() == [Aside("q", task, 1)]
    assert uuids(mine.claim()) == ["a"]
