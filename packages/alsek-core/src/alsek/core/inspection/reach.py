"""Which live workers may take a message, and what is missing if none may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from alsek.core.inspection.wording import counted, listed
from alsek.core.inspection.workers import WorkerInfo, fits, registers, serves
from alsek.core.short_repr import shown
from alsek.storage.backends.records import Located

#: What no live worker has: it takes from no such queue, is of no such kind, or has no such task.
Missing: TypeAlias = Literal["queue", "mechanism", "task"]


@dataclass(frozen=True, slots=True)
class Reach:
    """Who may take a message.

    Attributes:
        workers: The live workers that may take it.
        missing: What none of them has; None if there are any.
        sentence: Why there are none, to stand behind "but".
    """

    workers: tuple[WorkerInfo, ...]
    missing: Missing | None = None
    sentence: str = ""


def reach_of(located: Located, task: str | None, workers: Sequence[WorkerInfo]) -> Reach:
    """Return who may take a message that is ready, or will be.

    Args:
        located: The message.
        task: The name of its task; None if it can't be read, and then any will do.
        workers: The registered workers.
    """
    live = [worker for worker in workers if worker.alive]
    if located.aside:
        return _reach_aside(located, live, workers)
    queue = located.stored.queue
    near = [worker for worker in live if serves(worker, queue)]
    if not near:
        return Reach((), "queue", f"no live worker serves its queue{_instead(live, workers)}")
    fitting = [worker for worker in near if fits(worker, located.wish)]
    if not fitting:
        return Reach((), "mechanism", _no_mechanism(located, near))
    # A worker that lacks the task sets the message aside for one that has it, whatever queues that one serves.
    if task is not None and not any(_may_have(worker, task) for worker in fitting):
        others = [worker for worker in live if registers(worker, task) and fits(worker, located.wish)]
        if not others:
            return Reach((), "task", f"no live worker registers its task {shown(task)}")
        return Reach(tuple(others))
    having = [worker for worker in fitting if task is None or _may_have(worker, task)]
    return Reach(tuple(having))


def _reach_aside(located: Located, live: list[WorkerInfo], workers: Sequence[WorkerInfo]) -> Reach:
    """Return who may take a message that is set aside for its task."""
    task, queue = located.aside, located.stored.queue
    having = [
        worker
        for worker in live
        if registers(worker, task)
        or (worker.tasks is None and worker.kind is not None and serves(worker, queue))
    ]
    if not having:
        return Reach(
            (), "task", f"no live worker registers its task {shown(task)}{_instead([], workers, live)}"
        )
    fitting = [worker for worker in having if fits(worker, located.wish)]
    if not fitting:
        return Reach((), "mechanism", _no_mechanism(located, having))
    return Reach(tuple(fitting))


def _may_have(worker: WorkerInfo, task: str) -> bool:
    """Return True if a worker has the task, or takes messages of any, or has not told."""
    return worker.tasks is None or task in worker.tasks


def _no_mechanism(located: Located, near: list[WorkerInfo]) -> str:
    kinds = sorted({worker.kind for worker in near if worker.kind is not None})
    return (
        f"no live worker of its queue takes mechanism {located.wish!r} "
        f"({'it is' if len(near) == 1 else 'they are'} of {listed(list(kinds))})"
    )


def _instead(
    live: list[WorkerInfo], workers: Sequence[WorkerInfo], others: Sequence[WorkerInfo] | None = None
) -> str:
    """Return in brackets which workers there are in place of those that are needed."""
    if not workers:
        return " (none is registered)"
    if not (live if others is None else others):
        whose = "its lease has" if len(workers) == 1 else "their leases have"
        return f" ({counted(len(workers), 'worker')} registered, but {whose} ended)"
    queues = sorted({queue for worker in live for queue in worker.queues or ()})
    return f" (served: {listed(queues)})" if queues else ""
