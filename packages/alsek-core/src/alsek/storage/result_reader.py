"""Reading, waiting for and deleting results: written once, for synchronous and asynchronous callers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from alsek.core.arguments.building import Builder, MisfitError, builder_of
from alsek.core.bounds import checked_wait
from alsek.core.clock import real_time as time
from alsek.core.ending import end_without_result, failure_of, gone, never_submitted, was_removed
from alsek.core.groups.group import Group
from alsek.core.lookup import message_of, uuid_of
from alsek.core.message import Message
from alsek.exceptions import TaskFailedError, ValidationError
from alsek.storage.backends.batches import in_pieces
from alsek.storage.backends.drivers.driver import Driver
from alsek.storage.backends.records import ResultRecord, TaskStatus
from alsek.storage.group_reader import GroupReader
from alsek.storage.lineage import Lineage
from alsek.types import Duration

if TYPE_CHECKING:
    from alsek.storage.result import ResultStore

#: The longest wait for a notification while waiting for a chain: a callback without a result ends without one.
_POLL_INTERVAL_MS: Final = 5_000

#: So many messages are asked for at once.
_PIECE: Final = 500

#: The statuses of a message that will have no result.
_ENDED: Final = (TaskStatus.FAILED, TaskStatus.UNKNOWN)


class ResultReader:
    """Reads the results of one store. What its methods do is said at those of the store.

    Args:
        store: The store.
        driver: Of the store's backend.
    """

    def __init__(self, store: ResultStore, driver: Driver) -> None:
        self.store = store
        self.driver = driver
        self._results = driver.backend.results

    async def exists(self, given: Message | str, descendants: bool) -> bool:
        """Return True if a result is stored: :meth:`ResultStore.exists`."""
        return bool(await self._records(given, descendants))

    async def delete(self, given: Message | str, descendants: bool) -> int:
        """Delete results, and return how many: :meth:`ResultStore.delete`."""
        return await self._delete(await self._records(given, descendants))

    async def get(
        self,
        given: Message | str | Group,
        timeout: Duration | None,
        keep: bool,
        with_metadata: bool,
        descendants: bool,
        type_hint: Any,
    ) -> Any:
        """Return a result: :meth:`ResultStore.get`."""
        if isinstance(given, Group):
            if with_metadata or descendants:
                raise ValidationError(
                    f"{given.summary} has neither metadata nor descendants: get() a message"
                )
            return await GroupReader(self.driver).get(given, timeout, type_hint)
        message = await message_of(self.driver, given)
        timeout = checked_wait("timeout", timeout, f"ResultStore.get() of {message.summary}")
        if timeout is not None and not descendants:
            return await self._receive(message, timeout, keep, with_metadata, type_hint)
        if timeout is not None:
            await self._wait_for_all(message, timeout)
        records = await self._records(message, descendants)
        if not records:
            raise KeyError(f"no result of {message.summary} is stored: give a timeout to wait for it")
        answers = self._answers(records, with_metadata, type_hint)
        if not keep:
            await self._delete(records)
        return answers if descendants else answers[0]

    async def records(self, uuids: Sequence[str]) -> list[ResultRecord | None]:
        """Return the stored results of these messages, in this order; None for one that has none."""
        found: list[ResultRecord | None] = []
        for piece in in_pieces(uuids, _PIECE):
            found += await self.driver.ask(self._results.get, piece)
        return found

    def result(self, record: ResultRecord) -> Any:
        """Return the result that a record holds."""
        return self.driver.backend.serializer.reverse(record.payload)

    async def doubtful(self, messages: Sequence[Message]) -> set[str]:
        """Return the uuids of those of these messages that may have failed, or may have been removed.

        Only of these does :meth:`failure` need to be asked, unless the store has published that one has ended.
        """
        found: set[str] = set()
        for piece in in_pieces(messages, _PIECE):
            places = [(message.queue, message.uuid) for message in piece]
            dead = await self.driver.ask(self.driver.backend.messages.may_be_dead, places)
            found.update(uuid for (_, uuid), may_be in zip(places, dead, strict=True) if may_be)
            tracked = [message.uuid for message in piece if message.status_ttl]
            if tracked:
                statuses = await self.driver.ask(self.driver.backend.statuses.get, tracked)
                found.update(each.uuid for each in statuses if each is not None and each.status in _ENDED)
            # They may be callbacks of one that has failed.
            unknown = [message.uuid for message in piece if not message.submitted]
            if unknown:
                parents = await self.driver.ask(self._results.failed_parents, unknown)
                found.update(u for u, parent in zip(unknown, parents, strict=True) if parent is not None)
        return found

    async def failure(self, message: Message, told: bool) -> TaskFailedError | None:
        """Return why the message will have no result: :meth:`ResultStore.failure`."""
        failure = await failure_of(self.driver, message)
        if failure is None and not message.submitted:
            failure = await never_submitted(self.driver, message.uuid, message.summary)
        if failure is None and await was_removed(self.driver, message):
            return gone(message)
        return await end_without_result(self.driver, message) if failure is None and told else failure

    async def _receive(
        self, message: Message, timeout: int, keep: bool, with_metadata: bool, type_hint: Any
    ) -> Any:
        """Read the message's own result once, then wait for notifications."""
        deadline = time.monotonic() + timeout / 1000
        news, record, may_have_failed = await self.driver.watch_result(message.queue, message.uuid)
        may_have_failed = (
            may_have_failed or not message.submitted
        )  # it may be a callback of one that has failed
        async with news:
            told = False
            while record is None:
                if may_have_failed and (failure := await self.failure(message, told)) is not None:
                    raise failure
                note = await news.wait(_left(message.summary, deadline, timeout))
                if note is not None and note.data:
                    record = ResultRecord.unpack(message.uuid, note.data)
                else:
                    (record,) = await self.driver.ask(self._results.get, [message.uuid])
                    may_have_failed, told = True, told or note is not None
            (answer,) = self._answers([record], with_metadata, type_hint)
            if not keep:
                await self.driver.take_watched(news, message.uuid)
        return answer

    async def _wait_for_all(self, message: Message, timeout: int) -> None:
        """Wait until the message and its callbacks have all the results that they will have."""
        deadline = time.monotonic() + timeout / 1000
        lineage = Lineage(self, message)
        async with await self.driver.subscribe(*lineage.channels) as news:
            while not await lineage.over():
                left = _left(f"{message.summary} or of its callbacks ({lineage.awaited})", deadline, timeout)
                lineage.heard(await news.wait(min(left, _POLL_INTERVAL_MS)))

    async def _records(self, given: Message | str, descendants: bool) -> list[ResultRecord]:
        ask, results = self.driver.ask, self._results
        if not descendants:
            (own,) = await ask(results.get, [uuid_of(given)])
            return [] if own is None else [own]
        message = await message_of(self.driver, given)
        (own,) = await ask(results.get, [message.uuid])
        found = await ask(results.descendants, message.uuid)
        known = {record.uuid for record in found}
        callbacks = [uuid for uuid in message.descendant_uuids or () if uuid not in known]
        # The callbacks of a message in the middle of a chain have another progenitor.
        found += [record for record in await ask(results.get, callbacks) if record is not None]
        if own is None:
            if await ask(self.driver.backend.messages.exists, message.queue, message.uuid):
                return []  # the message has not ended: its result would be missing from the list
            # It may have been written, and descendants' after it, since it was read above.
            (own,) = await ask(results.get, [message.uuid])
        records = found if own is None else [own, *found]
        return sorted(records, key=lambda record: record.timestamp)

    def _answers(self, records: Iterable[ResultRecord], with_metadata: bool, type_hint: Any) -> list[Any]:
        build = None if type_hint is None else builder_of(type_hint)
        return [self._answer(record, with_metadata, build) for record in records]

    def _answer(self, record: ResultRecord, with_metadata: bool, build: Builder | None) -> Any:
        result = self.result(record)
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

    async def _delete(self, records: Iterable[ResultRecord]) -> int:
        return await self.remove([record.uuid for record in records])

    async def remove(self, uuids: Sequence[str]) -> int:
        """Delete the results of these messages, and return how many there were."""
        return await self.driver.ask(self._results.delete, uuids) if uuids else 0


def _left(whose: str, deadline: float, timeout: int) -> int:
    left = int((deadline - time.monotonic()) * 1000)
    if left <= 0:
        raise TimeoutError(f"no result of {whose} after {timeout} ms")
    return left
