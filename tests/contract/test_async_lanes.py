"""Messages of ``async def`` tasks: who takes them, how many, and what becomes of them."""

from __future__ import annotations

import pytest

from alsek import Inspector, Message
from alsek.core.inspection.messages import MessageInfo
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.kinds import WISHES, SlotKind, WorkerKind
from alsek.storage.backends.ports import MessagePort
from alsek.types import Wish
from tests.contract.stores import Store
from tests.contract.test_transfer import move_all
from tests.contract.workers import (
    LEASE,
    Actor,
    Actors,
    a_message,
    add,
    an_actor,
    died,
    lost,
    not_mine,
    released,
    replay,
    retried,
    state_of,
    succeeded,
    the_facts,
    uuids,
)

ASYNC: tuple[Wish, ...] = ("any-async", "thread-async")


@pytest.mark.parametrize(
    ("kind", "taken"),
    [
        ("any", ["any", "thread", "process", "any-async", "thread-async"]),
        ("thread", ["any", "thread"]),
        ("process", ["any", "process"]),
        ("thread-async", ["any", "thread", "any-async", "thread-async"]),
        ("process-async", ["any", "process", "any-async"]),
    ],
)
def test_each_kind_of_worker_takes_its_wishes(
    backend: Backend, actor: Actors, kind: str, taken: list[str]
) -> None:
    """A pool takes messages of coroutines only if it has tasks of that kind; a consumer takes all, in one order."""
    add(backend, *(a_message(wish, wish=wish) for wish in WISHES))
    step = actor(kind=kind).step()
    assert (uuids(step.claimed), step.waiting) == (taken, ())


def test_each_kind_of_slot_has_its_limit(backend: Backend, actor: Actors) -> None:
    """No more is handed out of a kind than its limit, in the order of both kinds; the answer says what is left."""
    wishes: list[Wish] = [
        "any",
        "any-async",
        "thread",
        "thread-async",
        "any-async",
        "any",
        "thread",
        "any-async",
    ]
    for n, wish in enumerate(wishes):
        add(backend, a_message(f"m{n}", wish=wish, priority=n % 2))
    worker = actor(kind="thread-async")
    step = worker.step(limit={"thread": 2, "coroutine": 3})
    assert uuids(step.claimed) == ["m0", "m2", "m4", "m1", "m3"]
    assert step.waiting == ("thread", "coroutine")
    step = worker.step(limit={"thread": 1, "coroutine": 5})
    assert (uuids(step.claimed), step.waiting) == (["m6", "m7"], ("thread",))
    step = worker.step(limit={"thread": 1, "coroutine": 5})
    assert (uuids(step.claimed), step.waiting) == (["m5"], ())


@pytest.mark.parametrize(("full", "free"), [("thread", "coroutine"), ("coroutine", "thread")])
def test_a_full_kind_does_not_hold_up_the_other(
    backend: Backend, actor: Actors, full: SlotKind, free: SlotKind
) -> None:
    """Behind any number of messages for which there is no slot, in this queue and others, the other kind is found."""
    held_up: Wish = "thread" if full == "thread" else "any-async"
    wanted: Wish = "any-async" if full == "thread" else "thread"
    for queue in ("a", "b", "c"):
        add(backend, *(a_message(f"{queue}-{n}", queue, wish=held_up) for n in range(30)))
    add(backend, a_message("last", "c", wish=wanted, priority=9))
    worker = actor(kind="thread-async")
    step = worker.step(limit={free: 1})
    assert (uuids(step.claimed), step.waiting) == (["last"], (full,))
    add(backend, a_message("again", "c", wish=wanted, priority=9))
    step = worker.step(limit={full: 1, free: 1})
    assert (uuids(step.claimed), step.waiting) == (["a-0", "again"], (full,))


def test_limits_hold_over_named_queues(backend: Backend, actor: Actors) -> None:
    """Each kind is filled up in the worker's order of queues."""
    for queue in ("a", "b"):
        add(
            backend,
            *(
                a_message(f"{queue}-{wish}-{n}", queue, wish=wish)
                for wish in ("any", "any-async")
                for n in "12"
            ),
        )
    worker = actor("b", "a", kind="thread-async")
    step = worker.step(limit={"thread": 1, "coroutine": 3})
    assert uuids(step.claimed) == ["b-any-1", "b-any-async-1", "b-any-async-2", "a-any-async-1"]
    assert step.waiting == ("thread", "coroutine")


def test_without_a_limit_nothing_is_claimed(backend: Backend, actor: Actors) -> None:
    """Limits of 0 and of slots that the worker does not have hand out nothing, and the answer says what waits."""
    add(backend, a_message("c", wish="any-async"), a_message("t"))
    worker = actor(kind="thread-async")
    for limit in ({}, {"thread": 0, "coroutine": 0}, {"process": 3, "any": 3}):
        step = worker.step(limit=limit)
        assert (step.claimed, step.waiting) == ([], ("thread", "coroutine"))


def test_in_a_process_pool_a_coroutine_takes_a_process(backend: Backend, actor: Actors) -> None:
    """There is one limit for all of its messages."""
    add(backend, *(a_message(f"m{n}", wish=("any-async", "process")[n % 2]) for n in range(4)))
    step = actor(kind="process-async").step(limit={"process": 3, "coroutine": 9})
    assert (uuids(step.claimed), step.waiting) == (["m0", "m1", "m2"], ("process",))


@pytest.mark.parametrize(
    ("kind", "found"), [("thread", ["any-async", "thread-async"]), ("process", ["any-async"])]
)
def test_a_pool_without_such_tasks_may_seek_them(
    backend: Backend, actor: Actors, kind: SlotKind, found: list[str]
) -> None:
    """Usual steps hand it none and say that nothing waits; one that seeks hands it those of its mechanism."""
    add(backend, *(a_message(wish, wish=wish) for wish in ASYNC))
    worker = actor(kind=kind)
    step = worker.step(limit={kind: 9})
    assert (step.claimed, step.waiting) == ([], ())
    step = worker.step(limit={kind: 9, "coroutine": 0})
    assert (step.claimed, step.waiting) == ([], ("coroutine",))
    add(backend, *(a_message(f"{n}-{wish}", wish=wish, priority=1) for n in "12" for wish in (kind, *ASYNC)))
    step = worker.step(limit={kind: 1, "coroutine": len(found)})
    assert (uuids(step.claimed), step.waiting) == ([*found, f"1-{kind}"], (kind, "coroutine"))
    step = worker.step(limit={kind: 9})
    assert (uuids(step.claimed), step.waiting) == ([f"2-{kind}"], ())
    worker.step(limit={"coroutine": 9})
    assert worker.step(limit={"coroutine": 9}).waiting == ()


def test_a_repeated_step_tells_the_same(backend: Backend, actor: Actors) -> None:
    """The answer to a step that is sent again has its claims and what was left then."""
    add(backend, *(a_message(f"m{n}", wish=("any-async", "any")[n % 2]) for n in range(6)))
    worker = actor(kind="thread-async")
    first = worker.step(limit={"thread": 3, "coroutine": 1})
    again = worker.again(limit={"thread": 3, "coroutine": 1})
    assert (again.claimed, again.waiting) == (first.claimed, first.waiting)
    assert (uuids(first.claimed), first.waiting) == (["m0", "m1", "m3", "m5"], ("coroutine",))


@pytest.mark.parametrize("wish", ASYNC)
def test_it_keeps_its_lane_through_all_states(
    backend: Backend, store: Store, messages: MessagePort, actor: Actors, wish: Wish
) -> None:
    """Delayed, retried, given back, lost, taken over, rescheduled or replayed, only a pool with coroutines takes it."""
    plain, worker = actor(kind="thread"), actor(kind="thread-async", lease=3 * LEASE)
    message = a_message("a", wish=wish, delay=500)

    def taken() -> Actor:
        assert uuids(plain.claim()) == []
        assert uuids(worker.claim(limit={"thread": 5})) == []
        return worker

    def claimed() -> object:
        (claim,) = taken().claim(limit={"coroutine": 1})
        return claim

    add(backend, message)
    store.advance(500)
    for outcome in (released, retried, lost, lambda claim: retried(claim, delay=500)):
        worker.step(outcome(claimed()), limit=0)
        assert messages.find("a").wish == wish
        store.advance(500)
    victim = actor(kind="thread-async", lease=LEASE // 2)
    assert uuids(victim.claim()) == ["a"]
    for _ in range(2):
        store.advance(LEASE // 3)
        plain.renew()
    worker.step(died(claimed()), limit=0)
    assert replay(messages, message._replace(delay=0))
    victim = actor(kind="thread-async")
    assert uuids(victim.claim()) == ["a"]
    victim.retire()
    worker.step(succeeded(claimed()), limit=0)
    assert state_of(backend, "a") is None


@pytest.mark.parametrize("wish", ASYNC)
def test_a_suspect_is_handed_out_alone(backend: Backend, actor: Actors, wish: Wish) -> None:
    """If it comes first of all that the limits allow; a limit of 0 passes it over."""
    victim = actor(kind="thread-async")
    add(backend, a_message("a", wish=wish))
    victim.step(*(lost(claimed, suspect=True) for claimed in victim.claim()), limit=0)
    add(backend, a_message("t"), a_message("c", wish=wish))
    worker = actor(kind="thread-async")
    step = worker.step(limit={"thread": 1})
    assert (uuids(step.claimed), step.suspects, step.waiting) == (["t"], True, ("coroutine",))
    worker.step(succeeded(step.claimed[0]), limit=0)
    step = worker.step(limit={"thread": 9, "coroutine": 9})
    assert (uuids(step.claimed), step.suspects) == (["a"], False)
    assert worker.claim() == []
    assert uuids(worker.step(succeeded(step.claimed[0])).claimed) == ["c"]


def test_a_worker_for_suspects_takes_them_too(backend: Backend, actor: Actors) -> None:
    """Of both kinds, one by one, and nothing else."""
    victim = actor(kind="thread-async")
    add(backend, a_message("a", wish="any-async"), a_message("b", wish="thread"))
    victim.step(*(lost(claimed, suspect=True) for claimed in victim.claim()), limit=0)
    add(backend, a_message("c", wish="any-async"))
    worker = actor(kind="thread-async", suspects="only")
    step = worker.step()
    assert (uuids(step.claimed), step.suspects, step.waiting) == (["a"], True, ())
    assert uuids(worker.step(succeeded(step.claimed[0])).claimed) == ["b"]


@pytest.mark.parametrize("wish", ASYNC)
def test_what_is_set_aside_waits_for_its_task(backend: Backend, actor: Actors, wish: Wish) -> None:
    """It is handed to a pool that has the task, from any queue, within the limit of its slots."""
    first = actor(kind="thread-async", facts=the_facts("u"))
    mine = actor("own", kind="thread-async", facts=the_facts("t"))
    add(backend, *(a_message(f"a{n}", wish=wish) for n in "12"))
    first.step(*(not_mine(claimed) for claimed in first.claim()), limit=0)
    assert first.step().claimed == []
    step = mine.step(limit={"thread": 9})
    assert (step.claimed, step.waiting) == ([], ("coroutine",))
    step = mine.step(limit={"coroutine": 1})
    assert (uuids(step.claimed), step.waiting) == (["a1"], ("coroutine",))
    step = mine.step(limit={"coroutine": 5})
    assert (uuids(step.claimed), step.waiting) == (["a2"], ())


def test_what_is_set_aside_for_a_plain_function_is_found_by_seeking(backend: Backend, actor: Actors) -> None:
    """The task was an ``async def`` when the message was submitted; the only pool that has it now has no such task."""
    first = actor(kind="thread-async", facts=the_facts("u"))
    mine = actor("own", kind="thread", facts=the_facts("t"))
    add(backend, a_message("a", wish="any-async"))
    first.step(*(not_mine(claimed) for claimed in first.claim()), limit=0)
    step = mine.step()
    assert (step.claimed, step.waiting) == ([], ())
    assert uuids(mine.step(limit={"coroutine": 1}).claimed) == ["a"]


def test_both_kinds_that_are_set_aside_keep_their_order(backend: Backend, actor: Actors) -> None:
    """What is set aside is handed out in its place among the other messages of its queue."""
    first = actor(kind="thread-async", facts=the_facts("u"))
    mine = actor(kind="thread-async", facts=the_facts("t"))
    wishes: tuple[Wish, ...] = ("any-async", "any", "thread-async", "thread")
    for n, wish in enumerate(wishes):
        add(backend, a_message(f"m{n}", wish=wish))
    claimed = first.claim()
    first.step(
        not_mine(claimed[1]), not_mine(claimed[2]), released(claimed[0]), released(claimed[3]), limit=0
    )
    step = mine.step(limit={"thread": 1, "coroutine": 2})
    assert (uuids(step.claimed), step.waiting) == (["m0", "m1", "m2"], ("thread",))


@pytest.mark.parametrize("wish", ASYNC)
def test_a_paused_queue_hands_none_out(
    backend: Backend, messages: MessagePort, actor: Actors, wish: Wish
) -> None:
    """Neither to a pool with coroutines nor to one that seeks, until it is resumed."""
    worker, looking = actor(kind="thread-async"), actor(kind="thread")
    add(backend, a_message("a", wish=wish))
    messages.pause("q", "ada")
    add(backend, a_message("b", wish=wish))
    step = worker.step()
    assert (step.claimed, step.waiting) == ([], ())
    assert looking.claim(limit={"coroutine": 5}) == []
    messages.resume("q")
    assert uuids(worker.claim()) == ["a", "b"]


def test_they_are_counted_and_shown_with_the_others(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """Tallies, places and fronts know all wishes, and `find` tells each."""
    for n, wish in enumerate(WISHES):
        add(backend, a_message(wish, wish=wish, priority=n))
    assert messages.tallies(["q"])[0].ready == len(WISHES)
    assert [messages.place("q", wish, 100) for wish in WISHES] == list(range(len(WISHES)))
    assert sorted(uuids(messages.fronts(["q"]))) == sorted(WISHES)
    located = [messages.find(wish) for wish in WISHES]
    assert [each.wish for each in located if each is not None] == list(WISHES)


@pytest.mark.parametrize("wish", ASYNC)
def test_an_unreadable_record_is_set_aside(backend: Backend, store: Store, actor: Actors, wish: Wish) -> None:
    """It becomes a dead letter, is reported, and takes up no slot: the next step at the latest has what follows."""
    add(backend, a_message("bad", wish=wish), a_message("good", wish=wish))
    store.spoil("q", "bad", "version")
    worker = actor(kind="thread-async")
    first, second = (worker.step(limit={"coroutine": 1}) for _ in range(2))
    assert uuids([*first.claimed, *second.claimed]) == ["good"]
    assert uuids([*first.corrupt, *second.corrupt]) == ["bad"]


@pytest.mark.parametrize("kind", ["thread-async", "process-async"])
def test_the_kind_of_a_worker_is_kept(
    messages: MessagePort, inspector: Inspector, actor: Actors, kind: WorkerKind
) -> None:
    """With its facts; to users it is that of the pool."""
    actor(kind=kind, facts=the_facts("t"))
    assert [record.kind for record in messages.workers()] == [kind]
    assert [info.kind for info in inspector.workers()] == [kind.removesuffix("-async")]


@pytest.mark.parametrize(("wish", "shown"), [("any-async", "any"), ("thread-async", "thread")])
def test_users_see_the_mechanism(
    backend: Backend, inspector: Inspector, actor: Actors, wish: Wish, shown: str
) -> None:
    """A message names a mechanism or none; any pool of it serves the message, also one without coroutines."""
    add(backend, a_message("a", wish=wish, payload=Message("t").pack(backend.serializer)))
    found = inspector.find("a")
    assert isinstance(found, MessageInfo)
    assert found.mechanism == shown
    actor(kind="process", facts=the_facts("t"))
    answer = inspector.why("a")
    if wish == "any-async":
        assert (answer.code, answer.facts["workers"]) == ("behind", 1)
    else:
        assert answer.facts["missing"] == "mechanism"
        assert "takes mechanism 'thread' (it is of 'process')" in answer.text
        actor(kind="process-async", facts=the_facts("t"))
        assert "(they are of 'process')" in inspector.why("a").text
    actor(kind="thread", facts=the_facts("t"))
    actor(kind="thread-async", facts=the_facts("t"))
    assert inspector.why("a").facts["workers"] == (3 if wish == "any-async" else 2)


def test_a_move_takes_them_along(backend: Backend, store: Store) -> None:
    """With their lanes and in their order: ready, delayed, suspects, and what is set aside."""
    victim = an_actor(backend, facts=the_facts("u"), kind="any", suspects="freely")
    an_actor(backend, facts=the_facts("t"))
    for name in ("suspect", "aside", "ready"):
        add(backend, *(a_message(f"{name}-{wish}", wish=wish) for wish in WISHES))
    claims = {claim.uuid: claim for claim in victim.claim()}
    victim.step(
        *(lost(claims[f"suspect-{wish}"], suspect=True) for wish in WISHES),
        *(not_mine(claims[f"aside-{wish}"]) for wish in WISHES),
        *(released(claims[f"ready-{wish}"]) for wish in WISHES),
        limit=0,
    )
    victim.retire()
    add(backend, *(a_message(f"late-{wish}", wish=wish, delay=1_000) for wish in WISHES))
    target = store.open(f"{store.namespace}-target")
    move_all(backend, target, most=3)
    store.advance(1_000)
    worker = an_actor(target, kind="thread-async", suspects="freely", facts=the_facts("t"))
    step = worker.step(limit={"coroutine": 100})
    names = ("suspect", "aside", "ready", "late")
    assert [(claim.uuid, claim.suspect) for claim in step.claimed] == [
        (f"{name}-{wish}", name == "suspect") for name in names for wish in ASYNC
    ]
    assert step.waiting == ("thread",)
