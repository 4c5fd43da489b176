"""Durations as people write them: ``90s``, ``1h30m``."""

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
