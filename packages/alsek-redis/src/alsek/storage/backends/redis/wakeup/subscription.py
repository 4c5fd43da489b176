"""Hearing what is published, on a connection of one's own."""

from __future__ import annotations

import os
import threading
from typing import Any, Final

from redis.exceptions import ResponseError

from alsek.core.clock import real_time as time
from alsek.core.pauses import Pauses
from alsek.storage.backends.abstract import Note, Subscription
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.errors import CLIENT_ERRORS, is_transient
from alsek.storage.backends.redis.client.interruptions import let_through
from alsek.storage.backends.redis.client.resp import encode
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.redis.wakeup.listeners import IdleListeners, Listener

_PING_AFTER_SECONDS: Final = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 1.0
_MULTI, _EXEC, _PING = encode(["MULTI"]), encode(["EXEC"]), encode(["PING"])


def new_subscription(link: Link, ears: IdleListeners, keys: Keys, channels: tuple[str, ...]) -> Subscription:
    """The subscription that this link can serve; it hears from now on."""
    if link.direct:
        return SocketSubscription(link, ears, keys, channels)
    return ClientSubscription(link, keys, channels)


def subscribe_and_read(
    link: Link, ears: IdleListeners, keys: Keys, channel: str, reads: tuple[str, ...]
) -> tuple[Subscription, list[bytes | None]]:
    """A subscription, and what these STRINGs were after it began; in one trip where that is possible."""
    subscription: SocketSubscription | ClientSubscription
    if link.direct:
        subscription = SocketSubscription(link, ears, keys, (channel,), reads)
        if subscription.found is not None:
            return subscription, subscription.found
    else:
        subscription = ClientSubscription(link, keys, (channel,))
    try:
        found: list[bytes | None] = link.call("MGET", *reads)
    except BaseException:
        subscription.close()
        raise
    return subscription, found


class SocketSubscription(Subscription):
    """A connection that has subscribed. Silence is tested with a ping, so that a dead one is noticed.

    Args:
        link: To the server.
        ears: Where the connection is taken from, and left for the next.
        keys: The names.
        channels: Without the namespace; only one of them if there are `reads`.
        reads: Names of STRINGs to read in the same trip, after subscribing.

    Attributes:
        found: What was read of them; None if nothing was, since this server, or this user's rights, don't allow for it.
    """

    def __init__(
        self,
        link: Link,
        ears: IdleListeners,
        keys: Keys,
        channels: tuple[str, ...],
        reads: tuple[str, ...] = (),
    ) -> None:
        self._link = link
        self._ears = ears
        self._keys = keys
        names = [keys.channel(channel) for channel in channels]
        self._channels = len(names)
        self._subscribe_command = encode(["SUBSCRIBE", *names])
        self._ear: Listener | None = None
        self._pinged = False
        self._quiet_since = 0.0
        self._begin()
        self.found: list[bytes | None] | None = None
        if reads and ears.read_along:
            self.found = self._subscribe(encode(["MGET", *reads]))
        else:
            self._subscribe()

    def _begin(self) -> None:
        """In this process: a lock that a parent's thread holds is not ours."""
        self._pid = os.getpid()
        self._waiting = threading.Lock()

    def wait(self, timeout: int | None = None) -> Note | None:
        deadline = None if timeout is None else time.monotonic() + timeout / 1000
        if self._ear is not None and self._pid != os.getpid():
            self._begin()
            self._subscribe()
            return None
        with self._waiting:
            ear = self._ear
            if ear is None:
                raise ConnectionResetError("the subscription is closed")
            while True:
                try:
                    heard, note = self._hear(ear, deadline)
                except Exception as error:
                    let_through(error)
                    if self._ear is not ear:  # another thread has closed it: no matter what the client says
                        return None
                    if not isinstance(error, CLIENT_ERRORS):
                        raise
                    if not is_transient(error):
                        raise self._link.translate(error) from error
                    self._subscribe()
                    return None
                if note is not None or not heard:
                    return note

    def _hear(self, ear: Listener, deadline: float | None) -> tuple[bool, Note | None]:
        """Whether there is reason to go on, and the note that was heard."""
        until = self._quiet_since + _PING_AFTER_SECONDS
        wake = until if deadline is None else min(until, deadline)
        reply = ear.hear(max(wake - time.monotonic(), 0.0))
        now = time.monotonic()
        if reply is not None:
            self._quiet_since, self._pinged = now, False
            if isinstance(reply, list) and reply[0] == b"message":
                return True, Note(self._keys.short_channel(reply[1].decode()), reply[2])
        elif deadline is not None and now >= deadline:
            return False, None
        elif now >= until:
            if self._pinged:
                raise ConnectionResetError("the server does not answer")
            ear.send(_PING)
            self._quiet_since, self._pinged = now, True
        return True, None

    def close(self) -> None:
        ear = self._withdraw()
        if ear is not None:
            self._ears.leave(ear, self._channels)

    def close_and_ask(self, *command: str) -> Any:
        """Close, and send a command that can be repeated without harm, in the same trip; its answer.

        Raises:
            BackendUnavailableError, BackendError: As :meth:`Link.call`. It is closed all the same.
        """
        ear = self._withdraw()
        if ear is not None:
            try:
                answer = ear.leave_and_ask(self._channels, encode(command))
            except CLIENT_ERRORS as error:
                ear.drop()
                let_through(error)
                if not is_transient(error):
                    raise self._link.translate(error) from error
            except BaseException:
                ear.drop()
                raise
            else:
                self._ears.keep(ear)
                return answer
        return self._link.call(*command)

    def _withdraw(self) -> Listener | None:
        """The connection, if there is one that may be used further; from now on this is closed."""
        ear, self._ear = self._ear, None
        if ear is None:
            return None
        if self._pid == os.getpid() and not self._waiting.locked():
            return ear  # nobody waits, and who begins to finds it closed
        ear.drop()  # whoever waits in another thread returns; a forked child closes its copy
        return None

    def _subscribe(self, read: bytes | None = None) -> list[bytes | None] | None:
        """Subscribe, if need be connect for it, again and again until the link's timeout; what was read along."""
        self._drop()
        begun = time.monotonic()
        pauses: Pauses | None = None
        kept = self._ears.take()
        while True:
            left = self._link.timeout / 1000 - (time.monotonic() - begun)
            try:
                self._ear = kept or self._ears.connect(max(left, 0.05))
                return self._tune_in(self._ear, read)
            except CLIENT_ERRORS as error:
                self._drop()
                let_through(error)
                if read is not None and isinstance(error, ResponseError) and not is_transient(error):
                    self._ears.read_along = False
                    kept = read = None
                    continue
                pauses = pauses or Pauses(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
                pause = 0.0 if kept else pauses.next()
                if not is_transient(error) or (
                    not kept and time.monotonic() - begun + pause > self._link.timeout / 1000
                ):
                    raise self._link.translate(error) from error
            except BaseException:
                self._drop()
                raise
            if kept:
                kept = None
                self._ears.close()  # what has ended one connection has most likely ended all
                continue
            time.sleep(pause)

    def _tune_in(self, ear: Listener, read: bytes | None) -> list[bytes | None] | None:
        self._pinged = False
        found: list[bytes | None] | None = None
        if read is None:
            ear.ask(self._subscribe_command, self._channels)
        else:
            # A subscriber may not read, a transaction may do both. Answers: OK, QUEUED, QUEUED, and those of the two.
            _, found = ear.ask(b"".join((_MULTI, self._subscribe_command, read, _EXEC)), 4)
        self._quiet_since = time.monotonic()
        return found

    def _drop(self) -> None:
        ear, self._ear = self._ear, None
        if ear is not None:
            ear.drop()


class ClientSubscription(Subscription):
    """For clients that no connection can be had from: redis-py's own ``PubSub``.

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
            left = _PING_AFTER_SECONDS if deadline is None else max(deadline - time.monotonic(), 0.0)
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
