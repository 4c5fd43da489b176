"""What is in a message's payload, as far as this process can read it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from alsek.core.attempt_state import read_message
from alsek.core.message import Message
from alsek.exceptions import CorruptMessageError, MessageRevokedError, TaskTimeoutError
from alsek.storage.backends.records import DeadLetter, Stored
from alsek.storage.serialization import Serializer
from alsek.types import ExceptionDetails

#: How many of the callbacks that follow a message are shown.
MOST_CALLBACKS: Final = 16


@dataclass(frozen=True, slots=True)
class CallbackInfo:
    """A message that is submitted once the one before it has succeeded."""

    uuid: str
    task: str
    queue: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What a payload says. Everything is at its default if it can't be read.

    Attributes:
        retries: How often the message was retried, if all of it can be read.
        task: The name of its task.
        unreadable: Why a part of it can't be read, as a sentence; None if all of it can.
    """

    retries: int | None = None
    task: str | None = None
    args: tuple[Any, ...] | None = None
    kwargs: dict[str, Any] | None = None
    metadata: Any = None
    created_at: int | None = None
    timeout: int | None = None
    callbacks: tuple[CallbackInfo, ...] = ()
    more_callbacks: bool = False
    previous: str | None = None
    previous_result: Any = None
    progenitor: str | None = None
    error: ExceptionDetails | None = None
    unreadable: str | None = None


def contents_of(record: Stored | DeadLetter, serializer: Serializer) -> Contents:
    """Return what is in the payload of a stored message or a dead letter. Never raises for what is in it."""
    try:
        message = read_message(record, serializer)
    except CorruptMessageError as error:
        return _fragments(record, serializer, str(error))
    callbacks, more, unreadable = _callbacks(message)
    return Contents(
        message.retries,
        message.task_name,
        tuple(message.args),
        message.kwargs,
        message.metadata,
        message.created_at,
        message.timeout,
        callbacks,
        more,
        message.previous_message_uuid,
        message.previous_result,
        message.progenitor_uuid,
        message.exception_details,
        unreadable,
    )


def task_of(record: Stored | DeadLetter, serializer: Serializer) -> str | None:
    """Return the name of a message's task, without making a message of it; None if it can't be read."""
    name = wire_of(record.payload, serializer).get("task_name")
    return name if isinstance(name, str) else None


def wire_of(payload: bytes, serializer: Serializer) -> dict[str, Any]:
    """Return the fields of a payload as they are serialized; none if they can't be read."""
    wire, _ = value_of(payload, serializer)
    return wire if isinstance(wire, dict) else {}


def value_of(data: bytes | None, serializer: Serializer) -> tuple[Any, str | None]:
    """Return a serialized value; and why it can't be read, or None."""
    if data is None:
        return None, None
    try:
        return serializer.reverse(data), None
    except (TaskTimeoutError, MessageRevokedError):
        raise  # raised in this thread from outside
    except Exception as error:  # noqa: BLE001  a serializer may raise anything on bytes that it did not write
        return None, f"can't be read by {serializer!r}: {type(error).__name__}: {error}"


def joined(troubles: Iterable[str | None]) -> str | None:
    """Return what can't be read as one sentence; None if all can."""
    return "; ".join(trouble for trouble in troubles if trouble) or None


def details_of(error: bytes) -> ExceptionDetails:
    """Return the exception that a store keeps as JSON; one that says so if it can't be read."""
    with suppress(ValueError):
        found = json.loads(error)
        if isinstance(found, dict) and isinstance(found.get("name"), str):
            trace = found.get("traceback")
            text = found.get("text")
            return {
                "name": found["name"],
                "text": text if isinstance(text, str) else "",
                "traceback": trace if isinstance(trace, str) else None,
            }
    return {"name": "unknown", "text": f"an error that can't be read: {error[:60]!r}", "traceback": None}


def _fragments(record: Stored | DeadLetter, serializer: Serializer, why: str) -> Contents:
    """Return what can be had of a payload that is no message of this version."""
    wire = wire_of(record.payload, serializer)
    args, kwargs = wire.get("args", ()), wire.get("kwargs", {})

    def of_type(name: str, kind: type) -> Any:
        value = wire.get(name)
        return value if type(value) is kind else None

    return Contents(
        task=of_type("task_name", str),
        args=tuple(args) if wire and isinstance(args, list | tuple) else None,
        kwargs=kwargs if wire and isinstance(kwargs, dict) else None,
        metadata=wire.get("metadata"),
        created_at=of_type("created_at", int),
        timeout=of_type("timeout", int),
        previous=of_type("previous_message_uuid", str),
        previous_result=wire.get("previous_result"),
        progenitor=of_type("progenitor_uuid", str),
        unreadable=why,
    )


def _callbacks(message: Message) -> tuple[tuple[CallbackInfo, ...], bool, str | None]:
    """Return the callbacks that follow, whether there are more, and why one can't be read."""
    found: list[CallbackInfo] = []
    try:
        callback = message.callback()
        while callback is not None and len(found) < MOST_CALLBACKS:
            found.append(CallbackInfo(callback.uuid, callback.task_name, callback.queue))
            callback = callback.callback()
    except (TaskTimeoutError, MessageRevokedError):
        raise  # raised in this thread from outside
    except Exception as error:  # noqa: BLE001  what follows may be of another version, or of another serializer
        return tuple(found), True, f"a callback of it can't be read: {type(error).__name__}: {error}"
    return tuple(found), callback is not None, None
