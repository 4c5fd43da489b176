"""The results of many messages, one after the other: written once, for synchronous and asynchronous callers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any, Generic, TypeVar

from alsek.core.bounds import check_number, checked_wait, milliseconds
from alsek.core.clock import real_time as time
from alsek.core.lookup import message_of, uuid_of
from alsek.core.message import Message
from alsek.core.short_repr import shown as shown_value
from alsek.exceptions import ValidationError
from alsek.storage.backends.drivers.driver import Driver
from alsek.storage.result import ResultStore
from alsek.storage.result_reader import ResultReader
from alsek.tools.result_lookup import Look
from alsek.types import Duration

#: A message, or its uuid.
Given = TypeVar("Given", bound=Message | str)


class ResultStream(Generic[Given]):
    """Yields what was given, each with its result. The arguments are those of :meth:`ResultPool.istream`.

    Raises:
        ValidationError: A message is given twice, not as a duplicate, or is none; a time is no number of milliseconds.
    """

    def __init__(
        self,
        store: ResultStore,
        messages: Sequence[Given],
        wait: Duration,
        timeout: Duration | None,
        descendants: bool,
        keep: bool,
    ) -> None:
        self._store = store
        self._order = messages
        self._given = _by_uuid(messages)
        self._timeout = checked_wait("timeout", timeout, "ResultPool")
        self._wait = milliseconds(wait)
        check_number("wait", self._wait, 1, "ResultPool")
        self._descendants = descendants
        self._keep = keep

    async def as_they_come(self, driver: Driver) -> AsyncGenerator[tuple[Given, Any], None]:
        """Yield them in the order in which the results become available."""
        deadline = self._deadline()
        pending = await self._messages(driver)
        look = Look(ResultReader(self._store, driver), pending.values(), self._descendants)
        # The first look is at all of them; from then on, at those of which something is heard.
        look_at, note = list(pending.values()), None
        async with await driver.subscribe(*look.channels) as news:
            while pending:
                complete, failure = await look.at(look_at, told=note is not None)
                for message in complete:
                    del pending[message.uuid]
                    result = await self._result(driver, message)
                    for given in self._given[message.uuid]:
                        yield given, result
                if failure is not None:
                    raise failure
                if pending:
                    note = await news.wait(self._left(pending, deadline))
                    # With no note something may have been missed.
                    heard_of = pending.values() if note is None else [pending.get(look.owner(note))]
                    look_at = [message for message in heard_of if message is not None]

    async def in_order(self, driver: Driver) -> AsyncGenerator[tuple[Given, Any], None]:
        """Yield them in the order in which they were given."""
        deadline = self._deadline()
        pending = await self._messages(driver)
        look = Look(ResultReader(self._store, driver), pending.values(), self._descendants)
        told: set[str] = set()
        async with await driver.subscribe(*look.channels) as news:
            results: dict[str, Any] = {}
            for given in self._order:
                uuid = uuid_of(given)
                if uuid in results:  # of a message of which this is a duplicate
                    yield given, results[uuid]
                    continue
                message = pending[uuid]
                while True:
                    complete, failure = await look.at([message], told=uuid in told)
                    if complete:
                        break
                    if failure is not None:
                        raise failure
                    while (note := await news.wait(self._left(pending, deadline))) is not None:
                        told.add(look.owner(note))
                        if look.owner(note) == uuid:
                            break
                del pending[uuid]
                result = await self._result(driver, message)
                if len(self._given[uuid]) > 1:
                    results[uuid] = result
                yield given, result

    async def _messages(self, driver: Driver) -> dict[str, Message]:
        """Return the messages, by uuid, in the order in which they were given."""
        return {uuid: await message_of(driver, given[0]) for uuid, given in self._given.items()}

    async def _result(self, driver: Driver, message: Message) -> Any:
        """Return a result that is there, as a subclass of the store reads it."""
        if driver.blocking:
            return self._store.get(message, keep=self._keep, descendants=self._descendants)
        return await self._store.aget(message, keep=self._keep, descendants=self._descendants)

    def _deadline(self) -> float | None:
        return None if self._timeout is None else time.monotonic() + self._timeout / 1000

    def _left(self, pending: dict[str, Message], deadline: float | None) -> int:
        if deadline is None:
            return self._wait
        left = int((deadline - time.monotonic()) * 1000)
        if left <= 0:
            some = ", ".join(list(pending)[:3]) + (", …" if len(pending) > 3 else "")
            raise TimeoutError(f"{len(pending)} results are missing after {self._timeout} ms: {some}")
        return min(self._wait, left)


def _by_uuid(messages: Sequence[Given]) -> dict[str, list[Given]]:
    """Return what was given by uuid: of each one message, and its duplicates."""
    for message in messages:
        given: Any = message
        if not isinstance(given, Message | str):
            raise ValidationError(
                f"{shown_value(given)} is no message: give messages one by one, as in pool.istream(*messages)"
            )
    found: dict[str, list[Given]] = {}
    for message in messages:
        found.setdefault(uuid_of(message), []).append(message)
    for given in found.values():
        if len(given) > 1 and sum(not _is_duplicate(each) for each in given) > 1:
            raise ValidationError("a message is given twice: each has one result")
    return found


def _is_duplicate(given: Message | str) -> bool:
    return isinstance(given, Message) and given.duplicate
