"""Finds messages and dead letters of which only the uuid is known."""

from __future__ import annotations

from alsek.cli.failures import NotFoundError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import DeadLetter, Stored


def message_of(backend: Backend, uuid: str) -> Stored | None:
    """Return the message of this uuid, in whatever queue it is."""
    for queue in backend.messages.queues():
        stored = backend.messages.get(queue, uuid)
        if stored is not None:
            return stored
    return None


def dead_letters_of(backend: Backend, uuid: str, queue: str | None = None) -> list[DeadLetter]:
    """Return the dead letters of this uuid, of one queue or of all."""
    queues = backend.messages.dead_queues() if queue is None else [queue]
    letters = [backend.messages.dead_letter(each, uuid) for each in queues]
    return [letter for letter in letters if letter is not None]


def no_message(backend: Backend, uuid: str) -> NotFoundError:
    """The error for a uuid of which there is no message; it says what else the store has of it."""
    letters = dead_letters_of(backend, uuid)
    instead = f"; it is a dead letter of queue {letters[0].queue!r}" if letters else ""
    return NotFoundError(f"there is no message {uuid!r} in {backend.describe()}{instead}")
