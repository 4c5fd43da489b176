"""Members of groups that have a unique key, or wait for a limit."""

from __future__ import annotations

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import GroupMember, GroupPlace, Limit, UniqueKey
from tests.contract.groups import (
    a_group,
    a_member,
    counts,
    create,
    ends,
    fill,
    state_of_group,
)
from tests.contract.stores import SHORT, Store
from tests.contract.workers import (
    DLQ_TTL,
    ERROR,
    Actors,
    a_message,
    add,
    state_of,
    succeeded,
    uuids,
)

KEY = UniqueKey("k")
REPLACES = UniqueKey("k", conflict="replace")
ONE = (Limit("l", 1),)


def test_a_replaced_member_was_revoked(backend: Backend, actor: Actors) -> None:
    """A member whose place another message of its key takes has ended; that message goes on in its own group."""
    create(backend, a_group("g", 2, stop=False), a_group("h", 2, stop=False))
    add(backend, a_member("a", "g", 0, unique=KEY))
    add(backend, a_member("b", "h", 1, unique=REPLACES))
    assert ends(backend, "g") == [GroupMember(0, "a", "revoked")]
    worker = actor()
    claim = worker.claim_one()
    assert (claim.uuid, claim.payload, claim.group) == ("a", b"payload of b", GroupPlace("h", 1))
    worker.step(succeeded(claim), limit=0)
    assert counts(backend, "g") == (0, 0, 1)
    assert ends(backend, "h") == [GroupMember(1, "a", "succeeded")]


def test_a_member_that_waits_behind_its_key_may_be_replaced(backend: Backend, actor: Actors) -> None:
    """So has a member that waited for the end of the holder, and is replaced by a later message."""
    create(backend, a_group("g", 1, "callback", stop=False))
    add(backend, a_message("holder", unique=KEY))
    worker = actor()
    worker.claim_one()
    add(backend, a_member("a", "g", 0, unique=REPLACES))
    assert state_of(backend, "a") == "waiting"
    add(backend, a_message("b", unique=REPLACES))
    assert ends(backend, "g") == [GroupMember(0, "a", "revoked")]
    assert uuids(worker.claim()) == ["callback"]


def test_a_replaced_callback_releases_its_group(backend: Backend, store: Store, actor: Actors) -> None:
    """The callback of a group that is replaced by another message has ended."""
    worker = actor()
    callback = a_message("callback", joins="g", unique=KEY, delay=1_000)
    fill(backend, a_group("g", 1, ttl=SHORT)._replace(callback=callback))
    worker.step(succeeded(worker.claim_one()), limit=0)
    add(backend, a_message("b", unique=REPLACES))
    store.outlive(SHORT, lambda: backend.groups.get("g") is None)
    assert worker.claim_one().joins == ""


def test_a_callback_whose_key_is_held_is_left_out(backend: Backend, actor: Actors) -> None:
    """A callback that is refused for its key is as one whose uuid is not new: the member has ended."""
    worker = actor()
    create(backend, a_group("g", 1, "callback"))
    add(backend, a_member("a", "g", 0), a_message("holder", unique=KEY, delay=1_000))
    outcome = succeeded(worker.claim_one(), group_result=b"a", callback=a_member("b", "g", 0, unique=KEY))
    step = worker.step(outcome)
    assert (step.skipped, uuids(step.claimed)) == (["b"], ["callback"])
    assert ends(backend, "g") == [GroupMember(0, "a", "succeeded", b"a")]


def test_a_group_whose_callback_is_refused_has_joined(backend: Backend, actor: Actors) -> None:
    """So is the callback of a group: the group ends as one without a callback."""
    worker = actor()
    create(backend, a_group("p", 1))
    add(backend, a_message("holder", unique=KEY, delay=1_000))
    callback = a_message("callback", joins="g", group=GroupPlace("p", 0), unique=KEY)
    fill(backend, a_group("g", 1, parent=("p", 0))._replace(callback=callback))
    worker.step(succeeded(worker.claim_one()), limit=0)
    assert ends(backend, "p") == [GroupMember(0, "g", "group")]


def test_a_member_that_follows_and_is_refused_was_revoked(backend: Backend, actor: Actors) -> None:
    """A member of a group that follows a message counts as revoked if another message holds its key."""
    worker = actor()
    add(backend, "a", a_message("holder", unique=KEY, delay=1_000))
    group, members = a_group("g", 2, stop=False), (a_member("b", "g", 0, unique=KEY), a_member("c", "g", 1))
    step = worker.step(succeeded(worker.claim_one(), groups=(group,), members=members))
    assert (step.skipped, uuids(step.claimed)) == (["b"], ["c"])
    assert ends(backend, "g") == [GroupMember(0, "b", "revoked")]


def test_the_uuid_of_a_member_that_has_replaced_another_message_is_new(
    backend: Backend, actor: Actors
) -> None:
    """Nothing is stored under it, so the next member may have it."""
    worker = actor()
    add(backend, "a", a_message("holder", unique=KEY, delay=1_000))
    members = (a_member("b", "g", 0, unique=REPLACES), a_member("b", "g", 1))
    step = worker.step(succeeded(worker.claim_one(), groups=(a_group("g", 2),), members=members))
    places = {claim.uuid: claim.group for claim in step.claimed}
    assert (step.skipped, places) == ([], {"holder": GroupPlace("g", 0), "b": GroupPlace("g", 1)})


def test_members_that_wait_can_end(backend: Backend, actor: Actors) -> None:
    """A member that waits for a limit and is removed, or failed by hand, has ended."""
    fill(backend, a_group("g", 3, "callback", stop=False))
    worker = actor()
    worker.claim()
    create(backend, a_group("h", 3, "callback of h", stop=False))
    add(backend, *(a_member(f"h-{n}", "h", n, limits=ONE) for n in range(3)))
    assert [state_of(backend, f"h-{n}") for n in range(3)] == ["ready", "waiting", "waiting"]
    assert backend.messages.remove("q", "h-2")
    assert backend.messages.fail("q", "h-1", ERROR, DLQ_TTL)
    assert (counts(backend, "h"), state_of_group(backend, "h")) == ((0, 1, 1), "open")
    step = worker.step(succeeded(worker.claim_one()))
    assert uuids(step.claimed) == ["callback of h"]


def test_a_join_lets_in_what_waits(backend: Backend, actor: Actors) -> None:
    """The callback of a group takes its place among those that wait for a limit, in the step that joins."""
    worker = actor()
    callback = a_message("callback", joins="g", limits=ONE)
    create(backend, a_group("g", 1)._replace(callback=callback))
    add(backend, a_member("a", "g", 0, limits=ONE))
    step = worker.step(succeeded(worker.claim_one()))
    assert uuids(step.claimed) == ["callback"]


def test_a_member_that_waits_is_revoked_when_it_is_claimed(backend: Backend, actor: Actors) -> None:
    """A member that waited while its group failed is revoked once it is let in and claimed."""
    worker = actor()
    create(backend, a_group("g", 2))
    add(backend, *(a_member(f"g-{n}", "g", n, limits=ONE) for n in range(2)))
    assert backend.messages.fail("q", "g-0", ERROR, DLQ_TTL)
    claim = worker.claim_one()
    assert (claim.uuid, claim.revoked) == ("g-1", True)
