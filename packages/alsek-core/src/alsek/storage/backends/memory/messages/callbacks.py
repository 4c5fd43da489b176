"""Submits what follows the outcomes of a step: callbacks, and then callbacks that are groups, with their members."""

from __future__ import annotations

from collections.abc import Sequence

from alsek.storage.backends.memory.messages.groups import counting
from alsek.storage.backends.memory.messages.groups.ends import EndedMember
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.submissions import add_one
from alsek.storage.backends.records import Failed, GroupPlace, SetAside, Submission, Succeeded


def submit(
    table: MessageTable, ended: Sequence[tuple[Succeeded | Failed | SetAside, EndedMember | None]]
) -> list[str]:
    """Submit what follows these outcomes of messages that have ended: all callbacks, all groups, then all members.

    Args:
        table: The table.
        ended: The outcomes, each with the end of its member, if it has succeeded: that is among the ends that are to
            be settled. It is no end if the callback was submitted, which goes on in the member's place.

    Returns:
        The uuids of callbacks and members that were not submitted because they exist already, and the ids of groups.
    """
    skipped: list[str] = []
    for outcome, end in ended:
        if outcome.callback is not None:
            if not add_one(table, outcome.callback, request="").accepted:
                skipped.append(outcome.callback.uuid)
            elif end is not None:
                table.group_ends.remove(end)
    members: list[Submission] = []
    for outcome, end in ended:
        if isinstance(outcome, Succeeded) and outcome.groups:
            if not counting.create(table, outcome.groups[0], request=""):
                skipped.append(outcome.groups[0].id)
                continue
            if end is not None:
                table.group_ends.remove(end)
            members += _nest(table, outcome, skipped)
    left_out = [member for member in members if not add_one(table, member, request="").accepted]
    for member in left_out:
        _revoke_place(table, member.group, member.uuid)
    return skipped + [member.uuid for member in left_out]


def _nest(table: MessageTable, outcome: Succeeded, skipped: list[str]) -> list[Submission]:
    """Create the groups in the first group of an outcome; return the members that are to be submitted.

    What is left out, with its members, is added to `skipped`.
    """
    refused: set[str] = set()
    for group in outcome.groups[1:]:
        if not counting.create(table, group, request=""):
            refused.add(group.id)
            skipped.append(group.id)
            _revoke_place(table, group.parent, group.id)
    return [member for member in outcome.members if not _is_in(member, refused)]


def _revoke_place(table: MessageTable, place: GroupPlace | None, uuid: str) -> None:
    """Count what is left out as revoked: its place would never end."""
    if place is not None:
        table.group_ends.append(EndedMember(place, uuid, "revoked"))


def _is_in(member: Submission, groups: set[str]) -> bool:
    return member.group is not None and member.group.group in groups
