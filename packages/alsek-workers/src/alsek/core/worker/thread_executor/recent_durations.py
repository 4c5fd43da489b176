"""How fast the tasks of an executor end, and so how its work is best handed out.

A task that ends within some microseconds ends before a second thread could be woken to run another beside it.
While all tasks are like that, one thread had better run them one after the other, with the next ones already
claimed, and report them together. As soon as one of them takes longer, each needs a thread of its own.
"""

from __future__ import annotations

from typing import Final

#: Shorter than a wait for the reply of another process takes, with all that comes before and after a task (ns).
_BRISK_NS: Final = 100_000
#: As if a task of this length (ns) had just ended: it takes some 30 reports of short ones until they are trusted.
_UNKNOWN_NS: Final = 4_000_000


class RecentDurations:
    """Remembers the longest of the last tasks: those before count an eighth less each time that some have ended."""

    def __init__(self) -> None:
        self._longest_ns = _UNKNOWN_NS
        #: Whether all tasks of late were very short.
        self.brisk = False

    def note(self, longest_ns: int) -> None:
        """Some tasks have ended, the longest after so many nanoseconds."""
        faded = self._longest_ns - (self._longest_ns >> 3)
        self._longest_ns = max(longest_ns, faded)
        self.brisk = self._longest_ns < _BRISK_NS

    def lose(self) -> None:
        """A task does not end: nothing is known of those after it."""
        self._longest_ns = _UNKNOWN_NS
        self.brisk = False
