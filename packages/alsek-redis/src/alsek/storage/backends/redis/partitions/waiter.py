"""Waiting for messages of all partitions."""

from __future__ import annotations

import contextlib
import selectors
from collections.abc import Callable, Sequence, Set
from typing import Any

from alsek.exceptions import BackendError
from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Worker
from alsek.storage.backends.redis.partitions.node_waits import NodeWaits
from alsek.storage.backends.redis.partitions.waits import Connected, ListWaits, Waits
from alsek.storage.backends.redis.ports.port_set import PortSet
from alsek.storage.backends.redis.wakeup.telling import Telling


class PartitionedWaiter(Waiter):
    """A worker's sleep until there is something for it in any partition.

    One server waits on the token lists of all partitions in one command. On a cluster, the worker has one connection to
    each node, on which it is told; where that does not work, one for each partition.

    Args:
        sets: The ports of each partition.
        worker: The worker.
        slot: As in :meth:`~alsek.storage.backends.ports.WorkPort.waiter`.
        pass_on: Wakes another worker in place of this one, in the partition of this number.
        telling: What was found out about being told.
        does_without: Told of partitions on whose lists it can't wait; returns whether others are left.
        away: Returns the partitions that are away: it does not wait for their messages.
    """

    def __init__(
        self,
        sets: Sequence[PortSet],
        worker: Worker,
        slot: SlotKind | None,
        pass_on: Callable[[int], None],
        telling: Telling,
        does_without: Callable[[Set[int]], bool] = lambda _: False,
        away: Callable[[], Set[int]] = frozenset,
    ) -> None:
        self._does_without, self._away = does_without, away
        self._sets, self._worker = sets, worker
        self._slot: SlotKind | None = slot
        self._pass_on = pass_on
        self._telling = telling
        self._woken: set[int] = set()
        #: Its descriptor is readable when one of its own is: so with epoll and kqueue.
        self._selector: Any = None
        self._may_be_told = sets[0].link.cluster and sets[0].link.direct
        self._is_told = self._may_be_told and telling.works
        self._waits = self._new_waits()
        self.closed = False

    def _new_waits(self) -> Waits:
        if self._is_told:
            return NodeWaits(self._sets, self._worker, self._slot, self._telling, self._away)
        return ListWaits(self._sets, self._worker, self._slot, self._pass_on, self._does_without, self._away)

    @property
    def interval(self) -> int:
        return self._waits.interval

    @property
    def _alone(self) -> Connected | None:
        """The one connection that there is and will be, if so."""
        waiters = self._waits.waiters
        return waiters[0] if len(waiters) == 1 and not self._is_told else None

    def fileno(self) -> int:
        alone = self._alone
        if alone is not None:
            descriptor = alone.fileno()
            assert descriptor is not None
            return descriptor
        if self._selector is None:
            self.arm()
        selector = self._selector
        assert selector is not None
        return int(selector.fileno())

    def arm(self) -> None:
        if self._may_be_told and self._is_told != self._telling.works:
            self._change()
        self._waits.arm()
        if self._alone is None:
            # A new one each time: a connection that was closed has left the old one, and its number may be used again.
            self._close_selector()
            self._selector = selectors.DefaultSelector()
            for waiter in self._waits.waiters:
                descriptor = waiter.fileno()
                if descriptor is not None:
                    self._selector.register(descriptor, selectors.EVENT_READ, waiter)

    def _change(self) -> None:
        """Wait in the other way. What was told meanwhile wakes the worker: all partitions are to be visited."""
        self._close_selector()
        self._waits.close()
        self._is_told = self._telling.works
        self._waits = self._new_waits()
        self._woken = set(range(len(self._sets)))

    def drain(self) -> bool:
        return bool(self._take_woken())

    def look(self) -> set[int]:
        """Read what has arrived; the numbers of the partitions that have woken the worker, and were not visited yet."""
        self._take_woken()
        return self._woken

    def _take_woken(self) -> set[int]:
        """Read what has arrived; the partitions that have woken the worker since the last time."""
        for waiter in self._ready():
            waiter.drain()
        found: set[int] = set()
        for waiter in self._waits.waiters:
            found |= waiter.take_woken()
        self._woken |= found
        return found

    def visited(self, number: int) -> None:
        """Take in that the worker has sent a step to a partition: that has woken another worker if need be."""
        self._woken.discard(number)

    def listens_to(self, number: int) -> bool:
        """Whether a message of this partition would wake the worker now."""
        return self._waits.listens_to(number)

    def _ready(self) -> Sequence[Connected]:
        if self._alone is not None:
            return self._waits.waiters
        if self._selector is None:
            return []
        return [key.data for key, _ in self._selector.select(0)]

    def pass_on(self) -> None:
        while self._woken:
            number = next(iter(self._woken))
            self._pass_on(number)
            self._woken.discard(number)

    def close(self) -> None:
        self.closed = True
        self._close_selector()
        self._waits.close()
        for waiter in self._waits.waiters:
            self._woken |= waiter.take_woken()
        with contextlib.suppress(BackendError):
            self.pass_on()

    def _close_selector(self) -> None:
        selector, self._selector = self._selector, None
        if selector is not None:
            selector.close()
