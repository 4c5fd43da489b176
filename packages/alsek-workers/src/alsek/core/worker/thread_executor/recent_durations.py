"""How long the recent tasks of an executor took, and so how its work is best handed out.

A task that takes some microseconds ends before a second thread could be woken to run another beside it. While all
tasks are that short, one thread had better run them one after the other, with the next ones already claimed, and report
them together. As soon as one of them takes longer, each needs a thread of its own.

The shorter they are, the more of them are claimed: a trip to the store costs as much as several, however many travel.
If the store is far away, more of them: what travels and what runs meanwhile should take as long as the way.

A thread may lose its processor in the middle of a task, for milliseconds, so that any task may seem long. So of many
that are reported together one may be. (If it does block, those behind it wait for 2 ms at most: see the executor.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

#: Shorter than a wait for the reply of another process, with the code before and after a task.
_VERY_SHORT_NS: Final = 100_000
#: Of so many tasks one may take longer.
_ONE_MAY_BE_LONGER_OF: Final = 8
#: As many are in flight as run within this time, one after the other ...
_WITHIN_NS: Final = 2_000_000
#: ... but no more than this: a trip for each 32 costs a message next to nothing already.
_MOST_NEARBY: Final = 64
#: If the store is far away, no more than this: half of them hold the store up for two milliseconds.
MOST_IN_FLIGHT: Final = 256
#: What a message adds to a trip at most, in the store and in the group, on a machine that is not overloaded.
_WITH_EACH_NS: Final = 50_000
#: The duration that is assumed before any task has ended: it takes some 30 reports of short tasks to get below
#: `_VERY_SHORT_NS`.
_UNKNOWN_NS: Final = 4_000_000


class RecentDurations:
    """Tracks the longest recent task time, which decays by an eighth with each report.

    Args:
        slots: How many threads there are.

    Attributes:
        very_short: Whether all recent tasks were very short.
        in_flight: How many messages are to be in flight: while tasks are very short, at least two for each thread.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._longest_ns = _UNKNOWN_NS
        self._way_ns = 0
        self.very_short = False
        self.in_flight = slots

    def record(self, durations_ns: Sequence[int]) -> None:
        """Take in how long the tasks of one report took (nanoseconds)."""
        longest_ns = max(durations_ns)
        if len(durations_ns) >= _ONE_MAY_BE_LONGER_OF:
            longest_ns = sorted(durations_ns)[-2]
        decayed = self._longest_ns - (self._longest_ns >> 3)
        self._longest_ns = max(longest_ns, decayed)
        self.very_short = self._longest_ns < _VERY_SHORT_NS
        self.in_flight = self._slots
        if self.very_short:
            longest = max(1, self._longest_ns)
            # Half of them travel while the other half runs.
            on_the_way = min(MOST_IN_FLIGHT, 2 * self._way_ns // longest)
            self.in_flight = max(2 * self._slots, min(_MOST_NEARBY, _WITHIN_NS // longest), on_the_way)

    def record_trip(self, trip_ns: int, messages: int) -> None:
        """Take in how long a trip to the store has taken (nanoseconds) that so many messages have made.

        The shortest of late counts: any trip may be held up.
        """
        way = max(0, trip_ns - messages * _WITH_EACH_NS)
        self._way_ns = min(way, self._way_ns + (self._way_ns >> 3) + _WITH_EACH_NS)

    def reset(self) -> None:
        """Forget all durations, because a task does not end."""
        self._longest_ns = _UNKNOWN_NS
        self.very_short = False
        self.in_flight = self._slots
