"""What the ports of a :class:`~alsek.storage.backends.memory.MemoryBackend` share: plain dicts, a lock, a clock.

Each method of a port takes the lock once and does all its work under it; that makes it one step of the store. Nothing
here leaves the process.
"""

from __future__ import annotations

import heapq
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from itertools import count
from queue import Empty, SimpleQueue
from typing import Generic, Protocol, TypeVar

from alsek.storage.backends.records import FOR_EVER, LockRecord, ResultRecord, StatusRecord
from alsek.storage.backends.subscriptions import Note, Subscription

K = TypeVar("K")
V = TypeVar("V")


class ExpiringDict(Generic[K, V]):
    """A dict in the order of writing, whose entries may expire.

    Expired entries are deleted before anything is answered, so they are never seen.

    Args:
        clock: The store's time in milliseconds.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._entries: dict[K, tuple[V, int | None]] = {}
        self._ends: list[tuple[int, int, K]] = []
        self._numbers = count()

    def put(self, key: K, value: V, ttl: int | None) -> None:
        """Write an entry, as the newest one, for `ttl` ms; without end if it is None or ``FOR_EVER``."""
        self._sweep()
        self._entries.pop(key, None)
        end = None if ttl is None or ttl == FOR_EVER else self._clock() + ttl
        self._entries[key] = (value, end)
        if end is not None:
            heapq.heappush(self._ends, (end, next(self._numbers), key))
            if len(self._ends) > 2 * len(self._entries) + 64:
                self._forget_overwritten()

    def amend(self, key: K, value: V) -> None:
        """Replace the value of an existing entry. Its place in the order and its expiry stay."""
        _, end = self._entries[key]
        self._entries[key] = (value, end)

    def get(self, key: K) -> V | None:
        """Return the entry's value, or None."""
        self._sweep()
        entry = self._entries.get(key)
        return None if entry is None else entry[0]

    def has(self, key: K) -> bool:
        """Return True if there is an entry."""
        self._sweep()
        return key in self._entries

    def expiry(self, key: K) -> int | None:
        """Return when an existing entry expires; None for never."""
        return self._entries[key][1]

    def pop(self, key: K) -> V | None:
        """Delete an entry; return its value, or None."""
        self._sweep()
        entry = self._entries.pop(key, None)
        return None if entry is None else entry[0]

    def adopt(self, key: K, value: V, expiry: int | None) -> bool:
        """Write an entry that expires at this time, unless there is one; return False if there is."""
        if self.has(key):
            return False
        now = self._clock()
        if expiry is None or expiry > now:
            self.put(key, value, None if expiry is None else expiry - now)
        return True

    def items(self) -> list[tuple[K, V]]:
        """Return all entries, the one written first first."""
        self._sweep()
        return [(key, value) for key, (value, _) in self._entries.items()]

    def clear(self) -> int:
        """Delete all entries; return how many there were."""
        self._sweep()
        dropped = len(self._entries)
        self._entries.clear()
        self._ends.clear()
        return dropped

    def _sweep(self) -> None:
        now = self._clock()
        while self._ends and self._ends[0][0] <= now:
            end, _, key = heapq.heappop(self._ends)
            entry = self._entries.get(key)
            if entry is not None and entry[1] == end:
                del self._entries[key]

    def _forget_overwritten(self) -> None:
        # Each write adds an entry to the heap; one of an overwritten value that expires in a week would stay so long.
        self._ends = [
            (end, next(self._numbers), key) for key, (_, end) in self._entries.items() if end is not None
        ]
        heapq.heapify(self._ends)


class Receiver(Protocol):
    """What the store hands notes to."""

    channels: frozenset[str]

    def receive(self, note: Note) -> None:
        """Add a note. The store calls this when something is published on one of the channels, in any thread."""


class MemorySubscription(Subscription):
    """A queue of notes that the store fills while the subscription is open."""

    def __init__(self, store: MemoryStore, channels: tuple[str, ...]) -> None:
        self._store = store
        self._notes: SimpleQueue[Note | None] = SimpleQueue()
        self.channels = frozenset(channels)

    def receive(self, note: Note) -> None:
        self._notes.put(note)

    def wait(self, timeout: int | None = None) -> Note | None:
        try:
            return self._notes.get(timeout=None if timeout is None else max(timeout, 0) / 1000)
        except Empty:
            return None

    def has_note(self) -> bool:
        return not self._notes.empty()

    def close(self) -> None:
        self._store.remove_subscription(self)
        self._notes.put(None)  # a wait() in another thread returns


class MemoryStore:
    """The values, results, statuses and locks, and what all ports share: the lock, the clock, the channels.

    Args:
        clock: The store's time in milliseconds.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.numbers = count(1)
        self.values: ExpiringDict[str, bytes] = ExpiringDict(clock)
        self.results: ExpiringDict[str, tuple[ResultRecord, str | None]] = ExpiringDict(clock)
        self.failed_parents: ExpiringDict[str, str] = ExpiringDict(clock)
        self.statuses: ExpiringDict[str, StatusRecord] = ExpiringDict(clock)
        self.locks: ExpiringDict[str, LockRecord] = ExpiringDict(clock)
        self.subscriptions: list[Receiver] = []
        _STORES.add(self)

    def publish(self, channel: str, data: bytes = b"") -> None:
        """Send a note to all that are subscribed to `channel` now."""
        note = Note(channel, data)
        for subscription in self.subscriptions:
            if channel in subscription.channels:
                subscription.receive(note)

    def subscribe(self, channels: tuple[str, ...]) -> MemorySubscription:
        """Return a new subscription to `channels`."""
        subscription = MemorySubscription(self, channels)
        self.add_subscription(subscription)
        return subscription

    def add_subscription(self, subscription: Receiver) -> None:
        """Hand notes to `subscription` from now on."""
        with self.lock:
            self.subscriptions.append(subscription)

    def remove_subscription(self, subscription: Receiver) -> None:
        """Hand no more notes to it."""
        with self.lock:
            if subscription in self.subscriptions:
                self.subscriptions.remove(subscription)


_STORES: weakref.WeakSet[MemoryStore] = weakref.WeakSet()
_frozen: list[MemoryStore] = []


def _freeze() -> None:
    # A fork must not copy a store in the middle of a step: in the child the lock would never be released.
    _frozen[:] = list(_STORES)
    for store in _frozen:
        store.lock.acquire()


def _thaw() -> None:
    for store in _thawing():
        store.lock.release()


def _thawing() -> Iterator[MemoryStore]:
    while _frozen:
        yield _frozen.pop()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_freeze, after_in_parent=_thaw, after_in_child=_thaw)
