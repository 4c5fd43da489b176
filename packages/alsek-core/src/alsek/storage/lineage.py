"""Waiting for all results of a message and its callbacks.

A callback is stored in the same step of the store in which its parent ends. So exactly one message of a chain that goes
on is stored at any time. If the message before has ended and a callback is not stored, then it has ended too, or will
never run: ``do_callback`` returned False, it was removed, or its uuid existed already. Read from the first message to
the last, each that is not stored is therefore over for good; when the last one is over, the chain is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alsek.core.callbacks import Data, links, own
from alsek.core.ending import failure_of, gone, never_submitted, revoked, was_removed
from alsek.core.message import Message
from alsek.storage.backends.subscriptions import Note

if TYPE_CHECKING:
    from alsek.storage.result_reader import ResultReader

#: How many results are read at once.
_PIECE: Final = 32


class Lineage:
    """Finds out when a message and its callbacks have all the results that they will have.

    Args:
        reader: Reads the results.
        message: The first message of the chain.

    Attributes:
        uuids: The uuids of the message and its callbacks, in order.
        newest: When the newest result that was read was written (Unix ms); 0 for none.
    """

    def __init__(self, reader: ResultReader, message: Message) -> None:
        self.message = message
        self._reader = reader
        self._driver = reader.driver
        self._callbacks: list[Data] = list(links(message.callback_message_data))
        self.uuids: list[str] = [message.uuid, *(link["uuid"] for link in self._callbacks)]
        self.newest = 0
        #: The number of the first message that is not known to be over.
        self._front = 0
        #: True if one of the messages was found in the store, or the store has published that the first has ended.
        self._begun = False

    @property
    def awaited(self) -> str:
        """The uuid of the first message that is not known to be over."""
        return self.uuids[min(self._front, len(self.uuids) - 1)]

    @property
    def channels(self) -> list[str]:
        """The channels on which the store publishes their results."""
        return [f"results:{uuid}" for uuid in self.uuids]

    def heard(self, note: Note | None) -> None:
        """Take in what was published on one of the channels; None after a wait without a notification."""
        if note is not None and note.channel == f"results:{self.message.uuid}":
            self._begun = True

    async def over(self) -> bool:
        """Return True if all results are there that the messages will have.

        Raises:
            TaskFailedError: One of the messages has failed for good; or all have ended without a result.
        """
        while self._front < len(self.uuids):
            await self._pass_results()
            if self._front < len(self.uuids):
                if not await self._is_over(self._front):
                    return False
                self._front += 1
        if not self.newest and not await self._reader.exists(self.message, descendants=True):
            raise gone(self.message)
        return True

    async def _pass_results(self) -> None:
        """Move on past the messages whose results are there."""
        passed = _PIECE
        while passed == _PIECE:
            piece = self.uuids[self._front : self._front + _PIECE]
            found = await self._driver.ask(self._driver.backend.results.get, piece)
            passed = 0
            for number, record in enumerate(found, start=1):
                if record is not None:
                    passed = number
                    self.newest = max(self.newest, record.timestamp)
                elif self._reader.store.apart:
                    break  # only its result shows that it is over
            self._front += passed

    async def _is_over(self, number: int) -> bool:
        """Return True if a message without a result is over, given that those before it are."""
        member = self._member(number)
        if await self._is_stored(member):
            return False
        failure = await failure_of(self._driver, member)
        if failure is None and number == 0 and not member.submitted:
            failure = await never_submitted(self._driver, member.uuid, member.summary)
        if failure is not None:
            raise failure
        if self._reader.store.apart:
            return False
        if number == 0:
            return self._begun or await was_removed(self._driver, member) or await self._has_descendants()
        # A result store that overrides `set` has the result before the step that submits the callback.
        return not await self._is_stored(self._member(number - 1)) and not await self._is_stored(member)

    async def _is_stored(self, member: Message) -> bool:
        stored = await self._driver.ask(self._driver.backend.messages.get, member.queue, member.uuid)
        if stored is None:
            return False
        self._begun = True
        failure = revoked(member, stored)
        if failure is not None:
            raise failure
        return True

    async def _has_descendants(self) -> bool:
        """Return True if a descendant shows that the first message has ended."""
        if await self._driver.ask(self._driver.backend.results.descendants, self.message.uuid):
            return True
        if not self._callbacks:
            return False
        callback = self._member(1)
        return await self._driver.ask(self._driver.backend.messages.exists, callback.queue, callback.uuid)

    def _member(self, number: int) -> Message:
        return self.message if number == 0 else Message(**own(self._callbacks[number - 1]))
