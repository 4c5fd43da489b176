"""How a message without a result ended, as far as its store knows: errors for callers that wait for a result."""

from __future__ import annotations

import json

from alsek.core.message import Message
from alsek.exceptions import TaskFailedError
from alsek.storage.backends.drivers.driver import Driver
from alsek.storage.backends.records import Stored, TaskStatus


async def failure_of(driver: Driver, message: Message) -> TaskFailedError | None:
    """Return why the message failed for good, by its dead letter or by the status that its store keeps; else None."""
    letter = await driver.ask(driver.backend.messages.dead_letter, message.queue, message.uuid)
    if letter is not None:
        details = json.loads(letter.error)
        return TaskFailedError(f"{message.summary} failed: {details['name']}: {details['text']}", details)
    if await _status_of(driver, message) is TaskStatus.FAILED:
        return TaskFailedError(f"{message.summary} failed; no dead letter tells why")
    return None


async def never_submitted(driver: Driver, uuid: str, summary: str) -> TaskFailedError | None:
    """Return why a callback will not be submitted: a message before it has failed; None if it may be submitted yet.

    Args:
        driver: Of the store.
        uuid: The uuid of the callback; or the id of a group.
        summary: What it is called in the error.
    """
    (parent,) = await driver.ask(driver.backend.results.failed_parents, [uuid])
    if parent is None:
        return None
    text = f"{summary} will not be submitted, since"
    letters = await driver.ask(driver.backend.messages.find_dead, parent)
    if letters:
        details = json.loads(letters[0].error)
        why = f"{details['name']}: {details['text']}"
        return TaskFailedError(f"{text} the message before it, {parent!r}, has failed: {why}", details)
    if await driver.ask(driver.backend.groups.get, parent) is not None:
        return TaskFailedError(f"{text} the group before it, {parent!r}, was revoked")
    return TaskFailedError(f"{text} {parent!r} before it has failed or was revoked; no dead letter tells why")


async def was_removed(driver: Driver, message: Message) -> bool:
    """Return True if the store keeps the status of the message, and it says that the message was removed."""
    return await _status_of(driver, message) is TaskStatus.UNKNOWN


async def end_without_result(driver: Driver, message: Message) -> TaskFailedError | None:
    """Return why a message that was stored will have no result: it is gone, or revoked; None if it may have one."""
    stored = await driver.ask(driver.backend.messages.get, message.queue, message.uuid)
    if stored is not None:
        return revoked(message, stored)
    # It may have succeeded since its result was looked for.
    (result,) = await driver.ask(driver.backend.results.get, [message.uuid])
    return gone(message) if result is None else None


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


async def _status_of(driver: Driver, message: Message) -> TaskStatus | None:
    if not message.status_ttl:
        return None
    (status,) = await driver.ask(driver.backend.statuses.get, [message.uuid])
    return None if status is None else status.status
