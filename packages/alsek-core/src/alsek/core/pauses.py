"""Pauses between attempts that grow, with jitter."""

from __future__ import annotations

import random
from collections.abc import Callable


class Pauses:
    """The pauses between attempts that fail one after the other: each longer than the last, up to a limit.

    Each is drawn at random from a range below its full length, so that processes which failed together do not try
    again together. All durations are in the unit of `first` and `longest`.

    Args:
        first: The full length of the first pause.
        longest: The full length of the longest.
        factor: By how much each is longer than the one before it.
        jitter: The least and the greatest share of the full length that a pause takes.
        draw: Returns a random number from 0 to 1.

    Attributes:
        count: How many pauses there were since the last :meth:`reset`.
    """

    __slots__ = ("_draw", "_factor", "_first", "_full", "_jitter", "_longest", "count")

    def __init__(
        self,
        first: float,
        longest: float,
        factor: float = 2.0,
        jitter: tuple[float, float] = (0.5, 1.0),
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._first = first
        self._longest = longest
        self._factor = factor
        self._jitter = jitter
        self._draw = draw
        self.reset()

    def reset(self) -> None:
        """Begin anew: an attempt has succeeded."""
        self.count = 0
        self._full = self._first

    def next(self) -> float:
        """Return how long to pause before the next attempt."""
        self.count += 1
        full = self._full
        self._full = min(full * self._factor, self._longest)
        least, most = self._jitter
        return full * (least + (most - least) * self._draw())
