"""Triggers as text for people."""

from __future__ import annotations

from typing import Final

from alsek.core.inspection.wording import moment, span
from alsek.core.schedules.trigger_data import Cron, Date, TriggerData

#: The fields of a crontab, in its order.
_CRONTAB: Final = ("minute", "hour", "day", "month", "day_of_week")
_UNITS: Final = (("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000))


def trigger_text(trigger: TriggerData) -> str:
    """Return a trigger as ``cron 0 3 * * * Europe/Berlin``, ``every 6 h`` or ``once, 2026-11-28 16:04:54 UTC``."""
    if isinstance(trigger, Date):
        return f"once, {moment(trigger.at)}"
    if isinstance(trigger, Cron):
        fields = dict(trigger.fields)
        told = (
            " ".join(fields[name] for name in _CRONTAB)
            if set(fields) == set(_CRONTAB)
            else " ".join(f"{name}={expression}" for name, expression in trigger.fields)
        )
        text = f"cron {told} {trigger.zone}"
        if trigger.start is not None:
            text += f", from {moment(trigger.start)}"
    else:
        text = f"every {_exactly(trigger.length_us)}"
        if trigger.fixed and trigger.start is not None:
            text += f", from {moment(trigger.start)}"
    if trigger.end is not None:
        text += f", until {moment(trigger.end)}"
    if trigger.jitter:
        text += f", up to {span(trigger.jitter)} later"
    return text


def _exactly(left: int) -> str:
    """Return microseconds as ``1 d 30 min``: no part is left out, however small."""
    parts = []
    for unit, length in _UNITS:
        number, left = divmod(left, length)
        if number:
            parts.append(f"{number:,} {unit}")
    if left or not parts:
        parts.append(f"{left / 1_000_000:.6f}".rstrip("0").rstrip(".") + " s")
    return " ".join(parts)
