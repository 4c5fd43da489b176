"""Where each message stands, for whoever wants to know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from alsek.core.bounds import check_integer, checked_wait
from alsek.core.clock import real_time as time
from alsek.core.ending import failure_of
from alsek.core.message import Message
from alsek.defaults import DEFAULT_STATUS_TTL, MAX_DURATION
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.checks import expect_backend
from alsek.storage.backends.records import FOR_EVER, StatusRecord, TaskStatus
from alsek.storage.serialization import dump

__all__ = ["TERMINAL", "StatusTracker", "StatusUpdate", "TaskStatus"]

#: Statuses after which none follows.
TERMINAL = frozenset({TaskStatus.FAILED, TaskStatus.SUCCEEDED})


class StatusUpdate(NamedTuple):
    """One change of a status, with the details that came with it and the store's time (Unix ms)."""

    status: TaskStatus
    details: Any
    timestamp: int


class StatusTracker:
    """Keeps the status of messages.

    With the broker's own store and this very class, each status is written in the same step as what it tells of.
    A subclass that overrides :meth:`set`, or another store, has ``set`` called for every transition, once
    the transition has been accepted.

    Args:
        backend: Where statuses are kept.
        ttl: How long (ms) each is kept after it was written; None for ever.
    """

    def __init__(self, backend: Backend, ttl: int | None = DEFAULT_STATUS_TTL) -> None:
        expect_backend("StatusTracker", backend)
        check_integer("ttl", ttl, 1, "StatusTracker", optional=True)
        self.backend = backend
        self.ttl = ttl

    def is_atomic_with(self, backend: Backend) -> bool:
        """Whether the steps of `backend` can write the statuses themselves."""
        return type(self).set is StatusTracker.set and self.backend.same_store(backend)

    @property
    def wire_ttl(self) -> int:
        """The ttl as a store takes it."""
        return FOR_EVER if self.ttl is None else min(self.ttl, MAX_DURATION)

    def exists(self, message: Message) -> bool:
        """Whether a status of the message is kept."""
        return self._record(message) is not None

    def set(self, message: Message, status: TaskStatus, details: Any = None) -> None:
        """Write a status. SUBMITTED is written only if there is none yet.

        Args:
            message: Whose status.
            status: What it is.
            details: Anything serializable, such as ``{"progress": 0.4}``.
        """
        wire = None if details is None else dump(self.backend.serializer, details)
        status = TaskStatus(status)
        only_new = status is TaskStatus.SUBMITTED
        self.backend.statuses.put(message.uuid, status, wire, self.wire_ttl, only_new)

    def get(self, message: Message) -> TaskStatus:
        """The status of the message; UNKNOWN if none is kept."""
        record = self._record(message)
        return TaskStatus.UNKNOWN if record is None else record.status

    def get_details(self, message: Message) -> Any:
        """What was stored with the status; None if nothing was."""
        record = self._record(message)
        return None if record is None else self._update(record).details

    def delete(self, message: Message) -> None:
        """Forget the status of the message."""
        self.backend.statuses.delete([message.uuid])

    def wait_for(
        self,
        message: Message,
        status: TaskStatus | tuple[TaskStatus, ...] = (TaskStatus.SUCCEEDED, TaskStatus.FAILED),
        timeout: int | None = None,
    ) -> TaskStatus:
        """Sleep until the message has this status, or one of these.

        Args:
            message: Whose status.
            status: What to wait for; by default either end.
            timeout: How long at most (ms); None for as long as it takes.

        Returns:
            The status that it has then.

        Raises:
            TimeoutError: It did not get there in time; or, at once, it ended with another one, or the message is gone.
        """
        wanted = (status,) if isinstance(status, TaskStatus) else status
        last, known = TaskStatus.UNKNOWN, False
        for update in self.listen(message, timeout):
            last, known = update.status, True
            if last in wanted:
                return last
        names = " or ".join(each.name for each in wanted)
        if known and last is TaskStatus.UNKNOWN:
            raise TimeoutError(f"{message.summary} is gone, for it was removed: it will not be {names}")
        if last in TERMINAL:
            failure = failure_of(self.backend, message) if last is TaskStatus.FAILED else None
            reason = "" if failure is None else f" ({failure})"
            raise TimeoutError(
                f"{message.summary} has ended as {last.name}: it will not be {names} any more{reason}"
            )
        raise TimeoutError(f"{message.summary} is {last.name}, not {names}, after {timeout} ms")

    def listen(self, message: Message, timeout: int | None = None) -> Iterator[StatusUpdate]:
        """The status now, and each change as it is written, until a final one, or UNKNOWN: then the message is gone.

        Sleeps in between, without asking the store. Changes in quick succession arrive one by one; only when the
        subscription says that something may have been missed (a lost connection, or on SQLite the look at the file
        once a second) the newest stands for those before it. The final one always arrives.

        Args:
            message: Whose status.
            timeout: End after this long (ms); None for as long as it takes.
        """
        longest = checked_wait("timeout", timeout, message.summary)
        return self._changes(message, None if longest is None else time.monotonic() + longest / 1000)

    def _changes(self, message: Message, deadline: float | None) -> Iterator[StatusUpdate]:
        subscription, record = self.backend.watch_status(message.uuid)
        with subscription:
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
                note = subscription.wait(left)
                record = (
                    self._record(message) if note is None else StatusRecord.unpack(message.uuid, note.data)
                )

    def _record(self, message: Message) -> StatusRecord | None:
        return self.backend.statuses.get([message.uuid])[0]

    def _update(self, record: StatusRecord) -> StatusUpdate:
        details = None if record.details is None else self.backend.serializer.reverse(record.details)
        return StatusUpdate(record.status, details, record.timestamp)
