"""Telling other processes, and other threads of this one, what a commit has changed.

Two kinds are told: sleeping workers, that there is something to claim (one of each kind of worker, since more would
find nothing), and subscribers, what was published on their channels. Both are told after the commit; both look
at the store themselves at least once a second, so that a lost datagram costs time and nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Final

from alsek.core.clock import real_time as time
from alsek.core.loggers import guarded_logger
from alsek.storage.backends.sqlite.lanes import Lane
from alsek.storage.backends.sqlite.wakeup.listener_slots import IdleListenerSlots
from alsek.storage.backends.sqlite.wakeup.registry import ASLEEP, AWAKE, LISTENING, WakeupRegistry, mark

log = guarded_logger(__name__)

#: A datagram's first byte: a note; a note whose data is in the table `spool`; look for yourself; wake up.
NOTE, SPOOLED, LOOK, RING = b"N", b"S", b"?", b"!"

#: The most data that travels in a datagram; macOS takes 2,048 bytes in all, Linux over 200,000.
MOST_DATA: Final = 60_000 if sys.platform == "linux" else 1_500

#: How long to do without the board after it could not be opened (s).
_RETRY_AFTER: Final = 5.0

_KINDS: Final = (1, 2, 0)


class Notifier:
    """Tells sleepers and subscribers of one namespace.

    Args:
        path: Of the database file.
        namespace: Theirs; those of others are never told.
    """

    def __init__(self, path: str, namespace: str) -> None:
        self._path = path
        self.namespace = mark(namespace)
        self._prefix = f"{namespace}\0"
        self.ears = IdleListenerSlots()
        self.begin_anew()

    def begin_anew(self) -> None:
        """Let go of the board: in a forked child, which must not share the parent's descriptors, and when closing.

        It is closed once no waiter and no subscription uses it any more.
        """
        self.ears.close()
        self._board: WakeupRegistry | None = None
        self._retry_at = 0.0
        self._look_at = 0.0
        self._marks: dict[str, bytes] = {}

    def board(self) -> WakeupRegistry | None:
        """The board; None where there can be none, and everyone has to look once a second."""
        now = time.monotonic()
        if self._board is not None and now >= self._look_at:
            self._look_at = now + 1.0
            if not self._board.is_current():
                self._board = None
        if self._board is None and now >= self._retry_at:
            try:
                self._board = WakeupRegistry(self._path)
            except OSError as error:
                if not self._retry_at:
                    log.warning(
                        "No wake-ups beside %s (%s): sleeping workers look once a second", self._path, error
                    )
                self._retry_at = now + _RETRY_AFTER
        return self._board

    def mark(self, name: str) -> bytes:
        """Eight bytes that stand for a queue or a worker of this namespace."""
        known = self._marks.get(name)
        if known is None:
            if len(self._marks) > 10_000:
                self._marks.clear()
            known = self._marks[name] = mark(self._prefix + name)
        return known

    def notify(
        self, lanes: Iterable[Lane], notes: Iterable[tuple[str, bytes]], calls: Iterable[str] = ()
    ) -> None:
        """Wake for these lanes, publish these notes, call these workers. Never blocks, never fails."""
        for worker in calls:
            self.call(worker)
        board = self.board()
        if board is not None:
            if board.next(ASLEEP) >= 0:
                self._wake(board, lanes)
            if notes and board.next(LISTENING) >= 0:
                self._publish(board, notes)

    # --- sleepers ----------------------------------------------------------------------------------

    def anyone_asleep(self) -> bool:
        """Whether some worker sleeps, of whatever namespace."""
        board = self.board()
        return board is not None and board.next(ASLEEP) >= 0

    def sleepers(self, board: WakeupRegistry, state: bytes = ASLEEP) -> Iterator[int]:
        """The slots of sleeping workers, or of those in another state."""
        slot = board.next(state)
        while slot >= 0:
            if board.namespace(slot) == self.namespace:
                yield slot
            slot = board.next(state, slot + 1)

    def wake(self, lanes: Iterable[Lane], besides: int = -1) -> None:
        """Wake, of each kind of worker, one sleeper for each lane; not the one in the slot `besides`."""
        board = self.board()
        if board is not None:
            self._wake(board, lanes, besides)

    def _wake(self, board: WakeupRegistry, lanes: Iterable[Lane], besides: int = -1) -> None:
        woken: list[int] = []
        for lane in lanes:
            queue = self.mark(lane.queue)
            for kind in _KINDS:
                if kind and lane.wish and kind != lane.wish:
                    continue
                if not any(_serves(board, slot, kind, lane, queue) for slot in woken):
                    self._wake_one(board, kind, lane, queue, besides, woken)

    def _wake_one(
        self, board: WakeupRegistry, kind: int, lane: Lane, queue: bytes, besides: int, woken: list[int]
    ) -> None:
        # Who names the queue comes first: who takes from all will be woken for what is left anywhere.
        for slot in sorted(self.sleepers(board), key=board.takes_all):
            if slot == besides or not _serves(board, slot, kind, lane, queue):
                continue
            if ring(board, slot) and board.is_sure(slot):
                woken.append(slot)
                return

    def set_alarm(self, due: int, besides: int = -1) -> None:
        """See to it that some sleeper wakes by itself when the next delayed message is due, or wake one.

        For a worker that knew of it and is busy from now on. Any worker will do, since any makes ready what is due.
        """
        board = self.board()
        if board is not None and board.next(ASLEEP) >= 0:
            others = [slot for slot in self.sleepers(board) if slot != besides]
            if not any(board.alarm(slot) <= due for slot in others):
                any(ring(board, slot) for slot in others)

    def call(self, worker: str) -> None:
        """Wake this very worker, also if it is only about to sleep."""
        board = self.board()
        if board is not None:
            name = self.mark(worker)
            for state in (ASLEEP, AWAKE):
                for slot in self.sleepers(board, state):
                    if board.worker(slot) == name:
                        ring(board, slot)

    # --- subscribers -------------------------------------------------------------------------------

    def anyone_listening(self) -> bool:
        """Whether there is a subscriber, of whatever namespace."""
        board = self.board()
        return board is not None and board.next(LISTENING) >= 0

    def publish(self, channel: str, data: bytes, kind: bytes = NOTE) -> None:
        """Tell subscribers of `channel`; with ``SPOOLED``, `data` is the number of the spooled row."""
        board = self.board()
        if board is not None:
            self._publish(board, [(channel, data)], kind)

    def _publish(self, board: WakeupRegistry, notes: Iterable[tuple[str, bytes]], kind: bytes = NOTE) -> None:
        listeners = []
        slot = board.next(LISTENING)
        while slot >= 0:
            if board.namespace(slot) == self.namespace:
                listeners.append(slot)
            slot = board.next(LISTENING, slot + 1)
        if not listeners:
            return
        for channel, data in notes:
            wanted = mark(channel)
            for slot in listeners:
                if board.wants(slot, wanted):
                    sent = len(data) <= MOST_DATA and board.send(
                        slot, pack(kind, self.namespace, channel, data)
                    )
                    if sent is False:
                        board.lose(slot)
                        board.send(slot, LOOK)


def ring(board: WakeupRegistry, slot: int) -> bool:
    """Wake the sleeper in a slot; whether there was one.

    It counts as awake before it can hear of it: it may fall asleep again right after.
    """
    board.set_state(slot, AWAKE)
    return board.send(slot, RING) is not None


def _serves(board: WakeupRegistry, slot: int, kind: int, lane: Lane, queue: bytes) -> bool:
    return (
        board.kind(slot) == kind
        and (not kind or not lane.wish or kind == lane.wish)
        and bool(board.lanes(slot) & (2 if lane.suspect else 1))
        and board.drains(slot, queue)
    )


def pack(kind: bytes, namespace: bytes, channel: str, data: bytes) -> bytes:
    """A datagram with a note."""
    name = channel.encode("utf-8", "surrogatepass")
    return b"".join((kind, namespace, len(name).to_bytes(4, "little"), name, data))


def unpack(datagram: bytes) -> tuple[bytes, bytes, str, bytes]:
    """What :func:`pack` made: kind, namespace, channel, data."""
    length = int.from_bytes(datagram[9:13], "little")
    name = datagram[13 : 13 + length].decode("utf-8", "surrogatepass")
    return datagram[:1], datagram[1:9], name, datagram[13 + length :]
