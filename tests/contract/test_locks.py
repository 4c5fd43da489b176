"""Locks: one owner at a time, for a bounded time, each acquisition with a greater fence."""

from __future__ import annotations

import threading

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import LockRecord
from alsek.storage.backends.subscriptions import Note
from tests.contract.stores import SHORT, Store
from tests.contract.workers import hear

TTL_MS = 60_000


def test_a_free_lock_is_taken(backend: Backend, store: Store) -> None:
    """A caller that takes a free lock owns it until it expires."""
    record = backend.locks.acquire("l", "one", TTL_MS)
    assert record == LockRecord("one", store.now + TTL_MS, record.fence)
    assert backend.locks.holder("l") == record
    assert backend.locks.holder("other") is None


def test_a_held_lock_excludes_all_others(backend: Backend) -> None:
    """A later caller gets the record of the owner, and changes nothing."""
    record = backend.locks.acquire("l", "one", TTL_MS)
    assert backend.locks.acquire("l", "two", 2 * TTL_MS) == record
    assert backend.locks.holder("l") == record
    assert backend.locks.acquire("another", "two", TTL_MS).owner == "two"


def test_taking_what_one_holds_changes_nothing(backend: Backend, store: Store) -> None:
    """An owner that asks again gets its lock as it was."""
    record = backend.locks.acquire("l", "one", TTL_MS)
    store.advance(1_000)
    assert backend.locks.acquire("l", "one", TTL_MS) == record


def test_only_the_owner_releases(backend: Backend) -> None:
    """A release by anyone else is refused; by the owner it frees the lock, once."""
    backend.locks.acquire("l", "one", TTL_MS)
    assert not backend.locks.release("l", "two")
    assert not backend.locks.release("none", "one")
    assert backend.locks.acquire("l", "two", TTL_MS).owner == "one"
    assert backend.locks.release("l", "one")
    assert not backend.locks.release("l", "one")
    assert backend.locks.holder("l") is None
    assert backend.locks.acquire("l", "two", TTL_MS).owner == "two"


def test_fences_grow_with_each_acquisition(backend: Backend, store: Store) -> None:
    """A later owner always has a greater number, after a release and after an expiry."""
    fences = [backend.locks.acquire("l", "one", TTL_MS).fence]
    backend.locks.release("l", "one")
    fences.append(backend.locks.acquire("l", "one", SHORT).fence)
    store.outlive(SHORT, lambda: backend.locks.holder("l") is None)
    fences.append(backend.locks.acquire("l", "two", TTL_MS).fence)
    assert fences == sorted(set(fences))


def test_a_lock_ends(backend: Backend, store: Store) -> None:
    """A lock whose owner went away is free after its time; the late owner's release is refused."""
    backend.locks.acquire("l", "one", SHORT)
    store.outlive(SHORT, lambda: backend.locks.holder("l") is None)
    assert not backend.locks.release("l", "one")
    assert backend.locks.extend("l", "one", TTL_MS) is None
    assert backend.locks.acquire("l", "two", TTL_MS).owner == "two"
    assert not backend.locks.release("l", "one")


def test_extending(backend: Backend, store: Store) -> None:
    """The owner may move the end of its time; the fence stays; nobody else may."""
    first = 20 * SHORT  # long enough for the calls before it ends, on a busy machine too
    record = backend.locks.acquire("l", "one", first)
    backend.locks.acquire("marker", "one", first)
    extended = backend.locks.extend("l", "one", TTL_MS)
    assert extended == LockRecord("one", store.now + TTL_MS, record.fence)
    assert backend.locks.extend("l", "two", TTL_MS) is None
    assert backend.locks.extend("none", "one", TTL_MS) is None
    store.outlive(first, lambda: backend.locks.holder("marker") is None)
    assert backend.locks.holder("l") == extended


def test_a_release_is_published(backend: Backend) -> None:
    """The release of a lock is published."""
    backend.locks.acquire("l", "one", TTL_MS)
    with backend.subscribe("locks:l") as subscription:
        backend.locks.release("l", "two")
        backend.locks.release("l", "one")
        assert hear(subscription) == Note("locks:l", b"")


def test_odd_names(backend: Backend) -> None:
    """Names and owners may hold characters that a store uses for itself."""
    for name in ("a:b", "a|b", "ключ", "with space", "100%"):
        record = backend.locks.acquire(name, name, TTL_MS)
        assert record.owner == name
        assert backend.locks.holder(name) == record
        assert backend.locks.release(name, name)


def test_of_many_threads_one_wins(backend: Backend) -> None:
    """When many ask at once, all learn of the same single owner."""
    start = threading.Barrier(6)
    records: list[LockRecord] = []

    def ask(owner: str) -> None:
        start.wait()
        records.append(backend.locks.acquire("l", owner, TTL_MS))

    threads = [threading.Thread(target=ask, args=(f"o{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(records) == 6
    assert len(set(records)) == 1
