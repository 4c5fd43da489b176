"""What is done with stored schedules: written once, for synchronous and asynchronous callers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from alsek.core.identifiers import new_request_id
from alsek.core.loggers import guarded_logger
from alsek.core.schedules.changes import Present, begun, next_tick, tick_after_pause
from alsek.core.schedules.declaring_workers import names_declared
from alsek.core.schedules.definition import Definition
from alsek.exceptions import CorruptMessageError
from alsek.storage.backends.drivers.driver import Driver
from alsek.storage.backends.records import ScheduleRecord

log = guarded_logger(__name__)


class ReadSchedule(NamedTuple):
    """A schedule as it was read.

    Attributes:
        record: The record.
        definition: What it says; None if it can't be read here.
        orphaned: It is declared by code, but by that of no live worker.
    """

    record: ScheduleRecord
    definition: Definition | None
    orphaned: bool = False


class ScheduleOperations:
    """Reads and changes the schedules of one store.

    Args:
        driver: Of its backend.

    Raises:
        BackendError: The backend can't keep schedules.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._messages = driver.backend.messages
        self._port = driver.backend.schedules

    async def put(self, name: str, definition: Definition, *, only_new: bool = False) -> ReadSchedule:
        """Store a schedule, or change the one of this name in place, unless it is `only_new`.

        If it says the same already, nothing changes.
        """
        serializer = self._driver.backend.serializer
        revision = new_request_id()
        while True:
            found = await self._driver.ask(self._port.get, [name])
            now = await self._driver.ask(self._messages.now)
            old = definition_of(found[0]) if found else None
            if found and (only_new or (old is not None and old.same(definition, serializer))):
                return ReadSchedule(found[0], old)
            present = Present(found[0], None if old is None else old.trigger) if found else None
            new = definition._replace(trigger=begun(definition.trigger, now, present))
            next_at = next_tick(new.trigger, now, present)
            expected = found[0].revision if found else ""
            record = await self._driver.ask(self._port.put, name, new.to_bytes(), revision, next_at, expected)
            if record is not None:
                _log_put(name, new, record, changed=bool(found))
                return ReadSchedule(record, new)

    async def read(self, names: Sequence[str] | None = None) -> list[ReadSchedule]:
        """Return the schedules of these names that are stored; None for all. In alphabetical order."""
        records = await self._driver.ask(self._port.get, names)
        definitions = [definition_of(record) for record in records]
        declared: frozenset[str] = frozenset()
        if any(each is not None and each.declared for each in definitions):
            workers = await self._driver.ask(self._messages.workers)
            declared = names_declared(workers, await self._driver.ask(self._messages.now))
        return [
            ReadSchedule(record, each, each is not None and each.declared and record.name not in declared)
            for record, each in zip(records, definitions, strict=True)
        ]

    async def pause(self, name: str, by: str) -> bool:
        """Pause a schedule; False if it is not stored, or is paused already."""
        return await self._driver.ask(self._port.pause, name, by)

    async def resume(self, name: str) -> bool:
        """Let a paused schedule go on with its next tick; False if it is not stored, or is not paused.

        Raises:
            CorruptMessageError: It can't be read here.
        """
        while True:
            found = await self._driver.ask(self._port.get, [name])
            if not found or not found[0].paused_by:
                return False
            (record,) = found
            definition = Definition.from_bytes(record.definition)
            now = await self._driver.ask(self._messages.now)
            next_at = tick_after_pause(definition, record, now)
            if await self._driver.ask(self._port.resume, name, record.revision, next_at):
                return True

    async def remove(self, name: str) -> bool:
        """Delete a schedule; False if there is none."""
        return await self._driver.ask(self._port.remove, name)


def definition_of(record: ScheduleRecord) -> Definition | None:
    """Return what a stored schedule says; None if that can't be read here, since a newer version wrote it."""
    try:
        return Definition.from_bytes(record.definition)
    except CorruptMessageError:
        return None


def _log_put(name: str, definition: Definition, record: ScheduleRecord, *, changed: bool) -> None:
    log.info(
        "%s schedule %r of task %r; its next tick: %s.",
        "Changed" if changed else "Stored",
        name,
        definition.task,
        record.next_at,
        extra={"schedule": name, "task": definition.task},
    )
