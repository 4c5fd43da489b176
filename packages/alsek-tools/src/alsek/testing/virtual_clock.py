"""A clock that stands still until a test moves it."""

from __future__ import annotations

from alsek.core.clock import wall_clock_ms


class VirtualClock:
    """The time of the stores of a test: Unix milliseconds. It begins at the present time."""

    def __init__(self) -> None:
        self.now = wall_clock_ms()

    def __call__(self) -> int:
        return self.now

    def move_to(self, moment: int) -> None:
        """Set the time, unless it is later already."""
        self.now = max(self.now, moment)
