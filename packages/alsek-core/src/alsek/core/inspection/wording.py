"""Times, durations and counts in sentences for people."""

from __future__ import annotations

from itertools import pairwise

from alsek.core.clock import to_text
from alsek.core.reporting.progress import Progress
from alsek.types import ExceptionDetails

#: The most of an exception's text that a sentence quotes.
MOST_TEXT = 200

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def moment(time: int) -> str:
    """Return Unix milliseconds as ``2026-11-28 16:04:54 UTC``."""
    try:
        return f"{to_text(time)[:19]} UTC"
    except (OverflowError, ValueError, OSError):  # a producer may have written any number
        return f"{time} ms after 1970"


def span(duration: float) -> str:
    """Return milliseconds as ``350 ms``, ``4 s``, ``3 min 20 s`` or ``2 d 5 h``; nothing is less than 0."""
    if duration < 1_000:
        return f"{max(0, int(duration))} ms"
    left = int(duration) // 1_000
    for (unit, seconds), (finer, fewer) in pairwise(_UNITS):
        if left >= seconds:
            number, rest = left // seconds, left % seconds // fewer
            return f"{number} {unit} {rest} {finer}" if rest else f"{number} {unit}"
    return f"{left} s"


def past(time: int, now: int) -> str:
    """Return a time that has passed as ``2026-11-28 16:04:54 UTC, 4 s ago``."""
    return f"{moment(time)}, {span(now - time)} ago"


def coming(time: int, now: int) -> str:
    """Return a time to come as ``2026-11-28 16:04:54 UTC, in 4 s``."""
    return f"{moment(time)}, in {span(time - now)}"


def progress_text(progress: Progress) -> str:
    """Return progress as ``370 of 1,000 (37 %), rows``, or ``370, rows`` if it has no total."""
    text = f", {progress.text}" if progress.text else ""
    if progress.total is None:
        return f"{_number(progress.current)}{text}"
    done = progress.fraction
    share = "" if done is None else f" ({int(done * 100)} %)"  # 100 % is all of it
    return f"{_number(progress.current)} of {_number(progress.total)}{share}{text}"


def _number(number: float) -> str:
    """Return a number with commas: whole ones in full, others with six digits."""
    return f"{number:,}" if isinstance(number, int) else f"{number:,g}"


def counted(number: int, one: str, many: str = "") -> str:
    """Return ``1 worker`` or ``1,200 workers``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(names: list[str], most: int = 5) -> str:
    """Return names as ``'a', 'b' and 3 more``."""
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def failure(details: ExceptionDetails) -> str:
    """Return an exception as ``ValueError: no such customer``: its name and the first line of its text."""
    return failed_with(details["name"], details["text"], MOST_TEXT)


def failed_with(name: str, text: str, most: int | None = None) -> str:
    """Return the name of an exception and the first line of its text; of that line no more than `most`."""
    line = text.strip().split("\n", 1)[0]
    if most is not None and len(line) > most:
        line = f"{line[:most]}…"
    return f"{name}: {line}" if line else name
