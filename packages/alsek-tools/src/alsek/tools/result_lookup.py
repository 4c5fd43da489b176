"""Looking which of many messages have all their results."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Final, NamedTuple

from alsek.core.clock import real_time as time
from alsek.core.message import Message
from alsek.exceptions import TaskFailedError
from alsek.storage.backends.records import ResultRecord
from alsek.storage.backends.subscriptions import Note
from alsek.storage.lineage import Lineage
from alsek.storage.result_reader import ResultReader

#: So many results are taken at once.
MOST_AT_ONCE: Final = 200

#: Of one look, so many bytes of results are kept until they are yielded; the others are read again.
_MOST_KEPT: Final = 16_000_000

#: After a missed note all pending messages are looked at; whether they may have failed is asked at most so often.
_DOUBT_EVERY_S: Final = 0.5


class Complete(NamedTuple):
    """A message whose results are all there.

    Attributes:
        message: The message.
        timestamp: When its newest result was written (Unix ms).
        record: Its own result; None if it is to be read again.
    """

    message: Message
    timestamp: int
    record: ResultRecord | None


#: What a look has found: the complete ones, in the order in which they were completed; and why one of the others has no
#: result, and will have none.
Found = tuple[list[Complete], TaskFailedError | None]


class Look:
    """What is known of the results of some messages.

    Args:
        reader: Reads the results.
        messages: Whose results.
        descendants: Those of their callbacks count, too.
    """

    def __init__(self, reader: ResultReader, messages: Iterable[Message], descendants: bool) -> None:
        messages = list(messages)
        self._reader = reader
        #: For each uuid whose result is waited for, the message to look at when something is heard of it.
        self._whose = {message.uuid: message.uuid for message in messages}
        self._lineages: dict[str, Lineage] = {}
        self._doubted_at = -_DOUBT_EVERY_S
        if descendants:
            self._lineages = {message.uuid: Lineage(reader, message) for message in messages}
            for owner, lineage in self._lineages.items():
                self._whose.update(dict.fromkeys(lineage.uuids, owner))

    @property
    def at_once(self) -> int:
        """How many messages of an order :meth:`ahead` takes at once."""
        return 1 if self._lineages else MOST_AT_ONCE

    @property
    def channels(self) -> list[str]:
        """Where the store tells of the results."""
        return [f"results:{uuid}" for uuid in self._whose]

    def owner(self, note: Note) -> str:
        """The uuid of the message to look at, now that this was heard."""
        owner = self._whose[note.channel.removeprefix("results:")]
        if owner in self._lineages:
            self._lineages[owner].heard(note)
        return owner

    def told(self, note: Note, message: Message) -> Complete | None:
        """Return the result that came with a note about this message; None if it must be looked for."""
        if not note.data or self._lineages:
            return None
        record = ResultRecord.unpack(message.uuid, note.data)
        return Complete(message, record.timestamp, record)

    async def at(self, messages: Sequence[Message], ended: Collection[str] = ()) -> Found:
        """Look at some of the messages.

        Args:
            messages: Which.
            ended: The uuids of those of which something was published that is not their result.
        """
        if self._lineages:
            return await self._at_lineages(messages)
        complete, missing = await self._own(messages)
        now, doubtful = time.monotonic(), set[str]()
        if now - self._doubted_at >= _DOUBT_EVERY_S:
            self._doubted_at = now
            doubtful = await self._reader.doubtful(missing)
        for message in missing:
            if message.uuid in doubtful or message.uuid in ended:
                failure = await self._reader.failure(message, message.uuid in ended)
                if failure is not None:
                    return complete, failure
        return complete, None

    async def after(self, notes: Iterable[Note | None], pending: Mapping[str, Message]) -> Found:
        """Look at those of the pending messages of which something was heard; at all, if a note was missed."""
        complete: dict[str, Complete] = {}
        look_at: dict[str, Message] = {}
        missed = False
        for note in notes:
            message = None if note is None else pending.get(self.owner(note))
            if note is None:
                missed = True
            elif message is not None:
                told = self.told(note, message)
                if told is None:
                    look_at[message.uuid] = message
                else:
                    complete[message.uuid] = told
        ended = look_at.keys()
        unknown = [each for each in (pending if missed else look_at).values() if each.uuid not in complete]
        if not unknown:
            return in_order_of_time(complete.values()), None
        found, failure = await self.at(unknown, ended)
        return in_order_of_time([*complete.values(), *found]), failure

    async def ahead(self, messages: Sequence[Message]) -> tuple[list[Complete], set[str]]:
        """Look at the next messages of an order.

        Returns:
            The complete ones; and the uuids of the others that may have failed: :meth:`failure` tells.

        Raises:
            TaskFailedError: With descendants, the only message will have no result.
        """
        if self._lineages:
            complete, failure = await self._at_lineages(messages)
            if failure is not None:
                raise failure
            return complete, set()
        complete, missing = await self._own(messages)
        return complete, await self._reader.doubtful(missing)

    async def failure(self, message: Message, told: bool) -> TaskFailedError | None:
        """Return why the message will have no result: :meth:`ResultStore.failure`."""
        return None if self._lineages else await self._reader.failure(message, told)

    async def _own(self, messages: Sequence[Message]) -> tuple[list[Complete], list[Message]]:
        """Return those that have their own result, in the order in which these were written, and the others."""
        complete, missing, kept = [], [], 0
        records = await self._reader.records([message.uuid for message in messages])
        for message, record in zip(messages, records, strict=True):
            if record is None:
                missing.append(message)
            else:
                kept += len(record.payload)
                complete.append(Complete(message, record.timestamp, record if kept <= _MOST_KEPT else None))
        return in_order_of_time(complete), missing

    async def _at_lineages(self, messages: Sequence[Message]) -> Found:
        complete: list[Complete] = []
        failure: TaskFailedError | None = None
        for message in messages:
            lineage = self._lineages[message.uuid]
            try:
                if await lineage.over():
                    complete.append(Complete(message, lineage.newest, None))
            except TaskFailedError as error:
                failure = failure or error
        return in_order_of_time(complete), failure


def in_order_of_time(complete: Iterable[Complete]) -> list[Complete]:
    """Those that were completed first come first."""
    return sorted(complete, key=attrgetter("timestamp"))
