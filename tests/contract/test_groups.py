"""Groups: what is counted, when they join, fail and are revoked, and how long they are kept."""

from __future__ import annotations

import pytest

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import (
    FOR_EVER,
    GroupMember,
    GroupPlace,
    GroupRecord,
    TaskStatus,
)
from alsek.storage.backends.subscriptions import Note
from tests.contract.groups import (
    KEPT,
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
from tests.contract.workers import (
    ERROR,
    QUIET,
    Actors,
    a_message,
    a_request,
    add,
    died,
    hear,
    replay,
    retried,
    state_of,
    status_of,
    succeeded,
    uuids,
    who_rings,
)


def test_a_new_group_is_open(backend: Backend) -> None:
    """A group is stored as it was submitted, and nothing of it has ended."""
    create(backend, a_group("g", 3, "callback"))
    assert backend.groups.get("g") == GroupRecord("g", 3, callback="callback")
    create(backend, a_group("h", 2, stop=False, parent=("g", 1)))
    assert backend.groups.get("h") == GroupRecord("h", 2, stop=False, parent=GroupPlace("g", 1))
    assert backend.groups.members("g", 0, 10) == []
    assert backend.messages.count("q") == 0


def test_what_is_not_stored_is_none(backend: Backend) -> None:
    """A group that is not stored has no record and no members, and can't be revoked."""
    assert backend.groups.get("g") is None
    assert backend.groups.members("g", 0, 10) == []
    assert not backend.groups.revoke("g")


def test_a_group_is_created_once(backend: Backend) -> None:
    """The same request may come again; another one finds the id taken, and changes nothing."""
    request = a_request()
    assert backend.groups.create(a_group("g", 3), request)
    assert backend.groups.create(a_group("g", 3), request)
    assert not backend.groups.create(a_group("g", 5), a_request())
    found = backend.groups.get("g")
    assert found is not None
    assert found.total == 3


def test_ids_may_have_any_characters(backend: Backend, actor: Actors) -> None:
    """What stands for something in a header stands for itself in the id of a group."""
    worker = actor()
    outer, inner = "50% |;,:7", "in%25:0"
    create(backend, a_group(outer, 1, "callback"))
    fill(backend, a_group(inner, 2, parent=(outer, 0)))
    one, two = worker.claim()
    assert (one.revoked, one.group) == (False, GroupPlace(inner, 0))
    worker.step(succeeded(one), limit=0)
    (callback,) = worker.step(succeeded(two, callback=a_member("next", inner, 1))).claimed
    (last,) = worker.step(succeeded(callback)).claimed
    assert ends(backend, outer) == [GroupMember(0, inner, "group")]
    assert (last.uuid, last.joins, last.revoked) == ("callback", outer, False)
    worker.step(died(last), limit=0)
    assert replay(backend.messages, a_message("callback", joins=outer))
    worker.step(succeeded(worker.claim_one()), limit=0)


def test_a_group_needs_its_parent(backend: Backend) -> None:
    """A group whose parent is not stored is refused."""
    assert not backend.groups.create(a_group("g", 3, parent=("nobody", 0)), a_request())
    assert backend.groups.get("g") is None


@pytest.mark.parametrize("stop", [True, False])
def test_a_group_joins_when_all_have_succeeded(backend: Backend, actor: Actors, stop: bool) -> None:
    """The callback is submitted in the step in which the last member ends, not earlier."""
    worker = actor()
    fill(backend, a_group("g", 3, "callback", stop=stop))
    one, two, three = worker.claim()
    worker.step(succeeded(three), succeeded(one), limit=0)
    assert counts(backend, "g") == (2, 0, 0)
    assert state_of_group(backend, "g") == "open"
    assert not backend.messages.exists("q", "callback")
    step = worker.step(succeeded(two))
    assert uuids(step.claimed) == ["callback"]
    assert step.claimed[0].joins == "g"
    assert step.claimed[0].group is None
    assert not step.claimed[0].revoked
    assert backend.groups.get("g") == GroupRecord("g", 3, 3, state="joined", stop=stop, callback="callback")


def test_results_are_in_the_order_of_the_members(backend: Backend, actor: Actors) -> None:
    """Results of members are given by their numbers, whatever the order in which they end."""
    worker = actor()
    fill(backend, a_group("g", 4, "callback"))
    claims = worker.claim()
    worker.step(
        *(succeeded(claims[n], group_result=f"result {n}".encode()) for n in (2, 0, 3, 1)),
        limit=0,
    )
    expected = [GroupMember(n, f"g-{n}", "succeeded", f"result {n}".encode()) for n in range(4)]
    assert ends(backend, "g") == expected
    assert backend.groups.members("g", 1, 2) == expected[1:3]
    assert backend.groups.members("g", 3, 5) == expected[3:]
    assert backend.groups.members("g", 4, 5) == []
    assert backend.groups.members("g", 0, 0) == []


def test_pages_leave_out_who_has_not_ended(backend: Backend, actor: Actors) -> None:
    """A page is of numbers, not of members that have ended."""
    worker = actor()
    fill(backend, a_group("g", 5))
    claims = worker.claim()
    worker.step(succeeded(claims[1]), succeeded(claims[4]), limit=0)
    assert [member.number for member in backend.groups.members("g", 0, 4)] == [1]
    assert [member.number for member in backend.groups.members("g", 2, 2)] == []
    assert [member.number for member in backend.groups.members("g", 2, 3)] == [4]


def test_any_bytes_are_a_result(backend: Backend, actor: Actors) -> None:
    """Payloads come back as they were, whatever bytes they are."""
    worker = actor()
    payloads = [b"", b"\x00\xff|;,%\n", b"x" * 5_000]
    fill(backend, a_group("g", 3))
    claims = worker.claim()
    worker.step(
        *(succeeded(claim, group_result=payload) for claim, payload in zip(claims, payloads, strict=True)),
        limit=0,
    )
    assert [member.payload for member in ends(backend, "g")] == payloads


def test_an_empty_group_joins_at_once(backend: Backend, actor: Actors) -> None:
    """A group without members submits its callback in the step that stores it; the repeated call does nothing."""
    waiter = actor().waiter()
    waiter.arm()
    request, group = a_request(), a_group("g", 0, "callback")
    assert backend.groups.create(group, request)
    assert who_rings([waiter]) == [0]
    waiter.close()
    assert state_of_group(backend, "g") == "joined"
    worker = actor()
    worker.step(succeeded(worker.claim_one()), limit=0)
    assert backend.groups.create(group, request)
    assert backend.messages.count("q") == 0


def test_a_group_without_a_callback_joins(backend: Backend, actor: Actors) -> None:
    """It has joined when all have ended, and nothing is submitted."""
    worker = actor()
    fill(backend, a_group("g", 2))
    worker.step(*(succeeded(claim) for claim in worker.claim()), limit=0)
    assert state_of_group(backend, "g") == "joined"
    assert backend.messages.count("q") == 0


def test_a_callback_that_exists_is_left_out(backend: Backend, store: Store, actor: Actors) -> None:
    """If the uuid of the callback is not new, nothing is overwritten, and the group ends as one without a callback."""
    worker = actor("q")
    add(backend, a_message("callback", queue="elsewhere", payload=b"older"))
    create(backend, a_group("p", 1, ttl=KEPT))
    fill(backend, a_group("g", 1, "callback", parent=("p", 0), ttl=KEPT))
    worker.step(succeeded(worker.claim_one()), limit=0)
    assert state_of_group(backend, "g") == "joined"
    assert ends(backend, "p") == [GroupMember(0, "g", "group")]
    assert state_of_group(backend, "p") == "joined"
    stored = backend.messages.get("elsewhere", "callback")
    assert stored is not None
    assert stored.payload == b"older"
    store.outlive(KEPT, lambda: backend.groups.get("g") is None and backend.groups.get("p") is None)


def test_a_callback_may_have_the_uuid_of_a_removed_member(backend: Backend) -> None:
    """That uuid is new at once: the callback is submitted under it."""
    create(backend, a_group("g", 1, "a", stop=False))
    add(backend, a_member("a", "g", 0))
    assert backend.messages.remove("q", "a")
    assert state_of(backend, "a") == "ready"
    assert status_of(backend, "a") == TaskStatus.SUBMITTED


def test_callbacks_of_messages_come_first(backend: Backend, actor: Actors) -> None:
    """In one step, the callbacks of messages are submitted before those of groups."""
    worker = actor()
    fill(backend, a_group("g", 1, "of the group"))
    add(backend, "a")
    member, other = worker.claim()
    step = worker.step(succeeded(member), succeeded(other, callback=a_message("of the message")))
    assert uuids(step.claimed) == ["of the message", "of the group"]


def test_a_delayed_callback_is_delayed_from_the_join(backend: Backend, store: Store, actor: Actors) -> None:
    """The delay of a callback counts from the step in which its group joins."""
    worker = actor()
    callback = a_message("callback", joins="g", delay=700)
    fill(backend, a_group("g", 1)._replace(callback=callback))
    store.advance(5_000)
    step = worker.step(succeeded(worker.claim_one()))
    assert (step.claimed, step.next_due) == ([], 700)
    store.advance(700)
    assert uuids(worker.claim()) == ["callback"]


def test_the_first_failure_fails_a_group_that_stops(backend: Backend, actor: Actors) -> None:
    """It has failed in the step of the first member that does not succeed; its counts go on."""
    worker = actor()
    fill(backend, a_group("g", 3, "callback", unreachable=("callback", "after")))
    one, two, three = worker.claim()
    news = backend.subscribe("groups:g", "results:callback", "results:after")
    worker.step(succeeded(one), died(two, b"why"), limit=0)
    failure = GroupMember(1, "g-1", "failed", b"why")
    expected = GroupRecord("g", 3, 1, 1, state="failed", callback="callback", failure=failure)
    assert backend.groups.get("g") == expected
    assert {hear(news), hear(news), hear(news)} == {
        Note("groups:g", b""),
        Note("results:callback", b""),
        Note("results:after", b""),
    }
    assert backend.results.failed_parents(["callback", "g-0", "after"]) == ["g-1", None, "g-1"]
    worker.step(died(three, b"later"), limit=0)
    assert backend.groups.get("g") == expected._replace(failed=2)
    assert ends(backend, "g")[1:] == [failure, GroupMember(2, "g-2", "failed", b"later")]
    assert not backend.messages.exists("q", "callback")
    assert news.wait(int(QUIET * 1000)) is None
    news.close()


def test_the_first_of_several_failures_is_the_one(backend: Backend, actor: Actors) -> None:
    """If several members fail in one step, the group has failed because of the first outcome."""
    worker = actor()
    fill(backend, a_group("g", 3))
    one, two, three = worker.claim()
    worker.step(succeeded(one), died(three, b"first"), died(two, b"second"), limit=0)
    found = backend.groups.get("g")
    assert found is not None
    assert found.failure == GroupMember(2, "g-2", "failed", b"first")


def test_a_removed_member_fails_a_group_that_stops(backend: Backend) -> None:
    """A member that was removed has not succeeded."""
    fill(backend, a_group("g", 2, "callback"))
    backend.messages.remove("q", "g-1")
    assert backend.groups.get("g") == GroupRecord(
        "g", 2, 0, 0, 1, "failed", callback="callback", failure=GroupMember(1, "g-1", "revoked")
    )


def test_a_group_that_continues_joins_in_any_case(backend: Backend, actor: Actors) -> None:
    """It joins when all have ended, whatever their ends."""
    worker = actor()
    fill(backend, a_group("g", 3, "callback", stop=False))
    one, two, _ = worker.claim()
    worker.step(died(one, b"why"), succeeded(two, group_result=b"2"), limit=0)
    assert state_of_group(backend, "g") == "open"
    backend.messages.remove("q", "g-2")
    assert backend.groups.get("g") == GroupRecord("g", 3, 1, 1, 1, "joined", False, "callback")
    assert ends(backend, "g") == [
        GroupMember(0, "g-0", "failed", b"why"),
        GroupMember(1, "g-1", "succeeded", b"2"),
        GroupMember(2, "g-2", "revoked"),
    ]
    assert uuids(worker.claim()) == ["callback"]


def test_the_end_of_a_group_is_published(backend: Backend, actor: Actors) -> None:
    """When it joins, fails or is revoked, an empty note is published on its channel."""
    worker = actor()
    fill(backend, a_group("g", 1, "callback"))
    create(backend, a_group("h", 1))
    news = backend.subscribe("groups:g", "groups:h", "groups:i")
    worker.step(succeeded(worker.claim_one()), limit=0)
    assert hear(news) == Note("groups:g", b"")
    backend.groups.revoke("h")
    assert hear(news) == Note("groups:h", b"")
    create(backend, a_group("i", 0))
    assert hear(news) == Note("groups:i", b"")
    news.close()


def test_members_of_a_failed_group_are_revoked_when_claimed(backend: Backend, actor: Actors) -> None:
    """What is claimed after a group has failed is revoked; what was claimed before is not told of it."""
    worker = actor()
    fill(backend, a_group("g", 4))
    one, two = worker.claim(limit=2)
    step = worker.step(died(one), limit=1)
    assert [(claim.uuid, claim.revoked) for claim in step.claimed] == [("g-2", True)]
    assert worker.renew() == ["g-2"]
    assert [claim.revoked for claim in worker.again(died(one), limit=1).claimed] == [True]
    assert [(claim.uuid, claim.revoked) for claim in worker.held()] == [("g-1", False), ("g-2", True)]
    worker.step(succeeded(two), revoked(step.claimed[0]), limit=0)
    assert counts(backend, "g") == (1, 1, 1)


def test_a_member_of_a_failed_group_stays_revoked(backend: Backend, actor: Actors) -> None:
    """Once revoked by its group, a message is revoked in each claim, and as it is stored."""
    worker = actor()
    fill(backend, a_group("g", 2))
    backend.messages.fail("q", "g-0", ERROR, 0)
    stored = backend.messages.get("q", "g-1")
    assert stored is not None
    assert not stored.revoked
    claim = worker.claim_one()
    worker.step(retried(claim), limit=0)
    stored = backend.messages.get("q", "g-1")
    assert stored is not None
    assert stored.revoked
    assert worker.claim_one().revoked


def test_callbacks_of_members_are_revoked_with_the_group(backend: Backend, actor: Actors) -> None:
    """A callback that has the place of a member is one of the group."""
    worker = actor()
    fill(backend, a_group("g", 2))
    one, two = worker.claim()
    worker.step(succeeded(one, callback=a_member("next", "g", 0)), died(two), limit=0)
    claim = worker.claim_one()
    assert (claim.uuid, claim.revoked) == ("next", True)


def test_revoking_ends_a_group(backend: Backend, actor: Actors) -> None:
    """Members that are claimed now or later are revoked; the callback is not submitted."""
    worker = actor()
    fill(backend, a_group("g", 3, "callback", unreachable=("callback",)))
    one = worker.claim_one()
    news = backend.subscribe("groups:g", "results:callback")
    assert worker.renew() == []
    assert backend.groups.revoke("g")
    assert {hear(news), hear(news)} == {Note("groups:g", b""), Note("results:callback", b"")}
    assert backend.groups.get("g") == GroupRecord("g", 3, state="revoked", callback="callback")
    assert backend.results.failed_parents(["callback"]) == ["g"]
    assert worker.renew() == ["g-0"]
    step = worker.step(succeeded(one))
    assert [claim.revoked for claim in step.claimed] == [True, True]
    worker.step(*map(revoked, step.claimed), limit=0)
    assert counts(backend, "g") == (1, 0, 2)
    assert state_of_group(backend, "g") == "revoked"
    assert not backend.messages.exists("q", "callback")
    assert backend.groups.revoke("g")
    assert news.wait(int(QUIET * 1000)) is None
    news.close()


@pytest.mark.parametrize("how", ["joined", "failed"])
def test_a_group_that_has_ended_is_not_revoked(backend: Backend, actor: Actors, how: str) -> None:
    """Its state stays, and its callback runs."""
    worker = actor()
    fill(backend, a_group("g", 1, "callback"))
    claim = worker.claim_one()
    worker.step(succeeded(claim) if how == "joined" else died(claim), limit=0)
    assert backend.groups.revoke("g")
    assert state_of_group(backend, "g") == how
    assert [claim.revoked for claim in worker.claim()] == ([False] if how == "joined" else [])


def test_members_of_a_group_that_is_gone_are_revoked(backend: Backend, actor: Actors) -> None:
    """If the group is not stored, a claimed member is revoked, its holder is told, and its end changes nothing."""
    worker = actor()
    add(backend, a_member("a", "nowhere", 0), a_member("b", "nowhere", 1))
    claim = worker.claim_one()
    assert claim.revoked
    assert worker.renew() == ["a"]
    step = worker.step(revoked(claim))
    assert (step.refused, uuids(step.claimed)) == ([], ["b"])
    backend.messages.remove("q", "b")
    assert backend.groups.get("nowhere") is None


def test_a_holder_learns_that_the_group_is_gone(backend: Backend, store: Store, actor: Actors) -> None:
    """A group that is kept no longer revokes members that were claimed while it was stored."""
    worker = actor()
    fill(backend, a_group("g", 2, ttl=KEPT))
    one, _ = worker.claim()
    worker.step(died(one), limit=0)
    assert worker.renew() == []
    store.outlive(KEPT, lambda: backend.groups.get("g") is None)
    assert worker.renew() == ["g-1"]


def test_members_may_come_in_pieces(backend: Backend, actor: Actors) -> None:
    """A group joins when its whole number has ended, not when none is left for a moment."""
    worker = actor()
    group = a_group("g", 4, "callback")
    create(backend, group)
    for member in members_of("g", 4):
        assert not backend.messages.exists("q", "callback")
        add(backend, member)
        worker.step(succeeded(worker.claim_one()), limit=0)
    assert uuids(worker.claim()) == ["callback"]


def test_a_large_group_joins_once(backend: Backend, actor: Actors) -> None:
    """Members of many steps of several workers, each of which is repeated, join their group once."""
    total = 300
    fill(backend, a_group("g", total, "callback"))
    workers = [actor() for _ in range(3)]
    held = [worker.claim(limit=7) for worker in workers]
    seen: list[str] = []
    while any(held):
        for n, worker in enumerate(workers):
            outcomes = [succeeded(claim, group_result=claim.uuid.encode()) for claim in held[n]]
            seen += uuids(held[n])
            step = worker.step(*outcomes, limit=7)
            assert worker.again(*outcomes, limit=7).claimed == step.claimed
            held[n] = step.claimed
    assert sorted(seen) == sorted(["callback", *uuids(members_of("g", total))])
    assert counts(backend, "g") == (total, 0, 0)
    found = [member.payload for member in backend.groups.members("g", 0, total)]
    assert found == [f"g-{n}".encode() for n in range(total)]


def test_a_member_that_is_replayed_is_in_no_group(backend: Backend, actor: Actors) -> None:
    """A replayed member runs by itself; its group stays as it ended."""
    worker = actor()
    fill(backend, a_group("g", 2, "callback"))
    one, two = worker.claim()
    worker.step(died(one), succeeded(two), limit=0)
    letter = backend.messages.dead_letter("q", "g-0")
    assert letter is not None
    assert letter.group == GroupPlace("g", 0)
    assert replay(backend.messages, a_member("g-0", "g", 0))
    claim = worker.claim_one()
    assert (claim.group, claim.revoked) == (None, False)
    worker.step(succeeded(claim), limit=0)
    assert counts(backend, "g") == (1, 1, 0)
    assert state_of_group(backend, "g") == "failed"


def test_clearing_the_namespace_deletes_groups(backend: Backend, actor: Actors) -> None:
    """Groups, their members' results and the notes of failed parents go with all else."""
    worker = actor()
    fill(backend, a_group("g", 2, "callback", unreachable=("callback",)))
    create(backend, a_group("h", 2), a_group("i", 2, parent=("h", 1)))
    worker.step(died(worker.claim_one()), limit=0)
    backend.clear_namespace()
    assert [backend.groups.get(name) for name in "ghi"] == [None] * 3
    assert backend.groups.members("g", 0, 5) == []
    assert backend.results.failed_parents(["callback"]) == [None]
    create(backend, a_group("g", 2))
    assert counts(backend, "g") == (0, 0, 0)
    assert ends(backend, "g") == []


def test_groups_of_namespaces_are_apart(store: Store, backend: Backend) -> None:
    """Two namespaces may have groups of one id."""
    other = store.open(f"{store.namespace}-other")
    create(backend, a_group("g", 2))
    create(other, a_group("g", 0))
    assert state_of_group(backend, "g") == "open"
    assert state_of_group(other, "g") == "joined"


def test_a_group_for_ever_is_kept(backend: Backend, store: Store, actor: Actors) -> None:
    """With a ttl of ``FOR_EVER`` a group is kept."""
    worker = actor()
    fill(backend, a_group("g", 1, ttl=FOR_EVER))
    worker.step(succeeded(worker.claim_one()), limit=0)
    store.advance(1_000_000_000)
    assert state_of_group(backend, "g") == "joined"
    assert len(ends(backend, "g")) == 1
