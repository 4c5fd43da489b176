"""The schedule, as users hold it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from alsek.core.schedules.definition import MissedPolicy
from alsek.core.schedules.operations import ReadSchedule, ScheduleOperations
from alsek.core.schedules.triggers import trigger_from_data
from alsek.exceptions import CorruptMessageError, SchedulingError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.drivers.blocking import BlockingDriver, run_blocking
from alsek.storage.backends.drivers.driver import Driver

if TYPE_CHECKING:
    from apscheduler.triggers.base import BaseTrigger


class Schedule:
    """A stored schedule: a task that pools submit at each tick of its trigger.

    Made by :meth:`Task.schedule`, and read by :meth:`Broker.schedules`. It shows what was read last; its methods act on
    what is stored now, and read it again.

    Args:
        backend: Where it is stored.
        read: What was read.

    Attributes:
        name: Its name.
    """

    __slots__ = ("_backend", "_read", "name")

    def __init__(self, backend: Backend, read: ReadSchedule) -> None:
        self.name = read.record.name
        self._backend = backend
        self._read = read

    @property
    def task(self) -> str | None:
        """The name of its task. None, as `missed`, if a newer version has written it, so that it can't be read here."""
        return None if self._read.definition is None else self._read.definition.task

    @property
    def missed(self) -> MissedPolicy | None:
        """What is fired of the ticks of a time without pools."""
        return None if self._read.definition is None else self._read.definition.missed

    @property
    def trigger(self) -> BaseTrigger:
        """Its trigger, of APScheduler.

        Raises:
            CorruptMessageError: A newer version has written it.
            ValueError: This machine does not know its time zone.
            ModuleNotFoundError: APScheduler is not installed.
        """
        definition = self._read.definition
        if definition is None:
            raise CorruptMessageError(
                f"schedule {self.name!r} can't be read by this version of Alsek: {self._read.record.definition[:60]!r}"
            )
        return trigger_from_data(definition.trigger)

    @property
    def next_at(self) -> int | None:
        """The tick that is fired next: Unix milliseconds on the store's clock; None if there is none left."""
        return self._read.record.next_at

    @property
    def last(self) -> int | None:
        """The last tick that was fired: likewise; None if none was."""
        return self._read.record.last_at

    @property
    def last_uuid(self) -> str | None:
        """The uuid of the message of that tick."""
        return self._read.record.last_uuid or None

    @property
    def paused(self) -> bool:
        """True if it is paused."""
        return bool(self._read.record.paused_by)

    @property
    def paused_by(self) -> str | None:
        """Who has paused it."""
        return self._read.record.paused_by or None

    @property
    def declared(self) -> bool:
        """True if the code of its task declares it: ``@task(broker, schedule=…)``."""
        return self._read.definition is not None and self._read.definition.declared

    @property
    def orphaned(self) -> bool:
        """True if it is declared, but by the code of no pool that runs. Then it is not fired."""
        return self._read.orphaned

    def __repr__(self) -> str:
        state = "paused, " if self.paused else "orphaned, " if self.orphaned else ""
        return f"Schedule({self.name!r}, task={self.task!r}, {state}next_at={self.next_at!r}, last={self.last!r})"

    def pause(self, by: str = "a program") -> bool:
        """Pause it: nothing is fired until :meth:`resume`.

        Args:
            by: Who pauses it, for others to see: any text that is not empty.

        Returns:
            False if it was paused already.

        Raises:
            SchedulingError: It was removed.
        """
        return run_blocking(self._pause(self._blocking(), by))

    async def apause(self, by: str = "a program") -> bool:
        """As :meth:`pause`, without blocking the event loop."""
        return await self._pause(self._for_loop(), by)

    def resume(self) -> bool:
        """Let it go on with the first tick from now on. Those while it was paused are left out.

        Returns:
            False if it was not paused.

        Raises:
            SchedulingError: It was removed.
        """
        return run_blocking(self._resume(self._blocking()))

    async def aresume(self) -> bool:
        """As :meth:`resume`, without blocking the event loop."""
        return await self._resume(self._for_loop())

    def remove(self) -> bool:
        """Delete it. The messages that it has submitted stay.

        Returns:
            False if it was removed already.
        """
        return run_blocking(self._blocking().remove(self.name))

    async def aremove(self) -> bool:
        """As :meth:`remove`, without blocking the event loop."""
        return await self._for_loop().remove(self.name)

    def refresh(self) -> Schedule:
        """Read it again, and return it.

        Raises:
            SchedulingError: It was removed.
        """
        return run_blocking(self._refresh(self._blocking()))

    async def arefresh(self) -> Schedule:
        """As :meth:`refresh`, without blocking the event loop."""
        return await self._refresh(self._for_loop())

    async def _pause(self, operations: ScheduleOperations, by: str) -> bool:
        done = await operations.pause(self.name, by or "a program")
        await self._refresh(operations)
        return done

    async def _resume(self, operations: ScheduleOperations) -> bool:
        done = await operations.resume(self.name)
        await self._refresh(operations)
        return done

    async def _refresh(self, operations: ScheduleOperations) -> Schedule:
        found = await operations.read([self.name])
        if not found:
            raise SchedulingError(f"schedule {self.name!r} is not stored: it was removed")
        (self._read,) = found
        return self

    def _blocking(self) -> ScheduleOperations:
        return ScheduleOperations(BlockingDriver(self._backend))

    def _for_loop(self) -> ScheduleOperations:
        return ScheduleOperations(self._backend.loop_driver())


async def schedules_of(driver: Driver, names: Sequence[str] | None = None) -> list[Schedule]:
    """Return the schedules of these names that are stored; None for all. In alphabetical order."""
    return [Schedule(driver.backend, read) for read in await ScheduleOperations(driver).read(names)]
