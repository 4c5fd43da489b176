"""How a message without a result ended, as far as its store knows: errors for callers that wait for a result."""

from __future__ import annotations

import json

from alsek.core.message import Message
from alsek.exceptions import TaskFailedError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import Stored, TaskStatus


def failure_of(backend: Backend, message: Message) -> TaskFailedError | None:
    """Return why the message failed for good, by its dead letter or by the status that its store keeps; else None."""
    letter = backend.messages.dead_letter(message.queue, message.uuid)
    if letter is not None:
        details = json.loads(letter.error)
        return TaskFailedError(f"{message.summary} failed: {details['name']}: {details['text']}", details)
    if _status_of(backend, message) is TaskStatus.FAILED:
        return TaskFailedError(f"{message.summary} failed; no dead letter tells why")
    return None


def was_removed(backend: Backend, message: Message) -> bool:
    """Return True if the store keeps the status of the message, and it says that the message was removed."""
    return _status_of(backend, message) is TaskStatus.UNKNOWN


def end_without_result(backend: Backend, message: Message) -> TaskFailedError | None:
    """Return why a message that was stored will have no result: it is gone, or revoked; None if it may have one."""
    stored = backend.messages.get(message.queue, message.uuid)
    if stored is not None:
        return revoked(message, stored)
    # It may have succeeded since its result was looked for.
    return gone(message) if backend.results.get([message.uuid])[0] is None else None


def revoked(message: Message, stored: Stored) -> TaskFailedError | None:
    """Return the error for a message that no worker will run; None if it is not revoked, or a worker has it already."""
    if not stored.revoked or stored.state == "claimed":
        return None
    return TaskFailedError(f"{message.summary} was revoked before a worker took it: it will not be run")


def gone(message: Message) -> TaskFailedError:
    """Return the error for a message that has left the store without a result."""
    return TaskFailedError(
        f"no result of {message.summary} will come: the message was removed, or ended without a result, or its result "
        "was taken by another caller"
    )


def _status_of(backend: Backend, message: Message) -> TaskStatus | None:
    status = backend.statuses.get([message.uuid])[0] if message.status_ttl else None
    return None if status is None else status.status
