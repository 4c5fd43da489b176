"""Moves of what is in groups: members and callbacks of groups stay, everything else goes."""

from __future__ import annotations

import pytest

from alsek.core.moving.move import Move
from alsek.core.moving.report import Left
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.copies import IN_A_GROUP, CopyKind, Unreadable
from alsek.storage.backends.records import GroupPlace, TaskStatus
from tests.contract.groups import a_group, a_member, counts, create, fill
from tests.contract.stores import Store
from tests.contract.test_transfer import copies_of, move_all
from tests.contract.workers import (
    LEASE,
    Actors,
    a_message,
    add,
    an_actor,
    by_hand,
    died,
    replay,
    result_of,
    state_of,
    status_of,
    succeeded,
    uuids,
)


@pytest.fixture
def target(store: Store) -> Backend:
    """Another namespace of the store."""
    return store.open(f"{store.namespace}-target")


def test_members_and_callbacks_of_groups_stay(backend: Backend, target: Backend, actor: Actors) -> None:
    """What belongs to a group is named, with the reason, and goes on where it is; all else is moved."""
    fill(backend, a_group("g", 2, "callback"))
    create(backend, a_group("h", 0, "joins h"))
    backend.messages.reschedule(by_hand("q", "g-1", delay=1_000))
    add(backend, "free", a_message("late", delay=5_000))
    pages = list(backend.transfer.read(CopyKind.MESSAGE, 2))
    assert sorted(copy.key[1] for page in pages for copy in page.copies) == ["free", "late"]
    left = sorted(each for page in pages for each in page.unreadable)
    assert left == [Unreadable(name, IN_A_GROUP) for name in ("g-0", "g-1", "joins h")]
    move_all(backend, target)
    assert sorted(uuids(target.messages.browse("q"))) == ["free", "late"]
    assert target.groups.get("g") is None
    assert status_of(backend, "g-0") == TaskStatus.SUBMITTED
    assert state_of(backend, "g-1") == "delayed"
    worker = actor()
    assert uuids(worker.step(*map(succeeded, worker.claim()), limit=0).refused) == []
    assert counts(backend, "g") == (1, 0, 0)


def test_a_move_names_what_is_in_a_group(backend: Backend, target: Backend) -> None:
    """The report says that groups are not moved, and does not take their members for damaged."""
    fill(backend, a_group("g", 2))
    add(backend, "free")
    report = Move(backend, target).run()
    assert report.moved == {CopyKind.MESSAGE: 1}
    assert sorted(report.left) == [Left(CopyKind.MESSAGE, name, f"{IN_A_GROUP}") for name in ("g-0", "g-1")]
    assert not report.complete


def test_what_has_become_a_member_is_not_taken_out(backend: Backend, target: Backend) -> None:
    """The copy of a message is of no use once a member of a group has its uuid and its place."""
    add(backend, "a")
    copies = copies_of(backend, CopyKind.MESSAGE)
    backend.messages.remove("q", "a")
    create(backend, a_group("g", 1))
    add(backend, a_member("a", "g", 0))
    move = backend.transfer.open_source("move", "target", "there", LEASE)
    assert move.taken is None
    assert backend.transfer.take_out("move", "batch", copies) == [False]
    assert counts(backend, "g") == (0, 0, 0)
    assert state_of(backend, "a") == "ready"


def test_dead_letters_and_results_of_members_are_moved(
    backend: Backend, target: Backend, actor: Actors
) -> None:
    """They go along as those of any message; one that is replayed there is in no group."""
    worker = actor()
    fill(backend, a_group("g", 2, stop=False))
    one, two = worker.claim()
    worker.step(died(one), succeeded(two, b"42"), limit=0)
    worker.retire()
    move_all(backend, target)
    assert result_of(target, "g-1") == b"42"
    letter = target.messages.dead_letter("q", "g-0")
    assert letter is not None
    assert letter.group == GroupPlace("g", 0)
    assert replay(target.messages, a_member("g-0", "g", 0))
    claim = an_actor(target).claim_one()
    assert (claim.group, claim.revoked) == (None, False)
    assert counts(backend, "g") == (1, 1, 0)
