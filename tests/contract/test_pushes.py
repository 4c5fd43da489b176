"""Pushes: a sleeping worker is handed a message by the submission of it, and none is lost or counts twice."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from alsek.defaults import MOST_PUSHES, SLEEPER_MS, STALE_PUSH_MS
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.ports import MessagePort, Waiter
from alsek.storage.backends.records import Limit, Pushed, Released, StatusRecord, TaskStatus, UniqueKey
from tests.contract.stores import Store
from tests.contract.workers import (
    LEASE,
    QUIET,
    Actor,
    Actors,
    a_message,
    a_request,
    add,
    lost,
    state_of,
    status_of,
    succeeded,
    uuids,
)
from tests.waiting import eventually, rings

#: The stores that push.
PUSHING = ("memory", "redis")

pushing = pytest.mark.stores(*PUSHING)

#: Lets a worker find nothing, so that it becomes a sleeper.
Asleep = Callable[..., Waiter]


@pytest.fixture
def asleep() -> Iterator[Asleep]:
    """Lets a worker listen, find nothing, and become a sleeper."""
    with ExitStack() as stack:

        def fall_asleep(
            worker: Actor, limit: Any = 100, slot: SlotKind | None = None, **fields: Any
        ) -> Waiter:
            waiter = stack.enter_context(closing(worker.waiter(slot)))
            listen(waiter)
            answer = worker.step(limit=limit, sleeps=True, **fields)
            assert (answer.claimed, answer.sleeper) == ([], True)
            return waiter

        yield fall_asleep


def listen(waiter: Waiter) -> None:
    """Return once the store knows that this waiter is connected."""
    waiter.arm()

    def receives() -> bool:
        readable, _, _ = select.select([waiter.fileno()], [], [], 0)
        if readable:
            waiter.drain()
        return waiter.receives

    eventually(receives)


def pushes(waiter: Waiter, many: int = 1, within: float = 60.0) -> list[Pushed]:
    """Return the pushes that have arrived, once there are so many, or at the end of so many seconds."""
    arrived: list[Pushed] = []
    deadline = time.monotonic() + within
    while len(arrived) < many and (left := deadline - time.monotonic()) > 0:
        readable, _, _ = select.select([waiter.fileno()], [], [], left)
        if readable:
            assert not waiter.drain(), "it was woken"
            arrived += waiter.take_pushed()
    return arrived


def nothing_pushed(waiter: Waiter) -> bool:
    """Return True if no push arrives."""
    deadline = time.monotonic() + QUIET
    while (left := deadline - time.monotonic()) > 0:
        readable, _, _ = select.select([waiter.fileno()], [], [], left)
        if readable:
            waiter.drain()
            if waiter.take_pushed():
                return False
    return True


def test_only_a_store_that_pushes_makes_sleepers(backend: Backend, store: Store, actor: Actors) -> None:
    """A store says whether a worker may be pushed messages; if it does not, a message wakes the worker."""
    worker = actor()
    with closing(worker.waiter()) as waiter:
        waiter.arm()
        if store.kind in PUSHING:
            listen(waiter)
        answer = worker.step(sleeps=True)
        assert answer.sleeper == waiter.receives == (store.kind in PUSHING)
        add(backend, "a")
        if answer.sleeper:
            assert [push.claimed.uuid for push in pushes(waiter)] == ["a"]
        else:
            assert rings(waiter)
            assert not waiter.take_pushed()
        received = 0 if answer.sleeper else None
        assert uuids(worker.step(sleeps=True, received=received).claimed) == ["a"]


@pushing
def test_a_sleeper_is_pushed_a_message(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """The submission claims the message for the sleeper, and sends it; nobody is woken, nobody else gets it."""
    worker, other = actor(), actor()
    waiter = asleep(worker)
    with closing(other.waiter()) as others:
        other.step()
        others.arm()
        add(backend, a_message("a", priority=3))
        (push,) = pushes(waiter)
        assert push == (worker.seq + 1, worker.held()[0])
        assert (push.claimed.uuid, push.claimed.queue, push.claimed.payload) == ("a", "q", b"payload of a")
        assert (state_of(backend, "a"), status_of(backend, "a")) == ("claimed", TaskStatus.RUNNING)
        assert not rings(others, QUIET)
        assert other.claim() == []


@pushing
def test_statuses_are_published_in_order(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """Whoever listens sees SUBMITTED, then RUNNING."""
    asleep(actor())
    with backend.subscribe_to(("statuses:a",)) as notes:
        add(backend, "a")
        seen = [notes.wait(60_000) for _ in range(2)]
    told = [StatusRecord.unpack("a", note.data).status for note in seen if note is not None]
    assert told == [TaskStatus.SUBMITTED, TaskStatus.RUNNING]


@pushing
def test_the_next_step_reports_what_was_pushed(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """The outcome of a push is accepted like any other, and a push that has arrived is not handed out again."""
    worker = actor()
    waiter = asleep(worker)
    add(backend, "a")
    (push,) = pushes(waiter)
    answer = worker.step(succeeded(push.claimed), sleeps=True, received=1)
    assert (answer.refused, answer.claimed, answer.sleeper) == ([], [], True)
    assert status_of(backend, "a") is TaskStatus.SUCCEEDED
    add(backend, "b")
    assert [(each.seq, each.claimed.uuid) for each in pushes(waiter)] == [(worker.seq + 1, "b")]


@pushing
def test_a_lost_push_is_in_the_next_answer(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """If fewer pushes arrived than were sent, the next answer has all that the worker holds, also when repeated."""
    worker = actor()
    waiter = asleep(worker)
    add(backend, "a")
    add(backend, "b")
    add(backend, "c")
    first, *_ = pushes(waiter, 3)
    held = worker.held()
    answer = worker.step(succeeded(first.claimed), received=1)
    assert (answer.refused, answer.claimed) == ([], held[1:])
    assert worker.again(succeeded(first.claimed), received=1).claimed == held[1:]
    assert worker.step(received=None).claimed == []


@pushing
def test_what_did_not_arrive_counts_towards_the_limit(
    backend: Backend, actor: Actors, asleep: Asleep
) -> None:
    """A step claims less by what it hands out of lost pushes: a worker gets no more than it has asked for."""
    worker = actor()
    asleep(worker)
    add(backend, "a")
    add(backend, "b", "c", "d", "e")
    answer = worker.step(limit=3, received=0)
    assert uuids(answer.claimed) == ["a", "b", "c"]
    assert [state_of(backend, name) for name in "de"] == ["ready", "ready"]


@pushing
def test_a_repetition_of_the_step_before_has_no_pushes(
    backend: Backend, actor: Actors, asleep: Asleep
) -> None:
    """A push belongs to the next step: the one that made the worker a sleeper, sent again, does not hand it out."""
    worker = actor()
    asleep(worker)
    add(backend, "a")
    answer = worker.again(sleeps=True)
    assert (answer.claimed, answer.sleeper) == ([], True)
    assert uuids(worker.step(received=0).claimed) == ["a"]


@pushing
def test_a_renewal_leaves_a_push_on_its_way(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """A renewal by the last step gives back no push; one by the next step gives back what did not arrive."""
    worker = actor()
    asleep(worker)
    add(backend, "a")
    worker.messages.renew(worker.worker, worker.seq, ())
    assert uuids(worker.held()) == ["a"]
    worker.messages.renew(worker.worker, worker.seq + 1, ())
    assert worker.held() == []
    assert (state_of(backend, "a"), status_of(backend, "a")) == ("ready", TaskStatus.SUBMITTED)


@pushing
def test_a_renewal_gives_back_what_a_stopped_worker_never_took(
    backend: Backend, store: Store, actor: Actors, asleep: Asleep
) -> None:
    """If a sleeper's step does not come, a renewal gives back the pushes that it does not know, without a loss."""
    worker = actor()
    waiter = asleep(worker)
    add(backend, "a")
    add(backend, "b")
    known = pushes(waiter, 2)[0].claimed
    store.advance(STALE_PUSH_MS - 1)
    worker.messages.renew(worker.worker, worker.seq, (known.token,))
    assert uuids(worker.held()) == ["a", "b"]
    store.advance(1)
    worker.messages.renew(worker.worker, worker.seq, (known.token,))
    assert worker.held() == [known]
    (claimed,) = actor().claim()
    assert (claimed.uuid, claimed.losses) == ("b", 0)
    assert worker.step(received=1).claimed == [known]


@pushing
def test_no_more_is_pushed_than_the_limit_allows(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """Pushes and claims of a step are no more than its limit together; what comes then wakes."""
    worker = actor()
    with closing(worker.waiter()) as waiter:
        listen(waiter)
        add(backend, "x")
        assert rings(waiter)
        answer = worker.step(limit=3, sleeps=True)
        waiter.arm()
        assert (uuids(answer.claimed), answer.sleeper) == (["x"], True)
        waiter.arm()
        add(backend, "a")
        add(backend, "b")
        assert [push.claimed.uuid for push in pushes(waiter, 2)] == ["a", "b"]
        add(backend, "c")
        assert rings(waiter)
        assert not waiter.take_pushed()
        assert state_of(backend, "c") == "ready"


@pushing
def test_a_sleeper_is_one_for_a_while(backend: Backend, store: Store, actor: Actors, asleep: Asleep) -> None:
    """Nothing is pushed to a worker whose last step is longer ago than a sleep: it may be stopped."""
    waiter = asleep(actor())
    store.advance(SLEEPER_MS)
    add(backend, "a")
    assert len(pushes(waiter)) == 1
    store.advance(1)
    add(backend, "b")
    assert rings(waiter)
    assert state_of(backend, "b") == "ready"


@pushing
@pytest.mark.parametrize("why", ["leaves one", "has no room", "does not ask"])
def test_who_is_no_sleeper(backend: Backend, actor: Actors, why: str) -> None:
    """A worker that knows of something to take, has no room, or does not ask for pushes, gets none."""
    worker = actor()
    with closing(worker.waiter()) as waiter:
        listen(waiter)
        if why == "leaves one":
            add(backend, "x", "y")
        answer = worker.step(limit=0 if why == "has no room" else 1, sleeps=why != "does not ask")
        assert not answer.sleeper
        add(backend, "a")
        assert nothing_pushed(waiter)
        assert state_of(backend, "a") == "ready"


@pushing
def test_a_sleeper_ends_with_its_next_step(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """After a step that does not ask, nothing is pushed any more."""
    worker = actor()
    waiter = asleep(worker)
    assert not worker.step(received=0).sleeper
    add(backend, "a")
    assert nothing_pushed(waiter)
    assert uuids(worker.claim()) == ["a"]


@pushing
def test_beside_a_suspect_nothing_is_pushed(backend: Backend, actor: Actors) -> None:
    """A worker that holds a suspect alone, or that leaves one for when it holds nothing, is no sleeper."""
    add(backend, "a", "b")
    first = actor()
    first.step(*(lost(claimed, suspect=True) for claimed in first.claim()), limit=0)
    worker = actor()
    with closing(worker.waiter()) as waiter:
        listen(waiter)
        (suspect,) = worker.step(sleeps=True).claimed
        assert suspect.suspect
        assert not worker.step(sleeps=True).sleeper
        add(backend, "c")
        assert nothing_pushed(waiter)
        assert uuids(worker.step(succeeded(suspect)).claimed) == ["b"]


@pushing
def test_nothing_is_pushed_before_what_was_first(
    backend: Backend, messages: MessagePort, actor: Actors, asleep: Asleep
) -> None:
    """A message that a claim would not hand out first is not pushed, however it came to stand behind another."""
    waiter = asleep(actor())
    messages.pause("p", "ada")
    add(backend, a_message("x", "p"))
    messages.resume("p")
    add(backend, a_message("a", "q"))
    assert nothing_pushed(waiter)
    assert [state_of(backend, "x", "p"), state_of(backend, "a")] == ["ready", "ready"]


@pushing
def test_nothing_is_pushed_from_a_paused_queue(
    backend: Backend, messages: MessagePort, actor: Actors, asleep: Asleep
) -> None:
    """A queue that is paused hands out nothing, to sleepers either; a push before the pause stays."""
    worker = actor()
    waiter = asleep(worker)
    add(backend, "a")
    assert [push.claimed.uuid for push in pushes(waiter)] == ["a"]
    messages.pause("q", "ada")
    add(backend, "b")
    assert nothing_pushed(waiter)
    assert uuids(worker.held()) == ["a"]
    messages.resume("q")
    assert uuids(worker.step(received=1).claimed) == ["b"]


@pushing
def test_a_worker_with_two_kinds_of_slots_is_pushed_messages_for_both(
    backend: Backend, actor: Actors, asleep: Asleep
) -> None:
    """Each kind has room of its own: what takes up slots of the other is pushed as long as there is room for that."""
    worker = actor(kind="thread-async")
    limits: dict[SlotKind, int] = {"thread": 1, "coroutine": 2}
    waiter = asleep(worker, limit=limits, slot="thread")
    for uuid, wish in (("c1", "any-async"), ("t1", "any"), ("t2", "thread"), ("c2", "thread-async")):
        add(backend, a_message(uuid, wish=wish))
        if uuid == "t2":  # no thread is free: it is left for a step
            assert rings(waiter)
            waiter.drain()
    assert [push.claimed.uuid for push in pushes(waiter, 3)] == ["c1", "t1", "c2"]
    assert state_of(backend, "t2") == "ready"
    answer = worker.step(limit={"thread": 1, "coroutine": 0}, sleeps=True, received=3)
    assert (uuids(answer.claimed), answer.sleeper) == (["t2"], False)


@pushing
def test_lost_pushes_count_for_both_kinds_of_slots(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """Of what kind a lost push is, the step learns too late: it claims that much less of either."""
    worker = actor(kind="thread-async")
    asleep(worker, limit={"thread": 2, "coroutine": 2}, slot="thread")
    add(backend, a_message("lost", wish="any-async"))
    backend.messages.pause("q", "us")  # so that these wait for the step
    add(backend, *(a_message(f"t{n}") for n in range(2)))
    add(backend, *(a_message(f"c{n}", wish="any-async") for n in range(2)))
    backend.messages.resume("q")
    answer = worker.step(limit={"thread": 2, "coroutine": 2}, sleeps=True, received=0)
    assert sorted(uuids(answer.claimed)) == ["c0", "lost", "t0"]
    assert not answer.sleeper


@pushing
def test_of_two_waiters_the_first_receives(backend: Backend, actor: Actors) -> None:
    """A worker with slots of two kinds has a waiter for each; what it is pushed comes to that for threads."""
    worker = actor(kind="thread-async")
    with closing(worker.waiter("thread")) as threads, closing(worker.waiter("coroutine")) as coroutines:
        coroutines.arm()
        listen(threads)
        assert not coroutines.receives
        assert worker.step(sleeps=True).sleeper
        add(backend, a_message("c", wish="any-async"))
        assert [push.claimed.uuid for push in pushes(threads)] == ["c"]
        assert not rings(coroutines, QUIET)


@pushing
def test_a_push_goes_to_who_may_take_it(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """Queue and wish decide, as for a claim."""
    threads, named = asleep(actor(kind="thread")), asleep(actor("r", "s", kind="process"))
    add(backend, a_message("a", "q", wish="process"))
    add(backend, a_message("b", "q", wish="any-async"))
    assert nothing_pushed(threads)
    assert nothing_pushed(named)
    add(backend, a_message("c", "s", wish="process"))
    assert [push.claimed.uuid for push in pushes(named)] == ["c"]
    add(backend, a_message("d", "q", wish="thread"))
    assert [push.claimed.uuid for push in pushes(threads)] == ["d"]


@pushing
def test_a_step_that_seeks_makes_a_sleeper(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """Its limit allows for pushes of the worker's own messages, not of those that it looks for."""
    waiter = asleep(actor(), limit={"coroutine": 2})
    add(backend, "a")
    assert [push.claimed.uuid for push in pushes(waiter)] == ["a"]
    add(backend, a_message("b", wish="any-async"))
    assert nothing_pushed(waiter)


@pushing
def test_what_is_bound_to_something_is_not_lost(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """Delayed and named messages, batches, and those with keys and limits, are claimed once, pushed or not."""
    worker = actor()
    waiter = asleep(worker)
    add(backend, a_message("a", delay=1_000))
    assert nothing_pushed(waiter)
    assert state_of(backend, "a") == "delayed"
    add(backend, a_message("b", named=True))
    add(backend, a_message("c", unique=UniqueKey("k")))
    add(backend, a_message("d", limits=(Limit("l", 1),)))
    add(backend, a_message("e", limits=(Limit("l", 1),)))
    add(backend, "f", "g")
    assert state_of(backend, "e") == "waiting"
    assert sorted(uuids(worker.step(received=0).claimed)) == list("bcdfg")


@pushing
def test_a_repeated_submission_pushes_once(
    backend: Backend, messages: MessagePort, actor: Actors, asleep: Asleep
) -> None:
    """A submission whose reply was lost is accepted again, and the message is held once."""
    worker = actor()
    waiter = asleep(worker)
    request = a_request()
    for _ in range(2):
        assert messages.add([a_message("a")], request)[0].accepted
    assert len(pushes(waiter)) == 1
    assert nothing_pushed(waiter)
    assert uuids(worker.held()) == ["a"]


@pushing
def test_pushes_take_turns(backend: Backend, store: Store, actor: Actors, asleep: Asleep) -> None:
    """The sleeper whose last push or step was first gets the next one."""
    waiters = []
    for _ in range(3):
        waiters.append(asleep(actor()))
        store.advance(1)
    order = []
    for name in "abcdef":
        add(backend, name)
        ready, _, _ = select.select([waiter.fileno() for waiter in waiters], [], [], 60)
        (at,) = [n for n, waiter in enumerate(waiters) if waiter.fileno() in ready]
        assert [push.claimed.uuid for push in pushes(waiters[at])] == [name]
        order.append(at)
        store.advance(1)
    assert order == [0, 1, 2, 0, 1, 2]


@pushing
def test_among_many_sleepers_those_that_may_take_it_take_turns(
    backend: Backend, actor: Actors, asleep: Asleep
) -> None:
    """However many others sleep, a message goes to the first that takes from its queue and has room."""
    for kind in ("process", "thread"):
        for n in range(3):
            asleep(actor(kind=kind, queues=(f"other-{n}",)))
    waiters = [asleep(actor(queues=queues), limit=2) for queues in (("q",), None, ("p", "q"))]
    for n in range(6):
        add(backend, f"m{n}")
        assert [push.claimed.uuid for push in pushes(waiters[n % 3])] == [f"m{n}"]
    add(backend, "none has room")
    assert state_of(backend, "none has room") == "ready"


@pushing
def test_who_does_not_listen_is_passed_over(
    backend: Backend, store: Store, actor: Actors, asleep: Asleep
) -> None:
    """A sleeper whose waiter is closed gets nothing; what it was pushed before is in its next answer."""
    gone = actor()
    waiter = asleep(gone)
    add(backend, "a")
    waiter.close()
    eventually(lambda: not waiter.receives)
    store.advance(1)
    other = asleep(actor())
    add(backend, "b")
    assert [push.claimed.uuid for push in pushes(other)] == ["b"]
    assert uuids(gone.held()) == ["a"]
    assert uuids(gone.step(received=0).claimed) == ["a"]


@pushing
def test_without_a_listener_a_message_waits(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """If no sleeper listens any more, a message is ready for whoever claims."""
    waiter = asleep(actor())
    waiter.close()
    eventually(lambda: not waiter.receives)
    assert (
        state_of(backend, "a") is None
    )  # a trip: the server learns of the end of a connection as of a command
    add(backend, "a")
    assert (state_of(backend, "a"), status_of(backend, "a")) == ("ready", TaskStatus.SUBMITTED)
    assert uuids(actor().claim()) == ["a"]


@pushing
def test_retiring_gives_back_pushes(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """What was pushed to a worker that ends goes back with no loss, whether or not it arrived."""
    worker = actor()
    asleep(worker)
    add(backend, "a")
    assert worker.retire() == []
    (claimed,) = actor().claim()
    assert (claimed.uuid, claimed.losses) == ("a", 0)
    add(backend, "b")
    assert state_of(backend, "b") == "ready"


@pushing
def test_the_end_of_a_lease_charges_a_push(
    backend: Backend, store: Store, actor: Actors, asleep: Asleep
) -> None:
    """A sleeper that dies without a word loses its pushes as any claim: they are ready again, with one loss."""
    asleep(actor())
    add(backend, "a")
    other = actor()
    other.step(limit=0)
    store.advance(LEASE - 1)
    other.renew()
    store.advance(2)
    answer = other.step()
    assert [lost.messages for lost in answer.taken_over] == [1]
    assert [(claimed.uuid, claimed.losses) for claimed in answer.claimed] == [("a", 1)]


@pushing
def test_nothing_is_pushed_once_the_lease_has_ended(
    backend: Backend, store: Store, actor: Actors, asleep: Asleep
) -> None:
    """Another worker may take over at any moment what such a worker holds."""
    waiter = asleep(actor(lease=SLEEPER_MS // 2))
    store.advance(SLEEPER_MS // 2)
    add(backend, "a")
    assert rings(waiter)
    assert not waiter.take_pushed()
    assert state_of(backend, "a") == "ready"


@pushing
def test_a_sleeper_is_pushed_a_few_messages_only(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """However many its limits allow: so many wait if it was stopped just then."""
    worker = actor()
    asleep(worker, limit=10 * MOST_PUSHES)
    for n in range(MOST_PUSHES + 3):
        add(backend, f"m{n}")
    assert len(worker.held()) == MOST_PUSHES


@pushing
def test_a_push_may_be_given_back(backend: Backend, actor: Actors, asleep: Asleep) -> None:
    """A worker that is about to stop releases what arrives, and gets nothing after that."""
    worker = actor()
    waiter = asleep(worker)
    add(backend, "a")
    (push,) = pushes(waiter)
    answer = worker.step(Released.of(push.claimed), limit=0, received=1)
    assert (answer.refused, answer.claimed, answer.sleeper) == ([], [], False)
    assert (state_of(backend, "a"), status_of(backend, "a")) == ("ready", TaskStatus.SUBMITTED)


@pushing
def test_a_push_that_is_removed_is_gone(
    backend: Backend, messages: MessagePort, actor: Actors, asleep: Asleep
) -> None:
    """What happens to a pushed message by hand is as for any claim: its outcome is refused, it is not handed out."""
    worker = actor()
    waiter = asleep(worker)
    add(backend, "a")
    (push,) = pushes(waiter)
    assert messages.remove("q", "a")
    answer = worker.step(succeeded(push.claimed), received=0)
    assert (answer.refused, answer.claimed) == (["a"], [])
