"""Sleeping workers of a :class:`~alsek.storage.backends.memory.MemoryBackend`: how they wait, and which is woken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeAlias

from alsek.core.wakeup_pipe import WakeupPipe
from alsek.storage.backends.kinds import SLEEPERS_OF, SLOTS_OF, SleeperKind, SlotKind, sleeps_as
from alsek.storage.backends.memory.lanes import Lane
from alsek.storage.backends.memory.store import MemoryStore
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Pushed, Worker

#: Of the sleepers of each kind one is woken, and one consumer.
_Kind: TypeAlias = SleeperKind | Literal["any"]


class Sleepers:
    """The armed waiters, the one that has slept longest first.

    Args:
        store: Its lock guards this.
        can_use: Returns True if a worker may take something of a lane now, into such slots.
        would_miss: Returns True if something is claimable for a worker now, into such slots, that it does not know of.

    Attributes:
        lock: That of the store.
    """

    def __init__(
        self,
        store: MemoryStore,
        can_use: Callable[[Lane, Worker, tuple[SlotKind, ...]], bool],
        would_miss: Callable[[Worker, tuple[SlotKind, ...]], bool],
    ) -> None:
        self.lock = store.lock
        self._can_use = can_use
        self._would_miss = would_miss
        self._armed: list[MemoryWaiter] = []
        #: Those that were armed and are open, by the ids of their workers.
        self._listening: dict[str, MemoryWaiter] = {}

    def wake(self, lanes: Iterable[Lane]) -> None:
        """Wake one sleeper of each kind for each of these lanes; one that can use two lanes counts for both."""
        woken: list[MemoryWaiter] = []
        for lane in lanes:
            kinds: tuple[_Kind, ...] = (*SLEEPERS_OF[lane.wish], "any")
            for kind in kinds:
                if self._first_user(woken, kind, lane) is None:
                    waiter = self._first_user(self._armed, kind, lane)
                    if waiter is not None:
                        self._wake(waiter)
                        woken.append(waiter)

    def wake_late(self, concerned: Callable[[Worker], bool]) -> None:
        """Wake those whose workers are concerned and would miss something."""
        for waiter in list(self._armed):
            if concerned(waiter.worker) and self._would_miss(waiter.worker, waiter.slots):
                self._wake(waiter)

    def wake_instead(self, waiter: MemoryWaiter) -> None:
        """Wake another sleeper, if possible one that has something to take."""
        with self.lock:
            others = [other for other in self._armed if other is not waiter]
            useful = (other for other in others if self._would_miss(other.worker, other.slots))
            chosen = next(useful, others[0] if others else None)
            if chosen is not None:
                self._wake(chosen)

    def arm(self, waiter: MemoryWaiter) -> None:
        """Add a waiter to the sleepers; wake it at once if it would miss something."""
        with self.lock:
            if waiter.listens:
                self._listening[waiter.worker.id] = waiter
            if waiter not in self._armed:
                self._armed.append(waiter)
            if self._would_miss(waiter.worker, waiter.slots):
                self._wake(waiter)

    def is_armed(self, waiter: MemoryWaiter) -> bool:
        """Return True if it is among the sleepers."""
        return waiter in self._armed

    def remove(self, waiter: MemoryWaiter) -> None:
        """Remove a waiter: it is woken, and receives pushes, no more."""
        with self.lock:
            if waiter in self._armed:
                self._armed.remove(waiter)
            if self.is_listening(waiter):
                del self._listening[waiter.worker.id]

    def is_listening(self, waiter: MemoryWaiter) -> bool:
        """Return True if it receives the pushes to its worker: it was armed after all others of this worker."""
        return self._listening.get(waiter.worker.id) is waiter

    def find_receiver(self, worker_id: str) -> Callable[[Pushed], None] | None:
        """Return what hands a push to this worker's waiter; None if it has none. Called under the store's lock."""
        waiter = self._listening.get(worker_id)
        return None if waiter is None else waiter.receive

    def _first_user(self, waiters: Iterable[MemoryWaiter], kind: _Kind, lane: Lane) -> MemoryWaiter | None:
        """The first of these waiters that is of this kind, and whose worker may take something of this lane now."""
        of_kind = (each for each in waiters if kind in each.kinds)
        return next((each for each in of_kind if self._can_use(lane, each.worker, each.slots)), None)

    def _wake(self, waiter: MemoryWaiter) -> None:
        self._armed.remove(waiter)
        waiter.notify()


class MemoryWaiter(Waiter):
    """A pipe: the store writes a byte, the worker's ``poll`` sees it.

    Args:
        sleepers: Those of the store.
        worker: The worker that sleeps.
        slot: For messages of which slot kind; None for all that it takes.

    Attributes:
        worker: The worker that sleeps.
        slots: The slot kinds for whose messages it is woken.
        kinds: As which kinds of sleeper it is woken.
        listens: Whether the pushes to the worker come to it: of several waiters, that for the first slot kind.
    """

    def __init__(self, sleepers: Sleepers, worker: Worker, slot: SlotKind | None) -> None:
        self.worker = worker
        self.slots = SLOTS_OF[worker.kind] if slot is None else (slot,)
        self.listens = slot in (None, SLOTS_OF[worker.kind][0])
        self.kinds: tuple[_Kind, ...] = ("any",) if worker.kind == "any" else sleeps_as(worker.kind, slot)
        self._sleepers = sleepers
        self._wakeup = WakeupPipe()
        self._lock = sleepers.lock
        self._woken = False
        self._pushed: list[Pushed] = []
        self._drained: list[Pushed] = []

    @property
    def interval(self) -> int:
        return 5_000

    def fileno(self) -> int:
        return self._wakeup.fileno()

    def arm(self) -> None:
        self._sleepers.arm(self)

    @property
    def is_armed(self) -> bool:
        return self._sleepers.is_armed(self)

    def drain(self) -> bool:
        with self._lock:
            self._wakeup.drain()
            woken, self._woken = self._woken, False
            self._drained += self._pushed
            self._pushed.clear()
        return woken

    @property
    def receives(self) -> bool:
        return self._sleepers.is_listening(self)

    def take_pushed(self) -> Sequence[Pushed]:
        taken, self._drained = self._drained, []
        return taken

    def notify(self) -> None:
        """Wake the worker. The store calls this, under its lock."""
        self._woken = True
        self._wakeup.notify()

    def receive(self, pushed: Pushed) -> None:
        """Hand the worker a push. The store calls this, under its lock."""
        self._pushed.append(pushed)
        self._wakeup.notify()

    def pass_on(self) -> None:
        self._sleepers.wake_instead(self)

    def close(self) -> None:
        self._sleepers.remove(self)
        self._wakeup.close()
