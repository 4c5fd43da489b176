"""The schedules of a store: when each fires next, and whether pools fire it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alsek.core.inspection.trigger_text import trigger_text
from alsek.core.schedules.definition import MissedPolicy
from alsek.core.schedules.operations import ReadSchedule, ScheduleOperations
from alsek.defaults import MISSED_AFTER
from alsek.exceptions import BackendError, CorruptMessageError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.drivers.blocking import BlockingDriver, run_blocking
from alsek.storage.serialization import Serializer


@dataclass(frozen=True, slots=True)
class ScheduleInfo:
    """A schedule that is stored. What a newer version has written can't be read: then `task` and `trigger` are None.

    Attributes:
        name: Its name.
        task: The name of its task.
        trigger: When it fires, as text for people.
        next_at: The tick that is fired next: Unix milliseconds on the store's clock; None if there is none left.
        last_at: The last tick that was fired: likewise; None if none was.
        last_uuid: The uuid of the message of that tick.
        late: How long ago (ms) the next tick was due; 0 if it is still to come, and for a paused schedule.
        paused_by: Who has paused it; None if it is not paused.
        paused_since: Since when: Unix milliseconds on the store's clock.
        missed: What is fired of the ticks of a time without pools: ``"latest"``, ``"all"`` or ``"skip"``.
        declared: The code of its task declares it.
        orphaned: It is declared, but by no pool that runs: it is not fired.
        queue: The queue of its messages. This and the two below are only told of a single schedule, if the serializer
            can read them.
        args: Their positional arguments.
        kwargs: Their keyword arguments.
    """

    name: str
    task: str | None
    trigger: str | None
    next_at: int | None
    last_at: int | None
    last_uuid: str | None
    late: int
    paused_by: str | None
    paused_since: int | None
    missed: MissedPolicy | None
    declared: bool
    orphaned: bool
    queue: str | None = None
    args: Sequence[Any] | None = None
    kwargs: Mapping[str, Any] | None = None

    @property
    def paused(self) -> bool:
        """True if it is paused."""
        return self.paused_by is not None

    @property
    def overdue(self) -> bool:
        """True if no pool has fired it for more than 5 s, though it is due, and is neither paused nor orphaned."""
        return self.late > MISSED_AFTER and not self.orphaned


def keeps_schedules(backend: Backend) -> bool:
    """Return True if the backend keeps schedules."""
    try:
        _ = backend.schedules
    except BackendError:
        return False
    return True


def schedules_of(backend: Backend, names: Sequence[str] | None = None) -> list[ScheduleInfo]:
    """Return the schedules of these names that are stored, None for all; in alphabetical order.

    Args:
        backend: The store. If it keeps no schedules, there are none.
        names: The names. What the messages of these hold is read, too.
    """
    if not keeps_schedules(backend):
        return []
    found = run_blocking(ScheduleOperations(BlockingDriver(backend)).read(names))
    if not found:
        return []
    now = backend.messages.now()
    return [_info(each, now, None if names is None else backend.serializer) for each in found]


def _info(read: ReadSchedule, now: int, serializer: Serializer | None) -> ScheduleInfo:
    record, definition = read.record, read.definition
    paused = bool(record.paused_by)
    late = 0 if paused or record.next_at is None else max(0, now - record.next_at)
    contents: Mapping[str, Any] = {}
    if definition is not None and serializer is not None:
        try:
            contents = definition.template(serializer)
        except CorruptMessageError:
            pass  # it is shown without them
    return ScheduleInfo(
        record.name,
        None if definition is None else definition.task,
        None if definition is None else trigger_text(definition.trigger),
        record.next_at,
        record.last_at,
        record.last_uuid or None,
        late,
        record.paused_by or None,
        record.paused_since if paused else None,
        None if definition is None else definition.missed,
        definition is not None and definition.declared,
        read.orphaned,
        contents.get("queue"),
        contents.get("args"),
        contents.get("kwargs"),
    )
