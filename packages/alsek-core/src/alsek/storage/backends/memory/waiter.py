"""Sleeping workers of a :class:`~alsek.storage.backends.memory.MemoryBackend`: how they wait, and which is woken."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from alsek.core.wakeup_pipe import WakeupPipe
from alsek.storage.backends.kinds import POOL_KINDS, WorkerKind
from alsek.storage.backends.memory.lanes import Lane
from alsek.storage.backends.memory.store import MemoryStore
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Worker

_KINDS: Final[tuple[WorkerKind, ...]] = (*POOL_KINDS, "any")


class Sleepers:
    """The armed waiters, the one that has slept longest first.

    Args:
        store: Its lock guards this.
        can_use: Returns True if a worker may take something of a lane now.
        would_miss: Returns True if something is claimable for a worker now that it does not know of.
    """

    def __init__(
        self,
        store: MemoryStore,
        can_use: Callable[[Lane, Worker], bool],
        would_miss: Callable[[Worker], bool],
    ) -> None:
        self._store = store
        self._can_use = can_use
        self._would_miss = would_miss
        self._armed: list[MemoryWaiter] = []

    def wake(self, lanes: Iterable[Lane]) -> None:
        """Wake one sleeper of each kind for each of these lanes; one that can use two lanes counts for both."""
        woken: list[MemoryWaiter] = []
        for lane in lanes:
            for kind in _KINDS:
                if not self._any_can_use(woken, kind, lane):
                    sleepers = (w for w in self._armed if w.worker.kind == kind)
                    waiter = next((w for w in sleepers if self._can_use(lane, w.worker)), None)
                    if waiter is not None:
                        self._wake(waiter)
                        woken.append(waiter)

    def wake_instead(self, waiter: MemoryWaiter) -> None:
        """Wake another sleeper, if possible one that has something to take."""
        with self._store.lock:
            others = [other for other in self._armed if other is not waiter]
            useful = (other for other in others if self._would_miss(other.worker))
            chosen = next(useful, others[0] if others else None)
            if chosen is not None:
                self._wake(chosen)

    def arm(self, waiter: MemoryWaiter) -> None:
        """Add a waiter to the sleepers; wake it at once if it would miss something."""
        with self._store.lock:
            if waiter not in self._armed:
                self._armed.append(waiter)
            if self._would_miss(waiter.worker):
                self._wake(waiter)

    def disarm(self, waiter: MemoryWaiter) -> None:
        """Remove a waiter from the sleepers."""
        with self._store.lock:
            if waiter in self._armed:
                self._armed.remove(waiter)

    def _any_can_use(self, waiters: list[MemoryWaiter], kind: WorkerKind, lane: Lane) -> bool:
        return any(w.worker.kind == kind and self._can_use(lane, w.worker) for w in waiters)

    def _wake(self, waiter: MemoryWaiter) -> None:
        self._armed.remove(waiter)
        waiter.notify()


class MemoryWaiter(Waiter):
    """A pipe: the store writes a byte, the worker's ``poll`` sees it."""

    def __init__(self, sleepers: Sleepers, worker: Worker) -> None:
        self.worker = worker
        self._sleepers = sleepers
        self._wakeup = WakeupPipe()

    @property
    def interval(self) -> int:
        return 5_000

    def fileno(self) -> int:
        return self._wakeup.fileno()

    def arm(self) -> None:
        self._sleepers.arm(self)

    def drain(self) -> bool:
        return self._wakeup.drain()

    def notify(self) -> None:
        """Wake the worker. The store calls this, under its lock."""
        self._wakeup.notify()

    def pass_on(self) -> None:
        self._sleepers.wake_instead(self)

    def close(self) -> None:
        self._sleepers.disarm(self)
        self._wakeup.close()
