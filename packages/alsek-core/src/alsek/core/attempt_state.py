"""The attempt state of a message: how often it was retried, when, why, and the delay that was asked for.

A store keeps it beside the payload, which never changes (decision 11), so a message is made of both. In a payload that
version 0.1.0 wrote there is an attempt state too; of two, the later one counts.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Final, TypeAlias

from alsek.core.message import Message
from alsek.storage.backends.records import Claimed, DeadLetter, Retried, Stored
from alsek.storage.payload_limit import limit_for
from alsek.storage.serialization import Serializer

#: What a store hands out of a message.
Record: TypeAlias = Claimed | Stored | DeadLetter

_FIELDS: Final = ("retries", "updated_at", "retry_delay", "exception_details")


def read_message(record: Record, serializer: Serializer) -> Message:
    """Return the message that a store handed out.

    Raises:
        CorruptMessageError: Its payload is no message.
    """
    message = Message.unpack(record.uuid, record.queue, record.payload, serializer)
    if record.retries or record.updated_at:  # an uncounted retry leaves the number as it is
        _restore_attempt(message, record)
    return message


def _restore_attempt(message: Message, record: Record) -> None:
    """Give a message that was made of a payload the attempt state that the store keeps beside it."""
    in_payload = message.retries
    message.retries = max(in_payload, record.retries)
    if in_payload and message.updated_at > record.updated_at:
        return  # version 0.1.0 retried it last
    message.updated_at = record.updated_at
    message.retry_delay = record.retry_delay
    message.exception_details = None
    if not isinstance(record, DeadLetter):  # its `error` is the last one
        with suppress(ValueError):
            message.exception_details = json.loads(record.last_error or b"null")


def retried_outcome(message: Message, token: int, delay: int, payload: bytes | None = None) -> Retried:
    """Return the outcome that stores the attempt state of `message`.

    Args:
        message: With the state that the next attempt is to see.
        token: Of the claim; 0 if there is none.
        delay: How long (ms) to wait.
        payload: The new payload, if a user has changed the message by hand.
    """
    details = message.exception_details
    return Retried(
        message.uuid,
        message.queue,
        token,
        delay,
        message.retries,
        message.updated_at,
        message.retry_delay,
        b"" if details is None else json.dumps(details).encode(),
        payload,
    )


def edited_payload(record: Record, message: Message, serializer: Serializer) -> bytes | None:
    """Return the payload of a message that a user has changed since `record` was read; None if it is the same.

    The attempt state does not count: it stays in the payload as it is there.

    Raises:
        SerializationError: As :meth:`Message.pack`.
    """
    original = Message.unpack(record.uuid, record.queue, record.payload, serializer)
    changed = message.clone()
    for name in _FIELDS:
        setattr(changed, name, getattr(original, name))
    if original.retries > message.retries:
        changed.retries = 0  # the user has lowered it: what is beside the payload is to count
    limit = limit_for(serializer, record.payload)
    packed = changed.pack(limit)
    return None if packed == original.pack(limit) else packed
