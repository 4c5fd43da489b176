"""Moves to another store: schedules go along, and each tick is fired in one of the two."""

from __future__ import annotations

from contextlib import closing

import pytest

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.copies import NAME_USED, CopyKind, ScheduleCopy
from tests.contract.schedules import fire, firing, names, put, record
from tests.contract.stores import START, Store
from tests.contract.test_schedules import ODD_NAMES
from tests.contract.test_transfer import Pair, copies_of, move_all
from tests.contract.workers import Actors, an_actor
from tests.waiting import rings

SOON = START + 1_000
LATER = START + 60_000


@pytest.fixture
def target(store: Store) -> Backend:
    """Another namespace of the store."""
    return store.open(f"{store.namespace}-target")


def fill(backend: Backend, store: Store) -> None:
    """Schedules in each state."""
    put(backend, "new", SOON, definition=b'\x00\xff{"a": 1}\n')
    put(backend, "fired", START)
    fire(backend, "fired", START, SOON)
    put(backend, "ended", START)
    fire(backend, "ended", START, None)
    put(backend, "never", None)
    put(backend, "paused", SOON)
    store.advance(5)
    backend.schedules.pause("paused", "me; |é")


@pytest.mark.parametrize("most", [1, 2, 100])
def test_schedules_go_along(store: Store, target: Backend, most: int) -> None:
    """With all that is known of them, and nothing is left."""
    fill(store.backend, store)
    before = store.backend.schedules.get()
    move_all(store.backend, target, most)
    assert target.schedules.get() == before
    assert store.backend.schedules.get() == []
    assert copies_of(store.backend, CopyKind.SCHEDULE) == []


def test_names_go_along_whatever_they_are(store: Store, target: Backend) -> None:
    """And each can be fired there."""
    for name in ODD_NAMES:
        put(store.backend, name, START)
    move_all(store.backend, target, 4)
    assert an_actor(target, facts=firing()).step(limit=0).schedules == tuple(sorted(ODD_NAMES))
    assert all(fire(target, name, START, LATER) for name in ODD_NAMES)


def test_they_are_offered_there_and_not_here(store: Store, target: Backend, actor: Actors) -> None:
    """At the same ticks; those that are paused or ended are not."""
    fill(store.backend, store)
    move_all(store.backend, target)
    here, there = actor(facts=firing()), an_actor(target, facts=firing())
    assert here.step(limit=0).next_due is None
    assert there.step(limit=0).next_due == 995
    store.advance(995)
    assert here.step(limit=0).schedules == ()
    assert there.step(limit=0).schedules == ("fired", "new")
    assert fire(store.backend, "new", SOON, LATER) is None
    assert fire(target, "new", SOON, LATER)
    assert target.schedules.resume("paused", "r1", SOON)
    assert there.step(limit=0).schedules == ("paused",)


def test_a_sleeping_worker_there_is_woken(store: Store, target: Backend) -> None:
    """It learns of the ticks of what arrives."""
    worker = an_actor(target, facts=firing())
    put(store.backend, "s", SOON)
    worker.step()
    with closing(worker.waiter()) as waiter:
        waiter.arm()
        move_all(store.backend, target)
        assert rings(waiter)
        assert worker.step().next_due == 1_000


def test_only_unchanged_schedules_are_taken_out(store: Store, target: Backend) -> None:
    """Not what was fired, changed, paused, resumed or removed since it was copied."""
    source = store.backend
    for name in ("changed", "fired", "paused", "removed", "resumed", "same"):
        put(source, name, SOON)
    source.schedules.pause("resumed", "me")
    copies = copies_of(source, CopyKind.SCHEDULE)
    put(source, "changed", SOON, "r2", expected="r1")
    fire(source, "fired", SOON, LATER)
    source.schedules.pause("paused", "me")
    source.schedules.remove("removed")
    source.schedules.resume("resumed", "r1", SOON)
    taken = Pair(source, target).take("batch", copies)
    assert [copy.key[1] for copy, was in zip(copies, taken, strict=True) if was] == ["same"]
    assert names(source) == ["changed", "fired", "paused", "resumed"]


def test_a_schedule_that_was_fired_and_a_tick_left_out_stays(store: Store, target: Backend) -> None:
    """One that has gone on to another tick in any way is not as it was copied."""
    source = store.backend
    put(source, "s", SOON)
    copies = copies_of(source, CopyKind.SCHEDULE)
    fire(source, "s", SOON, LATER, [])
    assert Pair(source, target).take("batch", copies) == [False]


def test_the_target_keeps_what_it_has(store: Store, target: Backend) -> None:
    """One of a name that is used there is refused; one that came meanwhile stays."""
    source = store.backend
    put(source, "s", SOON)
    put(source, "t", SOON)
    put(target, "s", LATER, "own")
    copies = copies_of(source, CopyKind.SCHEDULE)
    assert target.transfer.refusals(copies) == [NAME_USED, ""]
    pair = Pair(source, target)
    pair.stage("batch")
    assert pair.take("batch", copies) == [True, True]
    for _ in range(2):
        assert pair.commit("batch", copies) == ["s"]
    assert record(target, "s").revision == "own"
    assert record(target, "t").next_at == SOON


def test_each_step_can_be_repeated(store: Store, target: Backend) -> None:
    """After a lost reply nothing changes, whatever has happened since."""
    source = store.backend
    put(source, "s", SOON)
    copies = copies_of(source, CopyKind.SCHEDULE)
    assert isinstance(copies[0], ScheduleCopy)
    pair = Pair(source, target)
    pair.stage("batch")
    assert pair.take("batch", copies) == [True]
    put(source, "s", LATER, "r2")
    assert pair.take("batch", copies) == [True]
    assert record(source, "s").revision == "r2"
    assert pair.commit("batch", copies) == []
    fire(target, "s", SOON, LATER)
    assert pair.commit("batch", copies) == []
    assert record(target, "s").next_at == LATER


def test_they_can_come_back(store: Store, target: Backend) -> None:
    """Nothing remembers that they were here."""
    fill(store.backend, store)
    before = store.backend.schedules.get()
    move_all(store.backend, target)
    move_all(target, store.backend)
    assert store.backend.schedules.get() == before
    assert target.schedules.get() == []
