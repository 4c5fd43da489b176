"""How small and how large the numbers of a message may be: what every store can hold exactly."""

from __future__ import annotations

import math
from typing import Any

from alsek.core.short_repr import shown
from alsek.defaults import MAX_DURATION, MAX_PRIORITY
from alsek.exceptions import ValidationError

#: About three years (ms): a thread of Python can't be told to sleep for much longer.
_LONGEST_WAIT = 10**11

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
    check_integer(name, value, least, where, optional)
    if value is None or name == "retries":
        return
    most, unit = (MAX_PRIORITY, "") if name == "priority" else (MAX_DURATION, " ms (more than 300 years)")
    if value > most:
        remedy = _REMEDIES.get(name, "Give milliseconds.")
        raise ValidationError(f"{name}={shown(value)} of {where}: must be at most {most}{unit}. {remedy}")


def check_integer(name: str, value: Any, least: int, where: str, optional: bool = False) -> None:
    """Let pass an integer of at least `least`; if `optional`, None, too. A bool is none.

    Raises:
        ValidationError: It is something else.
    """
    if value is None and optional:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        kinds = "None or an integer" if optional else "an integer"
        raise ValidationError(f"{name}={shown(value)} of {where}: must be {kinds} >= {least}")


def checked_wait(name: str, value: int | None, where: str) -> int | None:
    """How long somebody may wait (ms): None, or a number, which may have a fraction; at most three years of it.

    Raises:
        ValidationError: It is something else, negative, or infinite.
    """
    if value is None:
        return None
    given: Any = value
    if not isinstance(given, int | float) or isinstance(given, bool) or not 0 <= given < math.inf:
        raise ValidationError(
            f"{name}={shown(value)} of {where}: must be None or a number of milliseconds >= 0"
        )
    return min(value, _LONGEST_WAIT)
