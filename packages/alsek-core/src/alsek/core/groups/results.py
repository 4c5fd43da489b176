"""Reading how the members of a group ended: their results, and why some have none."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from alsek.exceptions import MessageDoesNotExistsError
from alsek.storage.backends.drivers.driver import Driver
from alsek.storage.backends.records import GroupMember
from alsek.storage.serialization import Serializer
from alsek.types import GroupFailure

#: How many members are read at once.
_PIECE: Final = 500


class GroupResults(NamedTuple):
    """How the members of a group ended.

    Attributes:
        results: Their results, in their order; None for one that has none. That of a group without a callback is a
            list of the same kind.
        failures: Those that did not succeed.
    """

    results: list[Any]
    failures: list[GroupFailure]


async def read_results(
    driver: Driver, group: str, serializer: Serializer, above: tuple[int, ...] = ()
) -> GroupResults:
    """Read the results of the members of a group that have ended, and of those of the groups in it.

    Args:
        driver: Of the store that has the group.
        group: Its id.
        serializer: Of the broker.
        above: The group's own place in other ones.

    Raises:
        MessageDoesNotExistsError: The store does not have it any longer.
    """
    port = driver.backend.groups
    record = await driver.ask(port.get, group)
    if record is None:
        raise MessageDoesNotExistsError(f"group {group!r} is not in the store: its ttl is over")
    found = GroupResults([None] * record.total, [])
    for first in range(0, record.total, _PIECE):
        for member in await driver.ask(port.members, group, first, _PIECE):
            path = (*above, member.number)
            if member.end == "group":
                inner = await read_results(driver, member.uuid, serializer, path)
                found.results[member.number] = inner.results
                found.failures.extend(inner.failures)
            elif member.end == "succeeded":
                found.results[member.number] = serializer.reverse(member.payload) if member.payload else None
            else:
                found.failures.append(failure_of_member(member, path))
    return found


def failure_of_member(member: GroupMember, path: tuple[int, ...]) -> GroupFailure:
    """Return why a member did not succeed."""
    details = json.loads(member.payload) if member.payload else None
    return GroupFailure(path, member.uuid, member.end == "revoked", details)
