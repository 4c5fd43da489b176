"""Priorities: Django's go from -100 to 100, and the highest goes first; of Alsek's the lowest goes first."""

from __future__ import annotations

from typing import Final

_HIGHEST: Final = 100


def alsek_priority(priority: int) -> int:
    """Return Alsek's priority for one of Django's: 0 for 100, 100 for 0, 200 for -100."""
    return _HIGHEST - int(priority)


def django_priority(priority: int) -> int:
    """Return Django's priority for one of Alsek's, within Django's bounds."""
    return max(-_HIGHEST, min(_HIGHEST, _HIGHEST - priority))
