"""Each way in which a member of a group can end is counted once; what is no end is not counted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import GroupMember, GroupPlace
from tests.contract.groups import (
    a_group,
    a_member,
    counts,
    create,
    ends,
    fill,
    revoked,
    state_of_group,
)
from tests.contract.stores import Store
from tests.contract.workers import (
    DLQ_TTL,
    ERROR,
    LEASE,
    Actor,
    Actors,
    a_message,
    add,
    by_hand,
    died,
    lost,
    not_mine,
    released,
    retried,
    state_of,
    succeeded,
    uuids,
    who_rings,
)

#: What a test does with a worker, which takes from queue q, and its store.
Way = Callable[[Actor, Store], Any]


def _reported(outcome: Callable[..., Any], **fields: Any) -> Way:
    return lambda worker, store: worker.step(outcome(worker.claim_one(), **fields), limit=0)


def _retired(outcome: Callable[..., Any]) -> Way:
    return lambda worker, store: worker.retire(outcome(worker.claim_one()))


def _with_a_callback_that_exists(worker: Actor, store: Store) -> None:
    add(store.backend, a_message("taken", queue="elsewhere"))
    outcome = succeeded(
        worker.claim_one(), group_result=b"42", callback=a_member("taken", "g", 0), result=b"not this"
    )
    assert worker.step(outcome, limit=0).skipped == ["taken"]


def _expired(worker: Actor, store: Store) -> None:
    store.advance(1_001)
    claim = worker.claim_one()
    assert claim.expired
    worker.step(died(claim), limit=0)


def _revoked(worker: Actor, store: Store) -> None:
    store.backend.messages.revoke("q", "m")
    claim = worker.claim_one()
    assert claim.revoked
    worker.step(revoked(claim), limit=0)


def _by_hand(claimed: bool, **retry: int) -> Way:
    """Failed by hand: while it is claimed, delayed, or ready."""

    def way(worker: Actor, store: Store) -> None:
        messages = store.backend.messages
        if claimed:
            worker.claim_one()
        if retry:
            messages.reschedule(by_hand("q", "m", **retry))
        assert messages.fail("q", "m", b"by hand", DLQ_TTL)
        assert messages.fail("q", "m", b"again", DLQ_TTL)

    return way


def _removed(claimed: bool, waiting: bool = False, **retry: int) -> Way:
    def way(worker: Actor, store: Store) -> None:
        messages = store.backend.messages
        if claimed:
            worker.claim_one()
        if retry:
            messages.reschedule(by_hand("q", "m", **retry))
        assert messages.remove("q", "m", waiting)
        assert not messages.remove("q", "m", waiting)

    return way


def _lost_and_run_again(worker: Actor, store: Store) -> None:
    store.backend.messages.register(worker.worker._replace(id="lost"))
    other = Actor(store.backend, worker.worker._replace(id="lost"))
    claim = other.claim_one()
    store.advance(LEASE - 1)
    worker.renew()
    store.advance(1)
    again = worker.claim_one()
    assert again.losses == 1
    assert counts(store.backend, "g") == (0, 0, 0)
    worker.step(succeeded(again, group_result=b"42"), limit=0)
    assert other.retire(succeeded(claim, group_result=b"late")) == ["m"]


#: The ways in which the member "m" can end, and what is written of it.
WAYS: dict[str, tuple[Way, GroupMember]] = {
    "succeeded": (_reported(succeeded, group_result=b"42"), GroupMember(0, "m", "succeeded", b"42")),
    "succeeded without a result": (_reported(succeeded, result=None), GroupMember(0, "m", "succeeded")),
    "with a callback that exists": (_with_a_callback_that_exists, GroupMember(0, "m", "succeeded", b"42")),
    "succeeded at retirement": (_retired(succeeded), GroupMember(0, "m", "succeeded")),
    "failed": (_reported(died), GroupMember(0, "m", "failed", ERROR)),
    "failed without a letter": (_reported(died, dlq_ttl=0), GroupMember(0, "m", "failed", ERROR)),
    "failed at retirement": (_retired(died), GroupMember(0, "m", "failed", ERROR)),
    "nobody has its task": (_reported(not_mine), GroupMember(0, "m", "failed", ERROR)),
    "expired": (_expired, GroupMember(0, "m", "failed", ERROR)),
    "revoked": (_revoked, GroupMember(0, "m", "revoked", ERROR)),
    "failed by hand": (_by_hand(False), GroupMember(0, "m", "failed", b"by hand")),
    "failed by hand, claimed": (_by_hand(True), GroupMember(0, "m", "failed", b"by hand")),
    "failed by hand, delayed": (_by_hand(False, delay=9), GroupMember(0, "m", "failed", b"by hand")),
    "removed": (_removed(False), GroupMember(0, "m", "revoked")),
    "removed, claimed": (_removed(True), GroupMember(0, "m", "revoked")),
    "removed, delayed": (_removed(True, delay=9), GroupMember(0, "m", "revoked")),
    "removed, if it waits": (_removed(False, waiting=True), GroupMember(0, "m", "revoked")),
    "lost and run again": (_lost_and_run_again, GroupMember(0, "m", "succeeded", b"42")),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_end_is_counted(way: str, backend: Backend, store: Store, actor: Actors) -> None:
    """In whatever way a member ends, that is written into its group, and the group joins when it was the last."""
    ending, expected = WAYS[way]
    create(backend, a_group("g", 2, "callback", stop=False))
    add(backend, a_member("m", "g", 0, ttl=1_000))
    ending(actor("q"), store)
    assert ends(backend, "g") == [expected]
    assert state_of_group(backend, "g") == "open"
    add(backend, a_member("last", "g", 1))
    worker = actor("q")
    assert uuids(worker.step(succeeded(worker.claim_one())).claimed) == ["callback"]


@pytest.mark.parametrize("way", WAYS)
def test_the_last_end_joins(way: str, backend: Backend, store: Store, actor: Actors) -> None:
    """The last member that ends joins its group in whatever way it ends, and wakes a worker for the callback."""
    ending, expected = WAYS[way]
    callback = a_message("callback", queue="r", joins="g")
    create(backend, a_group("g", 1, stop=False)._replace(callback=callback))
    add(backend, a_member("m", "g", 0, ttl=1_000))
    with closing(actor("r").waiter()) as waiter:
        waiter.arm()
        ending(actor("q"), store)
        assert who_rings([waiter]) == [0]
    assert state_of_group(backend, "g") == "joined"
    assert ends(backend, "g") == [expected]
    assert state_of(backend, "callback", "r") == "ready"
    assert uuids(actor("r").claim()) == ["callback"]


@pytest.mark.parametrize("way", [way for way, (_, member) in WAYS.items() if member.end != "succeeded"])
def test_an_end_without_success_fails_a_group_that_stops(
    way: str, backend: Backend, store: Store, actor: Actors
) -> None:
    """A group that stops fails at each end but a success, and names the member."""
    ending, expected = WAYS[way]
    create(backend, a_group("g", 2, "callback", unreachable=("callback",)))
    add(backend, a_member("m", "g", 0, ttl=1_000))
    ending(actor("q"), store)
    found = backend.groups.get("g")
    assert found is not None
    assert (found.state, found.failure) == ("failed", expected)
    assert backend.results.failed_parents(["callback"]) == ["m"]
    add(backend, a_member("last", "g", 1))
    assert [claim.revoked for claim in actor("q").claim()] == [True]


def test_a_record_that_cannot_be_read_has_failed(backend: Backend, store: Store, actor: Actors) -> None:
    """A member whose record is of another day has failed; the callback of its group comes in the same step."""
    fill(backend, a_group("g", 1, "callback", stop=False))
    store.spoil("q", "g-0", "version")
    worker = actor("q")
    step = worker.step()
    assert uuids(step.corrupt) == ["g-0"]
    (member,) = ends(backend, "g")
    assert member[:3] == (0, "g-0", "failed")
    assert b"CorruptMessageError" in member.payload
    letter = backend.messages.dead_letter("q", "g-0")
    assert letter is not None
    assert member.payload == letter.error
    assert state_of_group(backend, "g") == "joined"
    assert step.claimed or step.waiting == ("thread",)
    assert uuids([*step.claimed, *worker.claim()]) == ["callback"]


#: What is no end, though the member is not where it was.
NO_ENDS: dict[str, Way] = {
    "retried": _reported(retried),
    "retried later": _reported(retried, delay=5),
    "given back": _reported(released),
    "lost": _reported(lost),
    "set aside": _reported(not_mine, wait=True),
    "rescheduled": lambda worker, store: store.backend.messages.reschedule(by_hand("q", "m")),
    "revoked": lambda worker, store: store.backend.messages.revoke("q", "m"),
    "held by one that retires": lambda worker, store: (worker.claim_one(), worker.retire()),
    "with a callback": _reported(succeeded, callback=a_member("next", "g", 0)),
    "refused": lambda worker, store: worker.step(
        succeeded(worker.claim_one()._replace(token=1 << 40)), limit=0
    ),
}


@pytest.mark.parametrize("way", NO_ENDS)
def test_what_is_no_end_is_not_counted(way: str, backend: Backend, store: Store, actor: Actors) -> None:
    """As long as a message of its place is stored, a member has not ended."""
    create(backend, a_group("g", 1, "callback"))
    add(backend, a_member("m", "g", 0))
    NO_ENDS[way](actor("q"), store)
    assert counts(backend, "g") == (0, 0, 0)
    assert state_of_group(backend, "g") == "open"
    assert not backend.messages.exists("q", "callback")


@pytest.mark.parametrize("again", [retried, lost, released])
def test_a_member_keeps_its_place(backend: Backend, actor: Actors, again: Callable[..., Any]) -> None:
    """A message that runs again is in its group as before, and is shown to be."""
    create(backend, a_group("g", 3))
    add(backend, a_member("m", "g", 2))
    worker = actor()
    claim = worker.claim_one()
    assert claim.group == GroupPlace("g", 2)
    worker.step(again(claim), limit=0)
    stored = backend.messages.get("q", "m")
    assert stored is not None
    assert stored.group == GroupPlace("g", 2)
    worker.step(succeeded(worker.claim_one()), limit=0)
    assert [(member.number, member.uuid) for member in ends(backend, "g")] == [(2, "m")]


def test_a_chain_ends_with_its_last_message(backend: Backend, actor: Actors) -> None:
    """A member with callbacks ends when the last of them does, with that one's result."""
    worker = actor()
    create(backend, a_group("g", 1, "callback"))
    add(backend, a_member("a", "g", 0))
    step = worker.step(succeeded(worker.claim_one(), group_result=b"a", callback=a_member("b", "g", 0)))
    step = worker.step(succeeded(step.claimed[0], group_result=b"b", callback=a_member("c", "g", 0)))
    assert ends(backend, "g") == []
    worker.step(succeeded(step.claimed[0], group_result=b"c"), limit=0)
    assert ends(backend, "g") == [GroupMember(0, "c", "succeeded", b"c")]
    assert state_of(backend, "callback") == "ready"


def test_a_chain_that_fails_has_failed(backend: Backend, actor: Actors) -> None:
    """If a callback of a member fails, the member has."""
    worker = actor()
    create(backend, a_group("g", 2))
    add(backend, a_member("a", "g", 1))
    step = worker.step(succeeded(worker.claim_one(), callback=a_member("b", "g", 1)))
    worker.step(died(step.claimed[0]), limit=0)
    found = backend.groups.get("g")
    assert found is not None
    assert found.failure == GroupMember(1, "b", "failed", ERROR)


def test_of_two_members_with_one_callback_one_has_ended(backend: Backend, actor: Actors) -> None:
    """If two outcomes of a step have callbacks of one uuid, the first submits it, and the second's member has ended."""
    worker = actor()
    fill(backend, a_group("g", 2))
    one, two = worker.claim()
    step = worker.step(
        succeeded(one, group_result=b"1", callback=a_member("next", "g", 0)),
        succeeded(two, group_result=b"2", callback=a_member("next", "g", 1)),
        limit=0,
    )
    assert step.skipped == ["next"]
    assert ends(backend, "g") == [GroupMember(1, "g-1", "succeeded", b"2")]


def test_a_place_ends_once(backend: Backend, actor: Actors) -> None:
    """If a place was given to two messages, the first end counts."""
    worker = actor()
    create(backend, a_group("g", 2, "callback"))
    add(backend, a_member("a", "g", 0), a_member("b", "g", 0))
    one, two = worker.claim()
    worker.step(succeeded(two, group_result=b"b"), limit=0)
    worker.step(died(one), limit=0)
    assert ends(backend, "g") == [GroupMember(0, "b", "succeeded", b"b")]
    assert (counts(backend, "g"), state_of_group(backend, "g")) == ((1, 0, 0), "open")


def test_groups_join_in_the_order_of_their_last_ends(backend: Backend, actor: Actors) -> None:
    """In one step, the callback of the group that was complete first is submitted first."""
    worker = actor()
    fill(backend, a_group("g", 2, "of g"))
    fill(backend, a_group("h", 1, "of h"))
    one, two, other = worker.claim()
    assert uuids(worker.step(succeeded(one), succeeded(other), succeeded(two)).claimed) == ["of h", "of g"]


def test_groups_fail_in_the_order_of_the_ends(backend: Backend, actor: Actors) -> None:
    """In one step, the groups around them fail because of the first members that do not succeed."""
    worker = actor()
    create(backend, a_group("p", 3), a_group("g", 2, parent=("p", 0)), a_group("h", 1, parent=("p", 1)))
    add(backend, a_member("a", "g", 0), a_member("b", "h", 0), a_member("c", "g", 1))
    one, two, three = worker.claim()
    worker.step(succeeded(one), died(two, b"first"), died(three, b"second"), limit=0)
    found = backend.groups.get("p")
    assert found is not None
    assert (found.failed, found.failure) == (2, GroupMember(1, "b", "failed", b"first"))


def test_groups_join_and_fail_in_the_order_of_the_ends(backend: Backend, actor: Actors) -> None:
    """A callback that is submitted takes the note of an earlier failure away, and a later failure notes it again."""
    worker = actor()
    for name in "gh":
        callback = a_message(f"callback of {name}", joins=name, named=True)
        create(backend, a_group(name, 1)._replace(callback=callback))
        create(backend, a_group(f"f{name}", 1, unreachable=(callback.uuid,)))
    add(backend, a_member("g-0", "g", 0), a_member("fg-0", "fg", 0))
    add(backend, a_member("fh-0", "fh", 0), a_member("h-0", "h", 0))
    joins, fails, other_fails, other_joins = worker.claim()
    worker.step(succeeded(joins), died(fails), died(other_fails), succeeded(other_joins), limit=0)
    noted = backend.results.failed_parents(["callback of g", "callback of h"])
    assert noted == ["fg-0", None]


def test_a_number_that_the_group_does_not_have_is_no_place(backend: Backend, actor: Actors) -> None:
    """The end of a message with such a number neither counts nor joins the group."""
    worker = actor()
    create(backend, a_group("g", 1, "callback"))
    add(backend, a_member("a", "g", 1), a_member("b", "g", 0))
    one, two = worker.claim()
    worker.step(died(one), limit=0)
    assert (counts(backend, "g"), state_of_group(backend, "g"), ends(backend, "g")) == ((0, 0, 0), "open", [])
    assert uuids(worker.step(succeeded(two)).claimed) == ["callback"]


@pytest.mark.parametrize("outcome", [succeeded, died])
def test_a_repeated_step_counts_nothing_again(
    backend: Backend, actor: Actors, outcome: Callable[..., Any]
) -> None:
    """A step that is sent again after a lost reply counts no end and joins no group again."""
    worker = actor()
    fill(backend, a_group("g", 2, "callback", stop=False))
    one, two = worker.claim()
    step = worker.step(outcome(one), outcome(two))
    assert worker.again(outcome(one), outcome(two)) == step
    assert sum(counts(backend, "g")) == 2
    worker.step(succeeded(step.claimed[0]), limit=0)
    worker.again(succeeded(step.claimed[0]), limit=0)
    assert backend.messages.count("q") == 0


def test_a_repeated_retirement_counts_nothing_again(backend: Backend, actor: Actors) -> None:
    """A retirement that is sent again is answered as before, and joins no group again."""
    worker = actor()
    fill(backend, a_group("g", 1, "callback"))
    claim = worker.claim_one()
    assert worker.retire(succeeded(claim)) == []
    other = actor()
    other.step(succeeded(other.claim_one()), limit=0)
    assert worker.retire(succeeded(claim)) == []
    assert (counts(backend, "g"), backend.messages.count("q")) == ((1, 0, 0), 0)


def test_members_of_other_groups_are_untouched(backend: Backend, actor: Actors) -> None:
    """The end of a member is written into its own group alone, and a plain message into none."""
    worker = actor()
    fill(backend, a_group("g", 2))
    fill(backend, a_group("h", 2))
    add(backend, "plain")
    first, second, *_, last = worker.claim()
    worker.step(died(first), succeeded(last), limit=0)
    assert (counts(backend, "g"), state_of_group(backend, "g")) == ((0, 1, 0), "failed")
    assert (counts(backend, "h"), state_of_group(backend, "h")) == ((0, 0, 0), "open")
    worker.step(succeeded(second), limit=0)
    assert counts(backend, "g") == (1, 1, 0)
