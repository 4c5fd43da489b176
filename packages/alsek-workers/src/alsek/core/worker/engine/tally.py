"""What was counted of one queue and task."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection
from typing import Final

from alsek.storage.backends.history import BUCKETS_MS, OUTCOMES, bucket, packed
from alsek.storage.backends.records import Failed, Lost, Outcome, Retried, SetAside

#: How the JSON of an error begins, by the name of the exception (:func:`alsek.core.failure.describe_failure`).
_REVOKED: Final = b'{"name": "MessageRevokedError"'
_EXPIRED: Final = b'{"name": "MessageExpiredError"'
_LOST: Final = b'{"name": "WorkerLostError"'

_MS: Final = 1_000_000  # in nanoseconds


class Tally:
    """Counts of one queue and task; see :mod:`alsek.storage.backends.history`.

    An attempt that was lost with its process counts as such, and what becomes of its message counts besides. Times are
    only noted here, which is cheap; :meth:`packed` puts them into buckets, once a second.

    Attributes:
        runs_ns: How long each attempt took.
        waits: For each first attempt, its start (monotonic ms) less the time when it was ready (Unix ms).
        unmeasured: Attempts whose time is not known, because their process has died.
    """

    __slots__ = (
        "expired",
        "failed",
        "lost",
        "retried",
        "revoked",
        "runs_ns",
        "succeeded",
        "unmeasured",
        "waits",
    )

    def __init__(self) -> None:
        self.succeeded = self.failed = self.retried = self.lost = self.revoked = self.expired = 0
        self.runs_ns: list[int] = []
        self.waits: list[int] = []
        self.unmeasured = 0

    def add_other(self, outcome: Outcome, failed: Collection[str], *, attempted: bool) -> None:
        """Count an outcome that is neither a success nor a release.

        Args:
            outcome: It was accepted.
            failed: The uuids of the messages that were to be set aside and have failed.
            attempted: An attempt was started.
        """
        if isinstance(outcome, SetAside):
            self.failed += outcome.uuid in failed
        elif isinstance(outcome, Lost):
            self.lost += 1
        elif isinstance(outcome, Retried):
            self.retried += 1
            self.lost += attempted and outcome.last_error.startswith(_LOST)
        elif isinstance(outcome, Failed):
            error = bytes(outcome.error)
            self.revoked += (revoked := error.startswith(_REVOKED))
            self.expired += (expired := error.startswith(_EXPIRED))
            self.failed += not revoked and not expired
            self.lost += attempted and error.startswith(_LOST)

    def packed(self, to_wall_clock: int = 0) -> str:
        """Return the counts as one text.

        Args:
            to_wall_clock: What is to be added to a time on the monotonic clock.
        """
        # A producer's clock may be ahead: a wait is never less than zero.
        waits = [max(0, wait + to_wall_clock) for wait in self.waits]
        counts: dict[str, int] = {
            "s": len(self.runs_ns) + self.unmeasured,
            **{key: getattr(self, outcome) for outcome, key in OUTCOMES.items()},
            "wt": sum(waits) * 1_000,
            "dt": sum(self.runs_ns) // 1_000,
        }
        _add_buckets(counts, "w", waits, 1)
        _add_buckets(counts, "d", self.runs_ns, _MS)
        return packed(counts)


def _add_buckets(counts: dict[str, int], letter: str, times: list[int], unit: int) -> None:
    """Add to `counts` how many times each bucket has that is not empty.

    Args:
        counts: Is changed.
        letter: Of these times.
        times: All of them, in any order.
        unit: How many of their units a millisecond has.
    """
    times = sorted(times)
    start = 0
    while start < len(times):
        number = bucket(times[start] / unit)
        end = len(times)
        if number < len(BUCKETS_MS) - 1:
            end = bisect_right(times, BUCKETS_MS[number] * unit, start)
        counts[f"{letter}{number}"] = end - start
        start = end
