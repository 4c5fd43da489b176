"""Which overwritten keys are reported: each once a minute, because each step finds them again."""

from __future__ import annotations

import math
from typing import Final

from alsek.core.clock import real_time as time
from alsek.storage.backends.records import Corrupt

_INTERVAL_S: Final = 60.0


class FaultReports:
    """When each overwritten key was last reported."""

    def __init__(self) -> None:
        self._reported_at: dict[str, float] = {}

    def new_ones(self, found: list[Corrupt]) -> list[Corrupt]:
        """What a step found, without the keys that were reported within the last minute. Messages are all reported."""
        if not found:
            return found
        now = time.monotonic()
        new = [
            one
            for one in found
            if one.uuid or now - self._reported_at.get(one.queue, -math.inf) > _INTERVAL_S
        ]
        self._reported_at = {name: at for name, at in self._reported_at.items() if now - at <= _INTERVAL_S}
        self._reported_at.update((one.queue, now) for one in new if not one.uuid)
        return new
