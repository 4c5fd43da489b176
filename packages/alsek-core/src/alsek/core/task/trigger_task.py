"""Tasks that a trigger submits."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from alsek.core.generics import R_co, TakesMessage
from alsek.core.message import Message
from alsek.core.short_repr import shown
from alsek.core.task.definition import Task
from alsek.core.trigger import TriggerScheduler, ticks
from alsek.exceptions import SchedulingError, ValidationError

if TYPE_CHECKING:
    from apscheduler.triggers.base import BaseTrigger


class TriggerTask(Task[[], R_co]):
    """A task that is submitted each time its trigger fires, while this process lives.

    The first time, the message that :meth:`generate` returned is submitted; it is the progenitor of all that follow.

    Args:
        trigger: The trigger (APScheduler 3).

    Raises:
        SchedulingError: The function has parameters.
    """

    def __init__(
        self,
        function: Callable[[], R_co] | TakesMessage[R_co],
        *args: Any,
        trigger: BaseTrigger,
        **kwargs: Any,
    ) -> None:
        runs: Any = function  # if it takes anything, then the message
        super().__init__(runs, *args, **kwargs)
        takes = [name for name in inspect.signature(function).parameters if name != "message"]
        if takes:
            raise SchedulingError(
                f"task {self.name!r} has a trigger: it can't have parameters, but has {takes}"
            )
        if not callable(getattr(trigger, "get_next_fire_time", None)):
            raise ValidationError(
                f"task {self.name!r}: trigger={shown(trigger)}: must be a trigger of APScheduler 3"
            )
        self._schedule = TriggerScheduler(self.name, trigger)

    if TYPE_CHECKING:

        def __call__(self, message: Message = ...) -> R_co: ...

    @property
    def trigger(self) -> BaseTrigger:
        """The trigger, which says when the task is submitted."""
        return self._schedule.trigger

    @property
    def generated(self) -> bool:
        """True if the task is scheduled."""
        return self._schedule.started

    def generate(self, *args: Any, **kwargs: Any) -> Message:
        """Schedule the task, and return the message that is submitted first.

        Raises:
            SchedulingError: The task is scheduled already.
        """
        if self.generated:
            raise SchedulingError(f"task {self.name!r} is scheduled already: clear() it first")
        if args or kwargs.get("args") or kwargs.get("kwargs"):
            raise SchedulingError(f"task {self.name!r} has a trigger: it takes no arguments")
        if kwargs.pop("on_commit", False) is not False:
            raise SchedulingError(
                f"task {self.name!r} has a trigger: on_commit= is for messages, not for ticks"
            )
        schedule = kwargs.pop("submit", True) and not self.deferred
        kwargs["submit"] = False
        first = super().generate(**kwargs)
        if schedule:
            self._schedule.start(self._submit, ticks(first))
        return first

    def generate_many(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise an error: a task with a trigger can't be submitted many times at once.

        Raises:
            SchedulingError: Always.
        """
        raise SchedulingError(
            f"task {self.name!r} has a trigger: each tick makes one message, without arguments; generate() schedules "
            "it. For many messages at once, define a task without a trigger"
        )

    async def agenerate(self, *args: Any, **kwargs: Any) -> Message:
        """As :meth:`generate`: the scheduler's thread submits, so nothing blocks the event loop."""
        return self.generate(*args, **kwargs)

    async def agenerate_many(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise an error, as :meth:`generate_many`.

        Raises:
            SchedulingError: Always.
        """
        self.generate_many()

    def pause(self) -> None:
        """Submit nothing until :meth:`resume`."""
        self._schedule.pause()

    def resume(self) -> None:
        """Submit again after :meth:`pause`."""
        self._schedule.resume()

    def clear(self) -> None:
        """Unschedule the task; it may be generated again."""
        self._schedule.clear()

    def shutdown(self) -> None:
        """Unschedule the task and end the scheduler's thread."""
        self._schedule.shutdown()
