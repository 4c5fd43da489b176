"""Waiting for messages in a thread, for clients without connections that can be used directly."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any, Final

from alsek.core.loggers import guarded_logger
from alsek.exceptions import BackendError
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.errors import CLIENT_ERRORS

log = guarded_logger(__name__)

_INTERVAL_MS: Final = 5_000


class ThreadWaiter(Waiter):
    """A thread that blocks on the token lists, and writes to a pair of sockets.

    Args:
        link: To the server.
        names: The lists to wait on.
        pass_on: Wakes another worker in place of this one.
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
        return _INTERVAL_MS

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
        """Whether to claim: there is a token, or an error that the claim will report."""
        try:
            return self._link.client.execute_command("BLPOP", *self._names, 1) is not None
        except CLIENT_ERRORS as error:
            log.debug("a waiter lost its connection: %s", error)
            self._closing.wait(1)
            return True
