"""Whether two values say the same to a task: stricter than ``==``, to which ``1``, ``1.0`` and ``True`` are one."""

from __future__ import annotations

from datetime import datetime, time
from decimal import Decimal
from typing import Any


def alike(one: Any, other: Any) -> bool:
    """Return True if two values are of the same types, and equal, in all their parts."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float | Decimal | datetime | time):  # -0.0 and 0.0, 9.9 and 9.90, a time in two zones
        return repr(one) == repr(other)
    return bool(one == other)
