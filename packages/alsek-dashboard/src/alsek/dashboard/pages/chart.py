"""The last hour as bars: one for each minute, what failed on top of what succeeded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from alsek.core.inspection.history import MinuteInfo
from alsek.core.inspection.wording import moment
from alsek.dashboard.reading.minutes import SHOWN

#: In units of the picture.
HEIGHT: Final = 100
STEP: Final = 10
_BAR: Final = 8
#: A bar is this high at least if there is anything in it.
_LEAST: Final = 2.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One minute.

    Attributes:
        x: Where it stands.
        width: How wide it is.
        succeeded: How high the part is of what succeeded.
        failed: How high the part is of what failed.
        text: The minute and its numbers.
    """

    x: int
    width: int
    succeeded: float
    failed: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The bars, and how many messages the highest of them stands for."""

    bars: Sequence[Bar]
    most: int
    width: int
    height: int = HEIGHT


def chart_of(minutes: Sequence[MinuteInfo]) -> Chart:
    """Return the picture of these minutes."""
    most = max((minute.succeeded + minute.failed for minute in minutes), default=0)
    bars = [
        Bar(
            (SHOWN - len(minutes) + number) * STEP,
            _BAR,
            _height(minute.succeeded, most),
            _height(minute.failed, most),
            f"{moment(minute.minute)[11:16]} UTC: {minute.succeeded:,} succeeded, {minute.failed:,} failed",
        )
        for number, minute in enumerate(minutes)
    ]
    return Chart(bars, most, SHOWN * STEP)


def _height(number: int, most: int) -> float:
    return round(max(_LEAST, number / most * (HEIGHT - 2 * _LEAST)), 1) if number else 0.0
