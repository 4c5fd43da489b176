"""Submits what follows the outcomes of a step: callbacks, and then callbacks that are groups, with their members."""

from __future__ import annotations

from collections.abc import Sequence

from alsek.storage.backends.memory.messages.groups import counting
from alsek.storage.backends.memory.messages.groups.ends import EndedMember
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.submissions import add_one
from alsek.storage.backends.records import Failed, SetAside, Submission, Succeeded


def submit(
    table: MessageTable, ended: Sequence[tuple[Succeeded | Failed | SetAside, EndedMember | None]]
) -> list[str]:
    """Submit what follows these outcomes of messages that have ended.

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
    for outcome, end in ended:
        if isinstance(outcome, Succeeded) and outcome.groups:
            if not counting.create(table, outcome.groups[0], request=""):
                skipped.append(outcome.groups[0].id)
                continue
            if end is not None:
                table.group_ends.remove(end)
            skipped += _submit_members(table, outcome)
    return skipped


def _submit_members(table: MessageTable, outcome: Succeeded) -> list[str]:
    """Submit the groups in the first group of an outcome, and all members.

    The place of one that is left out would never end: it counts as revoked.
    """
    left_out = [
        (group.id, group.parent)
        for group in outcome.groups[1:]
        if not counting.create(table, group, request="")
    ]
    refused = {group for group, _ in left_out}
    left_out += [
        (member.uuid, member.group)
        for member in outcome.members
        if not _is_in(member, refused) and not add_one(table, member, request="").accepted
    ]
    for uuid, place in left_out:
        if place is not None:
            table.group_ends.append(EndedMember(place, uuid, "revoked"))
    return [uuid for uuid, _ in left_out]


def _is_in(member: Submission, groups: set[str]) -> bool:
    return member.group is not None and member.group.group in groups
