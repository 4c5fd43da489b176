"""Counts of attempts, as workers hand them over and stores keep them: one text for each queue, task and minute.

The text is ``key:number`` for each count that is not 0, with spaces between. Two of them are added key by key. A store
does that, and knows none of the keys.

====== =====================================================================================
key    counts
====== =====================================================================================
``s``  attempts that were started
``o``  messages that succeeded
``f``  messages that failed for good
``r``  attempts after which the message is retried
``l``  attempts that were lost with their process
``v``  messages that were revoked
``x``  messages that expired
``w#`` first attempts that began within a time of bucket ``#`` after their message was ready
``d#`` attempts that took a time of bucket ``#``
``wt`` the sum of all times to a first attempt: microseconds
``dt`` the sum of all times that attempts took: microseconds
====== =====================================================================================

Bucket ``#`` has the times up to :data:`BUCKETS_MS` ``[#]``, and above the bound before it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Final

#: How messages and attempts end, and the keys under which that is counted.
OUTCOMES: Final = {
    "succeeded": "o",
    "failed": "f",
    "retried": "r",
    "lost": "l",
    "revoked": "v",
    "expired": "x",
}

#: How long a store keeps counts.
KEPT_MS: Final = 72 * 60 * 60 * 1_000

#: Counts are kept by minute.
MINUTE_MS: Final = 60_000

#: The upper bounds of the buckets (ms): powers of two with a step between, up to a day and a half.
BUCKETS_MS: Final[tuple[float, ...]] = tuple(
    bound for power in range(27) for bound in (float(2**power), 1.5 * 2**power)
)


def first_kept(now: int) -> int:
    """Return the first minute whose counts are kept, at this time (ms)."""
    return now // MINUTE_MS - KEPT_MS // MINUTE_MS + 1


def bucket(time_ms: float) -> int:
    """Return the number of the bucket of a time. A time above all bounds is in the last one."""
    return min(bisect_left(BUCKETS_MS, time_ms), len(BUCKETS_MS) - 1)


def packed(counts: Mapping[str, int]) -> str:
    """Return counts as one text."""
    return " ".join(f"{key}:{number}" for key, number in counts.items() if number)


def unpacked(text: str) -> dict[str, int]:
    """Return the counts of a text. What is no count in it is left out: another program may have written it."""
    counts: dict[str, int] = {}
    for part in text.split():
        key, _, number = part.partition(":")
        if number.isascii() and number.isdigit():
            counts[key] = counts.get(key, 0) + int(number)
    return counts


def added(texts: Iterable[str]) -> str:
    """Return the sum of counts, key by key, as one text."""
    total: dict[str, int] = {}
    for text in texts:
        add_to(total, text)
    return packed(total)


def add_to(total: dict[str, int], text: str) -> None:
    """Add the counts of a text to `total`, key by key."""
    for key, number in unpacked(text).items():
        total[key] = total.get(key, 0) + number


def quantile(counts: Mapping[str, int], letter: str, share: float) -> float | None:
    """Return an upper bound (ms) of a quantile of a time: of the buckets with this letter; None if they are empty.

    Args:
        counts: The counts.
        letter: ``w`` or ``d``.
        share: 0.5 for the median.
    """
    numbers = {
        int(key[1:]): number for key, number in counts.items() if key[0] == letter and key[1:].isdigit()
    }
    total = sum(numbers.values())
    if not total:
        return None
    passed = 0
    for index in sorted(numbers):
        passed += numbers[index]
        if passed >= share * total:
            return BUCKETS_MS[min(index, len(BUCKETS_MS) - 1)]
    raise AssertionError("the sum of all buckets is not below a share of it")
