"""How long an event loop has had to wait for a server."""

from __future__ import annotations

import asyncio
from typing import Final

_SLICE_S: Final = 0.05


class LoopTime:
    """The time of an event loop without that in which it stood still, as far as somebody counts (``with``).

    Code that blocks the loop, or thousands of coroutines that begin at once, must not look like a server that is
    silent.

    Args:
        loop: The event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._stood_still_s = 0.0
        self._counting = 0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """Seconds since an unknown moment."""
        return self._loop.time() - self._stood_still_s

    def __enter__(self) -> None:
        self._counting += 1
        if self._timer is None:
            self._wind_up()

    def __exit__(self, *_: object) -> None:
        self._counting -= 1
        if not self._counting and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wind_up(self) -> None:
        self._due = self._loop.time() + _SLICE_S
        self._timer = self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        self._stood_still_s += max(self._loop.time() - self._due, 0.0)
        self._wind_up()
