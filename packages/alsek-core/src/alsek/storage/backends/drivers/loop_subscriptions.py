"""The subscriptions of one event loop, by channel: one listener of the store serves all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from alsek.storage.backends.drivers.driver import AsyncSubscription
from alsek.storage.backends.drivers.mailbox import Mailbox
from alsek.storage.backends.subscriptions import Note


class LoopSubscription(AsyncSubscription):
    """A subscription of one coroutine, in a :class:`LoopSubscriptions`.

    Args:
        loop: The event loop.
        channels: The channels, without the namespace.
        remove: Called once, when the subscription is closed.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        channels: Iterable[str],
        remove: Callable[[LoopSubscription], None],
    ) -> None:
        self.channels = frozenset(channels)
        self._mailbox = Mailbox(loop)
        self._remove: Callable[[LoopSubscription], None] | None = remove

    def receive(self, note: Note | None) -> None:
        """Add a note; None if one may have been missed."""
        self._mailbox.put(note)

    async def wait(self, timeout: int | None = None) -> Note | None:
        return await self._mailbox.take(timeout)

    def has_note(self) -> bool:
        return bool(self._mailbox)

    async def close(self) -> None:
        self.cancel()

    def cancel(self) -> None:
        """Unsubscribe. Closing twice is no error."""
        remove, self._remove = self._remove, None
        if remove is not None:
            remove(self)
            self._mailbox.put(None)  # a wait() of another coroutine returns


class LoopSubscriptions:
    """All subscriptions of one event loop to one backend. Used in the loop's thread alone.

    Args:
        loop: The event loop.
        added: Called with the channels of which the first subscription has begun.
        removed: Called with the channels of which the last subscription has ended.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        added: Callable[[list[str]], None] = lambda _channels: None,
        removed: Callable[[list[str]], None] = lambda _channels: None,
    ) -> None:
        self._loop = loop
        self._added = added
        self._removed = removed
        #: In the order of subscribing.
        self._all: dict[LoopSubscription, None] = {}
        self._by_channel: dict[str, dict[LoopSubscription, None]] = {}

    def __len__(self) -> int:
        return len(self._all)

    @property
    def channels(self) -> list[str]:
        """The channels of all subscriptions, each once."""
        return list(self._by_channel)

    def add(self, channels: Iterable[str]) -> LoopSubscription:
        """Return a new subscription to these channels."""
        subscription = LoopSubscription(self._loop, channels, self._remove)
        self._all[subscription] = None
        new = []
        for channel in subscription.channels:
            if channel not in self._by_channel:
                self._by_channel[channel] = {}
                new.append(channel)
            self._by_channel[channel][subscription] = None
        if new:
            self._added(new)
        return subscription

    def _remove(self, subscription: LoopSubscription) -> None:
        self._all.pop(subscription, None)
        gone = []
        for channel in subscription.channels:
            subscribed = self._by_channel.get(channel)
            if subscribed is not None:
                subscribed.pop(subscription, None)
                if not subscribed:
                    del self._by_channel[channel]
                    gone.append(channel)
        if gone:
            self._removed(gone)

    def receive(self, note: Note) -> None:
        """Hand a note to all that are subscribed to its channel."""
        for subscription in list(self._by_channel.get(note.channel, ())):
            subscription.receive(note)

    def has(self, channel: str) -> bool:
        """Return True if there is a subscription to the channel."""
        return channel in self._by_channel

    def tell(self, channels: Iterable[str]) -> None:
        """Tell those who are subscribed to one of these channels that they may have missed a note."""
        for subscription in {each for name in channels for each in self._by_channel.get(name, ())}:
            subscription.receive(None)

    def missed(self, most: int | None = None) -> None:
        """Tell all subscriptions, or the next `most` of them in turn, that they may have missed a note."""
        chosen = list(self._all)[:most]
        for subscription in chosen:
            subscription.receive(None)
        if most is not None and len(chosen) < len(self._all):
            for subscription in chosen:  # the next time it is the others' turn
                self._all[subscription] = self._all.pop(subscription)


def unreported(task: asyncio.Task[None]) -> asyncio.Task[None]:
    """Return a task whose error is not reported if nobody waits for it any more: the next attempt has its own."""
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task
