"""The ticks of a cron trigger: APScheduler finds matching wall times, and the time zone says when these are.

A wall time that is skipped when clocks are put forward has its tick at the end of the gap, where it is one with any
other tick. A wall time that is shown twice has its tick when it is shown first.

A trigger with the hour ``*`` is for every real hour, as in Vixie cron: what it matches has a tick each time that it is
shown, and none if it is skipped.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from alsek.core.schedules.ticks import Ticks
from alsek.core.schedules.trigger_data import Cron
from alsek.core.schedules.triggers import wall_trigger
from alsek.core.schedules.wall_time import DAY_S, WallClock
from alsek.core.schedules.zones import zone_from_text

#: Nothing fires later, so that the search for a tick ends soon if there is none.
_LAST: Final = datetime(2500, 1, 1, tzinfo=UTC)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_S: Final = (_LAST - _EPOCH) // timedelta(seconds=1)


class CronTicks(Ticks):
    """The ticks of a cron trigger, up to the year 2500. They are whole seconds.

    Raises:
        ValueError: This machine does not know its time zone, or APScheduler an expression of it.
        ModuleNotFoundError: APScheduler is not installed.
    """

    def __init__(self, trigger: Cron) -> None:
        self._wall_trigger: Any = wall_trigger(trigger.fields, _LAST)
        self._clock = WallClock(zone_from_text(trigger.zone))
        self._start, self._end = trigger.start, trigger.end
        hours = [str(field) for field in self._wall_trigger.fields if field.name == "hour"]
        self._every_hour = hours == ["*"]

    def after(self, moment: int) -> int | None:
        if self._start is not None:
            moment = max(moment, self._start - 1)
        instant = max(moment // 1_000, 0)
        if instant >= _LAST_S:
            return None
        found = self._after_elapsed(instant) if self._every_hour else self._after_shown(instant)
        tick = None if found is None else found * 1_000
        return tick if tick is None or self._end is None or tick <= self._end else None

    def _after_shown(self, instant: int) -> int | None:
        wall = self._matching(self._clock.first_wall_after(instant))
        return None if wall is None else self._clock.instant(wall)

    def _after_elapsed(self, instant: int) -> int | None:
        """Return the first instant after another one whose wall time matches."""
        clock, instant = self._clock, instant + 1
        while True:
            offset = clock.offset(instant)
            wall = self._matching(instant + offset)
            if wall is None:
                return None
            # Found, if the offset does not change before it.
            found = wall - offset
            near = min(found, instant + DAY_S)
            if clock.offset(near) != offset:
                instant = clock.change(instant, near)
            elif found == near:
                return found
            else:
                instant = max(near, found - DAY_S)

    def _matching(self, wall: int) -> int | None:
        """Return the first wall time that matches, this one or a later one."""
        found = self._wall_trigger.get_next_fire_time(None, _EPOCH + timedelta(seconds=wall))
        return None if found is None else (found - _EPOCH) // timedelta(seconds=1)
