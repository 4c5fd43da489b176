"""Durations as people write and read them: ``90s``, ``1h30m``; ``3 min``."""

from __future__ import annotations

import re
from typing import Final

import click

_UNITS_MS: Final = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "min": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|min|[smhdw])\s*")


def duration(text: str) -> int:
    """Return the milliseconds of a duration such as ``500ms``, ``90s``, ``15m``, ``1h30m``, ``7d``.

    Raises:
        click.BadParameter: It is none.
    """
    lower = text.strip().lower()
    parts = list(_PART.finditer(lower))
    if not parts or "".join(part[0] for part in parts) != lower:
        raise click.BadParameter(f"{text!r} is no duration: write 90s, 15m, 1h30m, 7d")
    return round(sum(float(part[1]) * _UNITS_MS[part[2]] for part in parts))


def duration_text(milliseconds: float) -> str:
    """Return a duration in its two largest units, or with one decimal below ten seconds."""
    if milliseconds < 0:
        return f"-{duration_text(-milliseconds)}"
    if milliseconds < 1_000:
        return f"{milliseconds:.0f} ms"
    if milliseconds < 10_000:
        return f"{milliseconds / 1_000:.1f} s"
    seconds = int(milliseconds / 1_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = ((days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s"))
    parts = [f"{number} {unit}" for number, unit in units if number]
    return " ".join(parts[:2])


def ago(milliseconds: float) -> str:
    """Return how long ago something was."""
    return f"{duration_text(max(0, milliseconds))} ago"
