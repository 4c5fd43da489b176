"""What a task's code declares of its schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypedDict

if TYPE_CHECKING:
    from typing import Unpack

    from apscheduler.triggers.base import BaseTrigger

    from alsek.core.message import Message
    from alsek.core.schedules.definition import MissedPolicy
    from alsek.core.schedules.trigger_data import TriggerData
    from alsek.core.submission.chaining import Callbacks
    from alsek.core.submission.task_keys import LimitsOption, UniqueOption
    from alsek.types import Duration


class ScheduleOptions(TypedDict, total=False):
    """The options of :meth:`Task.generate <alsek.core.task.Task.generate>` that the messages of a schedule may have."""

    priority: int
    metadata: Any
    result_ttl: Duration | None
    timeout_override: Duration | None
    callback: Callbacks | None
    queue: str | None
    ttl: Duration | None
    unique: UniqueOption
    limits: LimitsOption
    failure_callback: Message | None


OPTION_NAMES: Final = tuple(ScheduleOptions.__annotations__)


class Scheduled:
    """A schedule to declare with a task, with arguments: ``@task(broker, schedule=Scheduled(trigger, args=(7,)))``.

    Args:
        trigger: A cron, interval or date trigger of APScheduler 3.
        args: Positional arguments for the function.
        kwargs: Keyword arguments for the function.
        missed: What is fired of the ticks of a time without pools: ``"latest"`` (the last one), ``"all"`` or
            ``"skip"`` (none).
        **options: Those of :meth:`Task.schedule`.
    """

    __slots__ = ("args", "kwargs", "missed", "options", "trigger")

    def __init__(
        self,
        trigger: BaseTrigger,
        *,
        args: list[Any] | tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        missed: MissedPolicy = "latest",
        **options: Unpack[ScheduleOptions],
    ) -> None:
        self.trigger = trigger
        self.args = args
        self.kwargs = kwargs
        self.missed: MissedPolicy = missed
        self.options = options

    def __repr__(self) -> str:
        return (
            f"Scheduled({self.trigger!r}, args={self.args!r}, kwargs={self.kwargs!r}, missed={self.missed!r})"
        )


class DeclaredSchedule(NamedTuple):
    """The schedule that a task declares. Its name is that of the task.

    Attributes:
        scheduled: As it was declared.
        trigger: Its trigger, as data.
    """

    scheduled: Scheduled
    trigger: TriggerData
