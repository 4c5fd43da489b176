"""The subscriptions of an event loop: one connection listens for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from alsek.storage.backends.drivers.driver import AsyncSubscription
from alsek.storage.backends.drivers.loop_subscriptions import LoopSubscription, LoopSubscriptions
from alsek.storage.backends.redis.client.resp import encode
from alsek.storage.backends.redis.event_loop.link import AsyncLink
from alsek.storage.backends.redis.event_loop.pipeline import Pipeline
from alsek.storage.backends.redis.event_loop.shared_connection import SharedConnection
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.subscriptions import Note

_PING_AFTER_S: Final = 10.0
_PING: Final = encode(["PING"])


class LoopListener:
    """Subscribes to channels, and hands out what is published on them.

    A connection that is lost is opened again by those who wait, and subscribes to the same channels.

    Args:
        link: Opens connections, with its rules for outages.
        keys: The names.
    """

    def __init__(self, link: AsyncLink, keys: Keys) -> None:
        self._link = link
        self._keys = keys
        self._loop = asyncio.get_running_loop()
        self._connection = SharedConnection(self._open)
        self._subscriptions = LoopSubscriptions(self._loop, removed=self._unsubscribe)
        self._timer: asyncio.TimerHandle | None = None

    @property
    def connected(self) -> bool:
        """Whether nothing that is published is missed at the moment."""
        return self._connection.present is not None

    async def subscribe(self, channels: Sequence[str]) -> AsyncSubscription:
        """A subscription to what is published on these channels from now on.

        Raises:
            BackendUnavailableError, BackendError: As of a call.
        """
        subscription = self._subscriptions.add(channels)
        commands = [self._packed("SUBSCRIBE", channel) for channel in subscription.channels]

        async def subscribe(left: float) -> None:
            pipeline = await self._connection.get(left)
            await _acknowledged([pipeline.ask(command) for command in commands])

        try:
            await self._link.retry(subscribe)
        except BaseException:
            subscription.cancel()
            raise
        return ListenerSubscription(self, subscription)

    async def connect(self) -> None:
        """Connect again if the connection is lost.

        Raises:
            BackendUnavailableError, BackendError: As of a call.
        """
        await self._link.retry(self._connection.get)

    async def close(self) -> None:
        """Close the connection. Those who wait open a new one."""
        self._stop_timer()
        await self._connection.close()
        self._subscriptions.missed()

    def abandon(self, inherited: bool) -> None:
        """Close the connection: :meth:`SharedConnection.abandon`."""
        self._connection.abandon(inherited)

    async def _open(self, left: float) -> Pipeline:
        pipeline = await self._link.open(left, self._receive, self._lost)
        channels = self._subscriptions.channels
        try:
            await _acknowledged([pipeline.ask(self._packed("SUBSCRIBE", channel)) for channel in channels])
        except BaseException:
            pipeline.close()
            raise
        for channel in set(channels).difference(self._subscriptions.channels):  # it was closed meanwhile
            pipeline.tell(self._packed("UNSUBSCRIBE", channel))
        self._stop_timer()
        self._timer = self._loop.call_later(_PING_AFTER_S, self._ping)
        return pipeline

    def _receive(self, channel: bytes, data: bytes) -> None:
        self._subscriptions.receive(Note(self._keys.short_channel(channel.decode()), data))

    def _unsubscribe(self, channels: list[str]) -> None:
        pipeline = self._connection.present
        if pipeline is not None:
            for channel in channels:
                pipeline.tell(self._packed("UNSUBSCRIBE", channel))

    def _packed(self, name: str, channel: str) -> bytes:
        return encode([name, self._keys.channel(channel)])

    def _lost(self) -> None:
        self._stop_timer()
        self._subscriptions.missed()

    def _ping(self) -> None:
        """Test whether a server that says nothing lives: without an answer the connection breaks."""
        pipeline = self._connection.present
        self._timer = None
        if pipeline is None:
            return
        quiet_s = pipeline.quiet_s
        if quiet_s >= _PING_AFTER_S:
            quiet_s = 0.0
            if self._subscriptions:
                pipeline.tell(_PING)
        self._timer = self._loop.call_later(_PING_AFTER_S - quiet_s, self._ping)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class ListenerSubscription(AsyncSubscription):
    """A subscription of one coroutine.

    Args:
        listener: Its connection is this one's.
        subscription: Keeps the notes.
    """

    __slots__ = ("_listener", "_subscription")

    def __init__(self, listener: LoopListener, subscription: LoopSubscription) -> None:
        self._listener = listener
        self._subscription = subscription

    async def wait(self, timeout: int | None = None) -> Note | None:
        note = await self._subscription.wait(timeout)
        if note is None and not self._listener.connected:
            try:
                await self._listener.connect()  # so that the caller misses nothing after it has looked
            except BaseException:
                self._subscription.receive(None)  # the next wait connects
                raise
        return note

    def has_note(self) -> bool:
        return self._subscription.has_note()

    async def close(self) -> None:
        self._subscription.cancel()


async def _acknowledged(answers: Sequence[asyncio.Future[Any]]) -> None:
    """Return when all these commands are answered.

    Raises:
        Exception: One of the answers is an error.
    """
    try:
        for answer in answers:
            await answer
    finally:
        for answer in answers:
            if not answer.cancel() and not answer.cancelled():
                answer.exception()  # it is known now
