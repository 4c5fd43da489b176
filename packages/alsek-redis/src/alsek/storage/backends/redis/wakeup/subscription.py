"""Subscriptions to published values, each on its own connection.

Silence is tested with a ping, so that a dead connection is noticed. A subscription whose connection breaks subscribes
again; :meth:`SocketSubscription.wait` then returns, so that its caller reads what may have been published meanwhile.
"""

from __future__ import annotations

import os
import threading
from typing import Any, Final

from redis.exceptions import ResponseError

from alsek.core.clock import real_time as time
from alsek.core.pauses import Pauses
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.errors import CLIENT_ERRORS, is_transient
from alsek.storage.backends.redis.client.interruptions import let_through
from alsek.storage.backends.redis.client.resp import encode
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.redis.wakeup.client_subscription import ClientSubscription
from alsek.storage.backends.redis.wakeup.listeners import IdleListeners, Listener
from alsek.storage.backends.subscriptions import Note, Subscription

_PING_AFTER_S: Final = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 1.0
_MULTI, _EXEC, _PING = encode(["MULTI"]), encode(["EXEC"]), encode(["PING"])


def new_subscription(link: Link, idle: IdleListeners, keys: Keys, channels: tuple[str, ...]) -> Subscription:
    """A subscription of the kind that this link supports, to all that is published from now on."""
    if link.direct:
        return SocketSubscription(link, idle, keys, channels)
    return ClientSubscription(link, keys, channels)


def subscribe_and_read(
    link: Link, idle: IdleListeners, keys: Keys, channel: str, reads: tuple[str, ...]
) -> tuple[Subscription, list[bytes | None]]:
    """A subscription, and the values of these STRINGs after it began; in one trip if the server allows it."""
    subscription: SocketSubscription | ClientSubscription
    if link.direct:
        subscription = SocketSubscription(link, idle, keys, (channel,), reads)
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
    """A connection that has subscribed to some channels.

    Args:
        link: To the server.
        idle: The connections that are not in use: this one is taken from them, and given back.
        keys: The names.
        channels: Without the namespace; only one of them if there are `reads`.
        reads: Names of STRINGs to read in the same trip, after subscribing.

    Attributes:
        found: The values of `reads`; None if the server, or this user's rights, did not allow to read them.
    """

    def __init__(
        self,
        link: Link,
        idle: IdleListeners,
        keys: Keys,
        channels: tuple[str, ...],
        reads: tuple[str, ...] = (),
    ) -> None:
        self._link = link
        self._idle = idle
        self._keys = keys
        names = [keys.channel(channel) for channel in channels]
        self._channels = len(names)
        self._subscribe_command = encode(["SUBSCRIBE", *names])
        self._listener: Listener | None = None
        self._closed = False
        self._pinged = False
        self._quiet_since = 0.0
        self._begin()
        self.found: list[bytes | None] | None = None
        if reads and idle.may_read:
            self.found = self._subscribe(encode(["MGET", *reads]))
        else:
            self._subscribe()

    def _begin(self) -> None:
        """Begin anew in this process: the parent's lock may be held by a thread that is not here."""
        self._pid = os.getpid()
        self._waiting = threading.Lock()

    def wait(self, timeout: int | None = None) -> Note | None:
        deadline = None if timeout is None else time.monotonic() + timeout / 1000
        if self._listener is not None and self._pid != os.getpid():
            self._begin()
            self._subscribe()
            return None
        with self._waiting:
            listener = self._listener
            if listener is None:
                if self._closed:
                    raise ConnectionResetError("the subscription is closed")
                self._subscribe()  # the server was away for too long when it was last tried
                return None
            while True:
                try:
                    go_on, note = self._receive(listener, deadline)
                except Exception as error:
                    let_through(error)
                    if (
                        self._listener is not listener
                    ):  # another thread has closed it: the error follows from that
                        return None
                    if not isinstance(error, CLIENT_ERRORS):
                        raise
                    if not is_transient(error):
                        raise self._link.translate(error) from error
                    self._subscribe()
                    return None
                if note is not None or not go_on:
                    return note

    def has_note(self) -> bool:
        listener = self._listener
        if listener is None or self._pid != os.getpid():
            return False
        try:
            return listener.has_input()
        except CLIENT_ERRORS:
            return True  # the next wait says what to do about it

    def _receive(self, listener: Listener, deadline: float | None) -> tuple[bool, Note | None]:
        """Whether to go on waiting, and the published value if there is one."""
        until = self._quiet_since + _PING_AFTER_S
        wake = until if deadline is None else min(until, deadline)
        reply = listener.receive(max(wake - time.monotonic(), 0.0))
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
            listener.send(_PING)
            self._quiet_since, self._pinged = now, True
        return True, None

    def close(self) -> None:
        listener = self._withdraw()
        if listener is not None:
            self._idle.unsubscribe(listener, self._channels)

    def close_and_ask(self, *command: str) -> Any:
        """Close, and in the same trip send a command that can be repeated without harm; return its answer.

        Raises:
            BackendUnavailableError, BackendError: As :meth:`Link.call`. The subscription is closed in any case.
        """
        listener = self._withdraw()
        if listener is not None:
            try:
                answer = listener.unsubscribe_and_ask(self._channels, encode(command))
            except CLIENT_ERRORS as error:
                listener.drop()
                let_through(error)
                if not is_transient(error):
                    raise self._link.translate(error) from error
            except BaseException:
                listener.drop()
                raise
            else:
                self._idle.keep(listener)
                return answer
        return self._link.call(*command)

    def _withdraw(self) -> Listener | None:
        """Mark this as closed, and return its connection if that can be used further."""
        self._closed = True
        listener, self._listener = self._listener, None
        if listener is None:
            return None
        if self._pid == os.getpid() and not self._waiting.locked():
            return listener  # no thread waits, and one that begins to finds it closed
        listener.drop()  # a thread that waits returns; a forked child closes its copy
        return None

    def _subscribe(self, read: bytes | None = None) -> list[bytes | None] | None:
        """Subscribe on a kept connection or a new one, and try until the link's timeout."""
        self._drop()
        begun = time.monotonic()
        pauses: Pauses | None = None
        kept = self._idle.take()
        while True:
            left = self._link.timeout / 1000 - (time.monotonic() - begun)
            try:
                self._listener = kept or self._idle.connect(max(left, 0.05))
                return self._subscribe_on(self._listener, read)
            except CLIENT_ERRORS as error:
                self._drop()
                let_through(error)
                if read is not None and isinstance(error, ResponseError) and not is_transient(error):
                    self._idle.may_read = False
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
                self._idle.close()  # what broke one connection has most likely broken all
                continue
            time.sleep(pause)

    def _subscribe_on(self, listener: Listener, read: bytes | None) -> list[bytes | None] | None:
        self._pinged = False
        found: list[bytes | None] | None = None
        if read is None:
            listener.ask(self._subscribe_command, self._channels)
        else:
            # A subscriber may not read, but a transaction may do both. Answers: OK, QUEUED twice, and those of the two.
            _, found = listener.ask(b"".join((_MULTI, self._subscribe_command, read, _EXEC)), 4)
        self._quiet_since = time.monotonic()
        return found

    def _drop(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.drop()
