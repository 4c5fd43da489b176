"""By how much the clocks of two stores differ, and copies as they are on another clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from alsek.storage.backends.copies import Copy, DeadLetterCopy, MessageCopy, ScheduleCopy

_SAMPLES: Final = 5


def difference(source: Callable[[], int], target: Callable[[], int]) -> int:
    """Return how far (ms) the target's clock is ahead of the source's; 0 if it can't be told from no difference.

    Args:
        source: Returns the time (ms) of one store.
        target: Returns that of another one.
    """
    samples: list[tuple[int, int]] = []
    for _ in range(_SAMPLES):
        before = target()
        between = source()
        after = target()
        samples.append((after - before, (before + after) // 2 - between))
    uncertainty, ahead = min(samples)
    return 0 if abs(ahead) <= uncertainty + 1 else ahead


def shifted(copy: Copy, ahead: int) -> Copy:
    """Return a copy whose times in the future are `ahead` ms later."""
    if not ahead or isinstance(copy, ScheduleCopy):
        return copy
    if isinstance(copy, MessageCopy):
        status = copy.status
        copy = copy._replace(
            due=_later(copy.due, ahead),
            status=None if status is None else status._replace(expiry=_later(status.expiry, ahead)),
        )
    if isinstance(copy, MessageCopy | DeadLetterCopy) and copy.report is not None:
        report = copy.report._replace(expiry=_later(copy.report.expiry, ahead))
        copy = copy._replace(report=report)
    return copy._replace(expiry=_later(copy.expiry, ahead))


def _later(time: int | None, ahead: int) -> int | None:
    return None if time is None else max(time + ahead, 1)
