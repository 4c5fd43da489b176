"""Finds schedules, and submits a message of one by hand."""

from __future__ import annotations

from alsek.cli.failures import NotFoundError, PackageMissingError
from alsek.cli.stores import Opened
from alsek.core.arguments.parameters import did_you_mean
from alsek.core.execution.facts import can_fire
from alsek.core.message import Message
from alsek.core.schedules.schedule import Schedule
from alsek.core.steering import schedules as steering
from alsek.storage.backends.abstract import Backend


def no_schedule(backend: Backend, name: str) -> NotFoundError:
    """The error for a name of which there is no schedule; it says which one may be meant."""
    names = [record.name for record in backend.schedules.get()]
    return NotFoundError(f"there is no schedule {name!r} in {backend.describe()}{did_you_mean(name, names)}")


def schedule_named(store: Opened, name: str) -> Schedule:
    """Return the schedule of this name.

    Raises:
        NotFoundError: There is none.
    """
    found = store.broker.schedule(name)
    if found is None:
        raise no_schedule(store.backend, name)
    return found


def need_apscheduler(what: str) -> None:
    """Check that ticks can be computed.

    Args:
        what: What that is needed for: "to resume a schedule".

    Raises:
        PackageMissingError: They can't.
    """
    if not can_fire():
        raise PackageMissingError(
            f"{what} needs a package that is not installed, which computes its next tick: pip install apscheduler"
        )


def run_once(store: Opened, name: str) -> Message:
    """Submit one message of a schedule, which stays as it is, and return the message.

    Raises:
        NotFoundError: There is no such schedule.
        CorruptMessageError: A newer version has written it, or the store's serializer can't read its message.
    """
    message = steering.run_once(store.broker, name)
    if message is None:
        raise no_schedule(store.backend, name)
    return message
