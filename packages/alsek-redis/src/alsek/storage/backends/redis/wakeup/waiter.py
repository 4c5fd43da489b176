"""Sleeping in the store until something may be claimable.

Whatever makes a message ready leaves a token in short lists (``shared/wakeups.lua``): one for each kind of
pool and queue, one for each kind and all queues. A waiter blocks on those of its worker with ``BLPOP``, on a
connection of its own, and the caller selects on that connection's socket. Nothing is missed: a token
that was left before the waiter blocks ends the wait at once. Nor do all sleepers wake for one message:
a list gives its token to one of them, and a claim that leaves something behind puts it back.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any, Final

from alsek.core.clock import real_time as time
from alsek.core.loggers import guarded_logger
from alsek.exceptions import BackendError
from alsek.storage.backends.kinds import POOL_KINDS_OF
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Worker
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.errors import CLIENT_ERRORS
from alsek.storage.backends.redis.client.interruptions import let_through
from alsek.storage.backends.redis.client.resp import encode
from alsek.storage.backends.redis.keys import Keys

log = guarded_logger(__name__)

_INTERVAL: Final = 5_000
_REFUSED_INTERVAL: Final = 1_000
_OVERDUE_SECONDS: Final = 3.0
_CONNECT_SECONDS: Final = 1.0
_LASTING: Final = (b"-WRONGTYPE", b"-NOPERM")
_NOTHING: Final = b"*-1\r\n"
_LINES_OF_A_TOKEN: Final = 5


def new_waiter(link: Link, keys: Keys, worker: Worker, pass_on: Callable[[], Any]) -> Waiter:
    """The waiter that this link can serve."""
    names = token_lists(keys, worker)
    return SocketWaiter(link, names, pass_on) if link.direct else ThreadWaiter(link, names, pass_on)


def token_lists(keys: Keys, worker: Worker) -> list[str]:
    """Where tokens for this worker are left."""
    names = [keys.calls(worker.id)]
    for kind in POOL_KINDS_OF[worker.kind]:
        if worker.queues is None:
            names.append(keys.wake_any_queue(kind))
        else:
            names.extend(keys.wake(kind, queue) for queue in worker.queues)
    return names


class SocketWaiter(Waiter):
    """Blocks on a connection of its own and never on its replies.

    Args:
        link: To the server.
        names: The lists to wait on.
        pass_on: Wakes another worker.
    """

    def __init__(self, link: Link, names: list[str], pass_on: Callable[[], Any]) -> None:
        self._link = link
        self._wait = encode(["BLPOP", *names, _INTERVAL // 1000])
        self._pass_on = pass_on
        self._connection: Any = None
        self._socket: socket.socket | None = None
        self._armed_at: float | None = None
        self._heard = b""
        self._refused_at: float | None = None

    @property
    def interval(self) -> int:
        return _INTERVAL if self._refused_at is None else _REFUSED_INTERVAL

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
        try:
            self._send()
        except CLIENT_ERRORS as error:
            let_through(error)
            # The connection may have died while nobody looked: once more, on a fresh one.
            self._drop()
            try:
                self._send()
            except CLIENT_ERRORS as again:
                self._drop()
                raise self._link.translate(again) from again

    def drain(self) -> bool:
        if self._socket is None:
            return True
        try:
            while True:
                piece = self._socket.recv(4096)
                if not piece:
                    raise ConnectionResetError("the server closed the connection")
                self._heard += piece
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            let_through(error)
            # TLS says "want read" by an error of its own, a subclass of OSError.
            if type(error).__name__ not in ("SSLWantReadError", "SSLWantWriteError"):
                log.debug("a waiter lost its connection: %s", error)
                self._drop()
                return True
        return self._understand()

    def pass_on(self) -> None:
        self._pass_on()

    def close(self) -> None:
        if self._armed_at is not None and self.drain() and self._connection is not None:
            # A token came that nobody will act on: another worker must have it.
            with contextlib.suppress(BackendError):
                self._pass_on()
        self._drop()

    def _send(self) -> None:
        now = time.monotonic()
        if self._socket is None:
            self._connection = self._link.connect(self._link.timeout / 2000, _CONNECT_SECONDS)
            # From here on the socket is ours: redis-py has logged in and chosen the database.
            self._socket = self._connection._sock  # noqa: SLF001
        assert self._socket is not None
        if self._refused_at is not None and now - self._refused_at < _REFUSED_INTERVAL / 1000:
            return  # the worker looks again after the interval
        self._socket.settimeout(_CONNECT_SECONDS)
        self._socket.sendall(self._wait)
        self._socket.setblocking(False)
        self._armed_at = now

    def _understand(self) -> bool:
        heard = self._heard
        if heard == _NOTHING:
            self._armed_at, self._heard, self._refused_at = None, b"", None
            return False
        if heard.startswith(b"-") and heard.endswith(b"\r\n"):
            # An error instead of a token. If the server is a replica now, the claim that follows will tell; without
            # permission, or beside a foreign key, this worker must not be sent round in circles.
            if not heard.startswith(_LASTING):
                log.debug("a waiter was refused: %r", heard)
                self._drop()
                return True
            if self._refused_at is None:
                log.warning(
                    "%s does not let workers wait for messages (%s): looking once a second.",
                    self._link.where,
                    heard[1:].strip().decode("utf-8", "replace"),
                )
            self._drop()
            self._refused_at = time.monotonic()
            return True
        if heard.startswith(b"*2") and heard.count(b"\r\n") >= _LINES_OF_A_TOKEN:
            self._armed_at, self._heard, self._refused_at = None, b"", None
            return True
        return False

    def _overdue(self) -> bool:
        """The server answers after `interval` at the latest: silence beyond that is a dead connection."""
        return (
            self._armed_at is not None
            and time.monotonic() - self._armed_at > _INTERVAL / 1000 + _OVERDUE_SECONDS
        )

    def _drop(self) -> None:
        connection, self._connection, self._socket = self._connection, None, None
        self._armed_at, self._heard = None, b""
        if connection is not None:
            connection.disconnect()


class ThreadWaiter(Waiter):
    """For clients that no connection can be had from: a thread blocks, and writes to a pair of sockets.

    Args:
        link: To the server.
        names: The lists to wait on.
        pass_on: Wakes another worker.
    """

    def __init__(self, link: Link, names: list[str], pass_on: Callable[[], Any]) -> None:
        self._link = link
        self._names = names
        self._pass_on = pass_on
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.setblocking(False)
        self._armed = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def interval(self) -> int:
        return _INTERVAL

    def fileno(self) -> int:
        return self._ours.fileno()

    def arm(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="alsek-redis-waiter", daemon=True)
            self._thread.start()
        self._armed.set()

    def drain(self) -> bool:
        try:
            return bool(self._ours.recv(4096))
        except BlockingIOError:
            return False

    def pass_on(self) -> None:
        self._pass_on()

    def close(self) -> None:
        self._closing.set()
        self._armed.set()
        if self._thread is not None:
            self._thread.join(2)
        self._ours.close()
        self._theirs.close()

    def _run(self) -> None:
        while True:
            self._armed.wait()
            if self._closing.is_set():
                return
            if self._token_came():
                if self._closing.is_set():
                    with contextlib.suppress(BackendError):
                        self._pass_on()
                    return
                self._armed.clear()
                with contextlib.suppress(BlockingIOError):
                    self._theirs.send(b"1")

    def _token_came(self) -> bool:
        """Whether it is worth claiming: a token, or a fault that the claim will meet too."""
        try:
            return self._link.client.execute_command("BLPOP", *self._names, 1) is not None
        except CLIENT_ERRORS as error:
            log.debug("a waiter lost its connection: %s", error)
            self._closing.wait(1)
            return True
