"""Bounds of numbers and durations, which every store can hold exactly, and checks of them."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any, cast, overload

from alsek.core.seconds import LEAST_WAIT_MS, warn_of_seconds
from alsek.core.short_repr import shown
from alsek.defaults import MAX_DURATION, MAX_PRIORITY
from alsek.exceptions import ValidationError
from alsek.types import Duration

#: About three years: a Python thread can't sleep for much longer.
_LONGEST_WAIT_MS = 10**11

_MILLISECOND = timedelta(milliseconds=1)

#: For errors: what to do about a number that is too great.
_REMEDIES = {
    "priority": "Only the order of priorities counts: smaller numbers do as well.",
    "timeout": "Give milliseconds; that greatest number is as good as no timeout.",
    "ttl": "Give milliseconds, or None for no end.",
    "result_ttl": "Give milliseconds, or None for as long as the result store keeps its results.",
}


@overload
def milliseconds(value: Duration) -> int: ...
@overload
def milliseconds(value: Duration | None) -> int | None: ...
def milliseconds(value: Any) -> Any:
    """Return a duration as milliseconds; a part of one is cut off. What is no timedelta is returned as it is."""
    return value // _MILLISECOND if isinstance(value, timedelta) else value


def check_number(name: str, value: Any, least: int, where: str, optional: bool = False) -> None:
    """Validate a numeric field or a duration.

    Args:
        name: Its name. Only `retries`, a count, has no upper bound.
        value: Its value.
        least: The smallest that is allowed.
        where: The object that it belongs to, for the error.
        optional: Allow None.

    Raises:
        ValidationError: The value is no integer, too small or too large.
    """
    check_integer(name, value, least, where, optional)
    if value is None or name == "retries":
        return
    most, unit = (MAX_PRIORITY, "") if name == "priority" else (MAX_DURATION, " ms (more than 300 years)")
    if value > most:
        remedy = _REMEDIES.get(name, "Give milliseconds.")
        raise ValidationError(f"{name}={shown(value)} of {where}: must be at most {most}{unit}. {remedy}")


def check_integer(name: str, value: Any, least: int, where: str, optional: bool = False) -> None:
    """Validate an integer of at least `least`; if `optional`, None is allowed. A bool is not an integer.

    Raises:
        ValidationError: The value is something else.
    """
    if value is None and optional:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        kinds = "None or an integer" if optional else "an integer"
        raise ValidationError(f"{name}={shown(value)} of {where}: must be {kinds} >= {least}")


def checked_wait(name: str, value: Duration | None, where: str) -> int | None:
    """Validate a time to wait: None, milliseconds >= 0, or a timedelta; and return milliseconds, at most three years.

    Raises:
        ValidationError: The value is something else, negative, or infinite.
    """
    if value is None:
        return None
    warn_of_seconds(name, value, LEAST_WAIT_MS, where.partition("(")[0])
    given: Any = milliseconds(value)
    if not isinstance(given, int | float) or isinstance(given, bool) or not 0 <= given < math.inf:
        raise ValidationError(
            f"{name}={shown(value)} of {where}: must be None, a number of milliseconds >= 0, or a timedelta"
        )
    return min(cast(int, given), _LONGEST_WAIT_MS)
