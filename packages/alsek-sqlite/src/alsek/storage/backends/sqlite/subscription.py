"""Hearing what is published."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

from alsek.storage.backends.abstract import Note, Subscription
from alsek.storage.backends.sqlite.board import LISTENING, Board, mark
from alsek.storage.backends.sqlite.notify import LOOK, NOTE, SPOOLED, Notifier, unpack

#: How often to see whether the file has changed, in case no word of it came (s).
_LOOK_EVERY: Final = 1.0

#: No datagram of ours is larger.
_LARGEST: Final = 262_144


class SQLiteSubscription(Subscription):
    """A datagram socket, and a slot on the board that says for which channels.

    :meth:`wait` also returns None once a second while the file is being changed: a datagram may get lost when this
    subscriber is slow, or when whoever sent it died between its commit and the sending.

    Args:
        notifier: Of the namespace.
        channels: Without the namespace.
        version: A number that changes with every commit to the file.
        fetch: The data of a spooled note, by its number; None if it is gone.
    """

    def __init__(
        self,
        notifier: Notifier,
        channels: tuple[str, ...],
        version: Callable[[], int],
        fetch: Callable[[int], bytes | None],
    ) -> None:
        self._namespace = notifier.namespace
        self._channels = frozenset(channels)
        self._version = version
        self._fetch = fetch
        self._pid = os.getpid()
        self._closed = False
        self._waiting = threading.Lock()
        self._silence: socket.socket | None = None
        self._board, self._slot, self._ear = self._settle(notifier)
        self._seen = version()
        self._look_at = time.monotonic() + _LOOK_EVERY

    def _settle(self, notifier: Notifier) -> tuple[Board | None, int, socket.socket]:
        board = notifier.board()
        if board is not None:
            try:
                slot, ear = board.take()
            except OSError:
                board = None
            else:
                board.describe_listener(slot, self._namespace, [mark(name) for name in self._channels])
                board.set_state(slot, LISTENING)
                return board, slot, ear
        ear, self._silence = socket.socketpair()  # nothing is ever heard on it
        ear.setblocking(False)
        return None, -1, ear

    def wait(self, timeout: int | None = None) -> Note | None:
        deadline = None if timeout is None else time.monotonic() + max(timeout, 0) / 1000
        with self._waiting:
            while not self._closed:
                heard, note = self._hear()
                if heard:
                    return note
                now = time.monotonic()
                if deadline is not None and now >= deadline:
                    return None
                if now >= self._look_at and self._changed(now):
                    return None
                until = self._look_at if deadline is None else min(self._look_at, deadline)
                # poll, not select: it takes descriptors beyond 1,023.
                _readable(self._ear, max(until - now, 0))
        return None

    def _hear(self) -> tuple[bool, Note | None]:
        """Whether there is something to return, and what: the next note, or None if one may have been missed."""
        while True:
            try:
                datagram = self._ear.recv(_LARGEST)
            except BlockingIOError:
                return self._board is not None and self._board.missed(self._slot), None
            if datagram == LOOK:
                if self._board is None or self._board.missed(self._slot):
                    return True, None
                continue
            if datagram[:1] not in (NOTE, SPOOLED):
                continue
            kind, namespace, channel, data = unpack(datagram)
            if namespace != self._namespace or channel not in self._channels:
                continue
            if kind == NOTE:
                return True, Note(channel, data)
            fetched = self._fetch(int(data))
            return True, None if fetched is None else Note(channel, fetched)

    def _changed(self, now: float) -> bool:
        self._look_at = now + _LOOK_EVERY
        version = self._version()
        changed, self._seen = version != self._seen, version
        return changed

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._pid != os.getpid():
            self._ear.close()  # a forked child's copy: the slot is its parent's
            return
        if self._board is not None:
            self._board.send(self._slot, LOOK)  # whoever waits in another thread returns
        with self._waiting:
            if self._board is not None:
                self._board.free(self._slot)
            self._ear.close()
            if self._silence is not None:
                self._silence.close()


def _readable(ear: socket.socket, seconds: float) -> None:
    """Return when something can be read, or after so long."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(ear, select.POLLIN)
        poll.poll(seconds * 1000)
    else:
        select.select([ear], [], [], seconds)
