"""The options of a pool, checked once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypedDict, Unpack, get_args

from alsek.core.bounds import check_integer
from alsek.core.broker import Broker
from alsek.core.execution.facts import can_fire, worker_facts
from alsek.core.hooks import WorkerHook
from alsek.core.identifiers import check_queues
from alsek.core.middleware import overriding
from alsek.core.seconds import LEAST_LIFETIME_MS, warn_of_seconds
from alsek.core.short_repr import shown
from alsek.core.task import AnyTask, Task
from alsek.core.worker.monitor.addresses import Address, Port, parse_address
from alsek.core.worker.monitor.channel import Channel
from alsek.core.worker.pool_settings import NUMBERS
from alsek.defaults import (
    DEFAULT_LEASE,
    DEFAULT_MAX_LOSSES,
    DEFAULT_SHUTDOWN_TIMEOUT,
    DEFAULT_SLOT_WAIT_INTERVAL,
)
from alsek.exceptions import NoTasksFoundError, TaskDefinitionError, ValidationError
from alsek.storage.backends.kinds import (
    ASYNC_WISHES,
    LOOKED_AT,
    WISHES_OF,
    SuspectPolicy,
    WorkerKind,
)
from alsek.storage.backends.records import Worker, WorkerFacts
from alsek.types import Mechanism

#: ``"fail"``: they become dead letters. ``"wait"``: they wait for a worker that has the task.
UnknownTasksPolicy: TypeAlias = Literal["fail", "wait"]


def default_processes() -> int:
    """Return how many processors this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class PoolSettings(TypedDict):
    """The arguments that pools of all kinds take, besides the tasks; described in :class:`PoolOptions`.

    The hooks are those of `hooks`, by when they run.
    """

    queues: Sequence[str] | None
    slot_wait_interval: int
    lease: int
    shutdown_timeout: int
    max_losses: int
    burst: bool
    unknown_tasks: UnknownTasksPolicy
    metrics_port: Port | None
    health_port: Port | None
    on_worker_start: Iterable[WorkerHook]
    on_worker_stop: Iterable[WorkerHook]


@dataclass(frozen=True, kw_only=True)
class PoolOptions:
    """The options that pools of all kinds have. Durations are milliseconds.

    Attributes:
        tasks: The tasks that it can run, by name.
        broker: Whose messages it takes.
        queues: Drained strictly in this order; None for all, in alphabetical order.
        slot_wait_interval: The longest wait while the pool is full.
        lease: How long messages stay with a pool that has died.
        shutdown_timeout: How long running tasks may go on after the first signal.
        max_losses: How many workers may die over a message before it fails.
        burst: End when nothing is ready for the pool and nothing runs.
        unknown_tasks: What becomes of messages whose task neither this pool nor another live worker has.
        metrics_at: Where the pool serves its metrics; None for not at all.
        health_at: Where it serves its health; None for not at all.
        channel: How its processes tell the monitor what they count; None without a monitor.
        hooks: Run by its processes when they start and stop.
    """

    tasks: dict[str, AnyTask]
    broker: Broker
    queues: tuple[str, ...] | None = None
    slot_wait_interval: int = DEFAULT_SLOT_WAIT_INTERVAL
    lease: int = DEFAULT_LEASE
    shutdown_timeout: int = DEFAULT_SHUTDOWN_TIMEOUT
    max_losses: int = DEFAULT_MAX_LOSSES
    burst: bool = False
    unknown_tasks: UnknownTasksPolicy = "fail"
    metrics_at: Address | None = None
    health_at: Address | None = None
    channel: Channel | None = None
    hooks: tuple[WorkerHook, ...] = field(default=())

    def worker(self, kind: Mechanism, suspects: SuspectPolicy = "alone", *, worker_id: str = "") -> Worker:
        """Return what a group of this pool registers as, or has registered as under `worker_id`."""
        of_kind: WorkerKind = kind
        if self.has_async_tasks(kind):
            of_kind = "thread-async" if kind == "thread" else "process-async"
        return Worker(
            worker_id,
            of_kind,
            self.queues,
            self.lease,
            self.broker.dlq_ttl or 0,
            suspects,
            thorough=self.burst,
        )

    def has_async_tasks(self, kind: Mechanism) -> bool:
        """Whether a pool of this kind with these tasks takes messages of ``async def`` tasks."""
        return any(
            task.is_async and ASYNC_WISHES[task.mechanism_wish] in LOOKED_AT[kind]
            for task in self.tasks.values()
        )

    def facts(self, kind: WorkerKind, slots: int) -> WorkerFacts:
        """Return what a group of this kind with so many slots tells the store of itself. In the group's process.

        Tasks that name another mechanism are left out: a message of theirs would wait for this pool for ever. The
        schedules that they declare are not: any pool that imports a task keeps its schedule.
        """
        mine = (task.name for task in self.tasks.values() if task.mechanism_wish in WISHES_OF[kind])
        return worker_facts(mine, slots, fires=can_fire(), schedules=self.declared_schedules)

    @property
    def declared_schedules(self) -> tuple[str, ...]:
        """The names of the schedules that the tasks declare: those of the tasks."""
        return tuple(task.name for task in self.tasks.values() if task.declared_schedule is not None)

    def __post_init__(self) -> None:
        warn_of_seconds("shutdown_timeout", self.shutdown_timeout, LEAST_LIFETIME_MS, "the pool")
        check_numbers(
            slot_wait_interval=self.slot_wait_interval,
            lease=self.lease,
            shutdown_timeout=self.shutdown_timeout,
            max_losses=self.max_losses,
        )
        if self.unknown_tasks not in get_args(UnknownTasksPolicy):
            raise ValidationError(
                f"unknown_tasks={shown(self.unknown_tasks)} of the pool: must be 'fail' or 'wait'"
            )


def pool_options(tasks: Iterable[AnyTask], kind: Mechanism, **settings: Unpack[PoolSettings]) -> PoolOptions:
    """Return the options of a pool of this kind for these tasks.

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
    return PoolOptions(
        tasks=named,
        broker=next(iter(named.values())).broker,
        queues=check_queues(settings["queues"]),
        slot_wait_interval=settings["slot_wait_interval"],
        lease=settings["lease"],
        shutdown_timeout=settings["shutdown_timeout"],
        max_losses=settings["max_losses"],
        burst=settings["burst"],
        unknown_tasks=settings["unknown_tasks"],
        metrics_at=parse_address("metrics_port", settings["metrics_port"]),
        health_at=parse_address("health_port", settings["health_port"]),
        hooks=(*settings["on_worker_start"], *settings["on_worker_stop"], *_stop_hooks_of_middleware(named)),
    )


def _stop_hooks_of_middleware(tasks: Mapping[str, AnyTask]) -> list[WorkerHook]:
    middleware = {id(each): each for task in tasks.values() for each in task.broker.middleware}
    return [WorkerHook(each.stopping, "stop") for each in overriding(middleware.values(), "stopping")]


def check_numbers(**values: int | None) -> None:
    """Check that these settings are None, or within the bounds of :mod:`~alsek.core.worker.pool_settings`.

    Raises:
        ValidationError: One is not.
    """
    for name, value in values.items():
        if value is not None:
            check_integer(name, value, NUMBERS[name].least, "the pool")
            most = NUMBERS[name].most
            if most is not None and value > most:
                raise ValidationError(f"{name}={shown(value)} of the pool: must be at most {most}")


def by_name(tasks: Iterable[AnyTask]) -> dict[str, AnyTask]:
    """Return tasks by their names.

    Raises:
        ValidationError: One is no task.
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
