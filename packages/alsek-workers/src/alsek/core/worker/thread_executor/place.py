"""Where a task thread sleeps, until there is work for it."""

from __future__ import annotations

import select
import threading
from typing import Final, Generic, TypeVar

from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.engine.stand_in import StandIn
from alsek.core.worker.thread_executor.work_queue import WorkQueue

W = TypeVar("W")

#: How long a thread waits for the turn before it looks again if there is work.
_LOOK_AGAIN_S: Final = 0.01


class Place(Generic[W]):
    """Where one thread sleeps.

    Args:
        queue: The work.
    """

    def __init__(self, queue: WorkQueue[W]) -> None:
        self._queue = queue
        self._lock = threading.Lock()
        self._lock.acquire()

    def next_work(self) -> W:
        """Sleep until there is work for this thread, and return it."""
        return self._queue.get(self._lock)


class StandInPlace(Place[W]):
    """Where a thread sleeps that may stand in for the engine's, and wait for the store.

    While it does, this takes the place of its lock, and has the lock's methods.

    Args:
        queue: The work.
        stand_in: Has turns for it.
    """

    def __init__(self, queue: WorkQueue[W], stand_in: StandIn) -> None:
        super().__init__(queue)
        self._stand_in = stand_in
        self._pipe: WakeupPipe | None = None
        self._poll = select.poll()
        self._polled = -1

    def next_work(self) -> W:
        """Sleep until there is work for this thread, and return it. Meanwhile it may be the engine."""
        stand_in = self._stand_in
        if stand_in.waiting is not self:
            return self._queue.get(self._lock)
        if self._pipe is None:
            self._pipe = WakeupPipe()
            self._poll.register(self._pipe, select.POLLIN)
        work = self._queue.get(self)
        if stand_in.waiting is self:
            stand_in.leave(self)
        return work

    def release(self) -> None:
        """Wake the thread, for work. Called with the turn."""
        self._stand_in.call_off(self)
        assert self._pipe is not None
        self._pipe.notify()

    def acquire(self) -> None:
        """Sleep until :meth:`release`, or until the waiter is ready: then the thread is the engine for a turn."""
        stand_in = self._stand_in
        assert self._pipe is not None
        self._poll_waiter(stand_in.descriptor if stand_in.waiting is self else -1)
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == self._pipe.reader:
                    self._pipe.read()
                    return
            # Until it has the turn, this thread can be woken for work: whoever has the turn may have some.
            if stand_in.turn.acquire(timeout=_LOOK_AGAIN_S):
                try:
                    if self._queue.withdraw(self):
                        stand_in.on_ready(self)
                        return
                finally:
                    stand_in.turn.release()

    def _poll_waiter(self, descriptor: int) -> None:
        """Poll the waiter with this descriptor; -1 for none."""
        if descriptor != self._polled:
            if self._polled >= 0:
                self._poll.unregister(self._polled)
            if descriptor >= 0:
                self._poll.register(descriptor, select.POLLIN)
            self._polled = descriptor
