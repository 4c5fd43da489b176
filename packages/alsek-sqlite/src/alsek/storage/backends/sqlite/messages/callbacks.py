"""Submits what follows the outcomes of a step: callbacks, and then callbacks that are groups, with their members."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from alsek.storage.backends.records import Failed, SetAside, Submission, Succeeded
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.messages.member_ends import (
    EmptyGroup,
    EndedMember,
    GroupEnd,
    make,
    settle,
    take_ends,
)
from alsek.storage.backends.sqlite.messages.moved_messages import Ended
from alsek.storage.backends.sqlite.messages.submissions import insert

#: An outcome that ends a message.
Ending: TypeAlias = Succeeded | Failed | SetAside


def submit(tx: Transaction, endings: Sequence[Ending]) -> list[str]:
    """Submit what follows these outcomes of messages that have ended, and settle what that means for their groups.

    Args:
        tx: The transaction.
        endings: Those that something follows.

    Returns:
        The uuids of callbacks and members that were not submitted because they exist already, and the ids of groups.
    """
    skipped: list[str] = []
    going_on: set[str] = set()
    for ending in endings:
        if ending.callback is None:
            continue
        if not insert(tx, ending.callback, request=""):
            skipped.append(ending.callback.uuid)
        elif isinstance(ending, Succeeded):
            going_on.add(ending.uuid)
    ends: list[GroupEnd | Ended] = [*take_ends(tx)]
    members: list[Submission] = []
    for ending in endings:
        if isinstance(ending, Succeeded) and ending.groups:
            if make(tx, ending.groups[0], request=""):
                going_on.add(ending.uuid)
                members += _nest(tx, ending, ends, skipped)
            else:
                skipped.append(ending.groups[0].id)
    left_out = [member for member in members if not insert(tx, member, request="")]
    ends += take_ends(tx)
    # The place of what is left out would never end: it counts as revoked.
    ends += [EndedMember(each.group, each.uuid, "revoked") for each in left_out if each.group is not None]
    if ends:
        settle(tx, going_on, ends)
    return skipped + [member.uuid for member in left_out]


def _nest(
    tx: Transaction, outcome: Succeeded, ends: list[GroupEnd | Ended], skipped: list[str]
) -> list[Submission]:
    """Store the groups in the first group of an outcome; return the members that are to be submitted.

    What is left out, with its members, is added to `skipped`, and what has ended to `ends`.
    """
    first, *others = outcome.groups
    refused: set[str] = set()
    if not first.total:
        ends.append(EmptyGroup(first.id))
    for group in others:
        if not make(tx, group, request=""):
            refused.add(group.id)
            skipped.append(group.id)
            if group.parent is not None:
                ends.append(EndedMember(group.parent, group.id, "revoked"))
        elif not group.total:
            ends.append(EmptyGroup(group.id))
    return [member for member in outcome.members if not _is_in(member, refused)]


def _is_in(member: Submission, groups: set[str]) -> bool:
    return member.group is not None and member.group.group in groups
