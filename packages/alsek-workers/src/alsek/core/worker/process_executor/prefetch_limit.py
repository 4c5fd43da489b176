"""How many messages may be prefetched for a busy process: a few, and only while tasks are short.

A round trip to the store costs as much as several short tasks. Without prefetching each message would take a round trip
of its own, while a process idles. With some jobs queued the process goes on at once, and one round trip serves several.
Prefetched messages are withheld from other pools, so their number is bounded by time: as many as run in about four
milliseconds; one, while tasks take up to 20 milliseconds; none for longer tasks.
"""

from __future__ import annotations

from typing import Final

#: The most that are prefetched for one process.
MOST_PREFETCHED: Final = 31
#: Prefetched messages are to run within about this time ...
WITHIN_MS: Final = 4.0
#: ... but one is prefetched while tasks take no longer than this.
ONE_UP_TO_MS: Final = 20.0
#: The assumed duration of a task before any has run, and after one that made others wait.
_ASSUMED_MS: Final = 40.0
#: The mean is taken over about this many tasks. One that takes longer than the mean has four times the weight.
_TASKS: Final = 16


class PrefetchLimit:
    """Derives the limit from a running mean of what tasks take, as the engine sees it.

    Attributes:
        limit: How many messages may be prefetched for each process now.
    """

    def __init__(self) -> None:
        self._mean = _ASSUMED_MS
        self.limit = 0

    def record(self, tasks: int, took_ms: float) -> None:
        """Record that this many tasks took this time together, one after the other."""
        each = took_ms / tasks
        share = min(1.0, tasks / _TASKS)
        if each > self._mean:
            share = max(share, 4 / _TASKS)
        self._mean += (each - self._mean) * share
        self._update()

    def reset(self) -> None:
        """Prefetch none until tasks are short again: some messages had to wait."""
        self._mean = max(self._mean, _ASSUMED_MS)
        self._update()

    def _update(self) -> None:
        if self._mean > ONE_UP_TO_MS:
            self.limit = 0
        elif self._mean > WITHIN_MS / MOST_PREFETCHED:
            self.limit = max(1, int(WITHIN_MS / self._mean))
        else:
            self.limit = MOST_PREFETCHED
