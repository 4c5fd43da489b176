"""How workers sleep on a :class:`~alsek.storage.backends.memory.MemoryBackend`, and who is woken."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from alsek.core.wakeup_pipe import WakeupPipe
from alsek.storage.backends.memory.queue import Lane
from alsek.storage.backends.memory.store import MemoryStore
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Worker
from alsek.types import Wish

_KINDS: tuple[Wish, ...] = ("thread", "process", "any")


class Sleepers:
    """The armed waiters, longest asleep first.

    Args:
        store: Whose lock guards this.
        serves: Whether something out of a lane may go to a worker now.
        missed: Whether something that a worker has not heard of is claimable for it now.
    """

    def __init__(
        self,
        store: MemoryStore,
        serves: Callable[[Lane, Worker], bool],
        missed: Callable[[Worker], bool],
    ) -> None:
        self._store = store
        self._serves = serves
        self._missed = missed
        self._armed: list[MemoryWaiter] = []

    def wake(self, lanes: Iterable[Lane]) -> None:
        """Wake for each of these lanes one sleeper of each kind; one that serves two counts for both."""
        woken: list[MemoryWaiter] = []
        for lane in lanes:
            for kind in _KINDS:
                if not self._any_serves(woken, kind, lane):
                    sleepers = (w for w in self._armed if w.worker.kind == kind)
                    waiter = next((w for w in sleepers if self._serves(lane, w.worker)), None)
                    if waiter is not None:
                        self._ring(waiter)
                        woken.append(waiter)

    def wake_instead(self, waiter: MemoryWaiter) -> None:
        """Wake another one: at best one that has something to take."""
        with self._store.lock:
            others = [other for other in self._armed if other is not waiter]
            useful = (other for other in others if self._missed(other.worker))
            chosen = next(useful, others[0] if others else None)
            if chosen is not None:
                self._ring(chosen)

    def arm(self, waiter: MemoryWaiter) -> None:
        """Count a waiter among the sleepers; ring at once if it would oversleep something."""
        with self._store.lock:
            if waiter not in self._armed:
                self._armed.append(waiter)
            if self._missed(waiter.worker):
                self._ring(waiter)

    def disarm(self, waiter: MemoryWaiter) -> None:
        """Let a waiter hear no more."""
        with self._store.lock:
            if waiter in self._armed:
                self._armed.remove(waiter)

    def _any_serves(self, waiters: list[MemoryWaiter], kind: Wish, lane: Lane) -> bool:
        return any(w.worker.kind == kind and self._serves(lane, w.worker) for w in waiters)

    def _ring(self, waiter: MemoryWaiter) -> None:
        self._armed.remove(waiter)
        waiter.ring()


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

    def ring(self) -> None:
        """Called by the store, under its lock."""
        self._wakeup.notify()

    def pass_on(self) -> None:
        self._sleepers.wake_instead(self)

    def close(self) -> None:
        self._sleepers.disarm(self)
        self._wakeup.close()
