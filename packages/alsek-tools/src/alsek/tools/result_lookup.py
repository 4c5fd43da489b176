"""Looking which of many messages have all their results."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter

from alsek.core.message import Message
from alsek.exceptions import TaskFailedError
from alsek.storage.backends.subscriptions import Note
from alsek.storage.lineage import Lineage
from alsek.storage.result_reader import ResultReader


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
        if descendants:
            self._lineages = {message.uuid: Lineage(reader, message) for message in messages}
            for owner, lineage in self._lineages.items():
                self._whose.update(dict.fromkeys(lineage.uuids, owner))

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

    async def at(self, messages: list[Message], told: bool) -> tuple[list[Message], TaskFailedError | None]:
        """Look at some of the messages.

        Args:
            messages: Which.
            told: Because something was published of them.

        Returns:
            Those whose results are all there, in the order in which they were completed; and why one of the others has
            none, and will have none.
        """
        return await (self._at_lineages(messages) if self._lineages else self._at_own(messages, told))

    async def _at_own(
        self, messages: list[Message], told: bool
    ) -> tuple[list[Message], TaskFailedError | None]:
        """One question to the store, however many messages."""
        driver = self._reader.driver
        found = await driver.ask(driver.backend.results.get, [message.uuid for message in messages])
        complete = [
            (record.timestamp, message)
            for record, message in zip(found, messages, strict=True)
            if record is not None
        ]
        failure = None
        for record, message in zip(found, messages, strict=True):
            if record is None:
                failure = await self._reader.failure(message, told)
                if failure is not None:
                    break
        return _sorted(complete), failure

    async def _at_lineages(self, messages: list[Message]) -> tuple[list[Message], TaskFailedError | None]:
        complete: list[tuple[int, Message]] = []
        failure: TaskFailedError | None = None
        for message in messages:
            lineage = self._lineages[message.uuid]
            try:
                if await lineage.over():
                    complete.append((lineage.newest, message))
            except TaskFailedError as error:
                failure = failure or error
        return _sorted(complete), failure


def _sorted(complete: list[tuple[int, Message]]) -> list[Message]:
    return [message for _, message in sorted(complete, key=itemgetter(0))]
