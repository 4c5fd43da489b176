"""Everything that a store has of one uuid, read in several steps of the store and yet as of one moment.

Between two reads a message may be claimed, end, or be replayed. A reading in which two parts contradict each other is
made again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import (
    DeadLetter,
    Located,
    ResultRecord,
    StatusRecord,
    TaskStatus,
    WorkerRecord,
)

#: The places in a queue that are told exactly.
EXACT_PLACES: Final = 10_000

#: How often a reading is repeated at most; a message that moves that quickly is shown as it was last seen.
_MOST_READINGS: Final = 10

_FINAL: Final = (TaskStatus.FAILED, TaskStatus.SUCCEEDED)


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a store has of one uuid.

    Attributes:
        uuid: The uuid.
        now: The time on the store's clock just before.
        status: Its status, if one is kept.
        result: Its result, if one is kept.
        located: The message, if it is delayed, ready or claimed.
        holder: The worker that holds it, if it is claimed.
        place: How many ready messages of its queue go before it, if it is ready; one more than
            :data:`EXACT_PLACES` if they are more.
        letter: Its dead letter, if it is no longer stored and has failed; the newest, if it has one in several queues.
    """

    uuid: str
    now: int
    status: StatusRecord | None
    result: ResultRecord | None
    located: Located | None = None
    holder: WorkerRecord | None = None
    place: int | None = None
    letter: DeadLetter | None = None

    @property
    def known(self) -> bool:
        """True if the store has anything of this uuid."""
        return any(part is not None for part in (self.located, self.letter, self.status, self.result))

    @property
    def has_ended(self) -> bool:
        """True if the message is no longer stored, and what is left of it says how it ended."""
        if self.located is not None:
            return False
        final = self.status is not None and self.status.status in _FINAL
        return final or self.letter is not None or self.result is not None

    @property
    def succeeded(self) -> bool:
        """True if the message has succeeded."""
        if not self.has_ended or self.letter is not None:
            return False
        return self.result is not None or (
            self.status is not None and self.status.status is TaskStatus.SUCCEEDED
        )


def sight(backend: Backend, uuid: str) -> Sighting:
    """Read everything that the store has of a uuid."""
    seen = _read(backend, uuid)
    looked_again = False
    for _ in range(_MOST_READINGS):
        if _is_whole(seen) and (looked_again or not _is_doubtful(seen)):
            break
        looked_again = _is_doubtful(seen)
        seen = _read(backend, uuid)
    return seen


def _is_doubtful(seen: Sighting) -> bool:
    """Return True if a reading may have fallen into a move of the message: one more reading then decides.

    It is nowhere, as if it had been replayed between the look for it and the one for its dead letter; or it is stored
    and its status says that it has ended.
    """
    if seen.located is None:
        return not seen.has_ended
    return seen.status is not None and seen.status.status in _FINAL


def _is_whole(seen: Sighting) -> bool:
    """Return True if the parts of a reading agree."""
    if seen.located is None:
        return True
    match seen.located.stored.state:
        case "claimed":
            return seen.holder is not None
        case "ready":
            return seen.place is not None
        case _:
            return True


def _read(backend: Backend, uuid: str) -> Sighting:
    port = backend.messages
    now = port.now()
    located = port.find(uuid)
    if located is not None:
        holder, place = None, None
        if located.stored.state == "claimed":
            holder = next((record for record in port.workers() if record.id == located.worker), None)
        elif located.stored.state == "ready":
            place = port.place(located.stored.queue, uuid, EXACT_PLACES)
        return Sighting(uuid, now, *_records(backend, uuid), located, holder, place)
    letters = port.find_dead(uuid)
    status, result = _records(backend, uuid)
    letter = max(letters, key=lambda letter: letter.died_at, default=None)
    succeeded = status is not None and status.status is TaskStatus.SUCCEEDED
    if letter is not None and succeeded and status is not None and status.timestamp > letter.died_at:
        letter = None  # a later message of this uuid, in another queue, has succeeded
    return Sighting(uuid, now, status, result, letter=letter)


def _records(backend: Backend, uuid: str) -> tuple[StatusRecord | None, ResultRecord | None]:
    return backend.statuses.get([uuid])[0], backend.results.get([uuid])[0]
