"""A schedule as a :class:`~alsek.storage.backends.memory.MemoryBackend` keeps it."""

from __future__ import annotations

from dataclasses import dataclass

from alsek.storage.backends.records import ScheduleRecord


@dataclass(eq=False, slots=True)
class StoredSchedule:
    """A stored schedule.

    Attributes:
        record: What the port shows.
        offer_at: When it is to be offered next; None if it is paused, or stands at no tick.
    """

    record: ScheduleRecord
    offer_at: int | None
