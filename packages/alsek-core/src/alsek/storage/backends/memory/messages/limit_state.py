"""One limit of a :class:`~alsek.storage.backends.memory.MemoryBackend`: who takes up its places, and who waits."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

from alsek.storage.backends.memory.messages.lines import LinesAtLimit
from alsek.storage.backends.records import Limit, LimitRecord

#: How many of the messages that take up places are shown.
SHOWN = 100


@dataclass(eq=False, slots=True)
class LimitState:
    """What is known of a limit.

    Attributes:
        limit: Its numbers, as the last submission said.
        admitted: The uuids of messages that take up a place: ready or claimed ones; for a rate only ready ones.
        starts: When messages were claimed, oldest first; for a rate.
        waiting: The lines of messages that stand at it.
        announced: The due time for which a sleeping worker was woken last; 0 for none.
    """

    limit: Limit
    admitted: dict[str, None] = field(default_factory=dict)
    starts: list[int] = field(default_factory=list)
    waiting: LinesAtLimit = field(default_factory=LinesAtLimit)
    announced: int = 0

    def used(self, now: int) -> int:
        """How many places are taken up: a start is in the window for `per` ms, without the moment of its end."""
        del self.starts[: bisect_left(self.starts, now - self.limit.per + 1)]
        return len(self.admitted) + len(self.starts)

    def has_room(self, now: int) -> bool:
        """Return True if a place is free."""
        return self.used(now) < self.limit.amount

    def next_free(self, now: int) -> int | None:
        """When a start leaves the window; None if a place is free, or if none is taken up by a start."""
        if self.has_room(now) or not self.starts:
            return None
        return self.starts[0] + self.limit.per

    def record(self, now: int) -> LimitRecord:
        """Return what an inspection shows."""
        shown = tuple(self.admitted)[:SHOWN]
        return LimitRecord(
            self.limit.id,
            self.limit.amount,
            self.limit.per,
            shown,
            self.used(now),
            len(self.waiting),
            self.next_free(now),
        )
