"""The decorator that makes a function a task."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, overload

from alsek.core.backoff import DEFAULT_BACKOFF, Backoff
from alsek.core.broker import Broker
from alsek.core.generics import Parameterized, Returned, TakesMessage
from alsek.core.keys.limits import AnyLimit
from alsek.core.keys.unique import Unique
from alsek.core.short_repr import shown
from alsek.core.status import StatusTracker
from alsek.core.task.definition import Task
from alsek.core.task.options import TaskOptions
from alsek.core.task.trigger_task import TriggerTask
from alsek.defaults import DEFAULT_MAX_RETRIES, DEFAULT_TASK_TIMEOUT
from alsek.exceptions import TaskDefinitionError, ValidationError
from alsek.storage.result import ResultStore
from alsek.types import Duration, Mechanism

if TYPE_CHECKING:
    from apscheduler.triggers.base import BaseTrigger

    from alsek.core.schedules.scheduled import Scheduled
    from alsek.core.task.definition import AsyncTask


class MakesTask(Protocol):
    """The decorator of a function without a trigger."""

    @overload
    def __call__(
        self, function: Callable[Parameterized, Coroutine[Any, Any, Returned]], /
    ) -> AsyncTask[Parameterized, Returned]: ...
    @overload
    def __call__(self, function: Callable[Parameterized, Returned], /) -> Task[Parameterized, Returned]: ...


class MakesTrigger(Protocol):
    """The decorator of a function with a trigger."""

    @overload
    def __call__(self, function: Callable[[], Returned], /) -> TriggerTask[Returned]: ...
    @overload
    def __call__(self, function: TakesMessage[Returned], /) -> TriggerTask[Returned]: ...


@overload
def task(
    broker: Broker,
    name: str | None = ...,
    queue: str | None = ...,
    timeout: Duration = ...,
    max_retries: int | None = ...,
    backoff: Backoff | None = ...,
    *,
    result_store: ResultStore | Literal[False] | None = ...,
    status_tracker: StatusTracker | Literal[False] | None = ...,
    mechanism: Mechanism | None = ...,
    unique: Unique | None = ...,
    limits: Sequence[AnyLimit] | AnyLimit = ...,
    schedule: BaseTrigger | Scheduled | None = ...,
    base_task: type[Task[Any, Any]] | None = ...,
) -> MakesTask: ...


@overload
def task(
    broker: Broker,
    name: str | None = ...,
    queue: str | None = ...,
    timeout: Duration = ...,
    max_retries: int | None = ...,
    backoff: Backoff | None = ...,
    *,
    trigger: BaseTrigger,
    result_store: ResultStore | Literal[False] | None = ...,
    status_tracker: StatusTracker | Literal[False] | None = ...,
    mechanism: Mechanism | None = ...,
    unique: Unique | None = ...,
    limits: Sequence[AnyLimit] | AnyLimit = ...,
    base_task: type[Task[Any, Any]] | None = ...,
) -> MakesTrigger: ...


def task(
    broker: Broker,
    name: str | None = None,
    queue: str | None = None,
    timeout: Duration = DEFAULT_TASK_TIMEOUT,
    max_retries: int | None = DEFAULT_MAX_RETRIES,
    backoff: Backoff | None = DEFAULT_BACKOFF,
    trigger: BaseTrigger | None = None,
    result_store: ResultStore | Literal[False] | None = None,
    status_tracker: StatusTracker | Literal[False] | None = None,
    mechanism: Mechanism | None = None,
    unique: Unique | None = None,
    limits: Sequence[AnyLimit] | AnyLimit = (),
    base_task: type[Task[Any, Any]] | None = None,
    schedule: BaseTrigger | Scheduled | None = None,
) -> Callable[[Callable[..., Any]], Any]:
    """Make a function a task.

    Args:
        broker: The broker to which messages are submitted.
        name: The name of the task in messages; by default the function's name.
        queue: The queue of messages that name no other.
        timeout: How long (ms) an attempt may take.
        max_retries: How often a failed message is run again; 0 for never, None without limit.
        backoff: How long to wait before each retry; None for no wait.
        trigger: Submits the task each time it fires (APScheduler 3); makes it a :class:`TriggerTask`.
        result_store: Keeps what the function returns; None for the broker's own, False to drop it.
        status_tracker: Keeps the status of the messages; None for the broker's own, False to keep none.
        mechanism: ``"thread"`` or ``"process"`` to let only that kind of pool run the task.
        unique: Lets at most one message with a key be in the store: ``Unique("{customer_id}")``.
        limits: How many messages may run at once, or start within a time: ``[Concurrency(2, key="{tenant}")]``.
        base_task: A subclass of :class:`Task` that overrides hooks.
        schedule: When pools that import the task are to submit it: a cron, interval or date trigger of APScheduler 3,
            or a :class:`~alsek.core.schedules.scheduled.Scheduled`, which has arguments, too.
    """
    if not isinstance(broker, Broker) and callable(broker):
        raise ValidationError(f"task({shown(broker)}): a task needs a broker: write @task(broker)")
    base: Any = base_task if base_task is not None else Task
    if not isinstance(base, type) or not issubclass(base, Task):
        raise ValidationError(f"base_task={shown(base)}: must be a subclass of Task")
    if trigger is not None and schedule is not None:
        raise ValidationError(
            "task(trigger=…, schedule=…): give one of them: trigger= is for ticks while this process lives, schedule= "
            "for those that pools fire"
        )
    extra: dict[str, Any] = {} if trigger is None else {"trigger": trigger}
    if trigger is not None and not issubclass(base, TriggerTask):
        bases: tuple[Any, ...] = (base, TriggerTask)
        base = TriggerTask if base is Task else type(base.__name__, bases, {})

    options: TaskOptions = {
        "name": name,
        "queue": queue,
        "timeout": timeout,
        "max_retries": max_retries,
        "backoff": backoff,
        "result_store": result_store,
        "status_tracker": status_tracker,
        "mechanism": mechanism,
    }
    # A subclass with an `__init__` of its own need not take them.
    if unique is not None:
        options["unique"] = unique
    if limits != ():
        options["limits"] = limits

    def decorate(function: Callable[..., Any]) -> Any:
        if isinstance(function, Task):
            raise TaskDefinitionError(f"{function!r} is a task already")
        made = base(function, broker, **options, **extra)
        if schedule is not None:
            from alsek.core.task.declaring import declare  # here: few tasks need it

            declare(made, schedule)
        return made

    return decorate
