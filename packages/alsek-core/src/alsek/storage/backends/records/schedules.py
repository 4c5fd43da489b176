"""Schedules: when messages are to be submitted, again and again."""

from __future__ import annotations

from typing import NamedTuple


class ScheduleRecord(NamedTuple):
    """A schedule as it is stored. Times are Unix milliseconds on the store's clock.

    Attributes:
        name: Its name, unique in the namespace.
        revision: A random text. It changes with each change of the definition.
        definition: The trigger, the message and all else, as JSON. A store never reads it.
        next_at: The tick that is to be fired next; None if there is none left.
        last_at: The last tick that was fired; None if none was.
        last_uuid: The message of that tick; empty if there is none.
        paused_by: Who has paused it (any text that is not empty); empty if it is not paused.
        paused_since: When that was; 0 if it is not paused.
    """

    name: str
    revision: str
    definition: bytes
    next_at: int | None
    last_at: int | None = None
    last_uuid: str = ""
    paused_by: str = ""
    paused_since: int = 0

    def has_fired(self, tick: int | None) -> bool:
        """Return True if this tick or a later one was fired, so that it can't be the next one."""
        return tick is not None and self.last_at is not None and tick <= self.last_at
