"""Letting messages follow each other."""

from __future__ import annotations

from alsek.core.message import Message
from alsek.exceptions import ValidationError


def chain(message: Message, callback: Message | tuple[Message, ...]) -> None:
    """Let the callbacks follow `message` one after the other.

    The ``callback_message_data`` of the messages given is updated, from the last backwards, so that each has all
    that comes after it.

    Raises:
        ValidationError: One is no message, or is there twice.
    """
    messages = (message, *(callback if isinstance(callback, tuple | list) else (callback,)))
    for each in messages:
        if not isinstance(each, Message):
            raise ValidationError(f"callback={each!r}: must be a message, or a tuple of messages")
    uuids = [uuid for each in messages for uuid in (each.uuid, *(each.descendant_uuids or ()))]
    if len(set(uuids)) < len(uuids):
        # A store skips a callback whose uuid it knows already: it would never run.
        raise ValidationError(
            f"callback={callback!r}: a message can be there only once; generate() another one"
        )
    for index in range(len(messages) - 1, 0, -1):
        messages[index - 1].append_callback(messages[index])
