"""Concurrency limits: which messages a limit admits, and what lets in those that wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from alsek.defaults import PROMOTION_BATCH
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import ACCEPTED, Added, Limit, LimitRecord, Located, TaskStatus
from tests.contract.leaving import ENDS, QUEUE, RETURNS, Scene, leaving
from tests.contract.stores import START, Store
from tests.contract.workers import (
    DLQ_TTL,
    ERROR,
    Actors,
    a_message,
    a_request,
    add,
    by_hand,
    died,
    lost,
    not_mine,
    released,
    replay,
    retried,
    state_of,
    status_of,
    succeeded,
    the_facts,
    uuids,
    who_rings,
)

ONE = (Limit("l", 1),)
TWO = (Limit("l", 2),)


def states(backend: Backend, *names: str) -> list[str | None]:
    """The states of these messages of the queue ``q``."""
    return [state_of(backend, name) for name in names]


def located(messages: MessagePort, uuid: str) -> Located:
    """A message that is stored, and where it stands."""
    found = messages.find(uuid)
    assert found is not None
    return found


def the_limit(messages: MessagePort, limit_id: str = "c:l") -> LimitRecord:
    """A limit that is known."""
    (record,) = messages.limits([limit_id])
    return record


def test_so_many_are_ready_and_the_others_wait(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """A limit admits its amount; the others are stored and shown as waiting for it, and are handed out to nobody."""
    assert add(backend, *"abc", limits=TWO) == [True] * 3
    assert states(backend, "a", "b", "c") == ["ready", "ready", "waiting"]
    found = located(messages, "c")
    assert (found.stored.limits, found.waits_for, found.worker, found.due) == (TWO, "c:l", None, None)
    assert located(messages, "a").waits_for == ""
    assert status_of(backend, "c") == TaskStatus.SUBMITTED
    assert messages.exists("q", "c")
    assert messages.place("q", "c", 9) is None
    assert messages.count("q") == 3
    assert sorted(uuids(messages.browse("q"))) == ["a", "b", "c"]
    (tally,) = messages.tallies()
    assert (tally.ready, tally.delayed, tally.claimed, tally.waiting) == (2, 0, 0, 1)
    step = actor().step()
    assert uuids(step.claimed) == ["a", "b"]
    assert (step.next_due, step.waiting) == (None, ())
    assert states(backend, "a", "b", "c") == ["claimed", "claimed", "waiting"]


def test_a_limit_is_shown(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """Its numbers, who takes up its places, ready or claimed, and how many wait; by id, and all in order of id."""
    add(backend, *"abc", limits=TWO)
    add(backend, "d", limits=(Limit("another", 1),))
    actor().claim(1)
    record = the_limit(messages)
    assert record._replace(admitted=()) == LimitRecord("c:l", 2, 0, (), 2, 1)
    assert sorted(record.admitted) == ["a", "b"]
    assert [limit.id for limit in messages.limits()] == ["c:another", "c:l"]
    assert [limit.id for limit in messages.limits(["c:l", "c:never", "c:another"])] == ["c:l", "c:another"]
    assert messages.limits([]) == []


def test_no_more_than_a_hundred_are_shown(backend: Backend, messages: MessagePort) -> None:
    """Of those that take up places; the number that do is exact."""
    add(backend, *(f"m{n}" for n in range(150)), limits=(Limit("l", 120),))
    record = the_limit(messages)
    assert (len(record.admitted), record.used, record.waiting) == (100, 120, 30)


def test_a_limit_is_of_the_whole_store(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """Messages of all queues that name it share it; a rate of the same key is another limit."""
    add(backend, "a", limits=ONE)
    add(backend, a_message("b", "other", limits=ONE), a_message("c", limits=(Limit("l", 1, 1_000),)))
    add(backend, a_message("d", limits=(Limit("L", 1),)), a_message("e"))
    assert state_of(backend, "b", "other") == "waiting"
    assert states(backend, "c", "d", "e") == ["ready"] * 3


@pytest.mark.parametrize("key", ["a:b", "c:l", "r:", "é ü 🙂", "x" * 1_000, " ", "{}*?[]'\"\\", "=", ""])
def test_any_key_will_do(backend: Backend, messages: MessagePort, actor: Actors, key: str) -> None:
    """A key is any text without what core escapes."""
    limits, worker = (Limit(key, 1),), actor()
    add(backend, "a", "b", limits=limits)
    assert messages.limits() == [LimitRecord(f"c:{key}", 1, 0, ("a",), 1, 1)]
    assert uuids(worker.step(succeeded(worker.claim_one())).claimed) == ["b"]


@pytest.mark.parametrize("how", ENDS)
def test_every_end_lets_in_who_waits(store: Store, backend: Backend, messages: MessagePort, how: str) -> None:
    """However a message ends, in that step the next one is ready; and nothing is left of the limit in the end."""
    scene = Scene(store)
    messages.add([leaving(limits=ONE)], a_request())
    add(backend, "b", "c", limits=ONE)
    ENDS[how](scene)
    assert states(backend, "b", "c") == ["ready", "waiting"]
    assert located(messages, "b").waits_for == ""
    assert the_limit(messages) == LimitRecord("c:l", 1, 0, ("b",), 1, 1)
    messages.remove("q", "c")
    messages.remove("q", "b")
    assert messages.limits() == []


@pytest.mark.parametrize("how", RETURNS)
def test_who_comes_back_takes_its_place_among_those_that_wait(
    store: Store, backend: Backend, messages: MessagePort, how: str
) -> None:
    """A message gives its place back when its claim ends; the place goes to the first by (priority, arrival).

    One that was given back has its old arrival, so it is first again. One that is retried is behind the others.
    """
    scene = Scene(store)
    messages.add([leaving(limits=ONE)], a_request())
    add(backend, "b", "c", limits=ONE)
    RETURNS[how](scene)
    first = how not in ("it is retried", "it is rescheduled by hand")
    assert state_of(backend, "a", QUEUE) == ("ready" if first else "waiting")
    assert states(backend, "b", "c") == ["waiting" if first else "ready", "waiting"]
    record = the_limit(messages)
    assert (record.admitted, record.used, record.waiting) == (("a" if first else "b",), 1, 2)


@pytest.mark.parametrize("how", RETURNS)
def test_who_comes_back_alone_is_ready(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors, how: str
) -> None:
    """If nobody waits it takes up its place again at once, and can be claimed once more."""
    scene = Scene(store)
    messages.add([leaving(limits=ONE)], a_request())
    RETURNS[how](scene)
    assert state_of(backend, "a", QUEUE) == "ready"
    assert the_limit(messages).used == 1
    task = "t" if how == "it is set aside" else "another"
    worker = actor(QUEUE, facts=the_facts(task))
    assert uuids(worker.claim()) == ["a"]


@pytest.mark.parametrize("by_worker", [True, False])
def test_a_retry_with_a_delay_gives_its_place_back(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors, by_worker: bool
) -> None:
    """While it is delayed it takes up none; when it is due it is admitted again, behind those that wait."""
    worker = actor()
    add(backend, "a", "b", "c", limits=ONE)
    claim = worker.claim_one()
    if by_worker:
        worker.step(retried(claim, delay=1_000), limit=0)
    else:
        messages.reschedule(by_hand("q", "a", None, 1_000))
    assert states(backend, "a", "b", "c") == ["delayed", "ready", "waiting"]
    store.advance(1_000)
    assert uuids(worker.claim()) == ["b"]
    assert states(backend, "a", "c") == ["waiting", "waiting"]
    assert uuids(worker.step(succeeded(worker.held()[0])).claimed) == ["c"]
    assert uuids(worker.step(succeeded(worker.held()[0])).claimed) == ["a"]
    worker.step(succeeded(worker.held()[0]))
    assert messages.limits() == []


def test_a_repeated_step_frees_no_place_twice(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """A step that is sent again admits nobody; an outcome that is refused does not either."""
    worker = actor()
    add(backend, *"abcd", limits=TWO)
    first, second = worker.claim()
    worker.step(succeeded(first), limit=0)
    worker.again(succeeded(first), limit=0)
    assert worker.step(
        succeeded(first), retried(second._replace(token=second.token + 1)), limit=0
    ).refused == ["a", "b"]
    assert states(backend, "b", "c", "d") == ["claimed", "ready", "waiting"]
    assert the_limit(messages).used == 2


def test_a_repeated_submission_takes_up_no_place_twice(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """A call that is sent again changes nothing, whatever has become of the message."""
    worker, call, request = actor(), [a_message("a", limits=TWO), a_message("b", limits=TWO)], a_request()
    for _ in range(2):
        assert messages.add(call, request) == [ACCEPTED] * 2
    assert the_limit(messages).used == 2
    add(backend, "c", limits=TWO)
    claims = worker.claim()
    assert messages.add(call, request) == [ACCEPTED] * 2
    worker.step(*map(succeeded, claims), limit=0)
    assert messages.add(call, request) == [ACCEPTED] * 2
    assert the_limit(messages) == LimitRecord("c:l", 2, 0, ("c",), 1, 0)


def test_a_refusal_names_the_state(messages: MessagePort, backend: Backend) -> None:
    """A uuid that is that of a waiting message is not new."""
    add(backend, "a", "b", limits=ONE)
    assert messages.add([a_message("b")], a_request()) == [Added(False, "b", "waiting")]


def test_delayed_messages_take_up_no_place(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """A message asks its limits when it is due, not before; of two that are due, the one that was due first."""
    worker = actor()
    add(backend, a_message("late", delay=200, limits=ONE), a_message("early", delay=100, limits=ONE))
    assert states(backend, "late", "early") == ["delayed", "delayed"]
    add(backend, "a", limits=ONE)
    assert state_of(backend, "a") == "ready"
    worker.claim_one()
    store.advance(200)
    step = worker.step()
    assert (step.claimed, step.next_due) == ([], None)
    assert states(backend, "late", "early") == ["waiting", "waiting"]
    assert uuids(worker.step(succeeded(worker.held()[0])).claimed) == ["early"]


def test_due_messages_ask_in_the_order_in_which_they_are_due(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """Over all queues, also if one step finds several of them due."""
    for n, (uuid, queue) in enumerate([("a", "q"), ("b", "other"), ("c", "q"), ("d", "other")]):
        limits = () if uuid == "a" else TWO
        add(backend, a_message(uuid, queue, delay=100 + n, limits=limits))
    add(backend, a_message("holder", "third", limits=TWO))
    store.advance(200)
    actor().step(limit=0)
    order = [located(messages, uuid).stored.state for uuid in "abcd"]
    assert order == ["ready", "ready", "waiting", "waiting"]
    messages.remove("third", "holder")
    assert [located(messages, uuid).stored.state for uuid in "cd"] == ["ready", "waiting"]


def test_retries_that_are_due_at_once_ask_in_the_order_in_which_they_were_delayed(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """Over all queues, however many messages each of them has had."""
    add(backend, *(a_message(f"m{n}") for n in range(9)))
    worker = actor()
    worker.step(*map(succeeded, worker.claim(9)), limit=0)
    add(backend, a_message("first", "q", limits=TWO), a_message("second", "other", limits=TWO))
    claims = {claim.uuid: claim for claim in worker.claim()}
    add(backend, *(a_message(f"n{n}") for n in range(9)))
    worker.step(*(retried(claims[uuid], delay=100) for uuid in ("first", "second")), limit=0)
    add(backend, "holder", limits=TWO)
    store.advance(100)
    worker.step(limit=0)
    assert [located(messages, uuid).stored.state for uuid in ("first", "second")] == ["ready", "waiting"]


def test_the_first_is_let_in_by_priority_and_arrival(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """Over all queues; a message that comes later does not go before one that waits, unless its priority does."""
    worker = actor()
    add(backend, "holder", limits=ONE)
    claim = worker.claim_one()
    order = [("b", "q", 2), ("c", "other", 1), ("d", "q", 1), ("e", "q", 0), ("f", "other", 2)]
    for uuid, queue, priority in order:
        add(backend, a_message(uuid, queue, priority=priority, limits=ONE))
    came = []
    while True:
        step = worker.step(succeeded(claim))
        if not step.claimed:
            break
        (claim,) = step.claimed
        came.append(claim.uuid)
    assert came == ["e", "c", "d", "b", "f"]
    assert messages.limits() == []


def test_a_place_that_is_free_is_for_those_that_wait(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """In one step: what ends frees the place, and who waits gets it, not the callback or the retry of that step."""
    worker = actor()
    add(backend, "a", "x", limits=TWO)
    add(backend, "b", "c", limits=TWO)
    first, second = worker.claim()
    callback = a_message("callback", limits=TWO)
    step = worker.step(succeeded(first, callback=callback), retried(second), limit=0)
    assert step.skipped == []
    assert states(backend, "b", "c", "callback", "x") == ["ready", "ready", "waiting", "waiting"]
    claims = worker.claim()
    worker.step(*map(succeeded, claims), limit=0)
    assert states(backend, "x", "callback") == ["ready", "ready"]


def test_a_callback_takes_up_the_place_of_its_parent(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """If nobody waits, it is ready in the step in which its parent ends, and may be claimed there."""
    worker = actor()
    add(backend, "a", limits=ONE)
    step = worker.step(succeeded(worker.claim_one(), callback=a_message("b", limits=ONE)))
    assert uuids(step.claimed) == ["b"]
    assert the_limit(messages).admitted == ("b",)


def test_several_limits_must_all_admit(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """A message takes up a place of each, or of none: it waits for the first, by id, that has no room."""
    a, b = Limit("a", 1), Limit("b", 1)
    add(backend, a_message("holds b", limits=(b,)))
    add(backend, a_message("both", limits=(b, a)))
    assert located(messages, "both").waits_for == "c:b"
    add(backend, a_message("only a", limits=(a,)))
    assert state_of(backend, "only a") == "ready"
    add(backend, a_message("all", limits=(a, b, Limit("c", 1))))
    assert located(messages, "all").waits_for == "c:a"
    assert the_limit(messages, "c:a") == LimitRecord("c:a", 1, 0, ("only a",), 1, 1)


def test_who_was_let_in_by_one_limit_may_wait_for_another(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """It then takes up no place of the first, which goes to the next that waits there."""
    a, b = Limit("a", 1), Limit("b", 1)
    add(backend, a_message("holds a", limits=(a,)), a_message("holds b", limits=(b,)))
    add(backend, a_message("both", limits=(a, b)), a_message("next", limits=(a,)))
    messages.remove("q", "holds a")
    assert located(messages, "both").waits_for == "c:b"
    assert state_of(backend, "next") == "ready"
    messages.remove("q", "holds b")
    assert located(messages, "both").waits_for == "c:a"
    messages.remove("q", "next")
    assert state_of(backend, "both") == "ready"
    assert [limit.used for limit in messages.limits()] == [1, 1]
    messages.remove("q", "both")
    assert messages.limits() == []


def test_limits_with_room_take_turns(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """If several limits have room at once, each lets in one message after the other, in the order of their ids."""
    worker = actor()
    a, b, shared = Limit("a", 2), Limit("b", 2), Limit("shared", 3)
    add(backend, *(a_message(f"holder {n}", limits=(a, b)) for n in range(2)))
    claims = worker.claim()
    add(backend, *(a_message(f"b{n}", limits=(b, shared)) for n in range(3)))
    add(backend, *(a_message(f"a{n}", limits=(a, shared)) for n in range(3)))
    worker.step(*map(succeeded, claims), limit=0)
    assert states(backend, "a0", "b0", "a1", "b1") == ["ready", "ready", "ready", "waiting"]
    assert {name: located(messages, name).waits_for for name in ("a2", "b1", "b2")} == {
        "a2": "c:a",
        "b1": "c:shared",
        "b2": "c:shared",
    }


def test_a_limit_that_a_turn_has_filled_lets_nothing_in(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """A message that is let in takes places of all its limits, and may leave none for those that wait there."""
    worker, a, b = actor(), Limit("a", 1), Limit("b", 1)
    add(backend, a_message("holder", limits=(a, b)))
    (claim,) = worker.claim()
    add(backend, a_message("of b", limits=(b,)), a_message("of both", limits=(a, b)))
    worker.step(succeeded(claim), limit=0)
    assert states(backend, "of both", "of b") == ["ready", "waiting"]
    assert located(messages, "of b").waits_for == "c:b"


def test_a_long_line_at_one_limit_holds_up_no_other(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """Limits with room share the batch of a step: what waits for one does not wait for the lines of others."""
    a, b = Limit("a", 1), Limit("b", 1)
    add(backend, a_message("holder", limits=(a, b)))
    add(backend, *(a_message(f"a{n}", limits=(a,)) for n in range(PROMOTION_BATCH + 10)))
    add(backend, a_message("of b", limits=(b,)))
    more = tuple(limit._replace(amount=2 * PROMOTION_BATCH) for limit in (a, b))
    add(backend, a_message("more", limits=more))
    assert state_of(backend, "of b") == "ready"
    assert the_limit(messages, "c:a").waiting >= 10


def test_limits_in_any_order_never_block_each_other(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """However messages share limits, all of them come to their end: none waits while it takes up a place."""
    worker = actor()
    pairs = [("a", "b"), ("b", "c"), ("c", "a"), ("b", "a"), ("a", "c"), ("c", "b")]
    expected = []
    for n in range(30):
        names = pairs[n % 6] if n % 5 else ("a", "b", "c")
        expected.append(f"m{n}")
        add(backend, a_message(f"m{n}", priority=n % 3, limits=tuple(Limit(name, 1) for name in names)))
    done: list[str] = []
    claims = worker.claim()
    while claims:
        keys = [limit.key for claim in claims for limit in located(messages, claim.uuid).stored.limits]
        assert len(keys) == len(set(keys))
        done += uuids(claims)
        claims = worker.step(*map(succeeded, claims)).claimed
    assert sorted(done) == sorted(expected)
    assert messages.limits() == []


def test_the_numbers_of_the_last_submission_hold(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """More places let in at once those that wait; fewer take nobody's place away, and nobody in until it is so few."""
    worker = actor()
    add(backend, *"abcd", limits=ONE)
    add(backend, "e", limits=(Limit("l", 3),))
    assert states(backend, *"abcde") == ["ready", "ready", "ready", "waiting", "waiting"]
    add(backend, a_message("f", delay=1_000, limits=ONE))
    assert the_limit(messages)._replace(admitted=()) == LimitRecord("c:l", 1, 0, (), 3, 2)
    a, b, c = worker.claim()
    worker.step(succeeded(a), succeeded(b), limit=0)
    assert states(backend, "d", "e") == ["waiting", "waiting"]
    worker.step(succeeded(c), limit=0)
    assert states(backend, "d", "e") == ["ready", "waiting"]


@pytest.mark.parametrize("how", RETURNS)
def test_who_comes_back_alone_brings_back_no_numbers(store: Store, messages: MessagePort, how: str) -> None:
    """The numbers of a later submission go on to hold, though for a moment nobody takes up a place."""
    scene = Scene(store)
    messages.add([leaving(limits=ONE)], a_request())
    add(store.backend, "b", limits=TWO)
    messages.remove("q", "b")
    RETURNS[how](scene)
    assert the_limit(messages).amount == 2


@pytest.mark.parametrize("how", ["refused", "repeated"])
def test_what_is_not_stored_changes_no_numbers(backend: Backend, messages: MessagePort, how: str) -> None:
    """A submission that is refused, or accepted again, leaves the numbers as they are."""
    call, request = [a_message("a", limits=(Limit("l", 9),))], a_request()
    messages.add(call, request)
    add(backend, "b", limits=TWO)
    again = messages.add(call, request if how == "repeated" else a_request())
    assert again == [ACCEPTED if how == "repeated" else Added(False, "a", "ready")]
    assert the_limit(messages).amount == 2


def test_one_that_waits_may_end(backend: Backend, messages: MessagePort) -> None:
    """By hand: removed, also as one that no worker holds, or failed; it waits no longer."""
    add(backend, *"abcd", limits=ONE)
    assert messages.remove("q", "b", waiting=True)
    assert messages.fail("q", "c", ERROR, DLQ_TTL)
    letter = messages.dead_letter("q", "c")
    assert letter is not None
    assert letter.limits == ONE
    assert the_limit(messages).waiting == 1
    assert messages.tallies()[0].waiting == 1
    messages.remove("q", "a")
    assert state_of(backend, "d") == "ready"


def test_one_that_waits_may_be_revoked(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """It is marked and goes on waiting; who waits for its result is told; its claim shows the mark."""
    worker = actor()
    add(backend, "a", "b", limits=ONE)
    with backend.subscribe_to(("results:b",)) as subscription:
        assert messages.revoke("q", "b")
        note = subscription.wait(60_000)
        while note is not None and note.channel != "results:b":
            note = subscription.wait(60_000)
        assert note is not None
    assert state_of(backend, "b") == "waiting"
    assert located(messages, "b").stored.revoked
    (claim,) = worker.step(succeeded(worker.claim_one())).claimed
    assert (claim.uuid, claim.revoked) == ("b", True)


def test_one_that_waits_may_be_rescheduled(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """With a delay it is delayed; without one it waits behind the others."""
    add(backend, *"abcd", limits=ONE)
    assert messages.reschedule(by_hand("q", "b", b"edited", 1_000))
    assert messages.reschedule(by_hand("q", "c"))
    assert states(backend, *"abcd") == ["ready", "delayed", "waiting", "waiting"]
    assert status_of(backend, "c") == TaskStatus.RETRYING
    messages.remove("q", "a")
    assert states(backend, "c", "d") == ["waiting", "ready"]
    store.advance(1_000)
    messages.remove("q", "d")
    assert state_of(backend, "c") == "ready"


def test_the_ttl_of_one_that_waits_counts(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """From when it would have become ready: what has waited too long is claimed as expired."""
    worker = actor()
    add(backend, "a", limits=ONE)
    add(backend, "b", "c", limits=ONE, ttl=1_000)
    assert located(messages, "b").expires_at == START + 1_000
    claim = worker.claim_one()
    store.advance(1_000)
    (claim,) = worker.step(succeeded(claim)).claimed
    assert (claim.uuid, claim.expired) == ("b", False)
    store.advance(1)
    (claim,) = worker.step(succeeded(claim)).claimed
    assert (claim.uuid, claim.expired) == ("c", True)


def test_the_ttl_of_one_that_was_delayed_counts_from_its_due_time(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """Also if it waits for a limit from then on."""
    worker = actor()
    add(backend, "a", limits=ONE)
    add(backend, "b", limits=ONE, delay=500, ttl=1_000)
    worker.claim_one()
    store.advance(600)
    worker.step(limit=0)
    assert located(messages, "b").expires_at == START + 1_500


def test_a_suspect_waits_as_a_suspect(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """When it is admitted again, it is handed out as such."""
    worker = actor()
    add(backend, a_message("a", priority=1, limits=ONE))
    claim = worker.claim_one()
    add(backend, "b", limits=ONE)
    worker.step(lost(claim, suspect=True), limit=0)
    assert states(backend, "a", "b") == ["waiting", "ready"]
    assert located(messages, "a").suspect
    step = worker.step()
    assert (uuids(step.claimed), step.suspects) == (["b"], False)
    step = worker.step(succeeded(step.claimed[0]))
    assert [(claim.uuid, claim.suspect, claim.losses) for claim in step.claimed] == [("a", True, 1)]


def test_what_is_set_aside_waits_as_such(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """When it is admitted again, only a worker that has its task gets it."""
    mine, other = actor(facts=the_facts("t")), actor(facts=the_facts("v"))
    add(backend, a_message("a", priority=1, limits=ONE))
    claim = other.claim_one()
    add(backend, "b", limits=ONE)
    other.step(not_mine(claim), limit=0)
    assert states(backend, "a", "b") == ["waiting", "ready"]
    assert located(messages, "a").aside == "t"
    assert messages.aside() == []
    assert other.step(succeeded(other.claim_one())).claimed == []
    assert [(aside.task, aside.messages) for aside in messages.aside()] == [("t", 1)]
    assert uuids(mine.claim()) == ["a"]


def test_a_paused_queue_admits_too(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """A pause changes no limit: what is ready there takes up its place, and who waits there is let in."""
    worker = actor()
    messages.pause("q", "ada")
    add(backend, "a", "b", limits=ONE)
    add(backend, a_message("c", "other", limits=ONE))
    assert worker.claim() == []
    assert state_of(backend, "c", "other") == "waiting"
    messages.remove("q", "a")
    assert state_of(backend, "b") == "ready"
    assert worker.claim() == []
    messages.resume("q")
    assert uuids(worker.claim()) == ["b"]


def test_a_replay_asks_its_limits(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """The message of a replay is admitted like a new one; a repeated replay takes up nothing more."""
    worker = actor()
    add(backend, "a", limits=ONE)
    worker.step(died(worker.claim_one()), limit=0)
    add(backend, "b", limits=ONE)
    letter = messages.dead_letter("q", "a")
    assert letter is not None
    assert letter.limits == ONE
    for _ in range(2):
        assert messages.replay(a_message("a", limits=ONE), letter.died_at).accepted
    assert state_of(backend, "a") == "waiting"
    assert the_limit(messages).waiting == 1
    messages.remove("q", "b")
    assert state_of(backend, "a") == "ready"
    messages.fail("q", "a", ERROR, DLQ_TTL)
    assert messages.limits() == []
    assert replay(messages, a_message("a", limits=ONE))


def test_a_purge_frees_no_place(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """A dead letter takes up none."""
    add(backend, "a", "b", "c", limits=ONE)
    messages.fail("q", "a", ERROR, DLQ_TTL)
    assert messages.purge("q") == 1
    assert states(backend, "b", "c") == ["ready", "waiting"]


def test_a_cleared_namespace_has_no_limits(backend: Backend, messages: MessagePort) -> None:
    """Nothing is left of them after everything was deleted."""
    add(backend, "a", "b", limits=ONE)
    backend.clear_namespace()
    assert messages.limits() == []
    add(backend, "c", limits=ONE)
    assert state_of(backend, "c") == "ready"


@pytest.mark.parametrize("how", ["bytes", "version"])
def test_a_spoilt_record_that_waits_holds_up_nobody(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors, how: str
) -> None:
    """Those behind it are let in and handed out within a few steps, and nothing is left in the end."""
    worker = actor()
    add(backend, "a", "b", "c", limits=ONE)
    store.spoil("q", "b", how)
    claims = worker.claim()
    for _ in range(4):
        if uuids(claims) == ["c"]:
            break
        claims = worker.step(*map(succeeded, claims)).claimed
    assert uuids(claims) == ["c"]
    worker.step(*map(succeeded, claims))
    assert messages.limits() == []


def in_steps(worker: Any, backend: Backend, names: Sequence[str]) -> list[int]:
    """How many of these are ready before each of some steps that claim nothing, until none is due."""
    seen = []
    while True:
        seen.append(sum(state_of(backend, name) == "ready" for name in names))
        if worker.step(limit=0).next_due is None:
            seen.append(sum(state_of(backend, name) == "ready" for name in names))
            return seen


def test_a_step_looks_at_a_batch_of_those_that_wait(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """If more may be let in than one step looks at, the next steps go on: they are due at once."""
    worker, many = actor(), 2 * PROMOTION_BATCH + 10
    names = [f"m{n}" for n in range(many)]
    add(backend, "holder", *names, limits=ONE)
    add(backend, "more", limits=(Limit("l", 5_000),))
    seen = in_steps(worker, backend, names)
    assert seen[:3] == [PROMOTION_BATCH, 2 * PROMOTION_BATCH, many]
    assert set(seen[2:]) == {many}
    assert the_limit(messages).used == many + 2


def test_what_is_left_for_the_next_step_wakes_a_sleeper(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """A worker that sleeps does not wait until something else happens: it claims all that was let in."""
    worker, many = actor(), PROMOTION_BATCH + 10
    add(backend, *(f"m{n}" for n in range(many + 1)), limits=ONE)
    worker.claim_one()
    waiter = worker.waiter()
    try:
        waiter.arm()
        add(backend, "more", limits=(Limit("l", 5_000),))
        waiter.arm()
        claimed = worker.claim(2 * many) + worker.claim(2 * many)
        assert len(claimed) == many + 1
    finally:
        waiter.close()


@pytest.mark.parametrize("how", ["removed", "failed", "rescheduled", "changed", "released"])
def test_a_sleeper_is_woken_for_who_was_let_in(
    backend: Backend, messages: MessagePort, actor: Actors, how: str
) -> None:
    """Whatever frees the place, a worker that sleeps learns that the other is ready."""
    holder, sleeper = actor("held"), actor("q")
    add(backend, a_message("a", "held", priority=5, limits=ONE))
    claim = holder.claim_one()
    add(backend, "b", limits=ONE)
    assert sleeper.claim() == []
    waiter = sleeper.waiter()
    try:
        waiter.arm()
        match how:
            case "removed":
                messages.remove("held", "a")
            case "failed":
                messages.fail("held", "a", ERROR, DLQ_TTL)
            case "rescheduled":
                messages.reschedule(by_hand("held", "a", None, 1_000))
            case "changed":
                add(backend, a_message("c", "held", delay=1_000, limits=TWO))
            case "released":
                holder.step(released(claim), limit=0)
        assert who_rings([waiter]) == [0]
        assert uuids(sleeper.claim()) == ["b"]
    finally:
        waiter.close()
