"""Wall time: what clocks on the wall show in a time zone, also when they are put forward or back.

An *instant* is a Unix time in seconds. A *wall time* is the date and time that a clock shows, as the Unix time of the
moment at which a clock of UTC shows the same. So their difference is the offset of the zone at that instant.

When clocks are put forward, they skip some wall times (a *gap*); when they are put back, they show some twice.
"""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import Final

#: In seconds. Longer than any offset, and than any time by which clocks were ever put forward or back.
DAY_S: Final = 86_400

_SECOND: Final = timedelta(seconds=1)


class WallClock:
    """The wall time of a time zone.

    Args:
        zone: The zone.
    """

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone

    def offset(self, instant: int) -> int:
        """Return how many seconds the wall time is ahead of UTC at this instant.

        Raises:
            OverflowError, ValueError: The instant is in no year that Python knows.
        """
        offset = datetime.fromtimestamp(instant, self._zone).utcoffset()
        return 0 if offset is None else offset // _SECOND

    def wall(self, instant: int) -> int:
        """Return the wall time at this instant."""
        return instant + self.offset(instant)

    def instant(self, wall: int) -> int:
        """Return when this wall time is shown: the first time if that is twice; the end of the gap if it is skipped.

        A later wall time never has an earlier instant.
        """
        before, after = self.offset(wall - DAY_S), self.offset(wall + DAY_S)
        if before == after or self.offset(wall - before) == before:
            return wall - before
        if self.offset(wall - after) == after:
            return wall - after
        return self.change(wall - after, wall - before)

    def change(self, before: int, after: int) -> int:
        """Return the first instant with the offset of `after`, of two with different offsets and one change between."""
        new = self.offset(after)
        while after - before > 1:
            middle = (before + after) // 2
            if self.offset(middle) == new:
                after = middle
            else:
                before = middle
        return after

    def first_wall_after(self, instant: int) -> int:
        """Return the first wall time whose :meth:`instant` is after this instant."""
        wall = self.wall(instant)
        if self.instant(wall + 1) > instant:
            return wall + 1
        # It is shown for the second time: go on behind all that is shown twice.
        low, high = wall + 1, wall + DAY_S
        while high - low > 1:
            middle = (low + high) // 2
            if self.instant(middle) > instant:
                high = middle
            else:
                low = middle
        return high
