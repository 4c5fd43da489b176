"""Places on the board that were listened from, kept with their sockets for whoever listens next.

To take a place and to give it back are a dozen calls to the file system, which is more than waiting for most results
takes. While a place is kept it counts as one where nobody listens, so nothing is sent to it; what was under way when it
was left is dropped by who takes it next. (A note that arrives later still was sent to the place, not to a subscriber:
that may happen to a new place of the same number as well, and a note is only a hint.)
"""

from __future__ import annotations

import os
import socket
import weakref
from collections import deque
from typing import Final, NamedTuple

from alsek.storage.backends.sqlite.wakeup.registry import AWAKE, WakeupRegistry

#: How many are kept, however many have listened at once: all processes of the file share 1,024 places.
MOST_KEPT: Final = 4

#: More than any datagram that is dropped needs: the rest of it is cut off.
_PIECE: Final = 16


class Place(NamedTuple):
    """A place on a board, its socket, and the process that took it."""

    board: WakeupRegistry
    slot: int
    ear: socket.socket
    pid: int

    def silence(self) -> None:
        """Forget what was sent to it."""
        try:
            while True:
                self.ear.recv(_PIECE)
        except BlockingIOError:
            self.board.missed(self.slot)

    def release(self) -> None:
        """Give it back. In a forked child: close the copy of the socket, and leave the place to the parent."""
        self.ear.close()
        # On a board that others have replaced, the number may be another's by now.
        if self.pid == os.getpid() and self.board.is_current():
            self.board.free(self.slot)


class IdleListenerSlots:
    """Those of one process; they are given back when it ends in good order, or with the notifier."""

    def __init__(self) -> None:
        self._kept: deque[Place] = deque()
        weakref.finalize(self, _release_all, self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, board: WakeupRegistry) -> Place:
        """A place of one's own on this board.

        Raises:
            OSError: All are taken by living processes.
        """
        while True:
            try:
                place = self._kept.pop()
            except IndexError:
                return Place(board, *board.take(), os.getpid())
            if place.board is board and place.pid == os.getpid():
                place.silence()
                return place
            place.release()

    def leave(self, place: Place) -> None:
        """Listen no more from there."""
        if len(self._kept) >= MOST_KEPT:
            place.release()
            return
        place.board.set_state(place.slot, AWAKE)
        self._kept.append(place)

    def close(self) -> None:
        """Give all back."""
        _release_all(self._kept)


def _release_all(kept: deque[Place]) -> None:
    while kept:
        kept.pop().release()
