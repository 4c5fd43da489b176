"""Counting what the jobs of an engine come to, by queue and task.

Nothing is counted before the store has accepted the outcome. The counts are handed over to the store with a step about
once a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from alsek.core.clock import monotonic_ms, wall_clock_ms
from alsek.core.worker.engine.executor import Job
from alsek.core.worker.engine.tally import Tally
from alsek.storage.backends.history import BUCKETS_MS, bucket
from alsek.storage.backends.records import HistoryCounts, Released, Step, Succeeded

#: Counts are handed over so long after the first of them was made.
HAND_OVER_AFTER_MS: Final = 1_000

_MS: Final = 1_000_000  # in nanoseconds


class Counting:
    """The counts of one engine that were not handed over.

    Attributes:
        hand_over_at: When they are to be handed over (monotonic ms); None if there are none.
    """

    def __init__(self) -> None:
        self.hand_over_at: int | None = None
        self._tallies: dict[tuple[str, str], Tally] = {}

    def count(self, jobs: Iterable[Job], step: Step, now: int) -> None:
        """Count the jobs whose outcomes a step has reported.

        Args:
            jobs: The jobs.
            step: The store's answer. A job whose outcome it has refused is not counted.
            now: The time (monotonic ms).
        """
        if step.refused:
            refused = frozenset(step.refused)
            jobs = [job for job in jobs if job.claimed.uuid not in refused]
        to_wall_clock = wall_clock_ms() - now
        queue = task = None
        above, most, number = 0.0, -1.0, 0  # the bucket of the last wait: most have waited about as long
        for job in jobs:
            if job.task_name != task or job.claimed.queue != queue:
                queue, task = job.claimed.queue, job.task_name
                tally = self._tally(queue, task)
            outcome = job.outcome
            if type(outcome) is Succeeded:
                tally.succeeded += 1
            elif outcome is None or type(outcome) is Released:
                continue
            else:
                tally.add_other(outcome, step.failed, attempted=job.attempted)
            if not job.attempted:
                continue
            started = job.started_at
            elapsed = job.elapsed_ns or (now - started) * _MS  # of an abandoned thread it is not known
            tally.run_ns += elapsed
            tally.runs[0 if elapsed <= _MS else bucket(elapsed / _MS)] += 1
            if job.ready_at:
                wait = started + to_wall_clock - job.ready_at
                if not above < wait <= most:
                    number = bucket(wait)
                    above, most = BUCKETS_MS[number - 1] if number else 0, BUCKETS_MS[number]
                tally.waits[number] += 1
                if wait > 0:
                    tally.waited_ms += wait
        if self._tallies and self.hand_over_at is None:
            self.hand_over_at = now + HAND_OVER_AFTER_MS

    def count_unreadable(self, queue: str) -> None:
        """Count a record that the store could not read, and made a dead letter of."""
        self._tally(queue, "").failed += 1
        if self.hand_over_at is None:
            self.hand_over_at = monotonic_ms() + HAND_OVER_AFTER_MS

    def take(self) -> list[HistoryCounts]:
        """Return the counts, to hand them over: they begin anew."""
        tallies, self._tallies, self.hand_over_at = self._tallies, {}, None
        counts = [HistoryCounts(*names, tally.packed()) for names, tally in tallies.items()]
        return [each for each in counts if each.counts]

    def _tally(self, queue: str, task: str) -> Tally:
        tally = self._tallies.get((queue, task))
        if tally is None:
            tally = self._tallies[queue, task] = Tally()
        return tally
