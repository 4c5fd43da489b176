"""Wake-ups: each message that becomes ready wakes one worker that may take it, and no wake-up is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import Waiter
from tests.contract.stores import Store
from tests.contract.workers import (
    LEASE,
    QUIET,
    Actor,
    Actors,
    a_message,
    add,
    by_hand,
    died,
    lost,
    released,
    replay,
    retried,
    succeeded,
    uuids,
    who_rings,
)
from tests.waiting import rings

Asleep = Callable[..., Waiter]


@pytest.fixture
def asleep() -> Iterator[Asleep]:
    """Lets a worker find nothing and fall asleep."""
    with ExitStack() as stack:

        def fall_asleep(worker: Actor) -> Waiter:
            assert worker.step().claimed == []
            waiter = stack.enter_context(closing(worker.waiter()))
            waiter.arm()
            return waiter

        yield fall_asleep


def test_a_waiter_says_how_long_to_rely_on_it(actor: Actors) -> None:
    """There is a safety net: a positive time after which a sleeping worker claims anyway."""
    with closing(actor().waiter()) as waiter:
        assert waiter.interval > 0


def test_without_a_message_there_is_no_wake(actor: Actors, asleep: Asleep) -> None:
    """A waiter on a store without new messages is not woken, and `drain` returns False without blocking."""
    waiter = asleep(actor())
    assert not rings(waiter, QUIET)
    assert not waiter.drain()


@pytest.mark.parametrize("queues", [(), ("q",), ("x", "q")])
def test_a_new_message_wakes(
    backend: Backend, actor: Actors, asleep: Asleep, queues: tuple[str, ...]
) -> None:
    """A worker that drains the queue, by name or as one of all, is woken by a message in it."""
    waiter = asleep(actor(*queues))
    add(backend, "a")
    assert rings(waiter)


def test_a_worker_is_woken_again_and_again(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """After each wake-up and claim the worker can sleep and be woken again."""
    worker = actor()
    waiter = asleep(worker)
    for n in range(5):
        add(backend, f"a{n}")
        assert rings(waiter)
        assert uuids(worker.claim()) == [f"a{n}"]
        waiter.arm()


def test_what_came_between_claim_and_arming_wakes(backend: Backend, actor: Actors) -> None:
    """A message that was added after the last claim, before the worker began to wait, wakes it."""
    worker = actor()
    with closing(worker.waiter()) as waiter:
        for n in range(5):
            worker.claim()
            add(backend, f"a{n}")
            waiter.arm()
            assert rings(waiter)
            assert uuids(worker.claim()) == [f"a{n}"]


def test_arming_twice_is_arming_once(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """Arming an armed waiter changes nothing."""
    waiter = asleep(actor())
    waiter.arm()
    add(backend, "a")
    assert rings(waiter)


def test_of_several_sleepers_one_is_woken(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """One message wakes one of those that may take it, not all."""
    waiters = [asleep(actor()) for _ in range(3)]
    add(backend, "a")
    assert len(who_rings(waiters)) == 1


def test_a_second_message_wakes_a_second_sleeper(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """As messages come one by one, sleepers are woken one by one."""
    waiters = [asleep(actor()) for _ in range(3)]
    for n, name in enumerate("abc"):
        add(backend, name)
        (awake,) = who_rings(waiters)
        waiters.pop(awake)
        assert len(waiters) == 2 - n


def test_a_claim_that_leaves_something_wakes_the_next(
    backend: Backend, actor: Actors, asleep: Asleep
) -> None:
    """A batch wakes one; the one it wakes takes what it can and wakes the next."""
    workers = [actor() for _ in range(3)]
    waiters = [asleep(worker) for worker in workers]
    add(backend, "a", "b", "c")
    awake: list[int] = []
    for _ in range(3):
        sleeping = [n for n in range(3) if n not in awake]
        heard = who_rings([waiters[n] for n in sleeping])
        assert len(heard) == 1
        awake.append(sleeping[heard[0]])
        assert len(workers[awake[-1]].claim(limit=1)) == 1


def test_passing_on_wakes_another(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """A worker that was woken but can't claim has another woken in its place."""
    waiters = [asleep(actor()) for _ in range(2)]
    add(backend, "a")
    (first,) = who_rings(waiters)
    waiters[first].pass_on()
    assert rings(waiters[1 - first])


def test_one_of_each_kind_is_woken(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """A message for any wakes one sleeper of each kind of pool: either kind alone might be busy."""
    waiters = [asleep(actor(kind=kind)) for kind in ("thread", "thread", "process", "process")]
    add(backend, "a")
    heard = who_rings(waiters, at_least=2)
    assert len(heard) == 2
    assert {n // 2 for n in heard} == {0, 1}


@pytest.mark.parametrize(("wish", "wakes"), [("thread", [0, 2]), ("process", [1, 2]), ("any", [0, 1, 2])])
def test_only_those_that_may_take_it_are_woken(
    backend: Backend, actor: Actors, asleep: Asleep, wish: str, wakes: list[int]
) -> None:
    """A message with a wish never wakes a pool of the other kind; a consumer is woken for all messages."""
    for n, kind in enumerate(("thread", "process", "any")):
        worker = actor(kind=kind)
        waiter = asleep(worker)
        add(backend, a_message(f"m{n}", wish=wish))
        assert rings(waiter, 3.0 if n in wakes else QUIET) == (n in wakes)
        waiter.close()
        backend.messages.remove("q", f"m{n}")
        worker.retire()


def test_other_queues_wake_nobody(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """A message in a queue that a worker doesn't drain does not wake it."""
    waiter = asleep(actor("other"))
    add(backend, "a")
    assert not rings(waiter, QUIET)
    add(backend, a_message("b", queue="other"))
    assert rings(waiter)


def test_a_batch_for_several_queues_wakes_their_workers(
    backend: Backend, actor: Actors, asleep: Asleep
) -> None:
    """Each queue of a batch has its own worker woken."""
    waiters = [asleep(actor("x")), asleep(actor("y")), asleep(actor("z"))]
    add(backend, a_message("a", queue="x"), a_message("b", queue="z"))
    assert who_rings(waiters, at_least=2) == [0, 2]


def test_a_queue_that_appears_later_wakes(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """A worker of all queues is woken for a queue that did not exist when it began to wait."""
    worker = actor()
    waiter = asleep(worker)
    for n in range(3):
        add(backend, a_message(f"a{n}", queue=f"new{n}"))
        assert rings(waiter)
        assert uuids(worker.claim()) == [f"a{n}"]
        waiter.arm()


def test_a_promotion_wakes_whoever_may_take_it(
    backend: Backend, store: Store, actor: Actors, asleep: Asleep
) -> None:
    """When one worker's step makes a delayed message ready, a sleeper that may take it is woken."""
    busy = actor("q")
    add(backend, a_message("a", delay=1_000, wish="process"))
    busy.step(limit=0)
    waiter = asleep(actor(kind="process"))
    rings(waiter, QUIET)
    waiter.arm()
    store.advance(1_000)
    busy.step(limit=0)
    assert rings(waiter)


def test_a_delayed_message_tells_a_sleeper_of_its_time(
    backend: Backend, actor: Actors, asleep: Asleep
) -> None:
    """A sleeper is woken by a message due earlier than it knows of, so that it can set its timer."""
    worker = actor()
    waiter = asleep(worker)
    add(backend, a_message("late", delay=60_000))
    assert rings(waiter)
    assert worker.step().next_due == 60_000
    waiter.arm()
    add(backend, a_message("soon", delay=1_000))
    assert rings(waiter)
    assert worker.step().next_due == 1_000


def test_a_delayed_message_between_claim_and_arming_is_not_missed(backend: Backend, actor: Actors) -> None:
    """A worker that begins to wait after a delayed message was added gets its due time too."""
    worker = actor()
    with closing(worker.waiter()) as waiter:
        assert worker.step().next_due is None
        add(backend, a_message("late", delay=60_000))
        waiter.arm()
        assert rings(waiter)
        assert worker.step().next_due == 60_000
        add(backend, a_message("soon", delay=1_000))
        waiter.arm()
        assert rings(waiter)


def _hold(backend: Backend, worker: Actor, *names: str) -> None:
    add(backend, *names)
    assert uuids(worker.claim()) == list(names)


def test_a_release_wakes(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """A message that is given back wakes a sleeping worker."""
    holder = actor()
    _hold(backend, holder, "a")
    waiter = asleep(actor())
    holder.step(released(holder.held()[0]), limit=0)
    assert rings(waiter)


def test_a_loss_wakes(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """A message of a dead process wakes a sleeping worker, also as a suspect."""
    holder = actor()
    _hold(backend, holder, "a", "b")
    one, two = holder.held()
    worker = actor()
    waiter = asleep(worker)
    holder.step(lost(one), limit=0)
    assert rings(waiter)
    worker.step(succeeded(worker.claim_one()), limit=0)
    waiter.arm()
    holder.step(lost(two, suspect=True), limit=0)
    assert rings(waiter)
    assert uuids(worker.claim()) == ["b"]


def test_a_worker_that_runs_a_suspect_does_not_wake_itself(backend: Backend, actor: Actors) -> None:
    """A worker is given nothing beside a suspect, so its step leaves no wake-up that could only reach itself."""
    holder = actor()
    _hold(backend, holder, "suspect")
    holder.step(lost(holder.held()[0], suspect=True), limit=0)
    worker = actor()
    assert worker.claim_one().suspect
    with closing(worker.waiter()) as waiter:
        add(backend, "a")
        waiter.arm()
        while who_rings([waiter], at_least=0):  # what became ready may have woken it
            waiter.arm()
        assert worker.claim() == []
        waiter.arm()
        assert not rings(waiter, QUIET)
    assert uuids(holder.claim()) == ["a"]


def test_a_retirement_wakes(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """A message of a retired worker wakes a sleeping worker."""
    holder = actor()
    _hold(backend, holder, "a")
    waiter = asleep(actor())
    holder.retire()
    assert rings(waiter)


def test_a_reconciliation_wakes(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """A message that a renewal gives back wakes a sleeping worker."""
    holder = actor()
    _hold(backend, holder, "a")
    waiter = asleep(actor())
    backend.messages.renew(holder.worker, holder.seq, [])
    assert rings(waiter)


def test_a_takeover_wakes(backend: Backend, store: Store, actor: Actors, asleep: Asleep) -> None:
    """A message that one worker's step takes over wakes a sleeping worker that may take it."""
    dead, noticing = actor(kind="process"), actor("elsewhere")
    add(backend, a_message("a", wish="process"))
    dead.claim_one()
    sleeper = actor(kind="process", lease=100 * LEASE)
    waiter = asleep(sleeper)
    for _ in range(3):
        store.advance(LEASE // 3 + 1)
        noticing.renew()
    noticing.step(limit=0)
    assert rings(waiter)
    assert uuids(sleeper.claim()) == ["a"]


def test_a_callback_wakes(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """A callback wakes a sleeper that may take it, in whichever queue and for whichever kind."""
    holder = actor("q")
    _hold(backend, holder, "a")
    waiter = asleep(actor("elsewhere", kind="process"))
    callback = a_message("b", queue="elsewhere", wish="process")
    holder.step(succeeded(holder.held()[0], callback=callback), limit=0)
    assert rings(waiter)


def test_a_retry_wakes(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """A retry without delay wakes a sleeper."""
    holder = actor()
    _hold(backend, holder, "a")
    waiter = asleep(actor())
    holder.step(retried(holder.held()[0]), limit=0)
    assert rings(waiter)


def test_a_replay_wakes(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """A dead letter taken back wakes a sleeper."""
    holder = actor()
    _hold(backend, holder, "a")
    holder.step(died(holder.held()[0]), limit=0)
    waiter = asleep(actor())
    replay(backend.messages, a_message("a"))
    assert rings(waiter)


def test_a_reschedule_wakes(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """A message rescheduled to now wakes a sleeper."""
    add(backend, a_message("a", delay=60_000))
    worker = actor()
    waiter = asleep(worker)
    rings(waiter, QUIET)
    waiter.arm()
    backend.messages.reschedule(by_hand("q", "a", b"now", 0))
    assert rings(waiter)
    assert uuids(worker.claim()) == ["a"]


def test_a_closed_waiter_takes_no_wake_from_others(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """A worker that has closed its waiter is not woken in place of another."""
    gone = asleep(actor())
    waiter = asleep(actor())
    gone.close()
    add(backend, "a")
    assert rings(waiter)


def test_no_wake_is_lost_in_a_race(backend: Backend, actor: Actors) -> None:
    """However submissions and waits interleave, every message is claimed after a wake-up."""
    worker, total = actor(), 60
    producer = threading.Thread(target=lambda: [add(backend, f"a{n}") for n in range(total)])
    claimed: list[str] = []
    with closing(worker.waiter()) as waiter:
        producer.start()
        while len(claimed) < total:
            step = worker.step(limit=4)
            claimed += uuids(step.claimed)
            worker.step(*(succeeded(c) for c in step.claimed), limit=0)
            if not step.claimed and len(claimed) < total:
                waiter.arm()
                assert rings(waiter), f"asleep for ever after {len(claimed)} of {total}"
        producer.join()
    assert sorted(claimed) == sorted(f"a{n}" for n in range(total))
