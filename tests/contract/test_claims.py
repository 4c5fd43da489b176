"""Claims: which worker gets which message, in which order, and the rest of the answer."""

from __future__ import annotations

from typing import get_args

import pytest

from alsek.defaults import PROMOTION_BATCH
from alsek.exceptions import WorkerUnknownError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.kinds import SLOTS_OF, SlotKind, WorkerKind
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import Claimed, Step, TaskStatus
from tests.contract.stores import Store
from tests.contract.workers import Actors, a_message, add, state_of, status_of, succeeded, uuids


def test_an_empty_store_hands_out_nothing(actor: Actors) -> None:
    """A step on an empty store has an empty answer."""
    assert actor().step() == Step([], [], None, (), False, [], [])


def test_a_claimed_message_is_told_whole(backend: Backend, actor: Actors) -> None:
    """A claim has the message as it was submitted. From then on its status is RUNNING, and the worker holds it."""
    worker = actor()
    add(backend, "a")
    claimed = worker.claim_one()
    assert claimed == Claimed("a", "q", b"payload of a", claimed.token)
    assert claimed.token > 0
    assert state_of(backend, "a") == "claimed"
    assert status_of(backend, "a") == TaskStatus.RUNNING
    assert worker.held() == [claimed]
    assert backend.messages.count("q") == 1


def test_no_message_is_handed_out_twice(backend: Backend, actor: Actors) -> None:
    """A message that one worker holds is not claimed by another."""
    one, two = actor(), actor()
    add(backend, "a", "b")
    assert uuids(one.claim(limit=1)) == ["a"]
    assert uuids(two.claim()) == ["b"]
    assert one.claim() == two.claim() == []


def test_the_limit_is_kept(backend: Backend, actor: Actors) -> None:
    """A step claims no more than the limit, however many messages the worker holds already."""
    worker = actor()
    add(backend, *"abcdef")
    assert uuids(worker.claim(limit=2)) == ["a", "b"]
    assert uuids(worker.claim(limit=3)) == ["c", "d", "e"]
    assert uuids(worker.claim(limit=3)) == ["f"]
    assert uuids(worker.held()) == list("abcdef")


def test_a_limit_of_nothing_claims_nothing_but_promotes(
    backend: Backend, store: Store, actor: Actors
) -> None:
    """A step with limit 0 still makes due messages ready."""
    worker = actor()
    add(backend, a_message("a", delay=500))
    store.advance(500)
    step = worker.step(limit=0)
    assert (step.claimed, step.waiting, step.next_due) == ([], ("thread",), None)
    assert state_of(backend, "a") == "ready"


def test_queues_are_drained_in_the_order_given(backend: Backend, actor: Actors) -> None:
    """A worker's first queue is emptied before its second, whatever the priorities in them."""
    worker = actor("z", "a")
    add(backend, a_message("a1", queue="a", priority=0), a_message("z1", queue="z", priority=9))
    add(backend, a_message("m1", queue="m"))
    add(backend, a_message("z2", queue="z", priority=5))
    assert uuids(worker.claim()) == ["z2", "z1", "a1"]
    assert state_of(backend, "m1", "m") == "ready"


def test_without_queues_all_are_drained_in_alphabetical_order(backend: Backend, actor: Actors) -> None:
    """A worker that names no queue takes from all queues in alphabetical order, also those created later."""
    worker = actor()
    add(backend, a_message("b1", queue="b"), a_message("a1", queue="a"), a_message("c1", queue="c"))
    assert uuids(worker.claim()) == ["a1", "b1", "c1"]
    add(backend, a_message("new", queue="aa"), a_message("b2", queue="b"))
    assert uuids(worker.claim()) == ["new", "b2"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("thread", ["any", "thread"]), ("process", ["any", "process"]), ("any", ["any", "process", "thread"])],
)
def test_wishes_are_respected(backend: Backend, actor: Actors, kind: str, expected: list[str]) -> None:
    """A pool claims messages whose wish is its kind or "any"; a consumer claims all."""
    add(backend, *(a_message(wish, wish=wish) for wish in ("any", "thread", "process")))
    assert sorted(uuids(actor(kind=kind).claim())) == expected


def test_wishes_are_merged_by_priority_and_arrival(backend: Backend, actor: Actors) -> None:
    """Messages with the wish "any" and with the worker's kind are claimed in one common order."""
    wishes = ["any", "thread", "thread", "any", "any", "thread"]
    priorities = [1, 1, 0, 0, 1, 0]
    for n, (wish, priority) in enumerate(zip(wishes, priorities, strict=True)):
        add(backend, a_message(f"m{n}", wish=wish, priority=priority))
    assert uuids(actor().claim(limit=4)) == ["m2", "m3", "m5", "m0"]
    assert uuids(actor(kind="any").claim()) == ["m1", "m4"]


def test_tokens_grow_and_never_repeat(backend: Backend, actor: Actors) -> None:
    """Each claim has a greater token than every claim before it, of any worker."""
    one, two = actor(), actor(kind="any")
    tokens = []
    for n in range(6):
        add(backend, f"a{n}", f"b{n}")
        for worker in (one, two):
            claimed = worker.claim_one()
            tokens.append(claimed.token)
            worker.step(succeeded(claimed), limit=0)
    assert tokens == sorted(set(tokens))


def test_waiting_says_whether_something_is_left(backend: Backend, actor: Actors) -> None:
    """The answer says if messages are left that this worker may take."""
    worker = actor("q")
    add(backend, "a", "b")
    add(backend, a_message("not-its-kind", wish="process"), a_message("not-its-queue", queue="other"))
    assert worker.step(limit=1).waiting
    assert not worker.step(limit=1).waiting
    assert not worker.step(limit=1).waiting


def test_next_due_counts_down(backend: Backend, store: Store, actor: Actors) -> None:
    """The answer says in how many milliseconds the next delayed message is due."""
    worker = actor()
    add(backend, a_message("late", delay=5_000), a_message("soon", delay=1_000))
    assert worker.step().next_due == 1_000
    store.advance(400)
    assert worker.step().next_due == 600
    store.advance(600)
    step = worker.step()
    assert (uuids(step.claimed), step.next_due) == (["soon"], 4_000)
    store.advance(4_000)
    step = worker.step()
    assert (uuids(step.claimed), step.next_due) == (["late"], None)


def test_a_delayed_message_takes_its_place_when_it_becomes_ready(
    backend: Backend, store: Store, actor: Actors
) -> None:
    """Among equal priorities it goes behind what became ready before it, ahead of what came after."""
    worker = actor()
    add(backend, a_message("delayed", delay=100))
    add(backend, "before")
    store.advance(100)
    worker.step(limit=0)
    add(backend, "after")
    assert uuids(worker.claim()) == ["before", "delayed", "after"]


def test_delayed_messages_become_ready_in_the_order_of_their_times(
    backend: Backend, store: Store, actor: Actors
) -> None:
    """Due messages are claimed by priority, then in the order in which they were due."""
    add(backend, a_message("third", delay=300), a_message("first", delay=100), a_message("second", delay=200))
    add(backend, a_message("urgent", delay=250, priority=0))
    add(backend, a_message("idle", delay=50, priority=7))
    store.advance(300)
    assert uuids(actor().claim()) == ["first", "second", "urgent", "third", "idle"]


def test_a_step_promotes_a_bounded_number(backend: Backend, store: Store, actor: Actors) -> None:
    """A step makes a bounded number of due messages ready, and says that more are due."""
    worker = actor()
    total = PROMOTION_BATCH + 20
    add(backend, *(a_message(f"m{n}", delay=100, status_ttl=0) for n in range(total)))
    store.advance(100)
    step = worker.step(limit=1)
    assert len(step.claimed) == 1
    assert step.next_due == 0
    delayed = [stored for stored in backend.messages.browse("q") if stored.state == "delayed"]
    assert len(delayed) == total - PROMOTION_BATCH
    assert worker.step(limit=1).next_due is None


def test_due_messages_that_a_worker_may_not_take_do_not_keep_it_busy(
    backend: Backend, store: Store, actor: Actors
) -> None:
    """The answer does not repeat that a message is due if the worker can neither promote nor take it."""
    worker = actor("q", kind="thread")
    add(backend, a_message("other-kind", delay=100, wish="process"))
    add(backend, a_message("other-queue", queue="elsewhere", delay=100))
    store.advance(100)
    worker.step()
    step = worker.step()
    assert (step.claimed, step.next_due, step.waiting) == ([], None, ())
    other = actor(kind="process")
    assert sorted(uuids(other.claim())) == ["other-kind", "other-queue"]


def test_finishing_and_claiming_travel_in_one_step(backend: Backend, actor: Actors) -> None:
    """One step accepts outcomes and claims the next messages."""
    worker = actor()
    add(backend, "a", "b")
    step = worker.step(succeeded(worker.claim_one()), limit=1)
    assert (step.refused, uuids(step.claimed)) == ([], ["b"])
    assert status_of(backend, "a") == TaskStatus.SUCCEEDED


def test_an_unregistered_worker_is_refused(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """An unknown worker claims nothing, and its outcomes are not accepted."""
    stranger = actor(register=False)
    add(backend, "a")
    with pytest.raises(WorkerUnknownError):
        stranger.step()
    with pytest.raises(WorkerUnknownError):
        messages.renew(stranger.worker, 0, [])
    assert stranger.held() == []
    assert state_of(backend, "a") == "ready"
    messages.register(stranger.worker)
    assert uuids(stranger.claim()) == ["a"]


def test_registering_again_keeps_what_is_held(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """A worker that registers again has its lease renewed and keeps its messages."""
    worker = actor()
    add(backend, "a")
    claimed = worker.claim_one()
    messages.register(worker.worker)
    assert worker.held() == [claimed]
    assert worker.step(succeeded(claimed)).refused == []


@pytest.mark.parametrize("kind", ["thread", "process", "any"])
def test_the_limit_is_that_of_the_workers_slots(backend: Backend, actor: Actors, kind: WorkerKind) -> None:
    """A worker claims up to the limit of its own slots; a limit of others, or none at all, claims nothing."""
    add(backend, "a", "b", "c")
    one = actor(kind=kind)
    (slot,) = SLOTS_OF[kind]
    others = {other: 5 for other in get_args(SlotKind) if other != slot}
    assert backend.messages.step(one.worker, 1, (), others).claimed == []
    assert backend.messages.step(one.worker, 2, (), {}).claimed == []
    step = backend.messages.step(one.worker, 3, (), {**others, slot: 2})
    assert (uuids(step.claimed), step.waiting) == (["a", "b"], (slot,))
