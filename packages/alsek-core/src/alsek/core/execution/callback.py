"""Making the callback, a message or a group, that is submitted by the step in which its parent succeeds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from alsek.core.clock import now_ms
from alsek.core.execution.delivery import Delivery
from alsek.core.groups.group import Group
from alsek.core.groups.plain import group_from_data
from alsek.core.message import Message


def make_callback(delivery: Delivery, result: Any) -> Message | Group:
    """Return the callback to submit, with the result of the message before it. The task may have chosen another one.

    The members of a group have that result, too.

    Raises:
        Exception: It can't be read.
    """
    callback = delivery.message.callback()
    if callback is not None:
        _follow(callback, delivery, result)
        return callback
    branches = delivery.message.branches
    assert branches is not None
    group = group_from_data(branches["group"])
    for each in group.groups():
        for member in each.own_messages():
            _follow(member, delivery, result)
        if each.callback is not None:
            _follow(each.callback, delivery, None)  # its previous result is that of the group
    return group


def messages_of(callback: Message | Group) -> Iterable[Message]:
    """Return the messages of a callback: itself, or those of a group."""
    return (callback,) if isinstance(callback, Message) else callback.messages()


def _follow(callback: Message, delivery: Delivery, result: Any) -> None:
    callback.previous_result = result
    callback.previous_message_uuid = delivery.uuid
    callback.progenitor_uuid = delivery.progenitor_uuid or delivery.uuid
    callback.created_at = callback.updated_at = now_ms()
