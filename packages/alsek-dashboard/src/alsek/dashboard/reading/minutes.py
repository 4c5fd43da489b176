"""The last hour, minute by minute: each minute is read from the store until it is over, and then kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from alsek.core.inspection.inspector import Inspector
from alsek.storage.backends.history import MINUTE_MS

#: How many minutes are shown.
SHOWN: Final = 60
#: A worker hands its counts over within seconds, so a minute that was over for this long changes no more.
_MAY_CHANGE: Final = 2


@dataclass(slots=True)
class Minute:
    """What happened within a minute, in all queues.

    Attributes:
        begin: When it began: Unix milliseconds on the store's clock.
        succeeded: Messages that succeeded.
        failed: Messages that failed for good.
        retried: Attempts after which the message is run again.
        failed_of: How many failed, by task.
    """

    begin: int
    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    failed_of: Counter[str] = field(default_factory=Counter[str])


class Minutes:
    """Reads the last hour, and of that only what is new. Not for several threads at once."""

    def __init__(self) -> None:
        self._known: dict[int, Minute] = {}
        self._last: int | None = None

    def read(self, inspector: Inspector, now: int) -> list[Minute]:
        """Return the last hour, the present minute at the end.

        Args:
            inspector: Of the store.
            now: The time on the store's clock.
        """
        present = now // MINUTE_MS
        since = SHOWN if self._last is None else max(0, present - self._last) + _MAY_CHANGE
        fresh: dict[int, Minute] = {}
        for row in inspector.history(min(since, SHOWN)):
            minute = fresh.setdefault(row.minute // MINUTE_MS, Minute(row.minute))
            minute.succeeded += row.succeeded
            minute.failed += row.failed
            minute.retried += row.retried
            if row.failed:
                minute.failed_of[row.task] += row.failed
        self._known.update(fresh)
        self._last = present
        shown = range(present - SHOWN + 1, present + 1)
        self._known = {number: self._known[number] for number in shown if number in self._known}
        return [self._known.get(number) or Minute(number * MINUTE_MS) for number in shown]
