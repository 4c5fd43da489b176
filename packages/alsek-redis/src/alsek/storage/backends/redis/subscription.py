"""Hearing what is published, on a connection of one's own."""

from __future__ import annotations

import time
from typing import Any, Final

from alsek.exceptions import AlsekError
from alsek.storage.backends.abstract import Note, Subscription
from alsek.storage.backends.redis.connection import Link
from alsek.storage.backends.redis.faults import CLIENT_ERRORS, is_passing
from alsek.storage.backends.redis.keys import Keys

_PING_AFTER_SECONDS: Final = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0


def new_subscription(link: Link, keys: Keys, channels: tuple[str, ...]) -> Subscription:
    """The subscription that this link can serve; it hears from now on."""
    if link.direct:
        return SocketSubscription(link, keys, channels)
    return ClientSubscription(link, keys, channels)


class SocketSubscription(Subscription):
    """A connection that has subscribed. Silence is tested with a ping, so that a dead one is noticed.

    Args:
        link: To the server.
        keys: The names.
        channels: Without the namespace.
    """

    def __init__(self, link: Link, keys: Keys, channels: tuple[str, ...]) -> None:
        self._link = link
        self._prefix = keys.channel("")
        self._names = [keys.channel(channel) for channel in channels]
        self._connection: Any = None
        self._pinged = False
        self._subscribe()

    def wait(self, timeout: int | None = None) -> Note | None:
        deadline = None if timeout is None else time.monotonic() + timeout / 1000
        while True:
            left = _PING_AFTER_SECONDS
            if deadline is not None:
                left = min(left, max(deadline - time.monotonic(), 0.0))
            try:
                if self._connection is None:
                    raise ConnectionResetError("the subscription is closed")
                if self._connection.can_read(left):
                    self._pinged = False
                    note = self._note(self._connection.read_response(disable_decoding=True))
                    if note is not None:
                        return note
                elif deadline is not None and time.monotonic() >= deadline:
                    return None
                elif left >= _PING_AFTER_SECONDS:
                    self._ping()
            except CLIENT_ERRORS as error:
                if self._connection is None or isinstance(error, AlsekError):
                    raise
                if not is_passing(error):
                    raise self._link.told(error) from error
                self._subscribe()
                return None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None

    def _note(self, reply: Any) -> Note | None:
        if not isinstance(reply, list) or reply[0] != b"message":
            return None
        return Note(reply[1].decode().removeprefix(self._prefix), reply[2])

    def _ping(self) -> None:
        if self._pinged:
            raise ConnectionResetError("the server does not answer")
        self._connection.send_command("PING", check_health=False)
        self._pinged = True

    def _subscribe(self) -> None:
        """Connect and subscribe, again and again until the link's timeout."""
        begun, pause = time.monotonic(), _FIRST_PAUSE
        while True:
            try:
                self._connect()
                return
            except CLIENT_ERRORS as error:
                waited = time.monotonic() - begun
                if not is_passing(error) or waited + pause > self._link.timeout / 1000:
                    raise self._link.told(error) from error
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _connect(self) -> None:
        if self._connection is not None:
            self._connection.disconnect()
        self._pinged = False
        usual = self._link.timeout / 2000
        connection = self._connection = self._link.connect(usual, usual)
        connection.send_command("SUBSCRIBE", *self._names, check_health=False)
        for _ in self._names:
            connection.read_response(disable_decoding=True)


class ClientSubscription(Subscription):
    """For clients that no connection can be had from: redis-py's own ``PubSub``.

    Args:
        link: To the server.
        keys: The names.
        channels: Without the namespace.
    """

    def __init__(self, link: Link, keys: Keys, channels: tuple[str, ...]) -> None:
        self._link = link
        self._prefix = keys.channel("")
        try:
            self._pubsub = link.client.pubsub()
            self._pubsub.subscribe(*(keys.channel(channel) for channel in channels))
            for _ in channels:
                self._pubsub.get_message(timeout=link.timeout / 1000)
        except CLIENT_ERRORS as error:
            raise self._link.told(error) from error

    def wait(self, timeout: int | None = None) -> Note | None:
        deadline = None if timeout is None else time.monotonic() + timeout / 1000
        while True:
            left = _PING_AFTER_SECONDS if deadline is None else max(deadline - time.monotonic(), 0.0)
            try:
                found = self._pubsub.get_message(timeout=left)
            except CLIENT_ERRORS as error:
                raise self._link.told(error) from error
            if found is not None and found["type"] == "message":
                channel, data = found["channel"], found["data"]
                name = channel.decode() if isinstance(channel, bytes) else channel
                return Note(name.removeprefix(self._prefix), data.encode() if isinstance(data, str) else data)
            if found is not None and found["type"] == "subscribe":
                return None  # it has reconnected
            if deadline is not None and time.monotonic() >= deadline:
                return None

    def close(self) -> None:
        self._pubsub.close()
