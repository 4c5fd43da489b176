"""What the monitor knows of its pool."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from alsek.core.clock import monotonic_ms
from alsek.storage.backends.history import add_to
from alsek.storage.backends.records import QueueTally

#: The supervisor beats once a second. It may be held up: by the calls with which it renews leases in an outage.
BEAT_WITHIN_MS: Final = 10_000
#: The store is asked once a second; each answer comes within :data:`STORE_CALL_MS`, or is none.
STORE_WITHIN_MS: Final = 5_000
STORE_CALL_MS: Final = 2_000


class PoolView:
    """The totals of all counts, and what supervisor and store said last. Thread-safe.

    Args:
        clock: Returns monotonic ms.
    """

    def __init__(self, clock: Callable[[], int] = monotonic_ms) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._totals: dict[tuple[str, str], dict[str, int]] = {}
        self._slots: Mapping[str, int] = {}
        self._draining = False
        self._beat_at = clock()
        self._store_error = "the store has not been asked yet"
        self._store_at = clock()
        self._tallies: Sequence[QueueTally] = ()
        self._queues: set[str] = set()

    def take(self, told: Mapping[str, Any]) -> None:
        """Take in a datagram (see :mod:`~alsek.core.worker.monitor.channel`)."""
        with self._lock:
            for queue, task, text in told.get("counts", ()):
                add_to(self._totals.setdefault((queue, task), {}), text)
            if "slots" in told:
                self._slots, self._draining = told["slots"], told["draining"]
                self._beat_at = self._clock()

    def on_store(self, error: str = "") -> None:
        """Take in that the store has answered, or failed with this error."""
        with self._lock:
            self._store_error = error
            self._store_at = self._clock()

    def on_tallies(self, tallies: Sequence[QueueTally] | None) -> None:
        """Take in how many messages the queues hold; None if that is not known.

        A queue that has held something holds 0 from then on: a store does not name empty ones, and a value that is
        not there is none.
        """
        with self._lock:
            if tallies is None:
                self._tallies = ()
                return
            held = {tally.queue: tally for tally in tallies}
            self._queues.update(held)
            for queue in self._queues | {queue for queue, _ in self._totals}:
                held.setdefault(queue, QueueTally(queue, 0, 0, 0, 0))
            self._tallies = [held[queue] for queue in sorted(held)]

    def totals(self) -> dict[tuple[str, str], dict[str, int]]:
        """All counts, by queue and task."""
        with self._lock:
            return {names: dict(counts) for names, counts in self._totals.items()}

    @property
    def slots(self) -> Mapping[str, int]:
        """How many slots there are, by state; empty before the supervisor has said so."""
        return self._slots

    @property
    def tallies(self) -> Sequence[QueueTally]:
        """How many messages the queues hold; empty while the store is away."""
        with self._lock:
            return () if self._store_trouble() else self._tallies

    def why_not_alive(self) -> str:
        """Why the pool is not alive; empty if it is."""
        silent = self._clock() - self._beat_at
        if silent < BEAT_WITHIN_MS:
            return ""
        return f"the supervisor has not been heard of for {silent / 1000:.0f} s"

    def why_not_ready(self) -> str:
        """Why the pool takes no messages now; empty if it does."""
        with self._lock:
            draining, store = self._draining, self._store_trouble()
        if trouble := self.why_not_alive():
            return trouble
        return "the pool is stopping" if draining else store

    def _store_trouble(self) -> str:
        silent = self._clock() - self._store_at
        if silent >= STORE_WITHIN_MS:
            return f"the store has not answered for {silent / 1000:.0f} s"
        return self._store_error
