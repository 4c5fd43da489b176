"""Hearing what is published."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable
from typing import Final

from alsek.core.clock import real_time as time
from alsek.storage.backends.abstract import Note, Subscription
from alsek.storage.backends.sqlite.wakeup.listener_slots import Place
from alsek.storage.backends.sqlite.wakeup.notifier import LOOK, NOTE, SPOOLED, Notifier, unpack
from alsek.storage.backends.sqlite.wakeup.registry import LISTENING, mark

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
        self._ears = notifier.ears
        self._place = self._settle(notifier)
        self._ear = self._be_deaf() if self._place is None else self._place.ear
        self._seen = version()
        self._look_at = time.monotonic() + _LOOK_EVERY

    def _settle(self, notifier: Notifier) -> Place | None:
        board = notifier.board()
        if board is None:
            return None
        try:
            place = self._ears.take(board)
        except OSError:
            return None
        board.describe_listener(place.slot, self._namespace, [mark(name) for name in self._channels])
        board.set_state(place.slot, LISTENING)
        return place

    def _be_deaf(self) -> socket.socket:
        ear, self._silence = socket.socketpair()  # nothing is ever heard on it
        ear.setblocking(False)
        return ear

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
                return self._missed(), None
            if datagram == LOOK:
                if self._missed():
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

    def _missed(self) -> bool:
        return self._place is not None and self._place.board.missed(self._place.slot)

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
        place = self._place
        if place is not None and self._waiting.locked():
            place.board.send(place.slot, LOOK)  # whoever waits in another thread returns
        with self._waiting:
            if place is not None:
                self._ears.leave(place)
            elif self._silence is not None:
                self._ear.close()
                self._silence.close()


def _readable(ear: socket.socket, seconds: float) -> None:
    """Return when something can be read, or after so long."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(ear, select.POLLIN)
        poll.poll(seconds * 1000)
    else:
        select.select([ear], [], [], seconds)
