"""How long the recent tasks of an executor took, and so how its work is best handed out.

A task that takes some microseconds ends before a second thread could be woken to run another beside it. While all
tasks are that short, one thread had better run them one after the other, with the next ones already claimed, and report
them together. As soon as one of them takes longer, each needs a thread of its own.
"""

from __future__ import annotations

from typing import Final

#: Shorter than a wait for the reply of another process, with the code before and after a task.
_VERY_SHORT_NS: Final = 100_000
#: The duration that is assumed before any task has ended: it takes some 30 reports of short tasks to get below
#: `_VERY_SHORT_NS`.
_UNKNOWN_NS: Final = 4_000_000


class RecentDurations:
    """Tracks the longest recent task time, which decays by an eighth with each report.

    Attributes:
        very_short: Whether all recent tasks were very short.
    """

    def __init__(self) -> None:
        self._longest_ns = _UNKNOWN_NS
        self.very_short = False

    def record(self, longest_ns: int) -> None:
        """Take in that some tasks have ended, the longest after so many nanoseconds."""
        decayed = self._longest_ns - (self._longest_ns >> 3)
        self._longest_ns = max(longest_ns, decayed)
        self.very_short = self._longest_ns < _VERY_SHORT_NS

    def reset(self) -> None:
        """Forget all durations, because a task does not end."""
        self._longest_ns = _UNKNOWN_NS
        self.very_short = False
