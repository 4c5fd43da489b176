"""Wall-clock time as the library writes it (Unix milliseconds, UTC), and clocks that a test tool can't stop.

``freezegun`` and its like replace the functions of ``time`` in every module of the process. If a task of a thread pool
did so, the deadlines of all tasks beside it would be over. So all that Alsek measures and waits for goes by
:data:`real_time`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

_TEXT_FORMATS = ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S")


class RealTime:
    """Functions of ``time`` as they were when Alsek was imported. Attributes of an object are not replaced."""

    __slots__ = ("monotonic", "monotonic_ns", "sleep", "time_ns")

    def __init__(self) -> None:
        self.monotonic = time.monotonic
        self.monotonic_ns = time.monotonic_ns
        self.sleep = time.sleep
        self.time_ns = time.time_ns


real_time: Final = RealTime()


def now_ms() -> int:
    """Now, on this machine's clock. It informs; what must hold across machines uses the store's clock."""
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """Milliseconds on a clock that never jumps, the same for all processes of this machine."""
    return real_time.monotonic_ns() // 1_000_000


def to_text(timestamp: int) -> str:
    """Unix milliseconds as UTC text, such as ``2021-04-08 05:59:16.424000``."""
    seconds, milliseconds = divmod(timestamp, 1000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=milliseconds * 1000, tzinfo=None)
    return moment.isoformat(sep=" ", timespec="microseconds")


def from_text(text: str) -> int:
    """UTC text, as :func:`to_text` writes it (also without fractions), as Unix milliseconds.

    Raises:
        ValueError: It is no such text.
    """
    for form in _TEXT_FORMATS:
        try:
            moment = datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        whole = int(moment.replace(microsecond=0).timestamp())
        return whole * 1000 + moment.microsecond // 1000
    raise ValueError(f"{text!r} is not a UTC time such as '2021-04-08 05:59:16.424000'")
