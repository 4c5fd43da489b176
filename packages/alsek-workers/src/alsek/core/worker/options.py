"""What a pool is told, checked once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from alsek.core.bounds import check_integer
from alsek.core.broker import Broker
from alsek.core.hooks import WorkerHook
from alsek.core.identifiers import check_queues
from alsek.core.short_repr import shown
from alsek.core.task import AnyTask, Task
from alsek.defaults import (
    DEFAULT_LEASE,
    DEFAULT_MAX_LOSSES,
    DEFAULT_SHUTDOWN_TIMEOUT,
    DEFAULT_SLOT_WAIT_INTERVAL,
)
from alsek.exceptions import NoTasksFoundError, TaskDefinitionError, ValidationError
from alsek.storage.backends.kinds import SuspectPolicy, WorkerKind
from alsek.storage.backends.records import Worker
from alsek.types import Mechanism


def default_processes() -> int:
    """As many as there are processors that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class PoolOptions:
    """What every kind of pool is told. Durations are milliseconds.

    Attributes:
        tasks: What it can run, by name.
        broker: Whose messages it takes.
        queues: Drained strictly in this order; None for all, in alphabetical order.
        slot_wait_interval: The longest wait while the pool is full.
        lease: How long messages stay with a pool that has died.
        shutdown_timeout: How long running tasks may go on after the first signal.
        max_losses: How many workers may die over a message before it fails.
        hooks: What its processes run when they start and stop.
    """

    tasks: dict[str, AnyTask]
    broker: Broker
    queues: tuple[str, ...] | None = None
    slot_wait_interval: int = DEFAULT_SLOT_WAIT_INTERVAL
    lease: int = DEFAULT_LEASE
    shutdown_timeout: int = DEFAULT_SHUTDOWN_TIMEOUT
    max_losses: int = DEFAULT_MAX_LOSSES
    hooks: tuple[WorkerHook, ...] = field(default=())

    def worker(self, kind: WorkerKind, suspects: SuspectPolicy = "alone", *, worker_id: str = "") -> Worker:
        """Return what a group of this pool registers as, or has registered as under `worker_id`."""
        return Worker(worker_id, kind, self.queues, self.lease, self.broker.dlq_ttl or 0, suspects)

    def __post_init__(self) -> None:
        at_least(1, slot_wait_interval=self.slot_wait_interval)
        at_least(300, lease=self.lease)
        at_least(0, shutdown_timeout=self.shutdown_timeout, max_losses=self.max_losses)


def pool_options(
    tasks: Iterable[AnyTask], kind: Mechanism, *, hooks: Iterable[WorkerHook], **settings: Any
) -> PoolOptions:
    """The options of a pool of this kind for these tasks.

    Raises:
        ValidationError: A setting is out of range.
        NoTasksFoundError: There are no tasks, or none that such a pool may run.
        TaskDefinitionError: Two tasks have the same name, or are on different stores.
    """
    named = by_name(tasks)
    other = "thread" if kind == "process" else "process"
    if all(task.mechanism_wish == other for task in named.values()):
        raise NoTasksFoundError(
            f"every task here names mechanism={other!r}, so a {kind} pool would never run one: start a {other} pool"
            f" (alsek {other}-pool)"
        )
    settings["queues"] = check_queues(settings["queues"])
    broker = next(iter(named.values())).broker
    return PoolOptions(tasks=named, broker=broker, hooks=tuple(hooks), **settings)


def at_least(least: int, **values: int | None) -> None:
    """Check that these arguments are at least `least` (or None).

    Raises:
        ValidationError: One is not.
    """
    for name, value in values.items():
        if value is not None:
            check_integer(name, value, least, "the pool")


def by_name(tasks: Iterable[AnyTask]) -> dict[str, AnyTask]:
    """Tasks by their names.

    Raises:
        ValidationError: They are no tasks.
        NoTasksFoundError: There are none.
        TaskDefinitionError: Two different ones have the same name, or their brokers have different stores.
    """
    given: Any = tasks
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ValidationError(f"tasks={shown(given)}: must be a list of tasks")
    named: dict[str, AnyTask] = {}
    for task in tasks:
        if not isinstance(task, Task):
            raise ValidationError(f"tasks: {shown(task)} is no task; decorate it with @task(broker)")
        other = named.setdefault(task.name, task)
        if other != task:
            raise TaskDefinitionError(
                f"two tasks are named {task.name!r}: {_where(other)} and {_where(task)}; give one another `name`"
            )
    if not named:
        raise NoTasksFoundError("a pool needs tasks: it was given none")
    first = next(iter(named.values()))
    for task in named.values():
        if not task.broker.backend.same_store(first.broker.backend):
            raise TaskDefinitionError(
                f"tasks {first.name!r} and {task.name!r} are on different stores ({first.broker.backend.describe()} "
                f"and {task.broker.backend.describe()}): run a pool for each"
            )
    return named


def _where(task: AnyTask) -> str:
    function = task.function
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', function)}"
