"""What most pages are made of: the queues, workers and schedules of a store at one moment, and its last hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alsek.core.inspection.history import MinuteInfo
from alsek.core.inspection.queues import QueueInfo
from alsek.core.inspection.schedules import ScheduleInfo
from alsek.core.inspection.workers import WorkerInfo


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A store at one moment.

    Attributes:
        where: The store, for people.
        now: The time on the store's clock: Unix milliseconds.
        queues: Its queues, in alphabetical order.
        workers: Its workers, in order of id.
        schedules: Its schedules, in alphabetical order.
        minutes: The last hour, or as much of it as was read by now; the present minute at the end.
    """

    where: str
    now: int
    queues: Sequence[QueueInfo]
    workers: Sequence[WorkerInfo]
    schedules: Sequence[ScheduleInfo]
    minutes: Sequence[MinuteInfo]

    @property
    def ready(self) -> int:
        """How many messages are ready."""
        return sum(queue.ready for queue in self.queues)

    @property
    def dead(self) -> int:
        """How many dead letters there are."""
        return sum(queue.dead for queue in self.queues)

    @property
    def alive(self) -> list[WorkerInfo]:
        """The workers whose lease has not ended."""
        return [worker for worker in self.workers if worker.alive]
