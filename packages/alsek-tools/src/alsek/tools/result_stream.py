"""The results of many messages, one after the other: written once, for synchronous and asynchronous callers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from itertools import islice
from typing import Any, Final, Generic, TypeVar

from alsek.core.bounds import check_number, checked_wait, milliseconds
from alsek.core.clock import real_time as time
from alsek.core.lookup import message_of, uuid_of
from alsek.core.message import Message
from alsek.core.short_repr import shown as shown_value
from alsek.exceptions import ValidationError
from alsek.storage.backends.batches import in_pieces
from alsek.storage.backends.drivers.driver import AsyncSubscription, Driver
from alsek.storage.backends.subscriptions import Note
from alsek.storage.result import ResultStore
from alsek.storage.result_reader import ResultReader
from alsek.tools.result_lookup import MOST_AT_ONCE, Complete, Look
from alsek.tools.result_taking import ResultTaking
from alsek.types import Duration

#: After so many results others on the caller's event loop have a turn: those that are there are read without a wait.
_RESULTS_BETWEEN_TURNS: Final = 50

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
        reader = ResultReader(self._store, driver)
        look = Look(reader, pending.values(), self._descendants)
        taking = ResultTaking(reader, self._descendants, self._keep)
        async with await driver.subscribe(*look.channels) as news:
            try:
                # The first look is at all of them; from then on, at those of which something is heard.
                complete, failure = await look.at(list(pending.values()))
                while pending:
                    for batch in in_pieces(complete, MOST_AT_ONCE):
                        for number, each in enumerate(await taking.read(batch), start=1):
                            uuid = each.message.uuid
                            del pending[uuid]
                            result = await taking.take(each, last=number == len(batch))
                            if number % _RESULTS_BETWEEN_TURNS == 0:
                                await driver.sleep(0)
                            for given in self._given[uuid]:
                                yield given, result
                    if failure is not None:
                        raise failure
                    if pending:
                        notes = await _heard(news, self._left(pending, deadline))
                        complete, failure = await look.after(notes, pending)
            finally:
                await taking.delete()

    async def in_order(self, driver: Driver) -> AsyncGenerator[tuple[Given, Any], None]:
        """Yield them in the order in which they were given."""
        deadline = self._deadline()
        pending = await self._messages(driver)
        reader = ResultReader(self._store, driver)
        look = Look(reader, pending.values(), self._descendants)
        taking = ResultTaking(reader, self._descendants, self._keep)
        async with await driver.subscribe(*look.channels) as news:
            queue = _Ahead(look, news, pending)
            results: dict[str, Any] = {}
            try:
                for number, given in enumerate(self._order, start=1):
                    uuid = uuid_of(given)
                    if number % _RESULTS_BETWEEN_TURNS == 0:
                        await driver.sleep(0)
                    if uuid in results:  # of a message of which this is a duplicate
                        yield given, results[uuid]
                        continue
                    while not queue.has(uuid):
                        await taking.delete()
                        await queue.advance(uuid, lambda: self._left(pending, deadline))
                    (complete,) = await taking.read([queue.take(uuid)])
                    result = await taking.take(complete, last=queue.empty)
                    if len(self._given[uuid]) > 1:
                        results[uuid] = result
                    yield given, result
            finally:
                await taking.delete()

    async def _messages(self, driver: Driver) -> dict[str, Message]:
        """Return the messages, by uuid, in the order in which they were given."""
        return {uuid: await message_of(driver, given[0]) for uuid, given in self._given.items()}

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


async def _heard(news: AsyncSubscription, timeout: int) -> list[Note | None]:
    """Return the next note, and those that have arrived with it; None where one may have been missed."""
    notes = [await news.wait(timeout)]
    while notes[-1] is not None and len(notes) < MOST_AT_ONCE and news.has_note():
        notes.append(await news.wait(0))
    return notes


class _Ahead:
    """The complete messages of an order, some of them ahead of their turn.

    Args:
        look: What is known of the results.
        news: On their channels.
        pending: The messages that were not taken, in their order.
    """

    def __init__(self, look: Look, news: AsyncSubscription, pending: dict[str, Message]) -> None:
        self._look = look
        self._news = news
        self._pending = pending
        self._complete: dict[str, Complete] = {}
        #: Those that were looked at since the subscription began: notes tell of what happens to them.
        self._seen: set[str] = set()
        self._doubtful: set[str] = set()
        self._ended: set[str] = set()

    @property
    def empty(self) -> bool:
        """Whether none is known to be complete."""
        return not self._complete

    def has(self, uuid: str) -> bool:
        """Return True if this one is complete."""
        return uuid in self._complete

    def take(self, uuid: str) -> Complete:
        """Take out one that is complete."""
        del self._pending[uuid]
        return self._complete.pop(uuid)

    async def advance(self, uuid: str, left: Callable[[], int]) -> None:
        """Look at the next ones, or wait for news, of which the first one is this.

        Args:
            uuid: The one whose turn it is; it is not complete.
            left: How long to wait (ms).

        Raises:
            TaskFailedError: It will have no result.
            TimeoutError: As `left` raises it.
        """
        if uuid not in self._seen:
            window = islice(self._pending.values(), self._look.at_once)
            unknown = [message for message in window if message.uuid not in self._complete]
            complete, doubtful = await self._look.ahead(unknown)
            self._complete.update((each.message.uuid, each) for each in complete)
            self._seen.update(message.uuid for message in unknown)
            self._doubtful.update(doubtful)
            if uuid in self._complete:
                return
        if uuid in self._doubtful or uuid in self._ended:
            failure = await self._look.failure(self._pending[uuid], told=uuid in self._ended)
            if failure is not None:
                raise failure
            self._doubtful.discard(uuid)
        while not self._take_in(await self._news.wait(left()), uuid):
            pass

    def _take_in(self, note: Note | None, uuid: str) -> bool:
        """Take in a note, and return True if it concerns this message, as far as is known."""
        if note is None:
            self._seen.clear()
            return True
        owner = self._look.owner(note)
        message = self._pending.get(owner)
        if message is None:
            return False
        told = self._look.told(note, message)
        if told is None:
            self._ended.add(owner)
            self._seen.discard(owner)
        elif owner == uuid or len(self._complete) < MOST_AT_ONCE:
            self._complete[owner] = told
        else:
            self._seen.discard(owner)
        return owner == uuid
