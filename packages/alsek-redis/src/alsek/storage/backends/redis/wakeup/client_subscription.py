"""Subscriptions through redis-py's own ``PubSub``, for clients without connections that can be used directly."""

from __future__ import annotations

from typing import Final

from alsek.core.clock import real_time as time
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.errors import CLIENT_ERRORS
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.subscriptions import Note, Subscription

_WAIT_S: Final = 10.0


class ClientSubscription(Subscription):
    """A subscription to some channels.

    Args:
        link: To the server.
        keys: The names.
        channels: Without the namespace.
    """

    def __init__(self, link: Link, keys: Keys, channels: tuple[str, ...]) -> None:
        self._link = link
        self._keys = keys
        try:
            self._pubsub = link.client.pubsub()
            self._pubsub.subscribe(*(keys.channel(channel) for channel in channels))
            for _ in channels:
                self._pubsub.get_message(timeout=link.timeout / 1000)
        except CLIENT_ERRORS as error:
            raise self._link.translate(error) from error

    def wait(self, timeout: int | None = None) -> Note | None:
        deadline = None if timeout is None else time.monotonic() + timeout / 1000
        while True:
            left = _WAIT_S if deadline is None else max(deadline - time.monotonic(), 0.0)
            try:
                found = self._pubsub.get_message(timeout=left)
            except CLIENT_ERRORS as error:
                raise self._link.translate(error) from error
            if found is not None and found["type"] == "message":
                channel, data = found["channel"], found["data"]
                name = channel.decode() if isinstance(channel, bytes) else channel
                return Note(self._keys.short_channel(name), data.encode() if isinstance(data, str) else data)
            if found is not None and found["type"] == "subscribe":
                return None  # it has reconnected
            if deadline is not None and time.monotonic() >= deadline:
                return None

    def close(self) -> None:
        self._pubsub.close()
