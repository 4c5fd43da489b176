"""The last hour, minute by minute: each minute is read from the store until it is over, and then kept.

With thousands of queues an hour is much to read. So the minutes before are read piece by piece, at each reading as many
as there is time for, and a page shows those that are known.
"""

from __future__ import annotations

from typing import Final

from alsek.core.clock import real_time
from alsek.core.inspection.history import MinuteInfo
from alsek.core.inspection.inspector import Inspector
from alsek.storage.backends.history import MINUTE_MS

#: How many minutes are shown.
SHOWN: Final = 60
#: A worker hands its counts over within seconds, so a minute that was over for this long changes no more.
_MAY_CHANGE: Final = 2
#: So many older minutes are read in one piece; the next piece only if all took less time than this by then.
_PIECE: Final = 3
_PATIENCE_S: Final = 0.02


class Minutes:
    """Reads the last hour, and of that only what is new. Not for several threads at once."""

    def __init__(self) -> None:
        self._known: dict[int, MinuteInfo] = {}
        self._last: int | None = None

    def read(self, inspector: Inspector, now: int) -> list[MinuteInfo]:
        """Return the last minutes, the present one at the end: an hour, or as much of it as is known by now.

        Args:
            inspector: Of the store.
            now: The time on the store's clock.
        """
        begun = real_time.monotonic()
        present = now // MINUTE_MS
        since = _MAY_CHANGE if self._last is None else present - self._last + _MAY_CHANGE
        if since > SHOWN:  # nobody has looked for an hour
            self._known.clear()
            since = _MAY_CHANGE
        self._keep(inspector.minutes(since, before=(present + 1) * MINUTE_MS))
        self._last = present
        oldest = present - SHOWN + 1
        self._known = {number: minute for number, minute in self._known.items() if number >= oldest}
        while (first := min(self._known)) > oldest:
            self._keep(inspector.minutes(min(_PIECE, first - oldest), before=first * MINUTE_MS))
            if real_time.monotonic() - begun > _PATIENCE_S:
                break  # the next reading goes on
        return [self._known[number] for number in sorted(self._known)]

    def _keep(self, minutes: list[MinuteInfo]) -> None:
        for minute in minutes:
            self._known[minute.minute // MINUTE_MS] = minute
