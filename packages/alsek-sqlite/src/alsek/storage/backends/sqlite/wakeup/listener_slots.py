"""Slots of ended subscriptions, kept with their sockets for the next subscriptions.

To take a slot and to free it are a dozen calls to the file system, which is more than waiting for most results takes.
A kept slot counts as awake, so nothing is sent to it. What was sent to it before is dropped when it is taken again. (A
datagram may still arrive later, sent by a process that saw the slot's state before; so it may with a new slot of the
same number. The subscription drops notes of channels that it does not listen to.)
"""

from __future__ import annotations

import os
import socket
import weakref
from collections import deque
from typing import Final, NamedTuple

from alsek.storage.backends.sqlite.wakeup.registry import AWAKE, WakeupRegistry

#: How many are kept, however many subscriptions there were: all processes of the file share 1,024 slots.
MOST_KEPT: Final = 4

#: More than a datagram that is dropped needs: the rest of it is cut off.
_PIECE: Final = 16


class ListenerSlot(NamedTuple):
    """A slot of the registry, its socket, and the process that took it."""

    registry: WakeupRegistry
    slot: int
    receiver: socket.socket
    pid: int

    def discard_stale(self) -> None:
        """Drop what was sent to it."""
        try:
            while True:
                self.receiver.recv(_PIECE)
        except BlockingIOError:
            self.registry.take_overflow(self.slot)

    def release(self) -> None:
        """Free it. In a forked child, only close the copy of the socket: the slot is the parent's."""
        self.receiver.close()
        # In a registry that was replaced, another process may have the slot of this number.
        if self.pid == os.getpid() and self.registry.is_current():
            self.registry.free(self.slot)


class IdleListenerSlots:
    """The kept slots of one process. They are freed when it exits normally, or when the notifier is reset."""

    def __init__(self) -> None:
        self._kept: deque[ListenerSlot] = deque()
        weakref.finalize(self, _release_all, self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, registry: WakeupRegistry) -> ListenerSlot:
        """Return a slot of this registry that nobody else uses.

        Raises:
            OSError: All slots are taken by living processes.
        """
        while True:
            try:
                kept = self._kept.pop()
            except IndexError:
                return ListenerSlot(registry, *registry.take(), os.getpid())
            if kept.registry is registry and kept.pid == os.getpid():
                kept.discard_stale()
                return kept
            kept.release()

    def put_back(self, slot: ListenerSlot) -> None:
        """Keep a slot whose subscription has ended, or free it if enough are kept."""
        if len(self._kept) >= MOST_KEPT:
            slot.release()
            return
        slot.registry.set_state(slot.slot, AWAKE)
        self._kept.append(slot)

    def close(self) -> None:
        """Free all."""
        _release_all(self._kept)


def _release_all(kept: deque[ListenerSlot]) -> None:
    while kept:
        kept.pop().release()
