"""Wake-ups for messages of ``async def`` tasks: those are woken that have slots for them, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.kinds import WISHES, SlotKind
from alsek.storage.backends.ports import MessagePort, Waiter
from alsek.types import Wish
from tests.contract.stores import Store
from tests.contract.workers import (
    QUIET,
    Actor,
    Actors,
    a_message,
    add,
    not_mine,
    released,
    the_facts,
    uuids,
    who_rings,
)
from tests.waiting import rings

Asleep = Callable[..., Waiter]


@pytest.fixture
def asleep() -> Iterator[Asleep]:
    """Lets a worker find nothing and fall asleep."""
    with ExitStack() as stack:

        def fall_asleep(worker: Actor, slot: SlotKind | None = None) -> Waiter:
            assert worker.step().claimed == []
            waiter = stack.enter_context(closing(worker.waiter(slot)))
            waiter.arm()
            return waiter

        yield fall_asleep


@pytest.mark.parametrize(
    ("wish", "woken"),
    [
        ("any", ["thread", "process"]),
        ("thread", ["thread"]),
        ("process", ["process"]),
        ("any-async", ["coroutine", "process-async"]),
        ("thread-async", ["coroutine"]),
    ],
)
@pytest.mark.parametrize("queues", [(), ("q",)])
def test_a_message_wakes_one_of_each_kind(
    backend: Backend, actor: Actors, asleep: Asleep, wish: Wish, woken: list[str], queues: tuple[str, ...]
) -> None:
    """A coroutine's message wakes a pool of threads with coroutines, and one of processes if that may take it."""
    sleepers = {
        "thread": asleep(actor(*queues, kind="thread")),
        "process": asleep(actor(*queues, kind="process")),
        "coroutine": asleep(actor(*queues, kind="thread-async"), "coroutine"),
    }
    if wish == "any-async":
        sleepers["process-async"] = asleep(actor(*queues, kind="process-async"), "process")
    add(backend, a_message("a", wish=wish))
    heard = who_rings(list(sleepers.values()), at_least=len(woken))
    assert sorted(list(sleepers)[n] for n in heard) == sorted(woken)


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("queues", [(), ("q",)])
def test_a_consumer_is_woken_for_all(
    backend: Backend, actor: Actors, asleep: Asleep, wish: Wish, queues: tuple[str, ...]
) -> None:
    """Whatever a message asks for."""
    waiter = asleep(actor(*queues, kind="any"))
    add(backend, a_message("a", wish=wish))
    assert rings(waiter)


def test_of_several_sleepers_one_is_woken(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """One message wakes one of those whose coroutines are free."""
    waiters = [asleep(actor(kind="thread-async"), "coroutine") for _ in range(3)]
    add(backend, a_message("a", wish="any-async"))
    assert len(who_rings(waiters)) == 1


def test_each_kind_of_slot_is_woken_for_its_own(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """Of one worker's two waiters the one is woken that has a slot for the message."""
    worker = actor(kind="thread-async")
    waiters = [asleep(worker, "thread"), asleep(worker, "coroutine")]
    add(backend, a_message("c", wish="any-async"))
    assert who_rings(waiters) == [1]
    add(backend, a_message("t", wish="any"))
    assert who_rings(waiters) == [0]


def test_a_full_kind_is_not_woken(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """A worker that has armed one of its kinds sleeps on, whatever waits for the other."""
    worker = actor(kind="thread-async")
    waiter = asleep(worker, "coroutine")
    add(backend, a_message("t", wish="any"))
    assert not rings(waiter, QUIET)
    with closing(worker.waiter("thread")) as other:
        other.arm()
        assert rings(other)
    assert not rings(waiter, QUIET)


@pytest.mark.parametrize("wish", ["any-async", "thread"])
def test_what_came_before_arming_wakes(backend: Backend, actor: Actors, wish: Wish) -> None:
    """A message that came between the last claim and arming wakes the waiter of its slot kind, and no other."""
    worker = actor(kind="thread-async")
    worker.step()
    with closing(worker.waiter("thread")) as threads, closing(worker.waiter("coroutine")) as coroutines:
        add(backend, a_message("a", wish=wish))
        threads.arm()
        coroutines.arm()
        assert who_rings([threads, coroutines]) == [int(wish == "any-async")]


@pytest.mark.parametrize(
    ("kind", "wish"),
    [
        *(("thread-async", wish) for wish in ("any", "thread", "any-async", "thread-async")),
        *(("process-async", wish) for wish in ("any", "process", "any-async")),
    ],
)
def test_without_a_kind_of_slot_it_is_woken_for_all(
    backend: Backend, actor: Actors, asleep: Asleep, kind: str, wish: Wish
) -> None:
    """One waiter for all that the worker takes."""
    waiter = asleep(actor(kind=kind))
    add(backend, a_message("a", wish=wish))
    assert rings(waiter)


def test_a_claim_that_leaves_coroutines_wakes_the_next(
    backend: Backend, actor: Actors, asleep: Asleep
) -> None:
    """Whatever is left for the other slot kind."""
    workers = [actor(kind="thread-async") for _ in range(2)]
    waiters = [asleep(worker, "coroutine") for worker in workers]
    add(backend, *(a_message(name, wish="any-async") for name in "ab"))
    (first,) = who_rings(waiters)
    assert uuids(workers[first].claim(limit={"coroutine": 1})) == ["a"]
    assert who_rings([waiters[1 - first]]) == [0]


def test_passing_on_wakes_another(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """A worker that was woken for a coroutine but can't start one has another woken in its place."""
    waiters = [asleep(actor(kind="thread-async"), "coroutine") for _ in range(2)]
    add(backend, a_message("a", wish="thread-async"))
    (first,) = who_rings(waiters)
    waiters[first].pass_on()
    assert who_rings([waiters[1 - first]]) == [0]


def test_what_is_given_back_wakes(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """As a new message does."""
    holder = actor(kind="thread-async")
    add(backend, a_message("a", wish="thread-async"))
    claimed = holder.claim_one()
    waiter = asleep(actor(kind="thread-async"), "coroutine")
    holder.step(released(claimed), limit=0)
    assert rings(waiter)


def test_a_delayed_one_that_is_due_first_wakes(
    backend: Backend, store: Store, actor: Actors, asleep: Asleep
) -> None:
    """A worker with coroutines must know of it, to set its timer."""
    waiter = asleep(actor(kind="thread-async"), "coroutine")
    add(backend, a_message("a", wish="any-async", delay=700))
    assert rings(waiter)


def test_what_is_set_aside_wakes_who_has_its_task(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """Whatever queues that worker serves, and only for the slot kind that it takes up."""
    first = actor(kind="thread-async", facts=the_facts("u"))
    mine = actor("own", kind="thread-async", facts=the_facts("t"))
    add(backend, a_message("a", wish="any-async"))
    claimed = first.claim_one()
    waiter = asleep(mine, "coroutine")
    first.step(not_mine(claimed), limit=0)
    assert rings(waiter)
    assert uuids(mine.claim()) == ["a"]


def test_a_resumed_queue_wakes(
    backend: Backend, messages: MessagePort, actor: Actors, asleep: Asleep
) -> None:
    """For what has waited in it."""
    messages.pause("q", "ada")
    add(backend, a_message("a", wish="any-async"))
    workers = [actor(kind="thread-async"), actor(kind="process-async")]
    waiters = [asleep(workers[0], "coroutine"), asleep(workers[1])]
    for worker, waiter in zip(workers, waiters, strict=True):
        while rings(waiter, QUIET):  # the message that came in may have woken it once
            assert worker.claim() == []
            waiter.arm()
    messages.resume("q")
    assert who_rings(waiters, at_least=2) == [0, 1]
