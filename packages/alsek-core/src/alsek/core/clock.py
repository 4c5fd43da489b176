"""All clocks: wall-clock time (Unix milliseconds, UTC), monotonic time, and times as text.

``freezegun`` and similar tools replace the functions of ``time`` in every module of the process. If a task of a thread
pool did so, the deadlines of all other tasks in the process would pass at once. So Alsek measures durations and sleeps
with :data:`real_time`, which such tools do not replace.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

_TEXT_FORMATS = ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S")


class RealTime:
    """The functions of ``time`` as they were when Alsek was imported, kept as attributes of an object."""

    __slots__ = ("monotonic", "monotonic_ns", "sleep", "time_ns")

    def __init__(self) -> None:
        self.monotonic = time.monotonic
        self.monotonic_ns = time.monotonic_ns
        self.sleep = time.sleep
        self.time_ns = time.time_ns


real_time: Final = RealTime()


def now_ms() -> int:
    """Return the local wall-clock time, for display; a test tool may stop it.

    Times that are compared across machines come from the store's clock.
    """
    return time.time_ns() // 1_000_000


def wall_clock_ms() -> int:
    """Return the local wall-clock time, for a store on this machine; no test tool stops it."""
    return real_time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """Return milliseconds on a clock that never jumps and is the same for all processes of this machine."""
    return real_time.monotonic_ns() // 1_000_000


def wall_clock_ahead_ms() -> int:
    """Return what to add to monotonic milliseconds, so that they are those of the local wall clock as it is now."""
    return wall_clock_ms() - monotonic_ms()


def to_text(timestamp: int) -> str:
    """Return Unix milliseconds as UTC text, such as ``2021-04-08 05:59:16.424000``."""
    seconds, milliseconds = divmod(timestamp, 1000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=milliseconds * 1000, tzinfo=None)
    return moment.isoformat(sep=" ", timespec="microseconds")


def from_text(text: str) -> int:
    """Return the Unix milliseconds of UTC text as :func:`to_text` writes it; the fraction may be missing.

    Raises:
        ValueError: The text has another form.
    """
    for form in _TEXT_FORMATS:
        try:
            moment = datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        whole = int(moment.replace(microsecond=0).timestamp())
        return whole * 1000 + moment.microsecond // 1000
    raise ValueError(f"{text!r} is not a UTC time such as '2021-04-08 05:59:16.424000'")
