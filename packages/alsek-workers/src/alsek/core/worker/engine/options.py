"""Settings of an engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from alsek.core.worker.monitor.channel import Channel
from alsek.defaults import DEFAULT_SLOT_WAIT_INTERVAL


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Settings of an engine. Durations are milliseconds.

    Attributes:
        dlq_ttl: How long a dead letter is kept; None for the store's own rule.
        slot_wait_interval: The longest sleep while there is no free slot.
        max_tasks: Drain after starting this many; None for no limit.
        burst: The supervisor wants to know when the group has nothing to do.
        suspects_only: Drain when no suspects are left.
        channel: How the pool's monitor is told what was counted; None without one.
        is_too_large: Called about once a second; the engine drains when it returns True.
    """

    dlq_ttl: int | None = None
    slot_wait_interval: int = DEFAULT_SLOT_WAIT_INTERVAL
    max_tasks: int | None = None
    burst: bool = False
    suspects_only: bool = False
    channel: Channel | None = None
    is_too_large: Callable[[], bool] = lambda: False
