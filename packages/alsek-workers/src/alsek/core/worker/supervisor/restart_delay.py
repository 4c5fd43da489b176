"""When the next group may be started: groups that fail at once are not forked in a tight loop."""

from __future__ import annotations

from typing import Final

from alsek.core.pauses import Pauses

#: A fork that fails is tried again after this time.
_FORK_AGAIN_MS: Final = 1_000
#: The first and the longest pause after groups that failed to start.
_FAILED_START_MS: Final = 2_000
LONGEST_FAILED_START_MS: Final = 30_000
#: A group that died earlier than this after its start died early.
_EARLY_DEATH_MS: Final = 1_000
#: The first and the longest pause after early deaths.
_FIRST_EARLY_DEATH_MS: Final = 100
_LONGEST_EARLY_DEATH_MS: Final = 5_000


class RestartDelay:
    """Delays the start of groups, longer after each failure.

    Attributes:
        until: No group is started before (monotonic ms).
    """

    def __init__(self) -> None:
        self.until = 0
        self._failed_starts = Pauses(_FAILED_START_MS, LONGEST_FAILED_START_MS)
        self._early_deaths = Pauses(_FIRST_EARLY_DEATH_MS, _LONGEST_EARLY_DEATH_MS)

    def on_fork_failed(self, now: int) -> None:
        """No process could be forked."""
        self.until = now + _FORK_AGAIN_MS

    def on_failed_start(self, now: int) -> int:
        """A group ended before it had registered. Returns the pause (ms)."""
        pause = round(self._failed_starts.next())
        self.until = now + pause
        return pause

    def on_death(self, now: int, started_at: int) -> None:
        """A group died after it had registered."""
        self._failed_starts.reset()
        if now - started_at < _EARLY_DEATH_MS:
            self.until = now + round(self._early_deaths.next())
        else:
            self._early_deaths.reset()

    def on_orderly_exit(self) -> None:
        """A group ended in good order: pauses begin short again."""
        self._failed_starts.reset()
        self._early_deaths.reset()
