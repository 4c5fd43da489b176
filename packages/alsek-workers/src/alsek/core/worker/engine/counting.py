"""Counting what the jobs of an engine come to, by queue and task.

Nothing is counted before the store has accepted the outcome. The counts are handed over to the store with a step about
once a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alsek.core.clock import monotonic_ms, wall_clock_ahead_ms
from alsek.core.worker.engine.executor import Job
from alsek.core.worker.engine.tally import Tally
from alsek.core.worker.monitor.channel import Channel
from alsek.core.worker.monitor.count_reports import CountReports
from alsek.storage.backends.records import HistoryCounts, Released, Step, Succeeded

#: Counts are handed over so long after the first of them was made.
HAND_OVER_AFTER_MS: Final = 1_000


class Counting:
    """The counts of one engine that were not handed over.

    Args:
        channel: How the pool's monitor is told of them; None without one.

    Attributes:
        hand_over_at: When they are to be handed over (monotonic ms); None if there are none.
    """

    def __init__(self, channel: Channel | None = None) -> None:
        self._reports = None if channel is None else CountReports(channel)
        self.hand_over_at: int | None = None
        self._tallies: dict[tuple[str, str], Tally] = {}
        #: What is to be added to a time on the monotonic clock.
        self._to_wall_clock = 0
        #: Of the last job: most have the same queue and task.
        self._last = ("", "", Tally())

    def count(self, jobs: Sequence[Job], step: Step, now: int) -> None:
        """Count the jobs whose outcomes a step has reported.

        Args:
            jobs: The jobs.
            step: The store's answer. A job whose outcome it has refused is not counted.
            now: The time (monotonic ms).
        """
        if step.refused:
            refused = frozenset(step.refused)
            jobs = [job for job in jobs if job.claimed.uuid not in refused]
        if not jobs:
            return
        if self.hand_over_at is None:
            self._begin(now)
        # This runs for each message: what neighbours have in common (queue and task) is looked up once.
        queue, task, tally = self._last
        succeeded = 0
        for job in jobs:
            if job.task_name != task or job.claimed.queue != queue:
                tally.succeeded += succeeded
                succeeded = 0
                queue, task = job.claimed.queue, job.task_name
                tally = self._tally(queue, task)
                self._last = queue, task, tally
            outcome = job.outcome
            ready_at = job.ready_at
            if type(outcome) is Succeeded:
                succeeded += 1
            elif outcome is None or type(outcome) is Released:
                continue
            else:
                tally.add_other(outcome, step.failed, attempted=ready_at is not None)
            if ready_at is not None:
                tally.runs_ns.append(job.elapsed_ns)
                if ready_at > 0:
                    tally.waits.append(job.started_at - ready_at)
        tally.succeeded += succeeded

    def _begin(self, now: int) -> None:
        """Begin to count anew."""
        self.hand_over_at = now + HAND_OVER_AFTER_MS
        self._to_wall_clock = wall_clock_ahead_ms()

    def count_unreadable(self, queue: str) -> None:
        """Count a record that the store could not read, and made a dead letter of."""
        if self.hand_over_at is None:
            self._begin(monotonic_ms())
        self._tally(queue, "").failed += 1

    def is_due(self, now: int) -> bool:
        """Whether they are to be handed over `now` (monotonic ms)."""
        return self.hand_over_at is not None and now >= self.hand_over_at

    def report_unsent(self) -> None:
        """Tell the monitor what it has not taken before."""
        if self._reports is not None and self._reports.unsent:
            self._reports.send()

    def take(self) -> list[HistoryCounts]:
        """Return the counts, to hand them over, after telling the monitor of them: they begin anew."""
        tallies, self._tallies, self.hand_over_at = self._tallies, {}, None
        self._last = ("", "", Tally())
        ahead = self._to_wall_clock
        counts = [HistoryCounts(*names, tally.packed(ahead)) for names, tally in tallies.items()]
        counts = [each for each in counts if each.counts]
        if self._reports is not None:
            self._reports.send(counts)
        return counts

    def _tally(self, queue: str, task: str) -> Tally:
        tally = self._tallies.get((queue, task))
        if tally is None:
            tally = self._tallies[queue, task] = Tally()
        return tally
