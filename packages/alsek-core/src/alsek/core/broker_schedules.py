"""What a broker shows of the schedules of its store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.drivers.blocking import BlockingDriver, run_blocking
from alsek.storage.backends.drivers.driver import Driver

if TYPE_CHECKING:
    from alsek.core.schedules.schedule import Schedule


class BrokerSchedules:
    """Reads the schedules of a broker's store.

    Attributes:
        backend: The store.
    """

    backend: Backend

    def schedules(self) -> list[Schedule]:
        """Return all schedules of the store, in alphabetical order of their names.

        Raises:
            BackendError: The store can't be used, or can't keep schedules.
        """
        return run_blocking(_read(BlockingDriver(self.backend)))

    async def aschedules(self) -> list[Schedule]:
        """As :meth:`schedules`, without blocking the event loop."""
        return await _read(self.backend.loop_driver())

    def schedule(self, name: str) -> Schedule | None:
        """Return the schedule of this name; None if there is none."""
        return next(iter(run_blocking(_read(BlockingDriver(self.backend), [name]))), None)

    async def aschedule(self, name: str) -> Schedule | None:
        """As :meth:`schedule`, without blocking the event loop."""
        return next(iter(await _read(self.backend.loop_driver(), [name])), None)


async def _read(driver: Driver, names: Sequence[str] | None = None) -> list[Schedule]:
    from alsek.core.schedules.schedule import schedules_of  # here: few programs need it

    return await schedules_of(driver, names)
