"""Finding a message by its uuid alone, for methods that take a message or its uuid."""

from __future__ import annotations

from typing import Final

from alsek.core.attempt_state import read_message
from alsek.core.identifiers import check_name
from alsek.core.message import Message
from alsek.exceptions import CorruptMessageError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.drivers.driver import Driver
from alsek.storage.backends.records import DeadLetter, Stored

#: The name of the task of a message of which only the uuid is known.
UNKNOWN_TASK: Final = "unknown"


def uuid_of(given: Message | str) -> str:
    """Return the uuid of a message that was given as itself or as its uuid.

    Raises:
        ValidationError: It is neither a message nor a uuid.
    """
    return given.uuid if isinstance(given, Message) else check_name("uuid", given)


async def message_of(driver: Driver, given: Message | str, *, dead: bool = False) -> Message:
    """Return a message that was given as itself or as its uuid, whatever its queue.

    Args:
        driver: Of the store in which to look for a uuid.
        given: The message, or its uuid.
        dead: Look among the dead letters first, and then among the other messages.

    Returns:
        The message that was given; or a new one, as it is in the store, without a claim, also for a duplicate, which
        may be in another queue than the message of its uuid. If the store does not have it, or can't read it, one that
        has nothing but the uuid, and the queue as far as that is known.

    Raises:
        ValidationError: It is neither a message nor a uuid.
    """
    if isinstance(given, Message) and not given.duplicate:
        return given
    uuid = uuid_of(given)
    record: Stored | DeadLetter | None
    if dead:
        record = await _dead(driver, uuid) or await _stored(driver, uuid)
    else:
        record = await _stored(driver, uuid) or await _dead(driver, uuid)
    if record is None:
        return Message(UNKNOWN_TASK, uuid=uuid)
    try:
        found = read_message(record, driver.backend.serializer)
    except CorruptMessageError:
        return Message(UNKNOWN_TASK, record.queue, uuid=uuid)
    found.submitted = True
    found.read = False  # so that it stands for what is stored, also if that changes
    return found


def stored_of(backend: Backend, uuid: str) -> Stored | None:
    """Return the stored message of this uuid, in whatever queue it is; None if there is none."""
    located = backend.messages.find(uuid)
    return None if located is None else located.stored


async def _stored(driver: Driver, uuid: str) -> Stored | None:
    located = await driver.ask(driver.backend.messages.find, uuid)
    return None if located is None else located.stored


async def _dead(driver: Driver, uuid: str) -> DeadLetter | None:
    letters = await driver.ask(driver.backend.messages.find_dead, uuid)
    return letters[0] if letters else None
