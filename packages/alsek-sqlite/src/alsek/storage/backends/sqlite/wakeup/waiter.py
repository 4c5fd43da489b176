"""How a worker sleeps until there is something to claim."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Final, NamedTuple

from alsek.exceptions import BackendError
from alsek.storage.backends.kinds import SlotKind, sleeps_as
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Worker
from alsek.storage.backends.sqlite.wakeup.notifier import Notifier
from alsek.storage.backends.sqlite.wakeup.registry import ASLEEP, AWAKE, WakeupRegistry
from alsek.storage.backends.sqlite.wakeup.sleepers import wake_slot
from alsek.storage.backends.sqlite.wakeup.slot_records import NO_ALARM

#: How often a sleeping worker looks at the store by itself. That takes a fraction of a millisecond.
INTERVAL_MS: Final = 1_000


class SleepInfo(NamedTuple):
    """What a worker that is about to sleep needs to know.

    Attributes:
        missed: There is something for it that it does not know of.
        alarm: When it will wake by itself (the store's time), or None.
        lanes: 1 if it may take plain messages now, 2 if suspects, 3 if both.
    """

    missed: bool
    alarm: int | None
    lanes: int


class SQLiteWaiter(Waiter):
    """A datagram socket, and a slot of the registry that says for what its worker is woken.

    Args:
        notifier: The notifier of the worker's namespace.
        worker: The worker that sleeps.
        slot: For messages of which slot kind; None for all that it takes.
        sleep_info: Looks at the store.
        pass_on: Wakes other workers in place of this one, but not the one that sleeps in this slot.
    """

    def __init__(
        self,
        notifier: Notifier,
        worker: Worker,
        slot: SlotKind | None,
        sleep_info: Callable[[Worker, SlotKind | None], SleepInfo],
        pass_on: Callable[[Worker, int], None],
    ) -> None:
        self._notifier = notifier
        self._worker = worker
        self._for_slot: SlotKind | None = slot
        self._kinds = sleeps_as(worker.kind, slot)
        self._sleep_info = sleep_info
        self._pass_on = pass_on
        self._pid = os.getpid()
        self._registry: WakeupRegistry | None = None
        self._slot = -1
        self._peer: socket.socket | None = None
        self._receiver = self._dead_socket()
        self._take_slot()

    @property
    def interval(self) -> int:
        return INTERVAL_MS

    def fileno(self) -> int:
        return self._receiver.fileno()

    def arm(self) -> None:
        self._take_slot()
        registry = self._registry
        if registry is None or registry.state(self._slot) == ASLEEP:
            return
        try:
            before = self._sleep_info(self._worker, self._for_slot)
            self._describe(registry, before)
            registry.set_state(self._slot, ASLEEP)
            # From now on every commit finds it asleep, so only this look tells that nothing was missed.
            missed = before.missed or self._sleep_info(self._worker, self._for_slot).missed
        except BackendError:
            missed = True  # the claim that follows meets the same error, where it can be handled
        if missed:
            wake_slot(registry, self._slot)

    def _describe(self, registry: WakeupRegistry, info: SleepInfo) -> None:
        notifier, worker = self._notifier, self._worker
        registry.records.describe_sleeper(
            self._slot,
            notifier.namespace,
            None if worker.kind == "any" else self._kinds,
            None if worker.queues is None else [notifier.name_hash(name) for name in worker.queues],
            info.lanes,
            NO_ALARM if info.alarm is None else info.alarm,
            notifier.name_hash(worker.id),
        )

    def drain(self) -> bool:
        woken = False
        while True:
            try:
                self._receiver.recv(64)
            except BlockingIOError:
                return woken
            except OSError:
                return True
            woken = True
            if self._registry is not None:
                self._registry.set_state(self._slot, AWAKE)

    def pass_on(self) -> None:
        if self._registry is not None:
            self._registry.set_state(self._slot, AWAKE)
        self._pass_on(self._worker, self._slot)

    def close(self) -> None:
        self._free_slot()
        self._receiver.close()
        if self._peer is not None:
            self._peer.close()
            self._peer = None

    def _take_slot(self) -> None:
        """Take a slot; also if the registry is another one now."""
        registry = self._notifier.registry()
        if registry is self._registry:
            return
        self._free_slot()
        if registry is not None:
            try:
                slot, receiver = registry.take()
            except OSError:
                registry = None
            else:
                self._receiver.close()
                self._slot, self._receiver = slot, receiver
                self._describe(registry, SleepInfo(missed=False, alarm=None, lanes=3))
        if registry is None:
            self._receiver.close()
            self._receiver = self._dead_socket()
        self._registry = registry

    def _free_slot(self) -> None:
        # A forked child must not free its parent's slot.
        if self._registry is not None and self._pid == os.getpid():
            self._registry.free(self._slot)
        self._registry, self._slot = None, -1

    def _dead_socket(self) -> socket.socket:
        """Return a socket to which nothing is ever sent: the worker wakes at its interval."""
        if self._peer is not None:
            self._peer.close()
        receiver, self._peer = socket.socketpair()
        receiver.setblocking(False)
        return receiver
