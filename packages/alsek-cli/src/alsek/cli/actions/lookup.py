"""Finds messages and dead letters of which only the uuid is known."""

from __future__ import annotations

from alsek.cli.failures import NotFoundError
from alsek.core.lookup import stored_of
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import DeadLetter


def dead_letters_of(backend: Backend, uuid: str, queue: str | None = None) -> list[DeadLetter]:
    """Return the dead letters of this uuid, of one queue or of all."""
    return [letter for letter in backend.messages.find_dead(uuid) if queue in (None, letter.queue)]


def no_message(backend: Backend, uuid: str) -> NotFoundError:
    """The error for a uuid of which there is no message; it says what else the store has of it."""
    letters = dead_letters_of(backend, uuid)
    instead = f"; it is a dead letter of queue {letters[0].queue!r}" if letters else ""
    return NotFoundError(f"there is no message {uuid!r} in {backend.describe()}{instead}")


def no_dead_letter(backend: Backend, uuid: str, queue: str | None) -> NotFoundError:
    """The error for a uuid of which there is no dead letter; it says what else the store has of it."""
    where = "" if queue is None else f" in queue {queue!r}"
    stored = stored_of(backend, uuid)
    others = dead_letters_of(backend, uuid)
    instead = ""
    if stored is not None:
        state = "running" if stored.state == "claimed" else stored.state
        instead = f"; it is a message of queue {stored.queue!r} ({state})"
    elif others:
        instead = f"; there is one in queue {others[0].queue!r}"
    return NotFoundError(f"there is no dead letter {uuid!r}{where} in {backend.describe()}{instead}")
