"""When the next group may be started: groups that fail at once are not forked in a tight loop."""

from __future__ import annotations

import random
from typing import Final

#: A fork that fails is tried again after this time.
_FORK_AGAIN_MS: Final = 1_000
#: The pause after groups that failed to start begins at twice this, and doubles up to the longest.
_FAILED_START_MS: Final = 1_000
LONGEST_FAILED_START_MS: Final = 30_000
#: A group that died earlier than this after its start died early.
_EARLY_DEATH_MS: Final = 1_000
#: The pause after early deaths begins at twice this, and doubles up to the longest.
_FIRST_EARLY_DEATH_MS: Final = 50
_LONGEST_EARLY_DEATH_MS: Final = 5_000


class RestartDelay:
    """Delays the start of groups, longer after each failure.

    Attributes:
        until: No group is started before (monotonic ms).
    """

    def __init__(self) -> None:
        self.until = 0
        self._failed_starts = 0
        self._early_deaths = 0

    def on_fork_failed(self, now: int) -> None:
        """No process could be forked."""
        self.until = now + _FORK_AGAIN_MS

    def on_failed_start(self, now: int) -> int:
        """A group ended before it had registered. Returns the pause (ms)."""
        self._failed_starts += 1
        longest = min(_FAILED_START_MS * 2.0**self._failed_starts, LONGEST_FAILED_START_MS)
        pause = round(longest * random.uniform(0.5, 1.0))
        self.until = now + pause
        return pause

    def on_death(self, now: int, started_at: int) -> None:
        """A group died after it had registered."""
        self._failed_starts = 0
        if now - started_at < _EARLY_DEATH_MS:
            self._early_deaths += 1
            pause = min(_FIRST_EARLY_DEATH_MS * 2.0**self._early_deaths, _LONGEST_EARLY_DEATH_MS)
            self.until = now + round(pause)
        else:
            self._early_deaths = 0

    def on_orderly_exit(self) -> None:
        """A group ended in good order: pauses begin short again."""
        self._failed_starts = self._early_deaths = 0
