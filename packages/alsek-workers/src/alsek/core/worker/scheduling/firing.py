"""What fires a schedule in a worker."""

from __future__ import annotations

from collections.abc import Collection

from alsek.core.broker import Broker
from alsek.core.worker.scheduling.declared import DeclaredNames
from alsek.core.worker.scheduling.firing_thread import Fire


def make_fire(broker: Broker, declared: Collection[str]) -> Fire:
    """Return what fires the schedule of a name. Called in the thread that does.

    Args:
        broker: Of the pool.
        declared: The names of the schedules that the pool's tasks declare.
    """
    # Imported here: it imports APScheduler, and most workers are never offered a schedule.
    from alsek.core.schedules.definition import Definition
    from alsek.core.schedules.firing import Firing
    from alsek.storage.backends.records import ScheduleRecord

    firing = Firing(broker)
    names = DeclaredNames(declared, broker.backend.messages)

    def may_fire(record: ScheduleRecord, definition: Definition) -> bool:
        return not definition.declared or record.name in names

    def fire(name: str, waited: int) -> None:
        firing.fire([name], may_fire, waited)

    return fire
