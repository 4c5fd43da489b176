"""How small and how large the numbers of a message may be: what every store can hold exactly."""

from __future__ import annotations

from typing import Any

from alsek.core.shown import shown
from alsek.defaults import MAX_DURATION, MAX_PRIORITY
from alsek.exceptions import ValidationError

#: What to do about a number that is too great.
_REMEDIES = {
    "priority": "Only the order of priorities counts: smaller numbers do as well.",
    "timeout": "Give milliseconds; that greatest number is as good as no timeout.",
    "ttl": "Give milliseconds, or None for no end.",
    "result_ttl": "Give milliseconds, or None for as long as the result store keeps its results.",
}


def check_number(name: str, value: Any, least: int, where: str, optional: bool = False) -> None:
    """Let pass what `name` may be.

    Args:
        name: A field of a message, or another duration. Only `retries`, a count, has no upper bound.
        value: What it is to be.
        least: The smallest that it may be.
        where: What it is of, for the error.
        optional: It may be None, too.

    Raises:
        ValidationError: It is no integer, too small or too large.
    """
    if value is None and optional:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        kinds = "None or an integer" if optional else "an integer"
        raise ValidationError(f"{name}={shown(value)} of {where}: must be {kinds} >= {least}")
    if name == "retries":
        return
    most, unit = (MAX_PRIORITY, "") if name == "priority" else (MAX_DURATION, " ms (more than 300 years)")
    if value > most:
        remedy = _REMEDIES.get(name, "Give milliseconds.")
        raise ValidationError(f"{name}={shown(value)} of {where}: must be at most {most}{unit}. {remedy}")
