"""Rates: how many messages may start within a window, exactly at its edges, and when the next one may."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort, Waiter
from alsek.storage.backends.records import Limit, LimitRecord
from tests.contract.leaving import ENDS, RETURNS, Scene, leaving
from tests.contract.stores import START, Store
from tests.contract.workers import (
    LEASE,
    QUIET,
    Actor,
    Actors,
    a_message,
    a_request,
    add,
    died,
    not_mine,
    retried,
    state_of,
    succeeded,
    the_facts,
    uuids,
    who_rings,
)
from tests.waiting import rings

PER = 1_000
ONE = (Limit("l", 1, PER),)
TWO = (Limit("l", 2, PER),)


def states(backend: Backend, *names: str) -> list[str | None]:
    """The states of these messages of the queue ``q``."""
    return [state_of(backend, name) for name in names]


def the_rate(messages: MessagePort, limit_id: str = "r:l") -> LimitRecord:
    """A rate that is known."""
    (record,) = messages.limits([limit_id])
    return record


def finish(worker: Actor) -> None:
    """Let everything that the worker holds succeed, and claim nothing."""
    worker.step(*map(succeeded, worker.held()), limit=0)


def test_the_whole_amount_may_start_at_once(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """So many are ready; a claim turns a place into a start, so the end of a message frees nothing."""
    worker = actor()
    add(backend, *"abc", limits=TWO)
    assert states(backend, *"abc") == ["ready", "ready", "waiting"]
    record = the_rate(messages)
    assert record._replace(admitted=()) == LimitRecord("r:l", 2, PER, (), 2, 1)
    assert sorted(record.admitted) == ["a", "b"]
    assert uuids(worker.claim()) == ["a", "b"]
    assert the_rate(messages) == LimitRecord("r:l", 2, PER, (), 2, 1, START + PER)
    finish(worker)
    assert the_rate(messages) == LimitRecord("r:l", 2, PER, (), 2, 1, START + PER)
    assert state_of(backend, "c") == "waiting"


def test_a_start_leaves_the_window_exactly_after_it(store: Store, backend: Backend, actor: Actors) -> None:
    """One ms before the end of the window nobody is let in; at its end somebody is, in the next step."""
    worker = actor()
    add(backend, "a", "b", limits=ONE)
    assert worker.step().next_due == PER
    store.advance(PER - 1)
    step = worker.step()
    assert (step.claimed, step.next_due) == ([], 1)
    store.advance(1)
    step = worker.step()
    assert (uuids(step.claimed), step.next_due) == (["b"], None)


def test_a_message_that_comes_at_the_edge(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """A submission is admitted from the end of the window on, though no step has happened since."""
    worker = actor()
    add(backend, "a", limits=ONE)
    worker.claim_one()
    store.advance(PER - 1)
    add(backend, "b", limits=ONE)
    assert state_of(backend, "b") == "waiting"
    messages.remove("q", "b")
    store.advance(1)
    add(backend, "c", limits=ONE)
    assert state_of(backend, "c") == "ready"


def test_no_window_has_more_starts_than_the_amount(store: Store, backend: Backend, actor: Actors) -> None:
    """In any window of the length `per`, wherever it begins; and each next start is on time."""
    worker = actor()
    add(backend, *(f"m{n}" for n in range(24)), limits=(Limit("l", 3, PER),))
    starts: list[int] = []
    while len(starts) < 24:
        finish(worker)
        step = worker.step(limit=2)
        starts += [store.now] * len(step.claimed)
        store.advance(min(step.next_due, 137) if step.next_due else 137)
    for first in starts:
        assert sum(first <= start < first + PER for start in starts) <= 3
    thirds = starts[3::3]
    assert all(later - earlier <= PER + 137 for earlier, later in zip(starts[::3], thirds, strict=False))


def test_starts_slide(store: Store, backend: Backend, actor: Actors) -> None:
    """Each start leaves the window by itself: after a burst in two parts, the next ones come in two parts."""
    worker = actor()
    add(backend, *"abcd", limits=TWO)
    assert uuids(worker.claim(1)) == ["a"]
    store.advance(400)
    step = worker.step(limit=1)
    assert (uuids(step.claimed), step.next_due) == (["b"], 600)
    store.advance(600)
    step = worker.step()
    assert (uuids(step.claimed), step.next_due) == (["c"], 400)
    store.advance(400)
    assert uuids(worker.claim()) == ["d"]


def test_a_ready_message_takes_up_a_place_until_it_starts(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """However long that is; while all places are taken up by ready messages, nothing is due."""
    worker = actor()
    add(backend, "a", "b", limits=ONE)
    store.advance(5 * PER)
    assert worker.step(limit=0).next_due is None
    assert states(backend, "a", "b") == ["ready", "waiting"]
    assert the_rate(messages).next_free is None
    assert worker.step().next_due == PER


@pytest.mark.parametrize("how", [how for how in ENDS if how != "it is poison"])  # it would start twice
def test_an_end_frees_a_place_that_is_no_start(
    store: Store, backend: Backend, messages: MessagePort, how: str
) -> None:
    """What ends before it was claimed gives its place back; a start stays in the window, whatever becomes of it."""
    scene = Scene(store)
    rate = (Limit("l", 1, 100_000),)
    messages.add([leaving(limits=rate)], a_request())
    add(backend, "b", limits=rate)
    ENDS[how](scene)
    started = scene.worker.seq > 0 and "record" not in how and how not in ("it expires", "it is revoked")
    assert state_of(backend, "b") == ("waiting" if started else "ready")
    record = the_rate(messages)
    assert (record.used, record.waiting, record.next_free is None) == (1, int(started), not started)
    messages.remove("q", "b")
    store.advance(100_000)
    assert messages.limits() == []


def test_what_does_not_run_is_no_start(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """What was revoked or has expired is claimed, to become a dead letter; the others start as if it were not there."""
    worker = actor()
    add(backend, *"abc", limits=ONE, ttl=10)
    add(backend, *"def", limits=ONE)
    messages.revoke("q", "d")
    store.advance(11)
    claims = []
    while step := worker.claim(9):
        claims += step
    assert [(claim.uuid, claim.expired, claim.revoked) for claim in claims] == [
        *((uuid, True, False) for uuid in "abc"),
        ("d", False, True),
        ("e", False, False),
    ]
    assert (the_rate(messages).used, the_rate(messages).waiting) == (1, 1)
    worker.step(*(died(claim) for claim in claims), limit=0)
    assert (the_rate(messages).used, the_rate(messages).waiting) == (1, 1)


@pytest.mark.parametrize("how", RETURNS)
def test_who_comes_back_starts_once_more(
    store: Store, backend: Backend, messages: MessagePort, how: str
) -> None:
    """Each claim is a start of its own: what is given back or retried waits until the rate admits it again."""
    scene = Scene(store)
    messages.add([leaving(limits=(Limit("l", 1, 100_000),))], a_request())
    RETURNS[how](scene)
    found = messages.find("a")
    assert found is not None
    assert (found.stored.state, found.waits_for) == ("waiting", "r:l")
    assert the_rate(messages) == LimitRecord("r:l", 1, 100_000, (), 1, 1, START + 100_000)
    store.advance(START + 100_000 - store.now)
    elsewhere = Scene(store).worker
    task = "t" if how == "it is set aside" else "another"
    messages.register(elsewhere.worker, the_facts(task))
    assert uuids(elsewhere.claim()) == ["a"]


def test_a_retry_with_a_delay_asks_when_it_is_due(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """While it is delayed it waits for no rate; then for the rest of the window."""
    worker = actor()
    add(backend, "a", limits=ONE)
    step = worker.step(retried(worker.claim_one(), delay=400))
    assert step.next_due == 400
    assert the_rate(messages).waiting == 0
    store.advance(400)
    step = worker.step()
    assert (step.claimed, step.next_due) == ([], PER - 400)
    store.advance(PER - 400)
    assert uuids(worker.claim()) == ["a"]


def test_nothing_is_left_of_a_rate_after_its_window(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """A rate that nobody uses is known as long as a start is in its window."""
    worker = actor()
    add(backend, "a", limits=ONE)
    worker.claim_one()
    finish(worker)
    assert messages.count("q") == 0
    store.advance(PER - 1)
    assert the_rate(messages) == LimitRecord("r:l", 1, PER, (), 1, 0, START + PER)
    store.advance(1)
    assert messages.limits() == []
    assert messages.limits(["r:l"]) == []


def test_a_place_beside_starts_is_free(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """`next_free` is told only of a rate that is full."""
    worker = actor()
    add(backend, "a", limits=TWO)
    worker.claim_one()
    assert the_rate(messages) == LimitRecord("r:l", 2, PER, (), 1, 0, None)
    add(backend, "b", limits=TWO)
    assert the_rate(messages) == LimitRecord("r:l", 2, PER, ("b",), 2, 0, START + PER)


def test_who_waits_for_a_rate_is_let_in_by_priority_and_arrival(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """When a start leaves the window, the first of those that wait gets its place, whenever they came."""
    worker = actor()
    add(backend, "a", limits=ONE)
    worker.claim_one()
    add(backend, a_message("b", priority=1, limits=ONE), a_message("c", priority=1, limits=ONE))
    add(backend, a_message("d", "other", limits=ONE))
    came = []
    for _ in range(3):
        finish(worker)
        store.advance(PER)
        came += uuids(worker.claim())
    assert came == ["d", "b", "c"]


def test_who_comes_at_the_edge_does_not_go_before_who_waits(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """A place that is free since some time passed is for those that wait, though no step has looked since."""
    worker = actor()
    add(backend, "a", "b", limits=ONE)
    worker.claim_one()
    store.advance(PER)
    add(backend, "c", limits=ONE)
    assert state_of(backend, "c") == "waiting"
    assert uuids(worker.claim()) == ["b"]


def test_any_worker_lets_in_for_all(store: Store, backend: Backend, actor: Actors) -> None:
    """The step of a worker that takes from other queues, or that claims nothing, lets in what may start now."""
    worker, other = actor("q"), actor("elsewhere")
    add(backend, "a", "b", limits=ONE)
    worker.claim_one()
    assert other.step().next_due == PER
    store.advance(PER)
    assert other.step(limit=0).next_due is None
    assert state_of(backend, "b") == "ready"


def test_the_numbers_of_the_last_submission_hold(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """A greater amount, or a shorter window, lets in at once; a smaller amount waits for more starts to leave."""
    worker = actor()
    add(backend, *"abcde", limits=ONE)
    worker.claim_one()
    add(backend, a_message("f", limits=TWO))
    assert states(backend, "b", "c") == ["ready", "waiting"]
    store.advance(300)
    worker.claim_one()
    add(backend, a_message("g", delay=60_000, limits=(Limit("l", 2, 300),)))
    assert states(backend, "c", "d") == ["ready", "waiting"]
    assert the_rate(messages)._replace(admitted=()) == LimitRecord("r:l", 2, 300, (), 2, 3, START + 600)
    worker.claim_one()
    add(backend, a_message("h", delay=60_000, limits=(Limit("l", 1, 300),)))
    store.advance(299)
    worker.step(limit=0)
    assert state_of(backend, "d") == "waiting"
    store.advance(1)
    worker.step(limit=0)
    assert states(backend, "d", "e") == ["ready", "waiting"]


def test_a_rate_and_a_concurrency(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """Of one key: both must admit. Who is let in by the one may wait for the other."""
    worker = actor()
    both = (Limit("l", 1), Limit("l", 2, PER))
    add(backend, *"abcd", limits=both)
    assert uuids(worker.claim()) == ["a"]
    assert uuids(worker.step(succeeded(worker.held()[0])).claimed) == ["b"]
    finish(worker)
    found = messages.find("c")
    assert found is not None
    assert (found.stored.state, found.waits_for) == ("waiting", "r:l")
    assert [(limit.id, limit.used, limit.waiting) for limit in messages.limits()] == [("r:l", 2, 2)]
    store.advance(PER)
    assert uuids(worker.claim()) == ["c"]
    assert uuids(worker.step(succeeded(worker.held()[0])).claimed) == ["d"]
    finish(worker)
    store.advance(PER)
    assert messages.limits() == []


def test_a_due_start_is_told_beside_delayed_messages(store: Store, backend: Backend, actor: Actors) -> None:
    """`next_due` is the first of both: the due time of a delayed message, and the next start that may be."""
    worker = actor()
    add(backend, "a", "b", limits=ONE)
    add(backend, a_message("late", delay=PER + 500))
    assert worker.step().next_due == PER
    add(backend, a_message("soon", delay=200))
    assert worker.step().next_due == 200
    store.advance(200)
    assert (uuids(worker.claim()), worker.step().next_due) == (["soon"], PER - 200)
    store.advance(PER - 200)
    assert worker.step().next_due == 500


def test_nothing_is_due_of_a_rate_for_which_nobody_waits(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """Starts alone wake nobody; nor does a rate for which somebody has waited."""
    worker = actor()
    add(backend, "a", "b", limits=ONE)
    assert worker.step().next_due == PER
    messages.remove("q", "b")
    assert worker.step().next_due is None


def test_a_paused_queue_is_due_too(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """What waits there is let in when it may start, and handed out once the queue goes on."""
    worker = actor()
    add(backend, "a", "b", limits=ONE)
    worker.claim_one()
    messages.pause("q", "ada")
    store.advance(PER)
    assert worker.claim() == []
    assert state_of(backend, "b") == "ready"
    messages.resume("q")
    assert uuids(worker.claim()) == ["b"]


def test_a_lost_worker_frees_no_start(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """Its message waits for the window, at its old place."""
    worker, other = actor(), actor("elsewhere")
    add(backend, "a", "b", limits=(Limit("l", 1, 3 * LEASE),))
    worker.claim_one()
    for _ in range(4):
        store.advance(LEASE // 3)
        other.renew()
    assert [lost.messages for lost in other.step(limit=0).taken_over] == [1]
    assert states(backend, "a", "b") == ["waiting", "waiting"]
    store.advance(START + 3 * LEASE - store.now)
    another = actor()
    assert uuids(another.claim()) == ["a"]


def test_a_replay_is_a_start_of_its_own(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """It waits for the window in which its message has started before."""
    worker = actor()
    add(backend, "a", limits=ONE)
    worker.step(died(worker.claim_one()), limit=0)
    letter = messages.dead_letter("q", "a")
    assert letter is not None
    assert messages.replay(a_message("a", limits=ONE), letter.died_at).accepted
    step = worker.step()
    assert (step.claimed, step.next_due) == ([], PER)


@pytest.fixture
def asleep(actor: Actors) -> Iterator[tuple[Actor, Waiter]]:
    """A worker that has found nothing, and sleeps."""
    worker = actor("q")
    worker.step()
    with closing(worker.waiter()) as waiter:
        waiter.arm()
        yield worker, waiter


def test_a_sleeper_learns_of_a_start_that_is_due(
    store: Store, backend: Backend, actor: Actors, asleep: tuple[Actor, Waiter]
) -> None:
    """A message that waits for a rate wakes a sleeper, which sets its timer, as a delayed message does."""
    sleeper, waiter = asleep
    add(backend, a_message("a", "other", limits=ONE))
    busy = actor("other")
    assert uuids(busy.claim()) == ["a"]
    waiter.arm()
    waiter.drain()
    waiter.arm()
    add(backend, "b", limits=ONE)
    assert who_rings([waiter]) == [0]
    step = sleeper.step()
    assert (step.claimed, step.next_due) == ([], PER)
    waiter.arm()
    assert not rings(waiter, QUIET)
    store.advance(PER)
    assert uuids(sleeper.claim()) == ["b"]


def test_a_sleeper_is_woken_for_who_was_let_in(
    store: Store, backend: Backend, actor: Actors, asleep: tuple[Actor, Waiter]
) -> None:
    """The step of another worker, after the window, lets in a message that it does not take: the sleeper does."""
    sleeper, waiter = asleep
    other = actor("other")
    add(backend, a_message("a", "other", limits=ONE))
    other.claim_one()
    add(backend, "b", limits=ONE)
    sleeper.step()
    waiter.drain()
    waiter.arm()
    store.advance(PER)
    other.step()
    assert rings(waiter)
    assert uuids(sleeper.claim()) == ["b"]


def test_a_step_tells_of_what_its_claim_has_let_in_aside(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """A claim that frees a place may let in a message that is set aside: the step that claims says that it waits."""
    mine, other = actor(facts=the_facts("t")), actor(facts=the_facts("v"))
    add(backend, "a", limits=ONE)
    claim = other.claim_one()
    store.advance(PER)
    add(backend, "b", limits=ONE)
    other.step(not_mine(claim), limit=0)
    assert states(backend, "a", "b") == ["waiting", "ready"]
    messages.revoke("q", "b")
    step = mine.step(limit=1)
    assert uuids(step.claimed) == ["b"]
    assert (state_of(backend, "a"), step.waiting) == ("ready", (mine.worker.kind,))
    assert uuids(mine.claim()) == ["a"]
