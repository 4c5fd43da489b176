"""The ticks of a trigger: when it fires. All of it is bounded work, however long nobody has looked.

A tick is a Unix time in milliseconds on the store's clock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Final

from alsek.core.schedules.trigger_data import Cron, Date, Interval, TriggerData

#: The end of the year 9999: an interval has no later tick.
_LAST_MS: Final = 253_402_300_799_999

#: How many ticks are visited one by one before they are searched by halves.
_WALK: Final = 16


class Ticks(ABC):
    """The ticks of one trigger."""

    @abstractmethod
    def after(self, moment: int) -> int | None:
        """Return the first tick after this moment; None if there is none."""


class IntervalTicks(Ticks):
    """The ticks of an interval, whose start is known."""

    def __init__(self, trigger: Interval) -> None:
        if trigger.start is None:
            raise ValueError("an interval without a start has no ticks yet")
        self._start_us = trigger.start * 1_000
        self._length_us = trigger.length_us
        self._end = _LAST_MS if trigger.end is None else trigger.end

    def after(self, moment: int) -> int | None:
        number = max(0, -((self._start_us - (moment + 1) * 1_000) // self._length_us))
        tick = (self._start_us + number * self._length_us) // 1_000
        return tick if tick <= self._end else None


class DateTicks(Ticks):
    """The tick of a date."""

    def __init__(self, trigger: Date) -> None:
        self._at = trigger.at

    def after(self, moment: int) -> int | None:
        return self._at if moment < self._at else None


@lru_cache(maxsize=256)
def ticks_of(trigger: TriggerData) -> Ticks:
    """Return the ticks of a trigger.

    Raises:
        ValueError: This machine does not know its time zone, or APScheduler an expression of it.
        ModuleNotFoundError: APScheduler is not installed, and it is a cron trigger.
    """
    if isinstance(trigger, Cron):
        from alsek.core.schedules.cron_ticks import CronTicks  # here: few programs need it

        return CronTicks(trigger)
    return IntervalTicks(trigger) if isinstance(trigger, Interval) else DateTicks(trigger)


def first_ticks(ticks: Ticks, first: int, until: int, most: int) -> list[int]:
    """Return a tick and those that follow it, in order, up to a moment and up to a number.

    Args:
        ticks: All of them.
        first: The first one.
        until: None is later.
        most: How many at most.
    """
    found = [first]
    while len(found) < most:
        tick = ticks.after(found[-1])
        if tick is None or tick > until:
            break
        found.append(tick)
    return found


def last_ticks(ticks: Ticks, first: int, until: int, most: int) -> list[int]:
    """As :func:`first_ticks`, but the last ones of these, also in order. Those before are not visited one by one."""
    found = [_last(ticks, first, until)]
    gap = 1_000
    while len(found) < most and found[-1] > first:
        tick = _previous(ticks, first, found[-1], gap)
        gap = found[-1] - tick
        found.append(tick)
    found.reverse()
    return found


def _last(ticks: Ticks, first: int, until: int) -> int:
    """Return the last tick up to a moment, of one that is a tick and those after it."""
    tick, none_from = first, until
    while tick < none_from:
        middle = (tick + none_from) // 2
        following = ticks.after(middle)
        if following is not None and following <= until:
            tick = following
        else:
            none_from = middle
    return tick


def _previous(ticks: Ticks, first: int, tick: int, gap: int) -> int:
    """Return the tick before another one; `first` at the earliest.

    Args:
        ticks: All of them.
        first: A tick.
        tick: A later one.
        gap: How long before that it may be. It is found soonest if that is right.
    """
    guess: int | None = None
    while guess is None or guess >= tick:
        start = max(first, tick - gap)
        guess = first if start == first else ticks.after(start - 1)
        gap *= 4
    for _ in range(_WALK):
        following = ticks.after(guess)
        if following is None or following >= tick:
            return guess
        guess = following
    return _last(ticks, guess, tick - 1)
