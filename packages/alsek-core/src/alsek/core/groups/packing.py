"""A group as stores take it: itself and the groups in it, and then the members of all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alsek.core.message import Message
from alsek.core.unreachable import from_message
from alsek.storage.backends.records import GroupPlace, GroupSubmission, Submission
from alsek.storage.serialization import Serializer

if TYPE_CHECKING:
    from alsek.core.groups.group import Group


@dataclass
class Packed:
    """A group, packed, and how far its submission has come.

    Attributes:
        groups: The group, and those in it, each before the groups in it.
        members: The members of all of them that are messages.
        messages: What was packed into `members`.
        groups_done: How many groups the store has taken.
        members_done: How many members it has taken.
        complete: It has taken all.
        refused: Why it can't be completed; empty if it can.
    """

    groups: list[GroupSubmission] = field(default_factory=list)
    members: list[Submission] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    groups_done: int = 0
    members_done: int = 0
    complete: bool = False
    refused: str = ""


def pack_group(
    group: Group, serializer_of: Callable[[Message], Serializer], parent: GroupPlace | None = None
) -> Packed:
    """Return a group as a store takes it.

    Args:
        group: The group.
        serializer_of: Returns the serializer of a message.
        parent: The group's own place in another one.

    Raises:
        SerializationError: A value can't be serialized.
    """
    packed = Packed()
    _add(packed, group, serializer_of, parent)
    return packed


def _add(
    packed: Packed,
    group: Group,
    serializer_of: Callable[[Message], Serializer],
    parent: GroupPlace | None,
) -> None:
    callback, after = group.callback, None
    if callback is not None:
        after = callback.submission(serializer_of(callback))._replace(group=parent, joins=group.id)
    packed.groups.append(
        GroupSubmission(
            group.id,
            len(group.members),
            group.on_failure == "stop",
            group.wire_ttl,
            after,
            () if callback is None else from_message(callback),
            parent,
        )
    )
    for number, member in enumerate(group.members):
        place = GroupPlace(group.id, number)
        if isinstance(member, Message):
            packed.members.append(member.submission(serializer_of(member))._replace(group=place))
            packed.messages.append(member)
        else:
            _add(packed, member, serializer_of, place)
