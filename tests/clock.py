"""A store's clock that the test moves."""

from __future__ import annotations

#: A day in 2023, in Unix milliseconds.
START = 1_700_000_000_000


class Clock:
    """Returns the time (Unix milliseconds) that the test has set."""

    def __init__(self, now: int = START) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def advance(self, ms: int) -> None:
        """Let time pass."""
        self.now += ms
