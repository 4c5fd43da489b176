"""Submits what follows the outcomes of a step: callbacks, and then callbacks that are groups, with their members."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from alsek.storage.backends.records import Failed, SetAside, Submission, Succeeded
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.messages.member_ends import EmptyGroup, EndedMember, GroupEnd, make, settle
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
    ends: list[GroupEnd] = []
    for ending in endings:
        if ending.callback is None:
            continue
        if not insert(tx, ending.callback, request=""):
            skipped.append(ending.callback.uuid)
        elif isinstance(ending, Succeeded):
            going_on.add(ending.uuid)
    for ending in endings:
        if isinstance(ending, Succeeded) and ending.groups:
            first = ending.groups[0]
            if make(tx, first, request=""):
                going_on.add(ending.uuid)
                if not first.total:
                    ends.append(EmptyGroup(first.id))
                skipped += _submit_members(tx, ending, ends)
            else:
                skipped.append(first.id)
    if tx.bound_ends or ends:
        settle(tx, going_on, ends)
    return skipped


def _submit_members(tx: Transaction, outcome: Succeeded, ends: list[GroupEnd]) -> list[str]:
    """Submit the groups in the first group of an outcome, and all members; return what is left out.

    The place of what is left out would never end: it counts as revoked.
    """
    left_out: list[str] = []
    refused: set[str] = set()
    for group in outcome.groups[1:]:
        if not make(tx, group, request=""):
            refused.add(group.id)
            left_out.append(group.id)
            if group.parent is not None:
                ends.append(EndedMember(group.parent, group.id, "revoked"))
        elif not group.total:
            ends.append(EmptyGroup(group.id))
    for member in outcome.members:
        if not _is_in(member, refused) and not insert(tx, member, request=""):
            left_out.append(member.uuid)
            if member.group is not None:
                ends.append(EndedMember(member.group, member.uuid, "revoked"))
    return left_out


def _is_in(member: Submission, groups: set[str]) -> bool:
    return member.group is not None and member.group.group in groups
