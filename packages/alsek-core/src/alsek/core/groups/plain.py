"""Groups as plain data, as which they travel in the payload of the message whose callback they are."""

from __future__ import annotations

from typing import Any

from alsek.core.callbacks import Data, links
from alsek.core.groups.checks import MAX_CALLBACK_MEMBERS
from alsek.core.groups.group import Group, Member
from alsek.core.message import Message
from alsek.core.plain_messages import message_from_data, message_to_data
from alsek.exceptions import ValidationError


def attach(group: Group, message: Message) -> None:
    """Make a group the last callback of a message: it follows those that the message has.

    Raises:
        ValidationError: The group is too large, or was submitted already; or the message has a group as callback.
    """
    link: Data | None = None
    for each in links(message.callback_message_data):
        link = each
    branches = message.branches if link is None else link.get("branches")
    if branches is not None and "group" in branches:
        raise ValidationError(
            f"callbacks of {message.summary}: nothing can follow a group there; give that to the group, as its "
            "callback"
        )
    members = sum(len(each.members) for each in group.groups())
    if members > MAX_CALLBACK_MEMBERS:
        raise ValidationError(
            f"{group.summary} has {members:,} members: as the callback of a message it travels in the payload of that, "
            f"and can have {MAX_CALLBACK_MEMBERS:,} at most. Let a callback make the group, and submit it"
        )
    if group.attached or group.packed is not None:
        raise ValidationError(f"{group.summary} was submitted already, or is the callback of another message")
    branches = {**(branches or {}), "group": group_to_data(group)}
    if link is None:
        message.branches = branches
    else:
        link["branches"] = branches
    group.attached = True


def group_to_data(group: Group) -> Data:
    """Return a group as plain data."""
    return {
        "id": group.id,
        "on_failure": group.on_failure,
        "ttl": group.ttl,
        "callback": None if group.callback is None else message_to_data(group.callback),
        "members": [
            {"group": group_to_data(member)} if isinstance(member, Group) else message_to_data(member)
            for member in group.members
        ],
    }


def group_from_data(data: Data) -> Group:
    """Return the group of which :func:`group_to_data` made this.

    Raises:
        Exception: It is something else.
    """
    callback: Any = data["callback"]
    members: list[Member] = [
        group_from_data(member["group"]) if "group" in member else message_from_data(member)
        for member in data["members"]
    ]
    return Group(
        members,
        None if callback is None else message_from_data(callback),
        data["on_failure"],
        data["ttl"],
        data["id"],
    )
