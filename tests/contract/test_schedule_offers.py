"""Offers: whose step has the names of schedules that are due, when it has them again, and who is woken for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from alsek.defaults import PROMOTION_BATCH, SCHEDULE_OFFER
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Limit
from tests.contract.schedules import fire, firing, put, record
from tests.contract.stores import START, Store
from tests.contract.workers import (
    LEASE,
    QUIET,
    Actor,
    Actors,
    a_message,
    add,
    released,
    state_of,
    the_facts,
    uuids,
    who_rings,
)
from tests.waiting import rings

SOON = START + 1_000
LATER = START + 60_000

Asleep = Callable[..., Waiter]


@pytest.fixture
def asleep() -> Iterator[Asleep]:
    """Lets a worker step, which finds nothing, and fall asleep."""
    with ExitStack() as stack:

        def fall_asleep(worker: Actor, *slots: str) -> Waiter:
            assert worker.step().claimed == []
            waiter = stack.enter_context(closing(worker.waiter(*slots)))  # type: ignore[arg-type]
            waiter.arm()
            return waiter

        yield fall_asleep


def offered(worker: Actor) -> tuple[str, ...]:
    """The schedules that the next step of a worker has; it claims nothing."""
    return worker.step(limit=0).schedules


def test_a_schedule_is_offered_when_it_is_due(store: Store, actor: Actors) -> None:
    """In the next step of a worker that fires schedules, whatever it may claim; not a millisecond before."""
    worker = actor("elsewhere", facts=firing())
    put(store.backend, "s", SOON)
    store.advance(999)
    assert offered(worker) == ()
    store.advance(1)
    assert offered(worker) == ("s",)


@pytest.mark.parametrize("kind", ["thread", "process", "thread-async", "process-async", "any"])
def test_workers_of_each_kind_fire(store: Store, actor: Actors, kind: str) -> None:
    """What they tell of themselves decides, also when a step claims messages."""
    worker = actor(kind=kind, facts=firing())
    add(store.backend, "a")
    put(store.backend, "s", START)
    step = worker.step()
    assert (step.schedules, uuids(step.claimed)) == (("s",), ["a"])


def test_several_are_offered_by_name(store: Store, actor: Actors) -> None:
    """All that are due, in alphabetical order, whenever that was; those that aren't are not among them."""
    worker = actor(facts=firing())
    for name, tick in (("c", START), ("é", START + 3), ("a", START + 5), ("b", START + 11), ("B", START)):
        put(store.backend, name, tick)
    store.advance(10)
    assert offered(worker) == ("B", "a", "c", "é")
    store.advance(1)
    assert offered(worker) == ("b",)


def test_it_is_offered_to_one_worker_at_a_time(store: Store, actor: Actors) -> None:
    """Then to nobody until the offer is over; then again, until it no longer stands at this tick."""
    workers = [actor(facts=firing()) for _ in range(2)]
    put(store.backend, "s", START)
    assert [offered(worker) for worker in workers] == [("s",), ()]
    for _ in range(3):
        store.advance(SCHEDULE_OFFER - 1)
        assert [offered(worker) for worker in workers] == [(), ()]
        store.advance(1)
        assert [offered(worker) for worker in reversed(workers)] == [("s",), ()]
    assert fire(store.backend, "s", START, LATER)
    store.advance(SCHEDULE_OFFER)
    assert [offered(worker) for worker in workers] == [(), ()]


def test_of_many_at_once_one_is_offered_it(store: Store, actor: Actors) -> None:
    """However many workers step at the same moment, each schedule that is due is in the answer to one of them."""
    workers = [actor(facts=firing()) for _ in range(6)]
    names = [f"s{n:02}" for n in range(20)]
    for name in names:
        put(store.backend, name, START)
    with ThreadPoolExecutor(len(workers)) as threads:
        for _ in range(5):
            found = [name for told in threads.map(offered, workers) for name in told]
            assert sorted(found) == names
            store.advance(SCHEDULE_OFFER)
            for worker in workers:
                worker.renew()


def test_a_repeated_step_offers_nothing(store: Store, actor: Actors) -> None:
    """If the reply that had the offer was lost, the schedule is offered again once that offer is over."""
    worker = actor(facts=firing())
    put(store.backend, "s", START)
    assert offered(worker) == ("s",)
    assert worker.again(limit=0).schedules == ()
    store.advance(SCHEDULE_OFFER)
    assert worker.again(limit=0).schedules == ()
    assert offered(worker) == ("s",)


def test_a_lost_worker_delays_a_tick_by_an_offer(store: Store, actor: Actors) -> None:
    """Its lease does not matter."""
    lost, other = actor(facts=firing()), actor(facts=firing())
    put(store.backend, "s", START)
    assert offered(lost) == ("s",)
    store.advance(SCHEDULE_OFFER)
    assert offered(other) == ("s",)


def test_the_next_offer_counts_as_what_is_due_next(store: Store, actor: Actors) -> None:
    """As the due time of a delayed message does; whatever is first."""
    backend, worker = store.backend, actor(facts=firing())
    assert worker.step(limit=0).next_due is None
    put(backend, "s", SOON)
    assert worker.step(limit=0).next_due == 1_000
    add(backend, a_message("later", delay=1_500), a_message("sooner", delay=700))
    assert worker.step(limit=0).next_due == 700
    store.advance(700)
    assert worker.step(limit=0).next_due == 300
    store.advance(300)
    step = worker.step(limit=0)
    assert (step.schedules, step.next_due) == (("s",), 500)
    fire(backend, "s", SOON, START + 1_200)
    assert worker.step(limit=0).next_due == 200


def test_after_an_offer_the_end_of_it_is_due_next(store: Store, actor: Actors) -> None:
    """So that somebody looks whether the tick was fired."""
    worker, other = actor(facts=firing()), actor(facts=firing())
    put(store.backend, "s", START)
    assert worker.step(limit=0).next_due == SCHEDULE_OFFER
    store.advance(400)
    assert other.step(limit=0).next_due == SCHEDULE_OFFER - 400
    fire(store.backend, "s", START, None)
    assert worker.step(limit=0).next_due is None


@pytest.mark.parametrize("facts", [None, the_facts("t"), the_facts("t", schedules=("s",))])
def test_workers_that_do_not_fire_leave_it_where_it_is(store: Store, actor: Actors, facts: object) -> None:
    """They are offered none, and come back no sooner than after a second; who fires gets it at once."""
    worker = actor(facts=facts)
    put(store.backend, "s", SOON)
    for _ in range(2):
        step = worker.step()
        assert step.schedules == ()
        store.advance(1_000)
    step = worker.step()
    assert step.schedules == ()
    assert step.next_due is not None
    assert step.next_due >= 1_000
    assert offered(actor(facts=firing())) == ("s",)


def test_what_is_left_hides_nothing_that_is_due(store: Store, actor: Actors) -> None:
    """For a worker that does not fire: messages that are delayed until then are told, and promoted when due."""
    backend, worker = store.backend, actor()
    put(backend, "s", START)
    add(backend, a_message("soon", delay=300), a_message("later", delay=500))
    assert worker.step().next_due == 300
    store.advance(300)
    step = worker.step()
    assert (uuids(step.claimed), step.next_due) == (["soon"], 200)
    store.advance(200)
    assert uuids(worker.claim()) == ["later"]


def test_what_is_left_hides_no_other_schedule(store: Store, actor: Actors) -> None:
    """A worker that fires gets all that are due, however long others have left them."""
    worker, other = actor(facts=firing()), actor()
    put(store.backend, "old", START)
    put(store.backend, "new", SOON)
    store.advance(1_000)
    other.step()
    put(store.backend, "newest", START + 1_400)
    assert offered(worker) == ("new", "old")
    store.advance(400)
    other.step()
    assert offered(worker) == ("newest",)


def test_facts_decide_as_they_are_now(store: Store, actor: Actors) -> None:
    """A worker that registers again may fire from then on, or no longer; without facts it stays as it was."""
    worker = actor()
    put(store.backend, "s", START)
    assert offered(worker) == ()
    store.backend.messages.register(worker.worker, firing())
    assert offered(worker) == ("s",)
    store.advance(SCHEDULE_OFFER)
    store.backend.messages.register(worker.worker)
    assert offered(worker) == ("s",)
    store.advance(SCHEDULE_OFFER)
    store.backend.messages.register(worker.worker, the_facts())
    assert offered(worker) == ()


def test_what_it_tells_of_itself_is_shown(backend: Backend, actor: Actors) -> None:
    """Whether it fires, and which schedules its code declares."""
    facts = firing(schedules=("b", "a|;\n", "é"))
    actor(facts=facts)
    (shown,) = backend.messages.workers()
    assert shown.facts == facts


def test_a_paused_schedule_is_not_offered(store: Store, actor: Actors) -> None:
    """Nor does it count as due; when it is resumed, the tick that is given then is offered when it is due."""
    backend, worker = store.backend, actor(facts=firing())
    put(backend, "s", SOON)
    backend.schedules.pause("s", "me")
    store.advance(2_000)
    step = worker.step(limit=0)
    assert (step.schedules, step.next_due) == ((), None)
    backend.schedules.resume("s", "r1", START + 2_500)
    assert worker.step(limit=0).next_due == 500
    store.advance(500)
    assert offered(worker) == ("s",)


def test_a_pause_ends_an_offer(store: Store, actor: Actors) -> None:
    """What was offered before is not fired, and is not offered again; resumed at the same tick, it is at once."""
    backend, worker = store.backend, actor(facts=firing())
    put(backend, "s", START)
    assert offered(worker) == ("s",)
    backend.schedules.pause("s", "me")
    assert fire(backend, "s", START, LATER) is None
    store.advance(SCHEDULE_OFFER)
    assert offered(worker) == ()
    backend.schedules.resume("s", "r1", START)
    assert offered(worker) == ("s",)


def test_a_change_of_a_paused_schedule_is_not_offered(store: Store, actor: Actors) -> None:
    """A pause stays, whatever tick the schedule is given."""
    backend, worker = store.backend, actor(facts=firing())
    put(backend, "s", LATER)
    backend.schedules.pause("s", "me")
    put(backend, "s", START, "r2", expected="r1")
    step = worker.step(limit=0)
    assert (step.schedules, step.next_due) == ((), None)


@pytest.mark.parametrize("end", ["removed", "no tick", "fired for the last time", "left out for good"])
def test_what_stands_at_no_tick_is_not_offered(store: Store, actor: Actors, end: str) -> None:
    """Nor does it count as due."""
    backend, worker = store.backend, actor(facts=firing())
    put(backend, "s", SOON)
    if end == "removed":
        backend.schedules.remove("s")
    elif end == "no tick":
        put(backend, "s", None, "r2", expected="r1")
    else:
        assert fire(backend, "s", SOON, None, None if end.startswith("fired") else []) is not None
    store.advance(1_000)
    step = worker.step(limit=0)
    assert (step.schedules, step.next_due) == ((), None)


def test_a_tick_that_is_due_already_is_offered_at_once(store: Store, actor: Actors) -> None:
    """Whoever goes on to a tick in the past gets it in his next step: nothing of the last offer is left."""
    backend, worker = store.backend, actor(facts=firing())
    store.advance(10_000)
    put(backend, "s", START)
    for tick in range(START, START + 5):
        step = worker.step(limit=0)
        assert step.schedules == ("s",)
        fire(backend, "s", tick, tick + 1)
    assert offered(worker) == ("s",)


@pytest.mark.parametrize("tick", [START - 500, START + 300, LATER])
def test_a_changed_schedule_is_offered_at_its_new_tick(store: Store, actor: Actors, tick: int) -> None:
    """Be it earlier or later than that at which it stood; the offer of the old one is over."""
    backend, worker = store.backend, actor(facts=firing())
    put(backend, "s", START)
    assert offered(worker) == ("s",)
    put(backend, "s", tick, "r2", expected="r1")
    assert worker.step(limit=0).next_due == (SCHEDULE_OFFER if tick < START else tick - START)
    store.advance(max(tick - START, SCHEDULE_OFFER))
    assert offered(worker) == ("s",)


def test_a_refused_call_changes_no_offer(store: Store, actor: Actors) -> None:
    """What finds another revision or tick neither hastens nor delays it."""
    backend, worker = store.backend, actor(facts=firing())
    put(backend, "s", SOON)
    assert backend.schedules.put("s", b"{}", "r2", START, "r0") is None
    assert backend.schedules.put("s", b"{}", "r1", START) is not None
    assert fire(backend, "s", LATER, LATER + 1) is None
    assert not backend.schedules.resume("s", "r1", START)
    assert worker.step(limit=0).next_due == 1_000


def test_a_step_offers_no_more_than_a_batch(store: Store, actor: Actors) -> None:
    """Those first that are due first; the next step has the rest, and is due at once."""
    worker = actor(facts=firing())
    count = PROMOTION_BATCH + 20
    for n in range(count):
        put(store.backend, f"s{n % 10}{n:04}", START + n)
    store.advance(count)
    step = worker.step(limit=0)
    assert sorted(int(name[2:]) for name in step.schedules) == list(range(PROMOTION_BATCH))
    assert list(step.schedules) == sorted(step.schedules)
    assert step.next_due == 0
    rest = worker.step(limit=0)
    assert sorted(int(name[2:]) for name in rest.schedules) == list(range(PROMOTION_BATCH, count))
    assert rest.next_due == SCHEDULE_OFFER


def test_many_that_are_left_hold_up_no_message(store: Store, actor: Actors) -> None:
    """A worker that does not fire promotes what is due, however many schedules are overdue."""
    worker = actor()
    for n in range(PROMOTION_BATCH + 20):
        put(store.backend, f"s{n}", START)
    add(store.backend, a_message("a", delay=1), a_message("later", delay=700))
    store.advance(1)
    step = worker.step()
    assert uuids(step.claimed) == ["a"]
    assert step.next_due == 699


def test_schedules_and_messages_that_are_due_together(store: Store, actor: Actors) -> None:
    """One step promotes the messages, and offers the schedules."""
    backend, worker = store.backend, actor(facts=firing())
    add(backend, *(a_message(f"m{n}", delay=n + 1) for n in range(5)))
    for n in range(5):
        put(backend, f"s{n}", START + n)
    store.advance(10)
    step = worker.step()
    assert uuids(step.claimed) == [f"m{n}" for n in range(5)]
    assert step.schedules == tuple(f"s{n}" for n in range(5))


def test_schedules_beside_a_limit(store: Store, actor: Actors) -> None:
    """A rate lets in what waits for it, and a schedule is offered, each at its time."""
    backend, worker = store.backend, actor(facts=firing())
    rate = (Limit("k", 1, 2_000),)
    add(backend, a_message("a", limits=rate), a_message("b", limits=rate))
    put(backend, "s", SOON)
    assert uuids(worker.claim()) == ["a"]
    assert worker.step(limit=0).next_due == 1_000
    store.advance(1_000)
    step = worker.step(limit=0)
    assert (step.schedules, step.next_due) == (("s",), 1_000)
    fire(backend, "s", SOON, LATER, [])
    assert worker.step(limit=0).next_due == 1_000
    store.advance(1_000)
    assert uuids(worker.claim()) == ["b"]
    assert worker.step(limit=0).next_due == LATER - START - 2_000


def test_an_offer_changes_nothing_that_is_stored(store: Store, actor: Actors) -> None:
    """It is seen in steps alone."""
    put(store.backend, "s", START)
    before = record(store.backend, "s")
    assert offered(actor(facts=firing())) == ("s",)
    assert record(store.backend, "s") == before
    assert store.backend.messages.queues() == []


def test_a_new_schedule_wakes(store: Store, actor: Actors, asleep: Asleep) -> None:
    """A worker that sleeps learns of the tick, be it due already or later, and whatever it knew to be due."""
    backend, worker = store.backend, actor(facts=firing())
    waiter = asleep(worker)
    put(backend, "s", SOON)
    assert rings(waiter)
    assert worker.step().next_due == 1_000
    waiter.arm()
    put(backend, "t", START + 500)
    assert rings(waiter)
    assert worker.step().next_due == 500
    waiter.arm()
    put(backend, "u", START)
    assert rings(waiter)
    assert worker.step().schedules == ("u",)


@pytest.mark.parametrize("slot", ["thread", "coroutine"])
def test_a_waiter_of_one_slot_is_woken(store: Store, actor: Actors, asleep: Asleep, slot: str) -> None:
    """Whichever of its slots a worker sleeps for."""
    waiter = asleep(actor(kind="thread-async", facts=firing()), slot)
    put(store.backend, "s", SOON)
    assert rings(waiter)


@pytest.mark.parametrize("kind", ["thread", "process", "thread-async", "process-async", "any"])
def test_a_worker_of_one_queue_is_woken(store: Store, actor: Actors, asleep: Asleep, kind: str) -> None:
    """Its queues don't matter, nor its kind."""
    waiter = asleep(actor("one", "two", kind=kind, facts=firing()))
    put(store.backend, "s", SOON)
    assert rings(waiter)


def test_of_all_that_sleep_one_is_woken_that_fires(store: Store, actor: Actors, asleep: Asleep) -> None:
    """However many sleep that don't, and whichever has slept longest."""
    others = [asleep(actor(facts=the_facts())), asleep(actor("q")), asleep(actor(kind="process"))]
    waiter = asleep(actor("elsewhere", kind="process", facts=firing()))
    more = [asleep(actor())]
    put(store.backend, "s", SOON)
    assert rings(waiter)
    del others, more


def test_a_change_to_an_earlier_tick_wakes(store: Store, actor: Actors, asleep: Asleep) -> None:
    """A put in place, a resume, and a fire that goes on to a tick before all that is known to be due."""
    backend, worker, other = store.backend, actor(facts=firing()), actor(facts=firing())
    put(backend, "s", LATER)
    waiter = asleep(worker)
    put(backend, "s", SOON, "r2", expected="r1")
    assert rings(waiter)
    backend.schedules.pause("s", "me")
    assert worker.step().next_due is None
    waiter.arm()
    backend.schedules.resume("s", "r2", START)
    assert rings(waiter)
    assert worker.step().schedules == ("s",)
    assert other.step().next_due == SCHEDULE_OFFER
    waiter.arm()
    fire(backend, "s", START, START + 100, revision="r2")
    assert rings(waiter)
    assert worker.step().next_due == 100


def test_what_came_between_step_and_arming_wakes(store: Store, actor: Actors) -> None:
    """A schedule that was put after the last step, before the worker began to wait, wakes it."""
    backend, worker = store.backend, actor(facts=firing())
    with closing(worker.waiter()) as waiter:
        worker.step()
        put(backend, "s", SOON)
        waiter.arm()
        assert rings(waiter)
        assert worker.step().next_due == 1_000
        store.advance(1_000)
        assert worker.step().schedules == ("s",)


def test_what_others_fire_keeps_nobody_awake(store: Store, actor: Actors, asleep: Asleep) -> None:
    """A worker that does not fire sleeps beside what is overdue: it has a timer of a second at least."""
    put(store.backend, "s", START)
    waiter = asleep(actor(facts=the_facts()))
    assert not rings(waiter, QUIET)
    store.advance(999)
    assert not rings(waiter, QUIET)


def test_a_wake_up_is_passed_on(store: Store, actor: Actors, asleep: Asleep) -> None:
    """A worker that was woken for a schedule, and can't step now, wakes another one."""
    first, second = asleep(actor(facts=firing())), asleep(actor(facts=firing()))
    put(store.backend, "s", SOON)
    woken = who_rings([first, second])
    assert woken
    if len(woken) == 1:
        (first if woken == [0] else second).pass_on()
        assert rings(second if woken == [0] else first)


def test_offers_go_on_beside_work(store: Store, actor: Actors) -> None:
    """A worker that holds messages is offered schedules, and one whose claims are taken over loses no offer."""
    backend, worker, other = store.backend, actor(facts=firing()), actor(facts=firing())
    add(backend, "a")
    put(backend, "s", SOON)
    claim = worker.claim_one()
    store.advance(1_000)
    assert worker.step(limit=0).schedules == ("s",)
    assert worker.step(released(claim), limit=0).schedules == ()
    assert state_of(backend, "a") == "ready"
    for _ in range(4):
        store.advance(LEASE // 3)
        other.renew()
    step = other.step(limit=0)
    assert (step.schedules, [lost.worker for lost in step.taken_over]) == (("s",), [worker.worker.id])
