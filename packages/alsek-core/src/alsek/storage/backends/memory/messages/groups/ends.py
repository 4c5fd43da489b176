"""What an operation has ended that groups must know of, until they are settled at the end of the operation."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from alsek.storage.backends.endings import End
from alsek.storage.backends.header import tail_values
from alsek.storage.backends.memory.messages.stored_message import StoredMessage
from alsek.storage.backends.records import GroupPlace, MemberEnd, Stored

#: How a member has ended, by how its message did. One that succeeded may have a callback, which goes on in its place:
#: see :mod:`alsek.storage.backends.memory.messages.callbacks`. What was moved is in no group.
_ENDS: Final[dict[End, MemberEnd]] = {
    End.FAILED: "failed",
    End.FAILED_BY_HAND: "failed",
    End.CORRUPT: "failed",
    End.REMOVED: "revoked",
    End.REPLACED: "revoked",
}


class EndedMember(NamedTuple):
    """A place in a group has come to its end."""

    place: GroupPlace
    uuid: str
    end: MemberEnd
    payload: bytes = b""


class EmptyGroup(NamedTuple):
    """A group without members was created."""

    group: str


class EndedCallback(NamedTuple):
    """The callback of this group has ended."""

    group: str


#: One thing that groups must know of.
GroupEnd: TypeAlias = EndedMember | EndedCallback | EmptyGroup


def place_of(message: StoredMessage) -> GroupPlace | None:
    """Return the place of a message in a group; None if it is in none."""
    place: GroupPlace | None = tail_values(Stored, message.tail).get("group") if message.tail else None
    return place


def ends_of(message: StoredMessage, how: End, error: bytes, revoked: bool) -> list[GroupEnd]:
    """Return what the end of a message means for groups, but for the place of one that has succeeded."""
    if not message.tail:
        return []
    found: list[GroupEnd] = []
    place, end = place_of(message), _ENDS.get(how)
    if place is not None and end is not None:
        found.append(EndedMember(place, message.uuid, "revoked" if revoked else end, bytes(error)))
    joins = tail_values(Stored, message.tail).get("joins")
    if joins:
        found.append(EndedCallback(joins))
    return found
