"""What is in a store at one moment: queues, workers, and causes of dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from alsek.core.inspection.dead import DeadGroup
from alsek.core.inspection.inspector import Inspector
from alsek.core.inspection.queues import QueueInfo
from alsek.core.inspection.schedules import ScheduleInfo
from alsek.core.inspection.workers import WorkerInfo
from alsek.core.reporting.progress import Progress

#: The age of the oldest message is read of so many queues: more than a screen shows.
AGED: Final = 200

#: To find the causes of dead letters all of them must be read, queue by queue, so that is only done if they are no more
#: than this, in no more queues than that.
MOST_READ: Final = 1_000
MOST_QUEUES_READ: Final = 100


#: Of so many running messages the progress is read, of those that were claimed first.
MOST_PROGRESS: Final = 200


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """A running message whose task has told how far it is.

    Attributes:
        uuid: The message.
        queue: Its queue.
        worker: The id of the worker that runs it.
        started_at: When this attempt began: Unix milliseconds on the worker's clock; None if that is not known yet.
        progress: How far it is.
    """

    uuid: str
    queue: str
    worker: str
    started_at: int | None
    progress: Progress


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A store at one moment.

    Attributes:
        where: The store.
        namespace: The namespace.
        now: The time on the store's clock: Unix milliseconds.
        queues: Its queues, in alphabetical order.
        workers: Its workers, in order of id.
        causes: Its dead letters by cause, the most frequent first; None if they are too many to be read.
        schedules: Its schedules, in alphabetical order, if they were asked for.
        tasks: The running messages whose tasks have told how far they are, by worker.
    """

    where: str
    namespace: str
    now: int
    queues: Sequence[QueueInfo]
    workers: Sequence[WorkerInfo]
    causes: Sequence[DeadGroup] | None
    schedules: Sequence[ScheduleInfo] = ()
    tasks: Sequence[TaskInfo] = ()

    @property
    def ready(self) -> int:
        """How many messages are ready."""
        return sum(queue.ready for queue in self.queues)

    @property
    def delayed(self) -> int:
        """How many messages are delayed."""
        return sum(queue.delayed for queue in self.queues)

    @property
    def waiting(self) -> int:
        """How many messages wait for a limit or a unique key."""
        return sum(queue.waiting for queue in self.queues)

    @property
    def running(self) -> int:
        """How many messages are held by workers."""
        return sum(queue.running for queue in self.queues)

    @property
    def dead(self) -> int:
        """How many dead letters there are."""
        return sum(queue.dead for queue in self.queues)

    @property
    def rate(self) -> float:
        """How many messages ended per second over the last minute."""
        return round(sum(queue.rate for queue in self.queues), 3)

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "store": self.where,
            "namespace": self.namespace,
            "now": self.now,
            "ready": self.ready,
            "delayed": self.delayed,
            "waiting": self.waiting,
            "running": self.running,
            "dead": self.dead,
            "rate": self.rate,
            "queues": self.queues,
            "workers": self.workers,
            "causes": self.causes,
            "schedules": self.schedules,
            "tasks": self.tasks,
        }


def take(inspector: Inspector, *, causes: bool, aged: int | None = None, schedules: bool = False) -> Snapshot:
    """Return what is in a store now.

    Args:
        inspector: Of the store.
        causes: Read the dead letters as well, if they are few.
        aged: As for :meth:`Inspector.queues`.
        schedules: Read the schedules as well.
    """
    queues = inspector.queues(aged=aged)
    workers = inspector.workers()
    dead = [queue.dead for queue in queues if queue.dead]
    few = sum(dead) <= MOST_READ and len(dead) <= MOST_QUEUES_READ
    backend = inspector.backend
    return Snapshot(
        backend.describe(),
        backend.namespace,
        backend.messages.now(),
        queues,
        workers,
        inspector.dead(group=True) if causes and few else None,
        inspector.schedules() if schedules else (),
        _tasks(inspector, workers),
    )


def _tasks(inspector: Inspector, workers: Sequence[WorkerInfo]) -> list[TaskInfo]:
    held = [(worker.id, message) for worker in workers for message in worker.running][:MOST_PROGRESS]
    progress = inspector.progress(message.uuid for _, message in held)
    return [
        TaskInfo(message.uuid, message.queue, worker, message.started_at, progress[message.uuid])
        for worker, message in held
        if message.uuid in progress
    ]
