"""Making the definition of a schedule of a task, and storing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alsek.core.arguments.parameters import did_you_mean
from alsek.core.clock import now_ms
from alsek.core.identifiers import check_task_name, new_uuid
from alsek.core.placing import place
from alsek.core.schedules.definition import Definition, check_missed
from alsek.core.schedules.operations import ScheduleOperations
from alsek.core.schedules.schedule import Schedule
from alsek.core.schedules.scheduled import OPTION_NAMES, Scheduled
from alsek.core.schedules.template import message_of_tick, template_of
from alsek.core.schedules.trigger_data import TriggerData
from alsek.core.schedules.triggers import trigger_to_data
from alsek.exceptions import ArgumentsError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.drivers.blocking import BlockingDriver, run_blocking
from alsek.storage.serialization import dump

if TYPE_CHECKING:
    from alsek.core.submission.schedule_maker import ScheduleMaker


def definition_for(task: ScheduleMaker, name: str, scheduled: Scheduled) -> Definition:
    """Return the definition of a schedule of this name.

    Raises:
        Exception: As :meth:`ScheduleMaker.schedule`.
    """
    check_task_name("name of a schedule", name)
    where = f"schedule {name!r} of task {task.name!r}"
    return _defined(task, where, trigger_to_data(scheduled.trigger, where), scheduled)


def declared_definition(task: ScheduleMaker) -> Definition | None:
    """Return the definition of the schedule that a task's code declares; None if it declares none.

    Raises:
        Exception: As :meth:`ScheduleMaker.schedule`.
    """
    if task.declared_schedule is None:
        return None
    scheduled, trigger = task.declared_schedule
    return _defined(task, f"schedule of task {task.name!r}", trigger, scheduled)._replace(declared=True)


def put(backend: Backend, name: str, definition: Definition, *, only_new: bool = False) -> Schedule:
    """Store a schedule, or change the one of this name in place, unless it is `only_new`."""
    _check_place(backend, name, definition)
    operations = ScheduleOperations(BlockingDriver(backend))
    return Schedule(backend, run_blocking(operations.put(name, definition, only_new=only_new)))


async def aput(backend: Backend, name: str, definition: Definition) -> Schedule:
    """As :func:`put`, without blocking the event loop."""
    _check_place(backend, name, definition)
    return Schedule(backend, await ScheduleOperations(backend.loop_driver()).put(name, definition))


def _check_place(backend: Backend, name: str, definition: Definition) -> None:
    """Check that the messages of a schedule can be where the schedule is.

    Raises:
        ValidationError: Their keys are in other partitions of the store.
    """
    if backend.partitions > 1:
        template = definition.template(backend.serializer)
        place((message_of_tick(template, new_uuid(), now_ms()),), backend, name)


def _defined(task: ScheduleMaker, where: str, trigger: TriggerData, scheduled: Scheduled) -> Definition:
    check_missed(scheduled.missed, where)
    options: Any = scheduled.options
    for option in options:
        if option not in OPTION_NAMES:
            raise ArgumentsError(f"{where} does not take {option!r}{did_you_mean(option, OPTION_NAMES)}")
    message = task.build(scheduled.args, scheduled.kwargs, **options)
    serializer = task.broker.backend.serializer
    message.pack(serializer)  # its error names the value that can't be serialized
    template = dump(serializer, template_of(message))
    definition = Definition(task.name, trigger, scheduled.missed, False, template)
    # Here the caller sees what would else fail in each pool.
    message_of_tick(definition.template(serializer), new_uuid(), now_ms()).submission(serializer)
    return definition
