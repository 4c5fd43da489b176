"""The schedule that a task's code declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alsek.core.arguments.parameters import Parameters
from alsek.core.schedules.definition import check_missed
from alsek.core.schedules.scheduled import DeclaredSchedule, Scheduled
from alsek.core.schedules.triggers import trigger_to_data
from alsek.core.task.definition import AnyTask, Task
from alsek.exceptions import ArgumentsError

if TYPE_CHECKING:
    from apscheduler.triggers.base import BaseTrigger


def declare(task: AnyTask, schedule: BaseTrigger | Scheduled) -> None:
    """Let a task declare a schedule: pools that import it bring it into the store at their start.

    Raises:
        ValidationError: The trigger can't be stored, or the policy for missed ticks is none.
        ArgumentsError: The function can't take the arguments.
    """
    scheduled = schedule if isinstance(schedule, Scheduled) else Scheduled(schedule)
    where = f"schedule of task {task.name!r}"
    check_missed(scheduled.missed, where)
    trigger = trigger_to_data(scheduled.trigger, where)
    if type(task).op is Task.op:
        # Those of the task are read later: a type hint may be defined below it.
        fault = Parameters(task.function).fault(scheduled.args or (), scheduled.kwargs or {})
        if fault is not None:
            raise ArgumentsError(
                f"{where}: {fault}; give what it takes by schedule=Scheduled(trigger, args=…, kwargs=…)"
            )
    task.declared_schedule = DeclaredSchedule(scheduled, trigger)
