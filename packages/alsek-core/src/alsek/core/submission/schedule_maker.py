"""Making schedules of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alsek.core.submission.async_producer import AsyncProducer

if TYPE_CHECKING:
    from typing import Unpack

    from apscheduler.triggers.base import BaseTrigger

    from alsek.core.schedules.definition import MissedPolicy
    from alsek.core.schedules.schedule import Schedule
    from alsek.core.schedules.scheduled import DeclaredSchedule, ScheduleOptions


class ScheduleMaker(AsyncProducer):
    """Makes schedules, by which pools submit a task again and again. What it takes for this is imported then.

    Attributes:
        declared_schedule: What the task's code declares; None if it declares none.
    """

    declared_schedule: DeclaredSchedule | None = None

    def schedule(
        self,
        name: str,
        trigger: BaseTrigger,
        *,
        args: list[Any] | tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        missed: MissedPolicy = "latest",
        **options: Unpack[ScheduleOptions],
    ) -> Schedule:
        """Store a schedule, or change the one of this name in place. When this returns, it is in the store.

        At each tick of the trigger, a pool submits a message with these arguments: any pool that runs on the store,
        also one that does not know the task. The message is made by what the task says now; its ``created_at`` is the
        tick. If the schedule says the same already, nothing changes.

        Args:
            name: Its name, unique in the namespace.
            trigger: A cron, interval or date trigger of APScheduler 3. Its jitter delays the message of a tick.
            args: Positional arguments for the function.
            kwargs: Keyword arguments for the function.
            missed: What is fired of the ticks of a time in which no pool ran: ``"latest"`` (the last one), ``"all"``
                (each, at most the last 1,000) or ``"skip"`` (none).
            **options: As for :meth:`generate`: ``priority``, ``metadata``, ``result_ttl``, ``timeout_override``,
                ``callback``, ``queue``, ``ttl``, ``unique``, ``limits``, ``failure_callback``. The callbacks are
                templates, too: each tick has new ones.

        Raises:
            ValidationError: A value is out of range or of the wrong kind, or the trigger can't be stored.
            ArgumentsError: The function can't take these arguments, or there is no such option.
            SerializationError: A value can't be serialized.
            ModuleNotFoundError: APScheduler is not installed.
            BackendError: The store did not take it. The call may be repeated.
        """
        from alsek.core.schedules.making import definition_for, put
        from alsek.core.schedules.scheduled import Scheduled

        scheduled = Scheduled(trigger, args=args, kwargs=kwargs, missed=missed, **options)
        return put(self.broker.backend, name, definition_for(self, name, scheduled))

    async def aschedule(
        self,
        name: str,
        trigger: BaseTrigger,
        *,
        args: list[Any] | tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        missed: MissedPolicy = "latest",
        **options: Unpack[ScheduleOptions],
    ) -> Schedule:
        """As :meth:`schedule`, without blocking the event loop."""
        from alsek.core.schedules.making import aput, definition_for
        from alsek.core.schedules.scheduled import Scheduled

        scheduled = Scheduled(trigger, args=args, kwargs=kwargs, missed=missed, **options)
        return await aput(self.broker.backend, name, definition_for(self, name, scheduled))
