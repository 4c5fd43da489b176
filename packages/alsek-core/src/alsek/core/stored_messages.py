"""What a broker tells of stored messages, and what changes them by hand."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from typing import TYPE_CHECKING, cast

from alsek.core.message import Message
from alsek.core.message_operations import MessageOperations
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.drivers.blocking import BlockingDriver, iterate_blocking, run_blocking

if TYPE_CHECKING:
    from alsek.core.broker import Broker


class StoredMessages:
    """The methods of a broker for messages that are stored. All take the uuid of a message in its place.

    Attributes:
        backend: The store.
    """

    backend: Backend

    def exists(self, message: Message | str) -> bool:
        """Return True if the message is in the store: delayed, ready or claimed."""
        return run_blocking(self._blocking().exists(message))

    async def aexists(self, message: Message | str) -> bool:
        """As :meth:`exists`, without blocking the event loop."""
        return await self._for_loop().exists(message)

    def retry(self, message: Message | str) -> None:
        """Count a retry, and delay the message by its backoff.

        A message that was read from the store is stored with the changes that were made to it since. For any other
        message, the stored one of this queue and uuid is retried unchanged.

        Raises:
            MessageDoesNotExistsError: The message is not in the store.
            ClaimLostError: Its claim is not the current one.
        """
        run_blocking(self._blocking().retry(message))

    async def aretry(self, message: Message | str) -> None:
        """As :meth:`retry`, without blocking the event loop."""
        await self._for_loop().retry(message)

    def remove(self, message: Message | str) -> None:
        """Remove the message from the store. It is no error if it isn't there.

        Raises:
            ClaimLostError: Its claim is not the current one.
        """
        run_blocking(self._blocking().remove(message))

    async def aremove(self, message: Message | str) -> None:
        """As :meth:`remove`, without blocking the event loop."""
        await self._for_loop().remove(message)

    def ack(self, message: Message | str) -> None:
        """Acknowledge the message: the same as :meth:`remove`."""
        self.remove(message)

    async def aack(self, message: Message | str) -> None:
        """As :meth:`ack`, without blocking the event loop."""
        await self.aremove(message)

    def fail(self, message: Message | str, error: BaseException | None = None) -> None:
        """Make a dead letter of the message; only remove it if `dlq_ttl` is None.

        Args:
            message: The message.
            error: Why it has failed; by default its ``exception_details``.

        Raises:
            MessageDoesNotExistsError: The message is neither in the store nor among the dead letters.
            ClaimLostError: Its claim is not the current one.
        """
        run_blocking(self._blocking().fail(message, error))

    async def afail(self, message: Message | str, error: BaseException | None = None) -> None:
        """As :meth:`fail`, without blocking the event loop."""
        await self._for_loop().fail(message, error)

    def revoke(self, message: Message | str) -> bool:
        """Revoke the message: it is not run, or stopped if it runs. Returns False if it isn't in the store."""
        return run_blocking(self._blocking().revoke(message))

    async def arevoke(self, message: Message | str) -> bool:
        """As :meth:`revoke`, without blocking the event loop."""
        return await self._for_loop().revoke(message)

    def is_revoked(self, message: Message | str) -> bool:
        """Return True if the message is in the store and revoked."""
        return run_blocking(self._blocking().is_revoked(message))

    async def ais_revoked(self, message: Message | str) -> bool:
        """As :meth:`is_revoked`, without blocking the event loop."""
        return await self._for_loop().is_revoked(message)

    def in_dlq(self, message: Message | str) -> bool:
        """Return True if the message is among the dead letters."""
        return run_blocking(self._blocking().in_dlq(message))

    async def ain_dlq(self, message: Message | str) -> bool:
        """As :meth:`in_dlq`, without blocking the event loop."""
        return await self._for_loop().in_dlq(message)

    def dead_letters(self, queue: str) -> Iterator[Message]:
        """Yield the dead letters of a queue, oldest first, with their ``exception_details``.

        Messages that fail during the loop are not yielded, so each may be replayed in it. A dead letter that can't be
        read is logged and left where it is.
        """
        return iterate_blocking(self._blocking().dead_letters(queue))

    def adead_letters(self, queue: str) -> AsyncGenerator[Message, None]:
        """As :meth:`dead_letters`, for ``async for``, without blocking the event loop."""
        return self._for_loop().dead_letters(queue)

    def replay(self, message: Message | str) -> None:
        """Move a dead letter back into its queue, as if it had just been submitted.

        A message that was read from the store is replayed with the changes that were made to it since. For any other
        message, the dead letter of this queue and uuid is replayed unchanged. If this raises a
        :class:`~alsek.exceptions.BackendError`, it may be called again without harm, unless the message has failed
        again in the meantime: then that dead letter is replayed. No middleware is called.

        Raises:
            MessageDoesNotExistsError: The message is not among the dead letters.
            MessageNotUniqueError: Another message holds its unique key; the dead letter stays.
        """
        run_blocking(self._blocking().replay(message))

    async def areplay(self, message: Message | str) -> None:
        """As :meth:`replay`, without blocking the event loop."""
        await self._for_loop().replay(message)

    def sync_from_backend(self, message: Message | str) -> Message:
        """Return the message as it is in the store now: delayed, ready, claimed or a dead letter.

        Raises:
            MessageDoesNotExistsError: The message is not in the store.
        """
        return run_blocking(self._blocking().sync_from_backend(message))

    async def async_from_backend(self, message: Message | str) -> Message:
        """As :meth:`sync_from_backend`, without blocking the event loop."""
        return await self._for_loop().sync_from_backend(message)

    def _blocking(self) -> MessageOperations:
        return MessageOperations(cast("Broker", self), BlockingDriver(self.backend))

    def _for_loop(self) -> MessageOperations:
        return MessageOperations(cast("Broker", self), self.backend.loop_driver())
