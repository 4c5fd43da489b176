"""Notifies other processes, and other threads of this one, of what a commit has changed.

Sleeping workers are woken if there is something to claim (one worker of each kind: more would find nothing), and
subscribers get what was published on their channels. Both look at the store at least once a second, so a lost datagram
costs time and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from alsek.core.clock import real_time as time
from alsek.core.loggers import guarded_logger
from alsek.storage.backends.sqlite.lanes import Lane
from alsek.storage.backends.sqlite.wakeup.datagrams import LOOK, MOST_DATA, NOTE, pack
from alsek.storage.backends.sqlite.wakeup.listener_slots import IdleListenerSlots
from alsek.storage.backends.sqlite.wakeup.registry import ASLEEP, LISTENING, WakeupRegistry
from alsek.storage.backends.sqlite.wakeup.sleepers import Sleepers
from alsek.storage.backends.sqlite.wakeup.slot_records import name_hash

log = guarded_logger(__name__)

#: How long to go without the registry after it could not be opened.
_RETRY_AFTER_S: Final = 5.0

#: How often to check that the registry has not been replaced.
_CHECK_EVERY_S: Final = 1.0

#: How many hashes of names are kept.
_MOST_HASHES: Final = 10_000


class Notifier:
    """Notifies workers and subscribers of one namespace.

    Args:
        path: The database file.
        namespace: The namespace. Workers and subscribers of other namespaces are not notified.

    Attributes:
        namespace: The hash of the namespace.
        listener_slots: The kept slots of ended subscriptions.
    """

    def __init__(self, path: str, namespace: str) -> None:
        self._path = path
        self.namespace = name_hash(namespace)
        self._prefix = f"{namespace}\0"
        self.listener_slots = IdleListenerSlots()
        self.reset()

    def reset(self) -> None:
        """Drop the registry: when closing, and in a forked child, which must not share the parent's descriptors.

        It is closed once no waiter and no subscription uses it any more.
        """
        self.listener_slots.close()
        self._registry: WakeupRegistry | None = None
        self._sleepers: Sleepers | None = None  # of the registry
        self._retry_at = 0.0
        self._check_at = 0.0
        self._hashes: dict[str, bytes] = {}

    def registry(self) -> WakeupRegistry | None:
        """Return the registry; None where there can be none, so that everyone has to look once a second."""
        now = time.monotonic()
        if self._registry is not None and now >= self._check_at:
            self._check_at = now + _CHECK_EVERY_S
            if not self._registry.is_current():
                self._registry = self._sleepers = None
        if self._registry is None and now >= self._retry_at:
            try:
                self._registry = WakeupRegistry(self._path)
                self._sleepers = Sleepers(self._registry, self.namespace, self.name_hash)
            except OSError as error:
                if not self._retry_at:
                    log.warning(
                        "No wake-ups beside %s (%s): sleeping workers look once a second", self._path, error
                    )
                self._retry_at = now + _RETRY_AFTER_S
        return self._registry

    def name_hash(self, name: str) -> bytes:
        """Return eight bytes that stand for a queue or a worker of this namespace."""
        known = self._hashes.get(name)
        if known is None:
            if len(self._hashes) > _MOST_HASHES:
                self._hashes.clear()
            known = self._hashes[name] = name_hash(self._prefix + name)
        return known

    def notify(
        self, lanes: Iterable[Lane], notes: Iterable[tuple[str, bytes]], revocations: Iterable[str] = ()
    ) -> None:
        """Wake workers for these lanes, publish these notes, and wake these workers. Never blocks, never fails."""
        registry, sleepers = self.registry(), self._sleepers
        if registry is None or sleepers is None:
            return
        for worker in revocations:
            sleepers.wake_worker(worker)
        if registry.next(ASLEEP) >= 0:
            sleepers.wake(lanes)
        if notes and registry.next(LISTENING) >= 0:
            self._publish(registry, notes, NOTE)

    def anyone_asleep(self) -> bool:
        """Return True if a worker of any namespace sleeps."""
        registry = self.registry()
        return registry is not None and registry.next(ASLEEP) >= 0

    def wake(self, lanes: Iterable[Lane], besides: int = -1) -> None:
        """Wake one worker of each kind for each lane, but not the one in the slot `besides`."""
        self.registry()
        if self._sleepers is not None:
            self._sleepers.wake(lanes, besides)

    def set_alarm(self, due: int, besides: int = -1) -> None:
        """Make sure that a sleeping worker will promote what is due then, by waking one if need be.

        For a worker that knew of it and is busy from now on. Any worker promotes what is due for all.
        """
        self.registry()
        if self._sleepers is not None:
            self._sleepers.set_alarm(due, besides)

    def rouse(self, due: int) -> None:
        """Wake every sleeping worker that would not wake by itself at `due` or before.

        So each of them then knows when it has to look whether a schedule is offered to it.
        """
        self.registry()
        if self._sleepers is not None:
            self._sleepers.rouse(due)

    def anyone_listening(self) -> bool:
        """Return True if there is a subscriber of any namespace."""
        registry = self.registry()
        return registry is not None and registry.next(LISTENING) >= 0

    def publish(self, channel: str, data: bytes, kind: bytes = NOTE) -> None:
        """Send data to the subscribers of a channel; with ``SPOOLED``, `data` is the id of the spooled row."""
        registry = self.registry()
        if registry is not None:
            self._publish(registry, [(channel, data)], kind)

    def _publish(self, registry: WakeupRegistry, notes: Iterable[tuple[str, bytes]], kind: bytes) -> None:
        records = registry.records
        listeners = []
        slot = registry.next(LISTENING)
        while slot >= 0:
            if records.namespace(slot) == self.namespace:
                listeners.append(slot)
            slot = registry.next(LISTENING, slot + 1)
        if not listeners:
            return
        for channel, data in notes:
            wanted = name_hash(channel)
            for slot in listeners:
                if not records.may_listen_to(slot, wanted):
                    continue
                if len(data) > MOST_DATA:
                    registry.set_overflow(slot)
                elif registry.send(slot, pack(kind, self.namespace, channel, data)) is not False:
                    continue
                registry.send(slot, LOOK)
