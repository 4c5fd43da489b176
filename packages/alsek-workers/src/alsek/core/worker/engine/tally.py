"""What was counted of one queue and task."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from alsek.storage.backends.history import BUCKETS_MS, OUTCOMES, bucket, packed
from alsek.storage.backends.records import Failed, Lost, Outcome, Retried, SetAside

#: How the JSON of an error begins, by the name of the exception (:func:`alsek.core.failure.describe_failure`).
_REVOKED: Final = b'{"name": "MessageRevokedError"'
_EXPIRED: Final = b'{"name": "MessageExpiredError"'
_LOST: Final = b'{"name": "WorkerLostError"'

#: Further than any clock goes.
_FAR: Final = 2**62


class Bounds(NamedTuple):
    """Which differences between a start (monotonic ms) and a time of readiness (Unix ms) are waits of one bucket.

    Attributes:
        above: They are above this.
        most: The largest.
        number: Of the bucket.
        to_wall_clock: Added to such a difference it is the wait (ms).
    """

    above: int
    most: int
    number: int
    to_wall_clock: int

    @classmethod
    def around(cls, difference: int, to_wall_clock: int) -> Bounds:
        """Return the bounds of the bucket into which a difference falls."""
        number = bucket(difference + to_wall_clock)
        above = int(BUCKETS_MS[number - 1]) - to_wall_clock if number else -_FAR
        most = int(BUCKETS_MS[number]) - to_wall_clock if number < len(BUCKETS_MS) - 1 else _FAR
        return cls(above, most, number, to_wall_clock)


class Tally:
    """Counts of one queue and task; see :mod:`alsek.storage.backends.history`.

    An attempt that was lost with its process counts as such, and what becomes of its message counts besides.

    Attributes:
        runs: For each bucket, how many attempts took such a time.
        waits: For each bucket, how many first attempts began after such a time.
        run_ns: How long all attempts took.
        waited_ms: How long all first attempts waited.
        unmeasured: Attempts whose time is not known, because their process has died.
    """

    __slots__ = (
        "expired",
        "failed",
        "lost",
        "retried",
        "revoked",
        "run_ns",
        "runs",
        "succeeded",
        "unmeasured",
        "waited_ms",
        "waits",
    )

    def __init__(self) -> None:
        self.succeeded = self.failed = self.retried = self.lost = self.revoked = self.expired = 0
        self.runs = [0] * len(BUCKETS_MS)
        self.waits = [0] * len(BUCKETS_MS)
        self.run_ns = self.waited_ms = self.unmeasured = 0

    def add(self, succeeded: int, very_short: int, run_ns: int) -> None:
        """Add successes, attempts of the first bucket, and the time that attempts took."""
        self.succeeded += succeeded
        self.runs[0] += very_short
        self.run_ns += run_ns

    def add_waits(self, bounds: Bounds, waits: int, waited_ms: int) -> None:
        """Add waits of one bucket, and the sum of the differences.

        A producer's clock may be ahead: a wait is never less than zero.
        """
        self.waits[bounds.number] += waits
        self.waited_ms += max(0, waited_ms + waits * bounds.to_wall_clock)

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

    def packed(self) -> str:
        """Return the counts as one text."""
        counts: dict[str, int] = {
            "s": sum(self.runs) + self.unmeasured,
            **{key: getattr(self, outcome) for outcome, key in OUTCOMES.items()},
            "wt": self.waited_ms * 1_000,
            "dt": self.run_ns // 1_000,
        }
        counts.update((f"w{number}", count) for number, count in enumerate(self.waits))
        counts.update((f"d{number}", count) for number, count in enumerate(self.runs))
        return packed(counts)
