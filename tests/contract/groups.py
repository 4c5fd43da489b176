"""Short functions that make groups, and say what has become of them."""

from __future__ import annotations

from typing import Any, Final

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import (
    Claimed,
    Failed,
    GroupMember,
    GroupPlace,
    GroupSubmission,
    Submission,
)
from tests.contract.stores import SHORT
from tests.contract.workers import DLQ_TTL, ERROR, a_message, a_request

#: For how long groups are kept that are to be gone: long enough for the few calls between their end and a look at them,
#: also where a store counts it in real time.
KEPT: Final = 20 * SHORT


def a_group(
    name: str,
    total: int,
    callback: str | None = None,
    parent: tuple[str, int] | None = None,
    **fields: Any,
) -> GroupSubmission:
    """Return a group; its callback is a message of this uuid, in the group's own place."""
    place = None if parent is None else GroupPlace(*parent)
    message = None if callback is None else a_message(callback, joins=name, group=place)
    return GroupSubmission(name, total, callback=message, parent=place, **fields)


def a_member(uuid: str, group: str, number: int, **fields: Any) -> Submission:
    """Return a message with a place in a group."""
    return a_message(uuid, group=GroupPlace(group, number), **fields)


def members_of(group: str, total: int, **fields: Any) -> list[Submission]:
    """Return all members of a group, named ``<group>-<number>``."""
    return [a_member(f"{group}-{number}", group, number, **fields) for number in range(total)]


def create(backend: Backend, *groups: GroupSubmission) -> None:
    """Create groups, each by a request of its own."""
    for group in groups:
        assert backend.groups.create(group, a_request()), group.id


def fill(backend: Backend, *groups: GroupSubmission) -> None:
    """Create groups, and submit messages for all members of the last one."""
    create(backend, *groups)
    added = backend.messages.add(members_of(groups[-1].id, groups[-1].total), a_request())
    assert all(each.accepted for each in added)


def state_of_group(backend: Backend, group: str) -> str | None:
    """The state of a group; None if it is not stored."""
    found = backend.groups.get(group)
    return None if found is None else found.state


def counts(backend: Backend, group: str) -> tuple[int, int, int]:
    """How many members have succeeded, failed and were revoked."""
    found = backend.groups.get(group)
    assert found is not None
    return (found.succeeded, found.failed, found.revoked)


def ends(backend: Backend, group: str) -> list[GroupMember]:
    """How the members of a group ended."""
    return backend.groups.members(group, 0, 1000)


def revoked(claimed: Claimed) -> Failed:
    """The outcome of a claim whose message was revoked."""
    return Failed(claimed.uuid, claimed.queue, claimed.token, ERROR, DLQ_TTL, revoked=True)
