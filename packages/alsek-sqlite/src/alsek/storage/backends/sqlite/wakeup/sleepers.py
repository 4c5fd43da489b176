"""Chooses which sleeping workers to wake, and wakes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from alsek.storage.backends.kinds import SLEEPERS_OF, SleeperKind
from alsek.storage.backends.sqlite.lanes import WISH_NUMBERS, Lane
from alsek.storage.backends.sqlite.wakeup.datagrams import WAKE
from alsek.storage.backends.sqlite.wakeup.registry import ASLEEP, AWAKE, WakeupRegistry

#: Whom a message of each wish, by its number, wakes: one sleeper of each kind, and one that takes all messages.
_WOKEN: Final[Mapping[int, tuple[SleeperKind | None, ...]]] = {
    WISH_NUMBERS[wish]: (*kinds, None) for wish, kinds in SLEEPERS_OF.items()
}


def wake_slot(registry: WakeupRegistry, slot: int) -> bool:
    """Wake the worker that sleeps in this slot; return True if there was one.

    Its state is set before the datagram is sent: it may fall asleep again right after it.
    """
    registry.set_state(slot, AWAKE)
    return registry.send(slot, WAKE) is not None


class Sleepers:
    """The sleeping workers of one namespace.

    Args:
        registry: The registry.
        namespace: The hash of the namespace.
        name_hash: Returns the hash of the name of a queue or worker of the namespace.
    """

    def __init__(self, registry: WakeupRegistry, namespace: bytes, name_hash: Callable[[str], bytes]) -> None:
        self._registry = registry
        self._records = registry.records
        self._namespace = namespace
        self._name_hash = name_hash

    def slots(self, state: bytes = ASLEEP) -> Iterator[int]:
        """Iterate over the slots of the sleeping workers, or of those in another state."""
        slot = self._registry.next(state)
        while slot >= 0:
            if self._records.namespace(slot) == self._namespace:
                yield slot
            slot = self._registry.next(state, slot + 1)

    def wake(self, lanes: Iterable[Lane], besides: int = -1) -> None:
        """Wake one worker of each kind for each lane, but not the one in the slot `besides`."""
        woken: list[int] = []
        for lane in lanes:
            queue = self._name_hash(lane.queue)
            takers = None if lane.takers is None else frozenset(map(self._name_hash, lane.takers))
            for kind in _WOKEN[lane.wish]:
                if not any(self._can_use(slot, kind, lane, queue, takers) for slot in woken):
                    self._wake_one(kind, lane, queue, takers, besides, woken)

    def _wake_one(
        self,
        kind: SleeperKind | None,
        lane: Lane,
        queue: bytes,
        takers: frozenset[bytes] | None,
        besides: int,
        woken: list[int],
    ) -> None:
        # A worker that names the queue comes first: one that takes from all is woken for what is left anywhere.
        for slot in sorted(self.slots(), key=self._records.takes_from_all):
            if slot == besides or not self._can_use(slot, kind, lane, queue, takers):
                continue
            if wake_slot(self._registry, slot) and self._records.is_sure(slot):
                woken.append(slot)
                return

    def _can_use(
        self,
        slot: int,
        kind: SleeperKind | None,
        lane: Lane,
        queue: bytes,
        takers: frozenset[bytes] | None,
    ) -> bool:
        """Return True if the worker in a slot is of this kind and may take something of this lane."""
        records = self._records
        kinds = records.kinds(slot)
        return (
            (kinds is None if kind is None else kinds is not None and kind in kinds)
            and bool(records.lanes(slot) & (2 if lane.suspect else 1))
            and (records.takes_from(slot, queue) if takers is None else records.worker(slot) in takers)
        )

    def set_alarm(self, due: int, besides: int = -1) -> None:
        """Wake a worker, unless one besides the one in the slot `besides` will wake by itself at `due` or before."""
        others = [slot for slot in self.slots() if slot != besides]
        if not any(self._records.alarm(slot) <= due for slot in others):
            any(wake_slot(self._registry, slot) for slot in others)

    def rouse(self, due: int) -> None:
        """Wake every worker that would not wake by itself at `due` or before."""
        for slot in self.slots():
            if self._records.alarm(slot) > due:
                wake_slot(self._registry, slot)

    def wake_worker(self, worker: str) -> None:
        """Wake this worker, even if it is only about to sleep."""
        name = self._name_hash(worker)
        for state in (ASLEEP, AWAKE):
            for slot in self.slots(state):
                if self._records.worker(slot) == name:
                    wake_slot(self._registry, slot)
