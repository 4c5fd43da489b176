"""A worker that may be pushed messages, as a :class:`~alsek.storage.backends.memory.MemoryBackend` knows it."""

from __future__ import annotations

from dataclasses import dataclass

from alsek.defaults import SLEEPER_MS, STALE_PUSH_MS
from alsek.storage.backends.kinds import SlotKind


@dataclass(eq=False, slots=True)
class Sleeper:
    """A worker that may be pushed messages until its next step.

    Attributes:
        seq: The number of that step.
        room: How many more it may be pushed, by the kind of slots that they take up.
        since: When its last step was.
        pushes: How many it was pushed.
    """

    seq: int
    room: dict[SlotKind, int]
    since: int
    pushes: int = 0

    def has_room(self, slot: SlotKind, now: int) -> bool:
        """Return True if it may be pushed a message now that takes up such a slot."""
        return self.room.get(slot, 0) > 0 and now - self.since <= SLEEPER_MS

    def is_overdue(self, now: int) -> bool:
        """Return True if its next step comes so late that it seems to be stopped."""
        return now - self.since >= STALE_PUSH_MS
