"""Bringing the schedules that tasks declare into the store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from alsek.core.schedules.making import declared_definition, put

if TYPE_CHECKING:
    from alsek.core.broker import Broker
    from alsek.core.submission.schedule_maker import ScheduleMaker


def put_declared(
    broker: Broker, tasks: Iterable[ScheduleMaker], *, only_new: bool = False
) -> tuple[str, ...]:
    """Store the schedules that these tasks declare, or change those of the same names in place.

    Args:
        broker: That of the tasks. Its store need not keep schedules if no task declares one.
        tasks: The tasks.
        only_new: Leave those that are stored as they are.

    Returns:
        The names of the schedules, in alphabetical order.

    Raises:
        ValidationError: A declared schedule has arguments that its function can't take, for example.
        SerializationError: A value can't be serialized.
        BackendError: The store did not take all of them. The call may be repeated.
    """
    declared = {
        task.name: definition for task in tasks if (definition := declared_definition(task)) is not None
    }
    names = tuple(sorted(declared))
    for name in names:
        put(broker.backend, name, declared[name], only_new=only_new)
    return names
