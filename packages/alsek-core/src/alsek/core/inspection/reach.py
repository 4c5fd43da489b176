"""Which live workers may take a message, and what is missing if none may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from alsek.core.inspection.wording import counted, listed
from alsek.core.inspection.workers import WorkerInfo, fits, registers, serves
from alsek.core.short_repr import shown
from alsek.storage.backends.kinds import mechanism_of
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
        instead = _nobody(live, workers) or _served(live)
        return Reach((), "queue", f"no live worker serves its queue{instead}")
    fitting = [worker for worker in near if fits(worker, located.wish)]
    if not fitting:
        return Reach((), "mechanism", _no_mechanism(located, near, "of its queue"))
    # A worker that lacks the task sets the message aside for one that has it, whatever queues that one serves.
    if task is not None and not any(_may_have(worker, task) for worker in fitting):
        having = [worker for worker in live if registers(worker, task)]
        others = [worker for worker in having if fits(worker, located.wish)]
        if having and not others:
            return Reach((), "mechanism", _no_mechanism(located, having, "with its task"))
        if not others:
            return Reach((), "task", f"no live worker registers its task {shown(task)}")
        return Reach(tuple(others))
    return Reach(tuple(worker for worker in fitting if task is None or _may_have(worker, task)))


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
        sentence = f"no live worker registers its task {shown(task)}{_nobody(live, workers)}"
        return Reach((), "task", sentence)
    fitting = [worker for worker in having if fits(worker, located.wish)]
    if not fitting:
        return Reach((), "mechanism", _no_mechanism(located, having, "with its task"))
    return Reach(tuple(fitting))


def _may_have(worker: WorkerInfo, task: str) -> bool:
    """Return True if a worker has the task, or takes messages of any, or has not told."""
    return worker.tasks is None or task in worker.tasks


def _no_mechanism(located: Located, others: list[WorkerInfo], whose: str) -> str:
    kinds = sorted({worker.kind for worker in others if worker.kind is not None})
    they = "it is" if len(others) == 1 else "they are"
    return f"no live worker {whose} takes mechanism {mechanism_of(located.wish)!r} ({they} of {listed(list(kinds))})"


def _nobody(live: list[WorkerInfo], workers: Sequence[WorkerInfo]) -> str:
    """Return in brackets that no worker is alive at all; nothing if one is."""
    if live:
        return ""
    if not workers:
        return " (none is registered)"
    whose = "its lease has" if len(workers) == 1 else "their leases have"
    return f" ({counted(len(workers), 'worker')} registered, but {whose} ended)"


def _served(live: list[WorkerInfo]) -> str:
    """Return in brackets which queues the live workers serve."""
    queues = sorted({queue for worker in live for queue in worker.queues or ()})
    return f" (served: {listed(queues)})" if queues else ""
