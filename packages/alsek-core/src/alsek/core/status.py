"""The status tracker: where each message stands."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any, NamedTuple

from alsek.core.bounds import check_integer, checked_wait, milliseconds
from alsek.core.clock import real_time as time
from alsek.core.ending import failure_of
from alsek.core.lookup import message_of, uuid_of
from alsek.core.message import Message
from alsek.core.reporting.progress import Progress, progress_in
from alsek.core.seconds import LEAST_LIFETIME_MS, warn_of_seconds
from alsek.defaults import DEFAULT_STATUS_TTL, MAX_DURATION
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.checks import expect_backend
from alsek.storage.backends.drivers.blocking import BlockingDriver, iterate_blocking, run_blocking
from alsek.storage.backends.drivers.driver import Driver
from alsek.storage.backends.records import FOR_EVER, StatusRecord, TaskStatus
from alsek.storage.serialization import dump
from alsek.types import Duration

__all__ = ["TERMINAL", "StatusTracker", "StatusUpdate", "TaskStatus"]

#: Statuses after which none follows.
TERMINAL = frozenset({TaskStatus.FAILED, TaskStatus.SUCCEEDED})


class StatusUpdate(NamedTuple):
    """One change of a status, with its details and the store's time (Unix ms)."""

    status: TaskStatus
    details: Any
    timestamp: int


class StatusTracker:
    """Keeps the status of messages.

    With the broker's own store, and unless a subclass overrides :meth:`set`, each status is written in the step that
    changes the message. Otherwise :meth:`set` is called for every change, after the store has accepted it.

    Args:
        backend: The store that keeps the statuses.
        ttl: How long (ms) each is kept after it was written; None for ever.
    """

    def __init__(self, backend: Backend, ttl: Duration | None = DEFAULT_STATUS_TTL) -> None:
        expect_backend("StatusTracker", backend)
        warn_of_seconds("ttl", ttl, LEAST_LIFETIME_MS, "StatusTracker")
        ttl = milliseconds(ttl)
        check_integer("ttl", ttl, 1, "StatusTracker", optional=True)
        self.backend = backend
        self.ttl = ttl

    def is_atomic_with(self, backend: Backend) -> bool:
        """Return True if the steps of `backend` can write the statuses themselves."""
        return type(self).set is StatusTracker.set and self.backend.same_store(backend)

    @property
    def wire_ttl(self) -> int:
        """The ttl as a store takes it."""
        return FOR_EVER if self.ttl is None else min(self.ttl, MAX_DURATION)

    def exists(self, message: Message | str) -> bool:
        """Return True if a status of the message is kept."""
        return self._stored(message) is not None

    async def aexists(self, message: Message | str) -> bool:
        """As :meth:`exists`, without blocking the event loop."""
        return await self._record(self.backend.loop_driver(), message) is not None

    def set(self, message: Message, status: TaskStatus, details: Any = None) -> None:
        """Write a status. SUBMITTED is written only if there is none yet.

        Args:
            message: The message.
            status: Its status.
            details: Anything serializable, such as ``{"progress": 0.4}``.
        """
        self.backend.statuses.put(*self._entry(message, status, details))

    async def aset(self, message: Message, status: TaskStatus, details: Any = None) -> None:
        """Write a status, as :meth:`set` does. A subclass that overrides only that has it called in a thread."""
        driver = self.backend.loop_driver()
        if type(self).set is not StatusTracker.set:
            await driver.settle(await driver.call(self.set, message, status, details))
        else:
            await driver.ask(self.backend.statuses.put, *self._entry(message, status, details))

    def _entry(
        self, message: Message, status: TaskStatus, details: Any
    ) -> tuple[str, TaskStatus, bytes | None, int, bool]:
        """The arguments of :meth:`StatusPort.put`."""
        wire = None if details is None else dump(self.backend.serializer, details)
        status = TaskStatus(status)
        return message.uuid, status, wire, self.wire_ttl, status is TaskStatus.SUBMITTED

    def get(self, message: Message | str) -> TaskStatus:
        """Return the status of the message; UNKNOWN if none is kept."""
        return _status(self._stored(message))

    async def aget(self, message: Message | str) -> TaskStatus:
        """As :meth:`get`, without blocking the event loop."""
        return _status(await self._record(self.backend.loop_driver(), message))

    def get_details(self, message: Message | str) -> Any:
        """Return the details that were stored with the status; without any, its :class:`Progress`, or None.

        The progress is that of :meth:`get_progress`.
        """
        details = self._details(self._stored(message))
        return self.get_progress(message) if details is None else details

    async def aget_details(self, message: Message | str) -> Any:
        """As :meth:`get_details`, without blocking the event loop."""
        details = self._details(await self._record(self.backend.loop_driver(), message))
        return await self.aget_progress(message) if details is None else details

    def get_progress(self, message: Message | str) -> Progress | None:
        """Return how far the task of a message is, as it last said (``message.progress``); None if it said nothing.

        It is kept with the message, so it is found only if the tracker's backend is the broker's; and after the
        message has ended, as long as its status.
        """
        return progress_in(self.backend.messages.reports([uuid_of(message)])[0])

    async def aget_progress(self, message: Message | str) -> Progress | None:
        """As :meth:`get_progress`, without blocking the event loop."""
        (record,) = await self.backend.loop_driver().ask(self.backend.messages.reports, [uuid_of(message)])
        return progress_in(record)

    def delete(self, message: Message | str) -> None:
        """Delete the status of the message."""
        self.backend.statuses.delete([uuid_of(message)])

    async def adelete(self, message: Message | str) -> None:
        """As :meth:`delete`, without blocking the event loop."""
        await self.backend.loop_driver().ask(self.backend.statuses.delete, [uuid_of(message)])

    def wait_for(
        self,
        message: Message | str,
        status: TaskStatus | tuple[TaskStatus, ...] = (TaskStatus.SUCCEEDED, TaskStatus.FAILED),
        timeout: Duration | None = None,
    ) -> TaskStatus:
        """Wait until the message has this status, or one of these.

        Args:
            message: The message.
            status: The status to wait for, or several; by default SUCCEEDED or FAILED.
            timeout: How long to wait at most (ms); None for no limit.

        Returns:
            The status that the message has then.

        Raises:
            TimeoutError: The message does not have the status in time; or, at once, it has ended with another one, or
                is gone.
        """
        return run_blocking(self._wait_for(self._blocking(), message, status, timeout))

    async def await_for(
        self,
        message: Message | str,
        status: TaskStatus | tuple[TaskStatus, ...] = (TaskStatus.SUCCEEDED, TaskStatus.FAILED),
        timeout: Duration | None = None,
    ) -> TaskStatus:
        """As :meth:`wait_for`, without blocking the event loop."""
        return await self._wait_for(self.backend.loop_driver(), message, status, timeout)

    async def _wait_for(
        self,
        driver: Driver,
        given: Message | str,
        status: TaskStatus | tuple[TaskStatus, ...],
        timeout: Duration | None,
    ) -> TaskStatus:
        message = await message_of(driver, given)
        wanted = (status,) if isinstance(status, TaskStatus) else status
        last, known = TaskStatus.UNKNOWN, False
        async with aclosing(self._changes(driver, message, _deadline(message.summary, timeout))) as updates:
            async for update in updates:
                last, known = update.status, True
                if last in wanted:
                    return last
        names = " or ".join(each.name for each in wanted)
        if known and last is TaskStatus.UNKNOWN:
            raise TimeoutError(f"{message.summary} is gone, for it was removed: it will not be {names}")
        if last in TERMINAL:
            failure = await failure_of(driver, message) if last is TaskStatus.FAILED else None
            reason = "" if failure is None else f" ({failure})"
            raise TimeoutError(
                f"{message.summary} has ended as {last.name}: it will not be {names} any more{reason}"
            )
        raise TimeoutError(f"{message.summary} is {last.name}, not {names}, after {timeout} ms")

    def listen(self, message: Message | str, timeout: Duration | None = None) -> Iterator[StatusUpdate]:
        """Yield the status and each change of it, until a final one, or UNKNOWN if the message is gone.

        Waits for notifications in between, without polling the store. Changes in quick succession arrive one by one;
        only when the subscription may have missed some (after a lost connection, or at SQLite's check of the file once
        a second), the newest replaces those before it. The final one always arrives.

        Args:
            message: The message.
            timeout: End after this time (ms); None for no limit.
        """
        driver = self._blocking()
        found = run_blocking(message_of(driver, message))
        return iterate_blocking(self._changes(driver, found, _deadline(found.summary, timeout)))

    def alisten(
        self, message: Message | str, timeout: Duration | None = None
    ) -> AsyncGenerator[StatusUpdate, None]:
        """As :meth:`listen`, without blocking the event loop: ``async for update in tracker.alisten(message)``."""
        summary = message.summary if isinstance(message, Message) else f"message {uuid_of(message)!r}"
        return self._changes(self.backend.loop_driver(), message, _deadline(summary, timeout))

    async def _changes(
        self, driver: Driver, given: Message | str, deadline: float | None
    ) -> AsyncGenerator[StatusUpdate]:
        message = await message_of(driver, given)
        subscription, record = await driver.watch_status(message.uuid)
        async with subscription:
            seen: StatusRecord | None = None
            while True:
                if (
                    record is not None
                    and (seen is None or record.timestamp >= seen.timestamp)
                    and record != seen
                ):
                    seen = record
                    yield self._update(record)
                    if record.status in TERMINAL or record.status is TaskStatus.UNKNOWN:
                        return
                left = None if deadline is None else int((deadline - time.monotonic()) * 1000)
                if left is not None and left <= 0:
                    return
                note = await subscription.wait(left)
                if note is None:
                    record = await self._record(driver, message)
                else:
                    record = StatusRecord.unpack(message.uuid, note.data)

    def _stored(self, given: Message | str) -> StatusRecord | None:
        return self.backend.statuses.get([uuid_of(given)])[0]

    async def _record(self, driver: Driver, given: Message | str) -> StatusRecord | None:
        (record,) = await driver.ask(self.backend.statuses.get, [uuid_of(given)])
        return record

    def _update(self, record: StatusRecord) -> StatusUpdate:
        details = None if record.details is None else self.backend.serializer.reverse(record.details)
        return StatusUpdate(record.status, details, record.timestamp)

    def _details(self, record: StatusRecord | None) -> Any:
        return None if record is None else self._update(record).details

    def _blocking(self) -> BlockingDriver:
        return BlockingDriver(self.backend)


def _status(record: StatusRecord | None) -> TaskStatus:
    return TaskStatus.UNKNOWN if record is None else record.status


def _deadline(whose: str, timeout: Duration | None) -> float | None:
    longest = checked_wait("timeout", timeout, whose)
    return None if longest is None else time.monotonic() + longest / 1000
