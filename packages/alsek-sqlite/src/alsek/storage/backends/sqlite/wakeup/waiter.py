"""How a worker sleeps until there is something to claim."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Final, NamedTuple

from alsek.exceptions import BackendError
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Worker
from alsek.storage.backends.sqlite.lanes import WISH_NUMBERS
from alsek.storage.backends.sqlite.wakeup.notifier import Notifier, ring
from alsek.storage.backends.sqlite.wakeup.registry import ASLEEP, AWAKE, NO_ALARM, WakeupRegistry

#: The safety net (ms). A look at the store takes a fraction of a millisecond.
INTERVAL: Final = 1_000


class SleepInfo(NamedTuple):
    """What a worker about to sleep should know.

    Attributes:
        missed: There is something for it that it has not been told of.
        alarm: When it will wake by itself (the store's time), or None.
        lanes: 1 if it may be given plain messages now, 2 suspects, 3 both.
    """

    missed: bool
    alarm: int | None
    lanes: int


class SQLiteWaiter(Waiter):
    """A datagram socket, and a slot on the board that says for what it is to be woken.

    Args:
        notifier: Of the worker's namespace.
        worker: Who sleeps.
        prospect: Looks at the store.
        pass_on: Wakes others in place of this worker, but not who sleeps in this slot.
    """

    def __init__(
        self,
        notifier: Notifier,
        worker: Worker,
        prospect: Callable[[Worker], SleepInfo],
        pass_on: Callable[[Worker, int], None],
    ) -> None:
        self._notifier = notifier
        self._worker = worker
        self._prospect = prospect
        self._pass_on = pass_on
        self._pid = os.getpid()
        self._board: WakeupRegistry | None = None
        self._slot = -1
        self._silence: socket.socket | None = None
        self._ear = self._be_deaf()
        self._settle()

    @property
    def interval(self) -> int:
        return INTERVAL

    def fileno(self) -> int:
        return self._ear.fileno()

    def arm(self) -> None:
        self._settle()
        board = self._board
        if board is None or board.state(self._slot) == ASLEEP:
            return
        try:
            before = self._prospect(self._worker)
            self._describe(board, before)
            board.set_state(self._slot, ASLEEP)
            # Only now, when every later commit finds it asleep, can a look tell that nothing was missed.
            missed = before.missed or self._prospect(self._worker).missed
        except BackendError:
            missed = True  # the claim that follows meets the same, where it can be handled
        if missed:
            ring(board, self._slot)

    def _describe(self, board: WakeupRegistry, prospect: SleepInfo) -> None:
        notifier, worker = self._notifier, self._worker
        board.describe_sleeper(
            self._slot,
            notifier.namespace,
            WISH_NUMBERS[worker.kind],
            None if worker.queues is None else [notifier.mark(name) for name in worker.queues],
            prospect.lanes,
            NO_ALARM if prospect.alarm is None else prospect.alarm,
            notifier.mark(worker.id),
        )

    def drain(self) -> bool:
        rung = False
        while True:
            try:
                self._ear.recv(64)
            except BlockingIOError:
                return rung
            except OSError:
                return True
            rung = True
            if self._board is not None:
                self._board.set_state(self._slot, AWAKE)

    def pass_on(self) -> None:
        if self._board is not None:
            self._board.set_state(self._slot, AWAKE)
        self._pass_on(self._worker, self._slot)

    def close(self) -> None:
        self._leave()
        self._ear.close()
        if self._silence is not None:
            self._silence.close()
            self._silence = None

    def _settle(self) -> None:
        """Take a slot; again if the board is another one now."""
        board = self._notifier.board()
        if board is self._board:
            return
        self._leave()
        if board is not None:
            try:
                slot, ear = board.take()
            except OSError:
                board = None
            else:
                self._ear.close()
                self._slot, self._ear = slot, ear
                self._describe(board, SleepInfo(missed=False, alarm=None, lanes=3))
        if board is None:
            self._ear.close()
            self._ear = self._be_deaf()
        self._board = board

    def _leave(self) -> None:
        # A forked child's copy must leave its parent's slot alone.
        if self._board is not None and self._pid == os.getpid():
            self._board.free(self._slot)
        self._board, self._slot = None, -1

    def _be_deaf(self) -> socket.socket:
        """A socket on which nothing is ever heard: only the interval wakes."""
        if self._silence is not None:
            self._silence.close()
        ear, self._silence = socket.socketpair()
        ear.setblocking(False)
        return ear
