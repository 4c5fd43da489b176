"""Groups that are members of groups, and groups that follow a message: what one's end does to the other."""

from __future__ import annotations

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
    members_of,
    revoked,
    state_of_group,
)
from tests.contract.stores import Store
from tests.contract.workers import ERROR, Actors, a_message, add, died, result_of, state_of, succeeded, uuids


def test_a_group_without_a_callback_ends_as_a_group(backend: Backend, actor: Actors) -> None:
    """A nested group without a callback ends in its parent when it joins; the parent joins in that step, too."""
    worker = actor()
    create(backend, a_group("p", 2, "callback"))
    fill(backend, a_group("g", 2, parent=("p", 1)))
    one, two = worker.claim()
    worker.step(succeeded(one), succeeded(two), limit=0)
    assert state_of_group(backend, "g") == "joined"
    assert ends(backend, "p") == [GroupMember(1, "g", "group")]
    assert counts(backend, "p") == (1, 0, 0)
    add(backend, a_member("a", "p", 0))
    step = worker.step(succeeded(worker.claim_one()))
    assert uuids(step.claimed) == ["callback"]


def test_a_group_with_a_callback_ends_with_it(backend: Backend, actor: Actors) -> None:
    """A nested group that has a callback ends in its parent when the callback ends, with its result."""
    worker = actor()
    create(backend, a_group("p", 1, "last"))
    fill(backend, a_group("g", 1, "callback", parent=("p", 0)))
    step = worker.step(succeeded(worker.claim_one()))
    (claim,) = step.claimed
    assert (claim.uuid, claim.joins, claim.group) == ("callback", "g", GroupPlace("p", 0))
    assert (state_of_group(backend, "g"), state_of_group(backend, "p")) == ("joined", "open")
    step = worker.step(succeeded(claim, group_result=b"42"))
    assert ends(backend, "p") == [GroupMember(0, "callback", "succeeded", b"42")]
    assert uuids(step.claimed) == ["last"]


def test_a_callback_that_fails_fails_the_parent(backend: Backend, actor: Actors) -> None:
    """If the callback of a nested group fails, that is a failure in the parent, and none of the group itself."""
    worker = actor()
    create(backend, a_group("p", 2))
    fill(backend, a_group("g", 1, "callback", parent=("p", 0)))
    step = worker.step(succeeded(worker.claim_one()))
    worker.step(died(step.claimed[0]), limit=0)
    assert (state_of_group(backend, "g"), state_of_group(backend, "p")) == ("joined", "failed")
    assert ends(backend, "p") == [GroupMember(0, "callback", "failed", ERROR)]


@pytest.mark.parametrize("end", ["failed", "revoked"])
def test_a_failure_goes_up(backend: Backend, actor: Actors, end: str) -> None:
    """A group that has failed fails in its parent, because of the same member, and so on."""
    worker = actor()
    create(
        backend,
        a_group("top", 2, "after all", unreachable=("after all",)),
        a_group("middle", 2, parent=("top", 1)),
    )
    fill(backend, a_group("g", 2, "callback", parent=("middle", 0), unreachable=("callback",)))
    claim, _ = worker.claim()
    worker.step(died(claim, b"why") if end == "failed" else revoked(claim), limit=0)
    payload = b"why" if end == "failed" else ERROR
    assert ends(backend, "g") == [GroupMember(0, "g-0", end, payload)]  # type: ignore[arg-type]
    assert ends(backend, "middle") == [GroupMember(0, "g-0", "failed", payload)]
    assert ends(backend, "top") == [GroupMember(1, "g-0", "failed", payload)]
    for name in ("g", "middle", "top"):
        found = backend.groups.get(name)
        assert found is not None
        assert found.state == "failed"
        assert found.failure is not None
        assert found.failure.uuid == "g-0"
    assert backend.results.failed_parents(["callback", "after all"]) == ["g-0", "g-0"]
    assert backend.messages.count("q") == 1


def test_a_parent_that_continues_goes_on(backend: Backend, actor: Actors) -> None:
    """A nested group that stops may fail in a parent that continues: that joins when all have ended."""
    worker = actor()
    create(backend, a_group("p", 2, "callback", stop=False))
    fill(backend, a_group("g", 2, parent=("p", 0)))
    claim, other = worker.claim()
    worker.step(died(claim), limit=0)
    assert (state_of_group(backend, "g"), state_of_group(backend, "p")) == ("failed", "open")
    add(backend, a_member("a", "p", 1))
    step = worker.step(succeeded(other), succeeded(worker.claim_one()))
    assert (counts(backend, "g"), counts(backend, "p")) == ((1, 1, 0), (1, 1, 0))
    assert uuids(step.claimed) == ["callback"]


def test_empty_groups_end_in_their_parent(backend: Backend, actor: Actors) -> None:
    """A nested group without members ends in its parent when it is created."""
    create(
        backend,
        a_group("p", 2, "last"),
        a_group("g", 0, parent=("p", 0)),
        a_group("h", 0, "callback", parent=("p", 1)),
    )
    worker = actor()
    assert ends(backend, "p") == [GroupMember(0, "g", "group")]
    step = worker.step(succeeded(worker.claim_one(), group_result=b"h"))
    assert ends(backend, "p")[1:] == [GroupMember(1, "callback", "succeeded", b"h")]
    assert uuids(step.claimed) == ["last"]


@pytest.mark.deep
def test_many_levels_join_in_one_step(backend: Backend, actor: Actors) -> None:
    """The end of the innermost member joins all the groups around it, however many they are."""
    depth = 1_500
    worker = actor()
    create(backend, a_group("g0", 1, "callback"))
    create(backend, *(a_group(f"g{n}", 1, parent=(f"g{n - 1}", 0)) for n in range(1, depth)))
    add(backend, a_member("a", f"g{depth - 1}", 0))
    step = worker.step(succeeded(worker.claim_one()))
    assert uuids(step.claimed) == ["callback"]
    assert {state_of_group(backend, f"g{n}") for n in range(depth)} == {"joined"}


@pytest.mark.parametrize("how", ["failed", "revoked"])
def test_nested_groups_are_not_awaited_any_more(backend: Backend, actor: Actors, how: str) -> None:
    """If a group has failed or was revoked, members of the groups in it that are claimed then are revoked, too."""
    worker = actor()
    create(backend, a_group("p", 3), a_group("g", 2, parent=("p", 0)))
    fill(backend, a_group("h", 3, parent=("g", 0)))
    early = worker.claim_one()
    if how == "failed":
        add(backend, a_member("a", "p", 2))
        backend.messages.fail("q", "a", ERROR, 0)
    else:
        backend.groups.revoke("p")
    assert worker.renew() == ([] if how == "failed" else ["h-0"])
    late = worker.claim_one()
    assert (late.uuid, late.revoked) == ("h-1", True)
    assert worker.renew() == (["h-1"] if how == "failed" else ["h-0", "h-1"])
    worker.step(succeeded(early), revoked(late), limit=0)
    assert counts(backend, "h") == (1, 0, 1)


def test_revoking_a_group_revokes_those_in_it(backend: Backend, actor: Actors) -> None:
    """Each group in it that is open was revoked, there and in its parent; those that have ended stay."""
    worker = actor()
    create(
        backend,
        a_group("above", 2),
        a_group("p", 3, "p's", parent=("above", 1), unreachable=("p's",)),
        a_group("g", 2, "g's", parent=("p", 0), unreachable=("g's",)),
        a_group("h", 0, parent=("p", 1)),
        a_group("deep", 2, parent=("g", 1)),
    )
    fill(backend, a_group("failed", 2, parent=("g", 0)))
    news = backend.subscribe("groups:above", "groups:p", "groups:g", "groups:deep")
    assert backend.groups.revoke("p")
    assert [state_of_group(backend, name) for name in ("p", "g", "deep", "h")] == [
        "revoked",
        "revoked",
        "revoked",
        "joined",
    ]
    assert state_of_group(backend, "above") == "failed"
    assert ends(backend, "above") == [GroupMember(1, "p", "revoked")]
    assert ends(backend, "p") == [GroupMember(0, "g", "revoked"), GroupMember(1, "h", "group")]
    assert ends(backend, "g") == [GroupMember(0, "failed", "revoked"), GroupMember(1, "deep", "revoked")]
    assert backend.results.failed_parents(["p's", "g's"]) == ["p", "g"]
    heard = set()
    for _ in range(4):
        note = news.wait(60_000)
        assert note is not None
        heard.add(note.channel)
    assert heard == {"groups:above", "groups:p", "groups:g", "groups:deep"}
    news.close()
    assert [claim.revoked for claim in worker.claim()] == [True, True]


def test_revoking_a_nested_group_spares_the_parent(backend: Backend, actor: Actors) -> None:
    """A nested group that was revoked counts as a revoked member; a parent that continues goes on."""
    worker = actor()
    create(backend, a_group("p", 2, "callback", stop=False))
    fill(backend, a_group("g", 2, parent=("p", 0)))
    backend.groups.revoke("g")
    assert (counts(backend, "p"), state_of_group(backend, "p")) == ((0, 0, 1), "open")
    add(backend, a_member("a", "p", 1))
    assert [claim.revoked for claim in worker.claim()] == [True, True, False]


def test_a_callback_of_a_nested_group_is_revoked_with_the_parent(backend: Backend, actor: Actors) -> None:
    """The callback of a nested group is a member of the parent."""
    worker = actor()
    create(backend, a_group("p", 2))
    fill(backend, a_group("g", 1, "callback", parent=("p", 0)))
    worker.step(succeeded(worker.claim_one()), limit=0)
    backend.groups.revoke("p")
    claim = worker.claim_one()
    assert (claim.uuid, claim.revoked) == ("callback", True)
    worker.step(revoked(claim), limit=0)
    assert ends(backend, "p") == [GroupMember(0, "callback", "revoked", ERROR)]


def test_a_group_may_follow_a_message(backend: Backend, actor: Actors) -> None:
    """A success submits a group with all members in its step; the callbacks of messages come before them."""
    worker = actor()
    add(backend, "a", "b")
    one, two = worker.claim()
    group = a_group("g", 2, "callback")
    step = worker.step(
        succeeded(one, groups=(group,), members=tuple(members_of("g", 2))),
        succeeded(two, callback=a_message("c")),
    )
    assert uuids(step.claimed) == ["c", "g-0", "g-1"]
    assert (step.skipped, result_of(backend, "a")) == ([], b"result")
    assert state_of_group(backend, "g") == "open"
    step = worker.step(*map(succeeded, step.claimed))
    assert uuids(step.claimed) == ["callback"]


def test_nested_groups_may_follow_a_message(backend: Backend, actor: Actors) -> None:
    """Groups in a group that follows a message are created with it; empty ones join after all members are there."""
    worker = actor()
    add(backend, "a")
    groups = (
        a_group("p", 2, "last"),
        a_group("g", 1, "callback", parent=("p", 0)),
        a_group("h", 0, parent=("p", 1)),
    )
    step = worker.step(
        succeeded(worker.claim_one(), groups=groups, members=tuple(members_of("g", 1))), limit=0
    )
    assert step.skipped == []
    assert ends(backend, "p") == [GroupMember(1, "h", "group")]
    step = worker.step(succeeded(worker.claim_one()))
    assert uuids(step.claimed) == ["callback"]
    step = worker.step(*map(succeeded, step.claimed))
    assert uuids(step.claimed) == ["last"]


def test_an_empty_group_may_follow_a_message(backend: Backend, actor: Actors) -> None:
    """Its callback is submitted in the same step, after those of the other messages."""
    worker = actor()
    add(backend, "a", "b")
    one, two = worker.claim()
    step = worker.step(
        succeeded(one, groups=(a_group("g", 0, "of the group"),)),
        succeeded(two, callback=a_message("of the message")),
    )
    assert uuids(step.claimed) == ["of the message", "of the group"]


def test_a_group_that_follows_a_member_takes_its_place(backend: Backend, actor: Actors) -> None:
    """A member that is followed by a group ends when that group does."""
    worker = actor()
    create(backend, a_group("p", 1, "last"))
    add(backend, a_member("a", "p", 0))
    group = a_group("g", 1, parent=("p", 0))
    step = worker.step(
        succeeded(worker.claim_one(), group_result=b"a", groups=(group,), members=(a_member("b", "g", 0),))
    )
    assert (ends(backend, "p"), uuids(step.claimed)) == ([], ["b"])
    step = worker.step(succeeded(step.claimed[0]))
    assert ends(backend, "p") == [GroupMember(0, "g", "group")]
    assert uuids(step.claimed) == ["last"]


def test_a_group_that_exists_is_skipped(backend: Backend, actor: Actors) -> None:
    """If the id of the group that follows is taken, nothing of it is submitted, and the member has ended."""
    worker = actor()
    create(backend, a_group("p", 1), a_group("g", 5))
    add(backend, a_member("a", "p", 0))
    groups = (a_group("g", 2, parent=("p", 0)), a_group("h", 1, parent=("g", 1)))
    members = (a_member("b", "g", 0), a_member("c", "h", 0))
    step = worker.step(
        succeeded(worker.claim_one(), group_result=b"a", groups=groups, members=members), limit=0
    )
    assert step.skipped == ["g"]
    assert ends(backend, "p") == [GroupMember(0, "a", "succeeded", b"a")]
    assert backend.groups.get("h") is None
    assert backend.messages.count("q") == 0


def test_a_member_that_exists_counts_as_revoked(backend: Backend, actor: Actors) -> None:
    """A member that is left out because its uuid is not new would be awaited for ever: it counts as revoked."""
    worker = actor("q")
    add(backend, "a", a_message("taken", queue="elsewhere"))
    group, members = a_group("g", 2, stop=False), (a_member("taken", "g", 0), a_member("b", "g", 1))
    step = worker.step(succeeded(worker.claim_one(), groups=(group,), members=members))
    assert (step.skipped, uuids(step.claimed)) == (["taken"], ["b"])
    assert ends(backend, "g") == [GroupMember(0, "taken", "revoked")]
    worker.step(succeeded(step.claimed[0]), limit=0)
    assert state_of_group(backend, "g") == "joined"


def test_a_nested_group_that_exists_counts_as_revoked(backend: Backend, actor: Actors) -> None:
    """So does a group in the one that follows, if its id is taken; its members are not submitted."""
    worker = actor()
    create(backend, a_group("taken", 3))
    add(backend, "a")
    groups = (a_group("g", 2, stop=False), a_group("taken", 1, parent=("g", 1)))
    members = (a_member("b", "g", 0), a_member("c", "taken", 0))
    step = worker.step(succeeded(worker.claim_one(), groups=groups, members=members))
    assert (step.skipped, uuids(step.claimed)) == (["taken"], ["b"])
    assert ends(backend, "g") == [GroupMember(1, "taken", "revoked")]
    assert state_of(backend, "c") is None


def test_the_uuid_of_a_member_is_not_new_to_callbacks(backend: Backend, actor: Actors) -> None:
    """A callback that is submitted in the step of a member with its uuid is left out."""
    worker = actor()
    add(backend, "a")
    groups = (a_group("g", 2, "b"), a_group("h", 0, "b", parent=("g", 0)))
    worker.step(succeeded(worker.claim_one(), groups=groups, members=(a_member("b", "g", 1),)), limit=0)
    assert ends(backend, "g") == [GroupMember(0, "h", "group")]
    assert backend.messages.count("q") == 1
    claim = worker.claim_one()
    assert (claim.uuid, claim.group, claim.joins) == ("b", GroupPlace("g", 1), "")


def test_groups_that_follow_join_in_the_order_of_the_ends(backend: Backend, actor: Actors) -> None:
    """In one step: those whose members have ended, those that are empty, those whose members were left out."""
    worker = actor("q")
    add(backend, "a", "b", a_message("taken", queue="elsewhere"))
    create(backend, a_group("g", 1, "of g"))
    add(backend, a_member("c", "g", 0))
    one, two, three = worker.claim()
    left_out = a_group("left out", 1, "of left out", stop=False)
    step = worker.step(
        succeeded(one, groups=(left_out,), members=(a_member("taken", "left out", 0),)),
        succeeded(two, groups=(a_group("empty", 0, "of empty"),)),
        succeeded(three),
    )
    assert uuids(step.claimed) == ["of g", "of empty", "of left out"]


def test_a_repeated_step_creates_nothing_again(backend: Backend, actor: Actors) -> None:
    """A step with a group that is sent again has the same answer, and changes nothing."""
    worker = actor()
    add(backend, "a")
    outcome = succeeded(
        worker.claim_one(), groups=(a_group("g", 1, "callback"),), members=(a_member("b", "g", 0),)
    )
    step = worker.step(outcome)
    assert worker.again(outcome) == step
    assert backend.messages.count("q") == 1
    assert worker.retire(succeeded(step.claimed[0])) == []
    assert worker.retire(succeeded(step.claimed[0])) == []
    assert uuids(actor().claim()) == ["callback"]


def test_a_group_follows_a_message_at_retirement(backend: Backend, store: Store, actor: Actors) -> None:
    """The last outcomes of a worker submit groups as a step does."""
    worker = actor()
    add(backend, "a")
    outcome = succeeded(worker.claim_one(), groups=(a_group("g", 1),), members=(a_member("b", "g", 0),))
    assert worker.retire(outcome) == []
    assert state_of_group(backend, "g") == "open"
    assert uuids(actor().claim()) == ["b"]
