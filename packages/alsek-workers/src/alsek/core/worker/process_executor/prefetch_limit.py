"""How many messages may be claimed ahead of a process that is busy: a few, and only while tasks prove to be short.

A trip to the store costs as much as several short tasks. With one message at a time each would wait for a trip of its
own, and a process would idle meanwhile. With some in its hand it goes on at once, and their trips are one.
What is claimed ahead is withheld from other pools, though, so it is bounded by time: as many as run in about four
milliseconds; one, while tasks take up to ten; none, for longer ones.
"""

from __future__ import annotations

#: The most that a process may be given ahead.
MOST_AHEAD = 15
#: What is claimed ahead is to run within about this (ms) ...
_WITHIN = 4.0
#: ... but one more is, as long as tasks take no longer than this (ms).
_ONE_AHEAD = 10.0
#: What a task is taken to last (ms) before any has run, and after one that kept others waiting.
_LONG = 20.0
#: The mean is over about so many tasks; one that is longer counts for four.
_MEMORY = 16


class PrefetchLimit:
    """The running mean of what a task takes, from the engine's point of view.

    Attributes:
        ahead: How many may be claimed ahead for each process now.
    """

    def __init__(self) -> None:
        self._mean = _LONG
        self.ahead = 0

    def note(self, tasks: int, took: float) -> None:
        """So many tasks took so long (ms) together, one after the other."""
        each = took / tasks
        share = min(1.0, tasks / _MEMORY)
        if each > self._mean:
            share = max(share, 4 / _MEMORY)
        self._mean += (each - self._mean) * share
        self._reckon()

    def stumble(self) -> None:
        """Some were kept waiting: claim none ahead until tasks have proved short again."""
        self._mean = max(self._mean, _LONG)
        self._reckon()

    def _reckon(self) -> None:
        if self._mean > _ONE_AHEAD:
            self.ahead = 0
        elif self._mean > _WITHIN / MOST_AHEAD:
            self.ahead = max(1, int(_WITHIN / self._mean))
        else:
            self.ahead = MOST_AHEAD
