"""Chaining messages: each callback is submitted when the message before it has succeeded, or has failed."""

from __future__ import annotations

from typing import TypeAlias

from alsek.core.groups.group import Group
from alsek.core.groups.plain import attach
from alsek.core.message import Message
from alsek.core.plain_messages import message_to_data
from alsek.exceptions import ValidationError

#: What may be given as callbacks: what follows a message, in order. A group is the last of them.
Callbacks: TypeAlias = Message | Group | tuple[Message | Group, ...]


def chain(message: Message, callbacks: tuple[Message | Group, ...], fresh: bool = False) -> None:
    """Let the callbacks follow `message` one after the other.

    Updates the ``callback_message_data`` of the messages, from the last one to the first, so that each has all that
    follow it.

    Args:
        message: The first message.
        callbacks: What follows it, in order.
        fresh: True if the uuid of `message` is new, so that no other message has it.

    Raises:
        ValidationError: The same message is given twice, or something follows a group.
    """
    messages: list[Message] = [message]
    group: Group | None = None
    for each in callbacks:
        if group is not None:
            raise ValidationError(
                f"callbacks of {message.summary}: nothing can follow a group there; give that to the group, as its "
                "callback"
            )
        if isinstance(each, Group):
            group = each
        else:
            messages.append(each)
    # The callbacks of one callback were compared with each other when they were given to it.
    if len(callbacks) > 1 or not fresh or group is not None:
        uuids = [uuid for each in messages for uuid in (each.uuid, *(each.descendant_uuids or ()))]
        if group is not None:
            uuids += [
                uuid for each in group.messages() for uuid in (each.uuid, *(each.descendant_uuids or ()))
            ]
        if len(set(uuids)) < len(uuids):
            # A store skips a callback whose uuid it knows already, so the second would never run.
            raise ValidationError(
                f"callbacks of {message.summary}: a message can be there only once; generate() another one"
            )
    if group is not None:
        attach(group, messages[-1])
    for index in range(len(messages) - 1, 0, -1):
        messages[index - 1].append_callback(messages[index])


def follow_failure(message: Message, callback: Message) -> None:
    """Let `callback` be submitted when `message` fails for good.

    Raises:
        ValidationError: It is no message, or `message` itself.
    """
    if not isinstance(callback, Message):
        raise ValidationError(f"failure_callback={callback!r}: must be a message")
    if callback.uuid in (message.uuid, *(message.descendant_uuids or ())):
        raise ValidationError(
            f"failure_callback of {message.summary}: it is there already; generate() another message"
        )
    message.branches = {**(message.branches or {}), "failure": message_to_data(callback)}


def callbacks_of(
    callback: Callbacks | None, failure_callback: Message | None = None
) -> tuple[Message | Group, ...]:
    """Return what was given as callbacks.

    Raises:
        ValidationError: One of them is neither a message nor a group.
    """
    last = () if failure_callback is None else (failure_callback,)
    if callback is None:
        return last
    callbacks = tuple(callback) if isinstance(callback, tuple | list) else (callback,)
    for each in callbacks:
        if not isinstance(each, Message | Group):
            raise ValidationError(f"callback={each!r}: must be a message or a group, or a tuple of these")
    return callbacks + last
