"""Subscriptions to published values."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable
from typing import Final

from alsek.core.clock import real_time as time
from alsek.storage.backends.sqlite.wakeup.datagrams import LARGEST, LOOK, NOTE, SPOOLED, unpack
from alsek.storage.backends.sqlite.wakeup.listener_slots import ListenerSlot
from alsek.storage.backends.sqlite.wakeup.notifier import Notifier
from alsek.storage.backends.sqlite.wakeup.registry import LISTENING
from alsek.storage.backends.sqlite.wakeup.slot_records import name_hash
from alsek.storage.backends.subscriptions import Note, Subscription

#: How often to check whether the file has changed, in case a datagram was lost.
_CHECK_EVERY_S: Final = 1.0


class SQLiteSubscription(Subscription):
    """A datagram socket, and a slot of the registry that says for which channels.

    :meth:`wait` also returns None once a second while the file is being changed: a datagram may get lost if this
    subscriber is slow, or if the process that made a commit died before it could send one.

    Args:
        notifier: The notifier of the namespace.
        channels: The channels, without the namespace.
        version: Returns a number that changes with every commit to the file.
        fetch: Returns the data of a spooled note by its id; None if it is gone.
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
        #: What :meth:`has_note` has read: a note, or None if one may have been lost.
        self._held: tuple[Note | None] | None = None
        self._peer: socket.socket | None = None
        self._listener_slots = notifier.listener_slots
        self._slot = self._take_slot(notifier)
        self._receiver = self._dead_socket() if self._slot is None else self._slot.receiver
        self._seen = version()
        self._check_at = time.monotonic() + _CHECK_EVERY_S

    def _take_slot(self, notifier: Notifier) -> ListenerSlot | None:
        registry = notifier.registry()
        if registry is None:
            return None
        try:
            taken = self._listener_slots.take(registry)
        except OSError:
            return None
        channels = [name_hash(name) for name in self._channels]
        registry.records.describe_listener(taken.slot, self._namespace, channels)
        registry.set_state(taken.slot, LISTENING)
        return taken

    def _dead_socket(self) -> socket.socket:
        """Return a socket to which nothing is ever sent."""
        receiver, self._peer = socket.socketpair()
        receiver.setblocking(False)
        return receiver

    def wait(self, timeout: int | None = None) -> Note | None:
        deadline = None if timeout is None else time.monotonic() + max(timeout, 0) / 1000
        with self._waiting:
            while not self._closed:
                held, self._held = self._held, None
                if held is not None:
                    return held[0]
                received, note = self._receive()
                if received:
                    return note
                now = time.monotonic()
                if deadline is not None and now >= deadline:
                    return None
                if now >= self._check_at and self._has_changed(now):
                    return None
                until = self._check_at if deadline is None else min(self._check_at, deadline)
                _wait_readable(self._receiver, max(until - now, 0))
        return None

    def has_note(self) -> bool:
        # What can be read may be for another namespace or channel, so it is read here.
        if self._held is None and not self._closed and self._waiting.acquire(blocking=False):
            try:
                received, note = self._receive()
                self._held = (note,) if received else None
            finally:
                self._waiting.release()
        return self._held is not None

    def _receive(self) -> tuple[bool, Note | None]:
        """Return (True, note), (True, None) if a note may have been lost, or (False, None) if there is nothing."""
        while True:
            try:
                datagram = self._receiver.recv(LARGEST)
            except BlockingIOError:
                return self._take_overflow(), None
            if datagram == LOOK:
                if self._take_overflow():
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

    def _take_overflow(self) -> bool:
        return self._slot is not None and self._slot.registry.take_overflow(self._slot.slot)

    def _has_changed(self, now: float) -> bool:
        self._check_at = now + _CHECK_EVERY_S
        version = self._version()
        changed, self._seen = version != self._seen, version
        return changed

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._pid != os.getpid():
            self._receiver.close()  # a forked child's copy: the slot is its parent's
            return
        slot = self._slot
        if slot is not None and self._waiting.locked():
            slot.registry.send(slot.slot, LOOK)  # a wait() in another thread returns
        with self._waiting:
            if slot is not None:
                self._listener_slots.put_back(slot)
            elif self._peer is not None:
                self._receiver.close()
                self._peer.close()


def _wait_readable(receiver: socket.socket, seconds: float) -> None:
    """Return when there is something to read, or after this time."""
    if hasattr(select, "poll"):  # unlike select, it takes descriptors beyond 1,023
        poll = select.poll()
        poll.register(receiver, select.POLLIN)
        poll.poll(seconds * 1000)
    else:
        select.select([receiver], [], [], seconds)
