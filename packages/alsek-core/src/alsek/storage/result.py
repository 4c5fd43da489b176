"""The result store: what tasks have returned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from alsek.core.arguments.building import Builder, MisfitError, builder_of
from alsek.core.bounds import check_integer, checked_wait, milliseconds
from alsek.core.clock import real_time as time
from alsek.core.ending import end_without_result, failure_of, gone, was_removed
from alsek.core.lookup import message_of, uuid_of
from alsek.core.message import Message
from alsek.core.seconds import LEAST_LIFETIME_MS, warn_of_seconds
from alsek.defaults import DEFAULT_RESULT_TTL, MAX_DURATION
from alsek.exceptions import TaskFailedError, ValidationError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.checks import expect_backend
from alsek.storage.backends.records import FOR_EVER, ResultRecord
from alsek.storage.lineage import Lineage
from alsek.storage.serialization import dump
from alsek.types import Duration

#: The longest wait for a notification while waiting for a chain: a callback without a result ends without one.
_POLL_INTERVAL_MS = 5_000


class ResultStore:
    """Keeps the results of tasks.

    With the broker's own store, and unless a subclass overrides :meth:`set`, a result is written in the same step that
    completes its message. Otherwise :meth:`set` is called before that step; the result of an older claim never
    replaces that of a newer one.

    Args:
        backend: The store that keeps the results.
        ttl: How long (ms) each result is kept, unless the message has a ``result_ttl``; None for ever.
    """

    #: The backends of the messages whose results are kept here.
    _brokers: tuple[Backend, ...] = ()

    def __init__(self, backend: Backend, ttl: Duration | None = DEFAULT_RESULT_TTL) -> None:
        expect_backend("ResultStore", backend)
        warn_of_seconds("ttl", ttl, LEAST_LIFETIME_MS, "ResultStore")
        ttl = milliseconds(ttl)
        check_integer("ttl", ttl, 1, "ResultStore", optional=True)
        self.backend = backend
        self.ttl = ttl

    def serve(self, backend: Backend) -> None:
        """Note that `backend` has messages whose results are kept here. Called by each task."""
        if not any(known is backend for known in self._brokers):
            self._brokers = (*self._brokers, backend)

    @property
    def apart(self) -> bool:
        """True if a task of this process has its messages in another store, so that this one knows nothing of them."""
        return not all(self.backend.same_store(known) for known in self._brokers)

    def is_atomic_with(self, backend: Backend) -> bool:
        """Return True if the steps of `backend` can write the results themselves."""
        return type(self).set is ResultStore.set and self.backend.same_store(backend)

    def wire_ttl(self, message: Message) -> int:
        """Return how long the result of this message is kept, as a store takes it."""
        ttl = self.ttl if message.result_ttl is None else message.result_ttl
        return FOR_EVER if ttl is None else min(ttl, MAX_DURATION)

    def set(self, message: Message, result: Any) -> None:
        """Store a result for the message.

        Raises:
            SerializationError: The backend's serializer can't take the result.
        """
        self.backend.results.put(
            message.uuid,
            dump(self.backend.serializer, result),
            self.wire_ttl(message),
            message.token or 0,
            message.progenitor_uuid,
        )

    def exists(self, message: Message | str, descendants: bool = False) -> bool:
        """Return True if a result of the message is stored; with `descendants`, one of it or of any descendant."""
        return bool(self._records(message, descendants))

    def delete(self, message: Message | str, descendants: bool = False) -> int:
        """Delete the result of the message, with `descendants` those of its descendants too; return how many."""
        return self._delete(self._records(message, descendants))

    def get(
        self,
        message: Message | str,
        timeout: Duration | None = None,
        keep: bool = False,
        with_metadata: bool = False,
        descendants: bool = False,
        type: Any = None,  # noqa: A002
    ) -> Any:
        """Return what the message's task returned, and delete it from the store unless `keep`.

        Args:
            message: The message.
            timeout: How long (ms) to wait for the result at most; None to not wait.
            keep: Leave the result in the store.
            with_metadata: Return ``{"result": …, "uuid": …, "timestamp": …}`` (Unix ms, the store's clock).
            descendants: Return a list of the message's own result and those of all its descendants (callbacks,
                later ticks of a trigger) that are stored, oldest write first. With `timeout` it waits until all
                callbacks have ended, or will not run: ``do_callback`` returned False, or one was removed.
            type: The type of the result, such as a dataclass or ``list[Invoice]``: it is built again from the stored
                data, as arguments are. None leaves the data as it is.

        Raises:
            ValidationError: The timeout is no number of milliseconds >= 0; or the result does not fit `type`: then it
                stays in the store.
            KeyError: There is no result, and `timeout` is None.
            TimeoutError: There is no result after `timeout`; with `descendants` also if a callback has not ended by
                then. Nothing is deleted.
            TaskFailedError: With `timeout`, as soon as the store has it: the message, or with `descendants` one of its
                callbacks, has failed for good, was revoked or has expired; or the message was removed.
        """
        message = message_of(self.backend, message)
        timeout = checked_wait("timeout", timeout, f"ResultStore.get() of {message.summary}")
        if timeout is not None and not descendants:
            return self._receive(message, timeout, keep, with_metadata, type)
        if timeout is not None:
            self._wait_for_all(message, timeout)
        records = self._records(message, descendants)
        if not records:
            raise KeyError(f"no result of {message.summary} is stored: give a timeout to wait for it")
        answers = self._answers(records, with_metadata, type)
        if not keep:
            self._delete(records)
        return answers if descendants else answers[0]

    def failure(self, message: Message, told: bool = False) -> TaskFailedError | None:
        """Return why the message will have no result; None if it may have one, as far as this backend knows.

        Args:
            message: The message.
            told: True if the store has published that the message ended or was revoked.
        """
        failure = failure_of(self.backend, message)
        if failure is None and was_removed(self.backend, message):
            return gone(message)
        return end_without_result(self.backend, message) if failure is None and told else failure

    def _receive(
        self, message: Message, timeout: int, keep: bool, with_metadata: bool, type_hint: Any
    ) -> Any:
        """Read the message's own result once, then wait for notifications."""
        deadline = time.monotonic() + timeout / 1000
        news, record, may_have_failed = self.backend.watch_result(message.queue, message.uuid)
        with news:
            told = False
            while record is None:
                if may_have_failed and (failure := self.failure(message, told)) is not None:
                    raise failure
                note = news.wait(_left(message.summary, deadline, timeout))
                if note is not None and note.data:
                    record = ResultRecord.unpack(message.uuid, note.data)
                else:
                    record = self.backend.results.get([message.uuid])[0]
                    may_have_failed, told = True, told or note is not None
            (answer,) = self._answers([record], with_metadata, type_hint)
            if not keep:
                self.backend.take_watched(news, message.uuid)
        return answer

    def _wait_for_all(self, message: Message, timeout: int) -> None:
        """Wait until the message and its callbacks have all the results that they will have."""
        deadline = time.monotonic() + timeout / 1000
        lineage = Lineage(self, message)
        with self.backend.subscribe(*lineage.channels) as news:
            while not lineage.over():
                left = _left(f"{message.summary} or of its callbacks ({lineage.awaited})", deadline, timeout)
                lineage.heard(news.wait(min(left, _POLL_INTERVAL_MS)))

    def _records(self, given: Message | str, descendants: bool) -> list[ResultRecord]:
        if not descendants:
            own = self.backend.results.get([uuid_of(given)])[0]
            return [] if own is None else [own]
        message = message_of(self.backend, given)
        own = self.backend.results.get([message.uuid])[0]
        found = self.backend.results.descendants(message.uuid)
        known = {record.uuid for record in found}
        callbacks = [uuid for uuid in message.descendant_uuids or () if uuid not in known]
        # The callbacks of a message in the middle of a chain have another progenitor.
        found += [record for record in self.backend.results.get(callbacks) if record is not None]
        if own is None:
            if self.backend.messages.exists(message.queue, message.uuid):
                return []  # the message has not ended: its result would be missing from the list
            # It may have been written, and descendants' after it, since it was read above.
            own = self.backend.results.get([message.uuid])[0]
        records = found if own is None else [own, *found]
        return sorted(records, key=lambda record: record.timestamp)

    def _answers(self, records: Iterable[ResultRecord], with_metadata: bool, type_hint: Any) -> list[Any]:
        build = None if type_hint is None else builder_of(type_hint)
        return [self._answer(record, with_metadata, build) for record in records]

    def _answer(self, record: ResultRecord, with_metadata: bool, build: Builder | None) -> Any:
        result = self.backend.serializer.reverse(record.payload)
        if build is not None:
            try:
                result = build(result, "result")
            except MisfitError as misfit:
                raise ValidationError(
                    f"the result of message {record.uuid!r} does not fit its type: {misfit}"
                ) from misfit
        if not with_metadata:
            return result
        return {"result": result, "uuid": record.uuid, "timestamp": record.timestamp}

    def _delete(self, records: Iterable[ResultRecord]) -> int:
        uuids = [record.uuid for record in records]
        return self.backend.results.delete(uuids) if uuids else 0


def _left(whose: str, deadline: float, timeout: int) -> int:
    left = int((deadline - time.monotonic()) * 1000)
    if left <= 0:
        raise TimeoutError(f"no result of {whose} after {timeout} ms")
    return left
