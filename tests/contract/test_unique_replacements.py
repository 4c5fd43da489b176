"""Unique keys: submissions that take the place of the holder, or wait behind it."""

from __future__ import annotations

from typing import Any

import pytest

from alsek.defaults import DEDUP_WINDOW
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import (
    ACCEPTED,
    Added,
    Limit,
    TaskStatus,
    UniqueRecord,
)
from tests.contract.leaving import ENDS, RETURNS, UNCHARGED, Scene, leaving
from tests.contract.stores import START, Store
from tests.contract.unique_messages import KEY, REPLACE, STARTED, WINDOW, submit, waits_for
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
    retried,
    state_of,
    status_of,
    succeeded,
    uuids,
    who_rings,
)


@pytest.mark.parametrize("state", ["ready", "delayed", "waiting"])
def test_a_message_that_was_not_claimed_is_replaced(
    store: Store, backend: Backend, messages: MessagePort, state: str
) -> None:
    """In any such state: under its uuid are payload, queue, priority and limits of the new one, ready at once."""
    full = (Limit("full", 1),) if state == "waiting" else ()
    add(backend, a_message("blocker", "other", limits=(Limit("full", 1),)))
    submit(messages, "a", queue="old", delay=1_000 if state == "delayed" else 0, limits=full)
    assert state_of(backend, "a", "old") == state
    new = Limit("new", 3)
    answer = submit(messages, "b", REPLACE, queue="q", priority=4, payload=b"new", limits=(new,))
    assert answer == Added(True, "a")
    assert messages.find("b") is None
    found = messages.find("a")
    assert found is not None
    stored = found.stored
    assert (stored.state, stored.queue, stored.payload, stored.priority) == ("ready", "q", b"new", 4)
    assert (stored.unique, stored.limits) == (REPLACE, (new,))
    assert messages.queues() == ["other", "q"]
    assert messages.unique_key("k") == UniqueRecord("k", "a")
    assert [limit.waiting for limit in messages.limits()] == [0, 0]


def test_what_has_begun_is_not_replaced_although_no_retry_was_counted(
    messages: MessagePort, actor: Actors
) -> None:
    """A message that waits after an uncounted retry has begun: another waits behind it."""
    worker = actor()
    submit(messages, "a", REPLACE)
    worker.step(retried(worker.claim_one(), retries=0, updated_at=12, delay=1_000), limit=0)
    assert submit(messages, "b", REPLACE) == ACCEPTED
    assert messages.find("b") is not None


def test_the_delay_of_a_replaced_message_begins_anew(
    store: Store, messages: MessagePort, actor: Actors
) -> None:
    """Each submission puts the message off: it runs once, with the last arguments, after a pause (debounce)."""
    worker = actor()
    submit(messages, "a", REPLACE, delay=1_000, payload=b"1")
    store.advance(900)
    assert submit(messages, "b", REPLACE, delay=1_000, payload=b"2") == Added(True, "a")
    store.advance(900)
    assert worker.claim() == []
    assert submit(messages, "c", REPLACE, delay=1_000, payload=b"3") == Added(True, "a")
    store.advance(999)
    step = worker.step()
    assert (step.claimed, step.next_due) == ([], 1)
    store.advance(1)
    claim = worker.claim_one()
    assert (claim.uuid, claim.payload) == ("a", b"3")
    worker.step(succeeded(claim))
    assert messages.unique_key("k") is None


def test_a_replaced_message_begins_as_a_new_one(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """It expires by its own ttl, stands behind all others, and its status is SUBMITTED."""
    worker = actor()
    submit(messages, "a", ttl=1_000)
    add(backend, "other")
    store.advance(900)
    submit(messages, "b", REPLACE, ttl=1_000)
    assert status_of(backend, "a") == TaskStatus.SUBMITTED
    store.advance(900)
    claims = worker.claim()
    assert uuids(claims) == ["other", "a"]
    assert not claims[1].expired


def test_a_step_that_replaces_tells_what_is_due_then(messages: MessagePort, actor: Actors) -> None:
    """The message whose place a callback takes is not due any more."""
    worker = actor()
    messages.add([a_message("parent")], a_request())
    claim = worker.claim_one()
    submit(messages, "a", REPLACE, delay=1_000)
    messages.add([a_message("later", delay=5_000)], a_request())
    callback = a_message("b", unique=REPLACE, delay=9_000)
    assert worker.step(succeeded(claim, callback=callback)).next_due == 5_000


def test_the_same_replacement_again_changes_nothing(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """A repeated call is told the same: at once, after another has replaced again, and after the end."""
    worker = actor()
    submit(messages, "a", REPLACE, payload=b"1")
    call, request = [a_message("b", unique=REPLACE, payload=b"2")], a_request()
    for _ in range(2):
        assert messages.add(call, request) == [Added(True, "a")]
    assert submit(messages, "c", REPLACE, payload=b"3") == Added(True, "a")
    assert messages.add(call, request) == [Added(True, "a")]
    claim = worker.claim_one()
    assert claim.payload == b"3"
    assert messages.add(call, request) == [Added(True, "a")]
    worker.step(succeeded(claim))
    store.advance(DEDUP_WINDOW - 1)
    assert messages.add(call, request) == [Added(True, "a")]
    assert messages.find("b") is None
    assert messages.count("q") == 0


def test_several_replacements_in_one_call(messages: MessagePort) -> None:
    """The last one counts, and a repeated call does not go back to an earlier one."""
    batch = [a_message(uuid, unique=REPLACE, payload=uuid.encode()) for uuid in "abc"]
    request = a_request()
    for _ in range(2):
        assert messages.add(batch, request) == [ACCEPTED, Added(True, "a"), Added(True, "a")]
        stored = messages.get("q", "a")
        assert stored is not None
        assert stored.payload == b"c"


def test_a_refusal_tells_of_the_state_after_the_call(messages: MessagePort) -> None:
    """Whether the holder is replaced before or behind the submission that it refuses."""
    submit(messages, "a", REPLACE)
    replacement = a_message("c", unique=REPLACE, delay=5_000)
    refused = Added(False, "a", "delayed")
    batch = [a_message("b", unique=KEY), a_message("a"), replacement]
    assert messages.add(batch, a_request()) == [refused, refused, Added(True, "a")]
    replacement = a_message("d", unique=REPLACE)
    refused = Added(False, "a", "ready")
    assert messages.add([replacement, a_message("b", unique=KEY)], a_request()) == [Added(True, "a"), refused]


def test_the_uuid_of_a_replacement_is_new(messages: MessagePort) -> None:
    """Nothing is stored under it, so another message may have it."""
    submit(messages, "a", REPLACE)
    submit(messages, "b", REPLACE)
    assert messages.add([a_message("b")], a_request()) == [ACCEPTED]


@pytest.mark.parametrize("limits", [(), (Limit("l", 1),)])
def test_who_has_the_uuid_of_a_replacement_is_not_taken_for_it(
    messages: MessagePort, limits: tuple[Limit, ...]
) -> None:
    """A repeated call is told what it was told before: its message has its own uuid, also after it has ended."""
    submit(messages, "a", REPLACE)
    submit(messages, "b", REPLACE)
    call, request = [a_message("b", limits=limits)], a_request()
    for _ in range(2):
        assert messages.add(call, request) == [ACCEPTED]
    messages.remove("q", "b")
    assert messages.add(call, request) == [ACCEPTED]


def test_a_replacement_extends_the_window(store: Store, messages: MessagePort) -> None:
    """The key is held at least as long from each submission that was accepted."""
    submit(messages, "a", WINDOW._replace(conflict="replace"))
    store.advance(20_000)
    submit(messages, "b", WINDOW._replace(conflict="replace"))
    submit(messages, "c", REPLACE)
    messages.remove("q", "a")
    assert messages.unique_key("k") == UniqueRecord("k", "a", "", START + 70_000)


def test_a_window_alone_is_not_replaced(messages: MessagePort) -> None:
    """A key whose holder has ended, and whose window has not, refuses also who would replace."""
    submit(messages, "a", WINDOW)
    messages.remove("q", "a")
    assert submit(messages, "b", REPLACE) == Added(False, "a", "finished")


@pytest.mark.parametrize("how", RETURNS)
def test_who_has_begun_is_not_replaced(
    store: Store, backend: Backend, messages: MessagePort, how: str
) -> None:
    """One that was given back uncharged is replaced; behind one that was retried or lost the new message waits."""
    scene = Scene(store)
    messages.add([leaving(unique=KEY)], a_request())
    RETURNS[how](scene)
    expected = Added(True, "a") if how in UNCHARGED else ACCEPTED
    assert submit(messages, "b", REPLACE, queue="new") == expected
    if how in UNCHARGED:
        assert state_of(backend, "a", "new") == "ready"
        assert messages.aside() == []
    else:
        assert waits_for(messages, "b") == "u:k"


def behind(messages: MessagePort, actor: Actors, window: int = 0, **fields: Any) -> Any:
    """Let the message ``b`` wait behind ``a``, which a worker runs; returns the worker and its claim."""
    worker = actor()
    submit(messages, "a")
    claim = worker.claim_one()
    assert submit(messages, "b", REPLACE._replace(window=window), **fields) == ACCEPTED
    return worker, claim


def test_a_message_waits_behind_one_that_runs(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """It is stored and shown as waiting, is in no other count, has no place, and is handed out to nobody."""
    worker, _ = behind(messages, actor)
    assert messages.unique_key("k") == UniqueRecord("k", "a", "b")
    found = messages.find("b")
    assert found is not None
    assert (found.stored.state, found.waits_for, found.worker, found.due) == ("waiting", "u:k", None, None)
    assert state_of(backend, "b") == "waiting"
    assert status_of(backend, "b") == TaskStatus.SUBMITTED
    assert messages.exists("q", "b")
    assert messages.place("q", "b", 9) is None
    assert messages.count("q") == 2
    assert sorted(uuids(messages.browse("q"))) == ["a", "b"]
    (tally,) = messages.tallies()
    assert (tally.ready, tally.delayed, tally.claimed, tally.waiting) == (0, 0, 1, 1)
    assert messages.fronts(["q"]) == []
    step = worker.step()
    assert (step.claimed, step.next_due, step.waiting) == ([], None, ())


@pytest.mark.parametrize("how", ENDS)
def test_every_end_of_the_holder_lets_in_who_waits(
    store: Store, backend: Backend, messages: MessagePort, how: str
) -> None:
    """In the step of that end it takes the key and becomes ready; later it frees it."""
    scene = Scene(store)
    messages.add([leaving(unique=KEY)], a_request())
    scene.worker.step(lost(scene.claimed()), limit=0)
    assert submit(messages, "b", REPLACE) == ACCEPTED
    assert state_of(backend, "b") == "waiting"
    ENDS[how](scene)
    assert state_of(backend, "b") == "ready"
    assert waits_for(messages, "b") == ""
    assert messages.unique_key("k") == UniqueRecord("k", "b")
    assert submit(messages, "c") == Added(False, "b", "ready")
    messages.remove("q", "b")
    assert messages.unique_key("k") is None


@pytest.mark.parametrize("how", RETURNS)
def test_no_return_of_the_holder_lets_in_who_waits(
    store: Store, backend: Backend, messages: MessagePort, how: str
) -> None:
    """As long as the holder has not ended, the other waits."""
    scene = Scene(store)
    messages.add([leaving(unique=KEY)], a_request())
    scene.claimed()
    submit(messages, "b", REPLACE)
    RETURNS[how](scene)
    assert state_of(backend, "b") == "waiting"
    assert messages.unique_key("k") == UniqueRecord("k", "a", "b")


def test_the_end_of_the_holder_hands_out_who_waits(messages: MessagePort, actor: Actors) -> None:
    """The same step may claim it; the holder's callbacks come after it."""
    worker, claim = behind(messages, actor)
    step = worker.step(succeeded(claim, callback=a_message("callback")))
    assert uuids(step.claimed) == ["b", "callback"]


def test_a_window_of_the_holder_does_not_hold_up_who_waits(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """It takes the key when the holder ends; the windows of both keep it after its end."""
    worker = actor()
    submit(messages, "a", WINDOW)
    claim = worker.claim_one()
    store.advance(10_000)
    submit(messages, "b", REPLACE._replace(window=5_000))
    worker.step(succeeded(claim), limit=0)
    assert state_of(backend, "b") == "ready"
    assert messages.unique_key("k") == UniqueRecord("k", "b", "", START + 50_000)
    messages.remove("q", "b")
    assert submit(messages, "c") == Added(False, "b", "finished")


def test_one_that_waits_is_delayed_by_what_is_left(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """Its delay counts from its submission, also while it waits."""
    worker, claim = behind(messages, actor, delay=1_000)
    store.advance(400)
    step = worker.step(succeeded(claim))
    assert (step.claimed, step.next_due) == ([], 600)
    assert state_of(backend, "b") == "delayed"
    store.advance(600)
    assert worker.claim_one().uuid == "b"


def test_one_that_was_let_in_is_behind_what_is_due_with_it(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """Of messages that are due at the same moment, the one that was delayed first goes first."""
    worker = actor()
    submit(messages, "a", REPLACE)
    claim = worker.claim_one()
    submit(messages, "b", REPLACE, delay=1_000)
    add(backend, a_message("c", delay=1_000))
    worker.step(succeeded(claim), limit=0)
    store.advance(1_000)
    assert uuids(worker.claim()) == ["c", "b"]


def test_the_delay_of_one_that_waits_may_be_over(store: Store, messages: MessagePort, actor: Actors) -> None:
    """Then it is ready at once; its ttl counts from the end of its delay."""
    worker, claim = behind(messages, actor, delay=1_000, ttl=2_000)
    store.advance(2_999)
    assert [c.expired for c in worker.step(succeeded(claim)).claimed] == [False]
    store.advance(1)
    submit(messages, "c", REPLACE, ttl=2_000)
    store.advance(2_001)
    assert [c.expired for c in worker.step(died(worker.held()[0])).claimed] == [True]


def test_one_that_waits_is_replaced(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """At most one waits behind the holder: with the last arguments, under the uuid of the first that waited."""
    worker, claim = behind(messages, actor, delay=1_000)
    store.advance(500)
    call, request = [a_message("c", "new", unique=REPLACE, payload=b"3", delay=1_000)], a_request()
    for _ in range(2):
        assert messages.add(call, request) == [Added(True, "b")]
    assert messages.unique_key("k") == UniqueRecord("k", "a", "b")
    assert messages.find("c") is None
    assert state_of(backend, "b", "new") == "waiting"
    step = worker.step(succeeded(claim))
    assert (step.claimed, step.next_due) == ([], 1_000)
    store.advance(1_000)
    again = worker.claim_one()
    assert (again.uuid, again.queue, again.payload) == ("b", "new", b"3")


def test_one_that_waits_does_not_hold_the_key(messages: MessagePort, actor: Actors) -> None:
    """Who does not replace is refused because of the holder."""
    behind(messages, actor)
    assert submit(messages, "c") == Added(False, "a", "claimed")
    assert messages.add([a_message("b")], a_request()) == [Added(False, "b", "waiting")]


@pytest.mark.parametrize("how", ["removed", "failed"])
def test_one_that_waits_may_end(backend: Backend, messages: MessagePort, actor: Actors, how: str) -> None:
    """Then nobody waits, and another may."""
    behind(messages, actor)
    if how == "removed":
        assert messages.remove("q", "b", waiting=True)
    else:
        assert messages.fail("q", "b", ERROR, DLQ_TTL)
        assert messages.dead_letter("q", "b") is not None
    assert messages.unique_key("k") == UniqueRecord("k", "a")
    assert messages.tallies()[0].waiting == 0
    assert submit(messages, "c", REPLACE) == ACCEPTED
    assert state_of(backend, "c") == "waiting"


def test_one_that_waits_may_be_revoked(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """It is marked and goes on waiting; who waits for its result is told; the claim shows the mark."""
    worker, claim = behind(messages, actor)
    with backend.subscribe_to(("results:b",)) as subscription:
        assert messages.revoke("q", "b")
        note = subscription.wait(60_000)
        while note is not None and note.channel != "results:b":
            note = subscription.wait(60_000)
        assert note is not None
    assert state_of(backend, "b") == "waiting"
    assert worker.step(succeeded(claim)).claimed[0].revoked


def test_one_that_waits_may_be_rescheduled(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """It goes on waiting, with a delay that begins anew, and in the window of its submission."""
    worker, claim = behind(messages, actor, window=500)
    store.advance(100)
    assert messages.reschedule(by_hand("q", "b", b"edited", 1_000))
    assert state_of(backend, "b") == "waiting"
    assert status_of(backend, "b") == TaskStatus.RETRYING
    assert messages.unique_key("k") == UniqueRecord("k", "a", "b", START + 500)
    store.advance(400)
    assert worker.step(succeeded(claim)).next_due == 600
    store.advance(600)
    assert worker.claim_one().payload == b"edited"


def test_one_that_was_let_in_may_wait_for_a_limit(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """The key first, then the limits: it takes up a place only when it is ready."""
    worker = actor()
    one = (Limit("l", 1),)
    submit(messages, "a")
    claim = worker.claim_one()
    add(backend, a_message("blocker", limits=one))
    submit(messages, "b", REPLACE, limits=one)
    assert waits_for(messages, "b") == "u:k"
    assert [limit.waiting for limit in messages.limits()] == [0]
    worker.step(succeeded(claim), limit=0)
    assert waits_for(messages, "b") == "c:l"
    messages.remove("q", "blocker")
    assert state_of(backend, "b") == "ready"


def test_a_sleeper_is_woken_for_who_was_let_in(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """Whatever ends the holder, a worker that sleeps learns that the other is ready."""
    other = actor()
    behind(messages, actor)
    other.step()
    waiter = other.waiter()
    try:
        waiter.arm()
        assert messages.remove("q", "a")
        assert who_rings([waiter]) == [0]
        assert uuids(other.claim()) == ["b"]
    finally:
        waiter.close()


def test_a_start_lets_in_who_waits(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """Behind a holder that holds its key until it is claimed, and was rescheduled before, one waits for the claim."""
    worker = actor("q")
    submit(messages, "a", STARTED, delay=1_000)
    assert messages.reschedule(by_hand("q", "a", None, 1_000))
    assert submit(messages, "b", REPLACE, queue="other") == ACCEPTED
    store.advance(1_000)
    assert worker.claim_one().uuid == "a"
    assert state_of(backend, "b", "other") == "ready"
    assert messages.unique_key("k") == UniqueRecord("k", "b")


def test_a_claim_tells_when_who_waited_is_due(store: Store, messages: MessagePort, actor: Actors) -> None:
    """If the claim of the holder lets go of its key, its step knows of the delay of the message behind it."""
    worker = actor("q")
    submit(messages, "a", STARTED, delay=1_000)
    assert messages.reschedule(by_hand("q", "a", None, 1_000))
    assert submit(messages, "b", REPLACE, delay=1_300) == ACCEPTED
    store.advance(1_000)
    step = worker.step()
    assert (uuids(step.claimed), step.next_due) == (["a"], 300)
