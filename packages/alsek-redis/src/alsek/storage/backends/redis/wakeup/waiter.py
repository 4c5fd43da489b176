"""Waiting until a worker may find a message to claim.

A message that becomes ready leaves tokens in short lists (``shared/wakeups.lua``): one list for each kind of sleeper
and queue, and one for each kind and all queues. A waiter blocks on the lists of its worker with ``BLPOP``, on its own
connection, and its caller polls that connection's socket. No message is missed: a token that was left before the waiter
blocks ends the wait at once. One message does not wake all workers: a list gives its token to one of them, and a claim
that leaves messages behind puts a token back.

On the same connection come the messages that are claimed for the worker while it sleeps (``shared/pushes.lua``). The
connection has subscribed to the worker's channel, and it speaks RESP3, in which the server sends what is published also
while a command blocks. Where the server does not allow this, the waiter is woken by tokens only.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any, Final

from redis.exceptions import InvalidResponse, ResponseError

from alsek.core.clock import real_time as time
from alsek.core.loggers import guarded_logger
from alsek.exceptions import BackendError
from alsek.storage.backends.kinds import SLOTS_OF, SlotKind, sleeps_as
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Pushed, Worker
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.errors import CLIENT_ERRORS
from alsek.storage.backends.redis.client.interruptions import let_through
from alsek.storage.backends.redis.client.reply_reader import NOT_YET, PlainReader, Push
from alsek.storage.backends.redis.client.resp import encode
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.redis.wakeup.push_receiver import PushReceiver, ReadPush
from alsek.storage.backends.redis.wakeup.reading import what_is_there
from alsek.storage.backends.redis.wakeup.thread_waiter import ThreadWaiter

log = guarded_logger(__name__)

_INTERVAL_MS: Final = 5_000
_REFUSED_INTERVAL_MS: Final = 1_000
_OVERDUE_S: Final = 3.0
_CONNECT_S: Final = 1.0
_LASTING: Final = ("WRONGTYPE", "NOPERM")


def new_waiter(
    link: Link,
    keys: Keys,
    worker: Worker,
    slot: SlotKind | None,
    pass_on: Callable[[], Any],
    read_push: ReadPush,
) -> Waiter:
    """A waiter of the kind that this link supports."""
    names = token_lists(keys, worker, slot)
    if not link.direct:
        return ThreadWaiter(link, names, pass_on)
    # What a cluster publishes goes to all of its nodes. Of several waiters, that for the first slot kind receives.
    receives = not link.cluster and slot in (None, SLOTS_OF[worker.kind][0])
    channel = keys.pushes(worker.id) if receives else None
    return SocketWaiter(link, names, pass_on, PushReceiver(channel, read_push))


def token_lists(keys: Keys, worker: Worker, slot: SlotKind | None = None) -> list[str]:
    """The names of the lists on which tokens are left for this worker: those for messages that take up this slot."""
    names = [keys.calls(worker.id)]
    for kind in sleeps_as(worker.kind, slot):
        if worker.queues is None:
            names.append(keys.wake_any_queue(kind))
        else:
            names.extend(keys.wake(kind, queue) for queue in worker.queues)
    return names


class SocketWaiter(Waiter):
    """A connection on which the server blocks in ``BLPOP``; this process never blocks on it.

    Args:
        link: To the server.
        names: The lists to wait on.
        pass_on: Wakes another worker in place of this one.
        receiver: Takes what is pushed to the worker.
    """

    def __init__(
        self, link: Link, names: list[str], pass_on: Callable[[], Any], receiver: PushReceiver
    ) -> None:
        self._link = link
        self._wait = encode(["BLPOP", *names, _INTERVAL_MS // 1000])
        self._look = encode(["BLPOP", *names, "0.001"])
        self._pass_on = pass_on
        self._receiver = receiver
        self._connection: Any = None
        self._socket: socket.socket | None = None
        self._armed_at: float | None = None
        self._received = b""
        self._refused_at: float | None = None

    @property
    def interval(self) -> int:
        return _INTERVAL_MS if self._refused_at is None else _REFUSED_INTERVAL_MS

    def fileno(self) -> int:
        if self._socket is None:
            self.arm()
        assert self._socket is not None
        return self._socket.fileno()

    def arm(self) -> None:
        if self._armed_at is not None and self._overdue():
            self._drop()
        if self._armed_at is not None:
            return
        was_open = self._socket is not None
        try:
            self._send()
        except CLIENT_ERRORS as error:
            let_through(error)
            # The connection may have broken while it was not in use, or what is between does not know RESP3: try once
            # more, on a new one.
            self._drop()
            try:
                self._send(subscribes=was_open)
            except CLIENT_ERRORS as again:
                self._drop()
                raise self._link.translate(again) from again

    @property
    def is_armed(self) -> bool:
        return self._armed_at is not None

    def drain(self) -> bool:
        if self._socket is None:
            return True
        try:
            self._received += what_is_there(self._socket)
        except OSError as error:
            let_through(error)
            log.debug("a waiter lost its connection: %s", error)
            self._drop()
            return True
        return self._take_replies()

    @property
    def receives(self) -> bool:
        return self._receiver.subscribed

    def take_pushed(self) -> list[Pushed]:
        return self._receiver.take_pushed()

    def pass_on(self) -> None:
        self._pass_on()

    def close(self) -> None:
        if self._armed_at is not None and self.drain() and self._connection is not None:
            # A token came that this worker will not act on: wake another one.
            with contextlib.suppress(BackendError):
                self._pass_on()
        self._drop()

    def _send(self, subscribes: bool = True) -> None:
        now = time.monotonic()
        if self._socket is None:
            self._connection = self._link.connect(self._link.timeout / 2000, _CONNECT_S)
            # redis-py has logged in and chosen the database; from here on the socket is used directly.
            connected: socket.socket = self._connection._sock  # noqa: SLF001
            self._socket = connected
            if subscribes:
                connected.settimeout(_CONNECT_S)
                self._received = self._receiver.subscribe(connected)
            connected.setblocking(False)
        if self._refused_at is not None and now - self._refused_at < _REFUSED_INTERVAL_MS / 1000:
            return  # the worker claims again after the interval
        self._socket.settimeout(_CONNECT_S)
        # Something was published before the server has waited: its caller is to read that at once.
        self._socket.sendall(self._look if self._received else self._wait)
        self._socket.setblocking(False)
        self._armed_at = now

    def _take_replies(self) -> bool:
        """Take in what was read, and return whether a claim is worthwhile."""
        worthwhile = False
        while self._received:
            if end := self._receiver.take(self._received):
                self._received = self._received[end:]
                continue
            replies = PlainReader(ResponseError)
            replies.feed(self._received)
            try:
                reply = replies.gets()
            except InvalidResponse as error:
                log.warning("%s sent a waiter what is no reply: %s", self._link.where, error)
                self._drop()
                return True
            if reply is NOT_YET:
                break
            self._received = replies.rest()
            worthwhile = self._take(reply) or worthwhile
        return worthwhile

    def _take(self, reply: Any) -> bool:
        if type(reply) is Push:  # of the subscription itself: what is published was taken before
            return False
        if isinstance(reply, ResponseError):
            self._take_refusal(str(reply))
            return True
        self._armed_at, self._refused_at = None, None
        return reply is not None

    def _take_refusal(self, error: str) -> None:
        """Drop the connection, after an error instead of a token.

        If the server has become a replica, the claim that follows reports it. If the user has no right to wait, or a
        list was overwritten, waiting again at once would fail again at once.
        """
        self._drop()
        if not error.startswith(_LASTING):
            log.debug("a waiter was refused: %r", error)
            return
        if self._refused_at is None:
            log.warning(
                "%s does not let workers wait for messages (%s): looking once a second.",
                self._link.where,
                error.strip(),
            )
        self._refused_at = time.monotonic()

    def _overdue(self) -> bool:
        """Whether the connection is dead: a server that lives answers after `interval` at the latest."""
        return (
            self._armed_at is not None
            and time.monotonic() - self._armed_at > _INTERVAL_MS / 1000 + _OVERDUE_S
        )

    def _drop(self) -> None:
        connection, self._connection, self._socket = self._connection, None, None
        self._armed_at, self._received, self._receiver.subscribed = None, b"", False
        if connection is not None:
            connection.disconnect()
