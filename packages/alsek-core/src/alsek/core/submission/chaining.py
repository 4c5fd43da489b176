"""Chaining messages: each callback is submitted when the message before it has succeeded."""

from __future__ import annotations

from alsek.core.message import Message
from alsek.exceptions import ValidationError


def chain(message: Message, callbacks: tuple[Message, ...], fresh: bool = False) -> None:
    """Let the callbacks follow `message` one after the other.

    Updates the ``callback_message_data`` of the messages, from the last one to the first, so that each has all that
    follow it.

    Args:
        message: The first message.
        callbacks: The messages that follow it, in order.
        fresh: True if the uuid of `message` is new, so that no other message has it.

    Raises:
        ValidationError: The same message is given twice.
    """
    messages = (message, *callbacks)
    # The callbacks of one callback were compared with each other when they were given to it.
    if len(callbacks) > 1 or not fresh:
        uuids = [uuid for each in messages for uuid in (each.uuid, *(each.descendant_uuids or ()))]
        if len(set(uuids)) < len(uuids):
            # A store skips a callback whose uuid it knows already, so the second would never run.
            raise ValidationError(
                f"callbacks of {message.summary}: a message can be there only once; generate() another one"
            )
    for index in range(len(messages) - 1, 0, -1):
        messages[index - 1].append_callback(messages[index])


def callbacks_of(callback: Message | tuple[Message, ...] | None) -> tuple[Message, ...]:
    """Return the messages that were given as callbacks.

    Raises:
        ValidationError: One of them is no message.
    """
    if callback is None:
        return ()
    callbacks = tuple(callback) if isinstance(callback, tuple | list) else (callback,)
    for each in callbacks:
        if not isinstance(each, Message):
            raise ValidationError(f"callback={each!r}: must be a message, or a tuple of messages")
    return callbacks
