"""How long groups are kept: until nothing follows of them, and then for their ttl."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alsek.storage.backends.abstract import Backend
from tests.contract.groups import KEPT, a_group, a_member, create, ends, fill, state_of_group
from tests.contract.stores import Store
from tests.contract.workers import Actors, add, died, lost, replay, retried, succeeded


def outlive(backend: Backend, store: Store) -> None:
    """Wait until what is kept for KEPT from now on is gone."""
    create(backend, a_group("sentinel", 0, ttl=KEPT))
    store.outlive(KEPT, lambda: backend.groups.get("sentinel") is None)


def test_an_open_group_is_kept(backend: Backend, store: Store) -> None:
    """A group is kept as long as it is open, whatever its ttl."""
    create(backend, a_group("g", 1, ttl=KEPT))
    outlive(backend, store)
    assert state_of_group(backend, "g") == "open"


@pytest.mark.parametrize("how", ["joined", "failed", "revoked"])
def test_a_group_that_has_ended_is_kept_for_its_ttl(
    backend: Backend, store: Store, actor: Actors, how: str
) -> None:
    """Without a callback that was submitted, it is gone its ttl after its end, with all results."""
    worker = actor()
    fill(backend, a_group("g", 1, None if how == "joined" else "callback", ttl=KEPT))
    claim = worker.claim_one()
    if how == "revoked":
        backend.groups.revoke("g")
    else:
        worker.step(succeeded(claim) if how == "joined" else died(claim), limit=0)
    assert state_of_group(backend, "g") == how
    store.outlive(KEPT, lambda: backend.groups.get("g") is None)
    assert ends(backend, "g") == []


def test_results_are_kept_until_the_callback_has_ended(backend: Backend, store: Store, actor: Actors) -> None:
    """A group whose callback is ready, claimed, or waits for a retry is kept, whatever its ttl."""
    worker = actor()
    fill(backend, a_group("g", 1, "callback", ttl=KEPT))
    step = worker.step(succeeded(worker.claim_one()), limit=0)
    for again in (retried, lost, retried):
        outlive(backend, store)
        worker.step(again(worker.claim_one()), limit=0)
    step = worker.step()
    outlive(backend, store)
    assert len(ends(backend, "g")) == 1
    worker.step(succeeded(step.claimed[0]), limit=0)
    assert state_of_group(backend, "g") == "joined"
    store.outlive(KEPT, lambda: backend.groups.get("g") is None)


@pytest.mark.parametrize(
    "end",
    [
        lambda backend, worker: worker.step(died(worker.claim_one()), limit=0),
        lambda backend, worker: worker.retire(died(worker.claim_one())),
        lambda backend, worker: backend.messages.remove("q", "callback"),
        lambda backend, worker: backend.messages.fail("q", "callback", b"", 0),
    ],
    ids=["failed", "failed at retirement", "removed", "failed by hand"],
)
def test_any_end_of_the_callback_releases_the_group(
    backend: Backend, store: Store, actor: Actors, end: Callable[..., Any]
) -> None:
    """However the callback ends, the group is kept for its ttl then."""
    worker = actor()
    fill(backend, a_group("g", 1, "callback", ttl=KEPT))
    worker.step(succeeded(worker.claim_one()), limit=0)
    end(backend, worker)
    assert state_of_group(backend, "g") == "joined"
    store.outlive(KEPT, lambda: backend.groups.get("g") is None)


def test_a_callback_that_cannot_be_read_releases_the_group(
    backend: Backend, store: Store, actor: Actors
) -> None:
    """So does a record of the callback that is of another day."""
    worker = actor()
    fill(backend, a_group("g", 1, "callback", ttl=KEPT))
    worker.step(succeeded(worker.claim_one()), limit=0)
    store.spoil("q", "callback", "version")
    assert worker.step().corrupt
    store.outlive(KEPT, lambda: backend.groups.get("g") is None)


def test_a_nested_group_is_kept_with_its_parent(backend: Backend, store: Store, actor: Actors) -> None:
    """The results in a nested group are kept until the callback of the parent has ended."""
    worker = actor()
    create(backend, a_group("p", 2, "callback", ttl=KEPT))
    create(backend, a_group("h", 1, parent=("p", 1), ttl=KEPT))
    fill(backend, a_group("g", 1, parent=("h", 0), ttl=KEPT))
    worker.step(succeeded(worker.claim_one()), limit=0)
    assert state_of_group(backend, "h") == "joined"
    outlive(backend, store)
    assert len(ends(backend, "g")) == len(ends(backend, "h")) == 1
    add(backend, a_member("a", "p", 0))
    step = worker.step(succeeded(worker.claim_one()))
    outlive(backend, store)
    assert len(ends(backend, "g")) == len(ends(backend, "h")) == 1
    worker.step(succeeded(step.claimed[0]), limit=0)
    assert len(ends(backend, "g")) == len(ends(backend, "p")) - 1 == 1
    store.outlive(KEPT, lambda: not any(backend.groups.get(name) for name in ("p", "h", "g")))


def test_no_group_goes_before_its_parent(backend: Backend, store: Store, actor: Actors) -> None:
    """A nested group with a shorter ttl is kept as long as its parent, in whatever order they end."""
    worker = actor()
    create(backend, a_group("p", 2, ttl=1_000_000), a_group("late", 1, parent=("p", 0), ttl=KEPT))
    fill(backend, a_group("g", 1, parent=("p", 1), ttl=KEPT))
    worker.step(died(worker.claim_one()), limit=0)
    assert state_of_group(backend, "p") == "failed"
    add(backend, a_member("a", "late", 0))
    worker.step(succeeded(worker.claim_one()), limit=0)
    outlive(backend, store)
    assert (state_of_group(backend, "g"), state_of_group(backend, "late")) == ("failed", "joined")


def test_a_nested_group_may_outlive_its_parent(backend: Backend, store: Store, actor: Actors) -> None:
    """A nested group that is open when its parent is gone is kept until it has ended, and for its ttl."""
    worker = actor()
    create(backend, a_group("p", 2, ttl=KEPT), a_group("g", 1, "callback", parent=("p", 0), ttl=KEPT))
    add(backend, a_member("a", "p", 1), a_member("b", "g", 0))
    one, two = worker.claim()
    worker.step(died(one), limit=0)
    store.outlive(KEPT, lambda: backend.groups.get("p") is None)
    assert state_of_group(backend, "g") == "open"
    assert worker.renew() == ["b"]
    step = worker.step(succeeded(two))
    assert [claim.revoked for claim in step.claimed] == [True]
    outlive(backend, store)
    assert state_of_group(backend, "g") == "joined"
    worker.step(died(step.claimed[0]), limit=0)
    store.outlive(KEPT, lambda: backend.groups.get("g") is None)


def test_a_replayed_callback_holds_its_group_again(backend: Backend, store: Store, actor: Actors) -> None:
    """The callback of a group that failed and is replayed finds the results, those in nested groups too."""
    worker = actor()
    create(backend, a_group("p", 1, "callback", ttl=KEPT))
    fill(backend, a_group("g", 1, parent=("p", 0), ttl=KEPT))
    step = worker.step(succeeded(worker.claim_one()))
    assert step.claimed[0].uuid == "callback"
    worker.step(died(step.claimed[0]), limit=0)
    letter = backend.messages.dead_letter("q", "callback")
    assert letter is not None
    assert letter.joins == "p"
    callback = a_group("p", 1, "callback").callback
    assert callback is not None
    assert replay(backend.messages, callback)
    outlive(backend, store)
    claim = worker.claim_one()
    assert claim.joins == "p"
    assert len(ends(backend, "p")) == len(ends(backend, "g")) == 1
    worker.step(succeeded(claim), limit=0)
    store.outlive(KEPT, lambda: backend.groups.get("p") is None and backend.groups.get("g") is None)
