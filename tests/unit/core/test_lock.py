"""The lock: who has it, for how long, and who can free it."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from alsek.core.concurrency import Lock
from alsek.exceptions import BackendUnavailableError, LockAlreadyHeldError, ValidationError
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.ports import LockPort
from tests.clock import Clock
from tests.unit.core.fakes import PATIENCE, Elsewhere, WatchedBackend


def test_the_tours_use(backend: MemoryBackend) -> None:
    """Entering does not acquire; acquire() says whether it did; leaving releases."""
    with Lock("send_data", backend=backend) as lock:
        assert not lock.held
        assert lock.acquire(strict=False)
        assert lock.held
        assert lock.holder == lock.owner_id
    assert not lock.held
    assert lock.holder is None


def test_the_loser_never_frees_the_winners_lock(backend: MemoryBackend) -> None:
    """Leaving the `with` of one who did not get it changes nothing."""

    def lose() -> bool:
        with Lock("x", backend=backend) as lock:
            return lock.acquire(strict=False)

    with Lock("x", backend=backend) as winner:
        assert winner.acquire()
        assert Elsewhere(lose).value() is False
        assert winner.held
        with Lock("x", backend=backend) as same_owner:
            assert not same_owner.acquire(strict=False)
        assert winner.held


def test_one_lock_object_for_many_threads(backend: MemoryBackend) -> None:
    """Threads that share the object are owners of their own: a loser's `with` leaves the winner's alone."""
    lock = Lock("x", backend=backend)

    def lose() -> bool:
        with lock:
            return lock.acquire(strict=False)

    with lock:
        assert lock.acquire()
        fence = lock.fence
        assert Elsewhere(lose).value() is False
        assert lock.held
        assert lock.fence == fence
    assert lock.holder is None


def test_leaving_late_does_not_free_ones_own_new_lock(backend: MemoryBackend, clock: Clock) -> None:
    """The first acquisition ran out, and the same thread has acquired anew through another object: that one stays."""
    new = Lock("x", backend=backend)
    with Lock("x", backend=backend, ttl=10) as old:
        old.acquire()
        clock.advance(10)
        assert new.acquire()
    assert new.held


def test_strict(backend: MemoryBackend) -> None:
    """Already held by this owner: strict raises, otherwise False. Held by another: False in both."""
    lock = Lock("x", backend=backend)
    lock.acquire()
    with pytest.raises(LockAlreadyHeldError, match="'x'"):
        lock.acquire()
    assert lock.acquire(strict=False) is False
    assert lock.held
    other = Lock("x", backend=backend, owner_id="other")
    assert other.acquire() is False
    assert other.acquire(strict=False) is False
    assert other.fence is None


def test_a_store_that_is_away(backend: MemoryBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """strict=False never raises; strict tells."""

    def away(self: LockPort, *args: Any) -> Any:
        raise BackendUnavailableError("away")

    monkeypatch.setattr(type(backend.locks), "acquire", away)
    lock = Lock("x", backend=backend)
    assert lock.acquire(strict=False) is False
    assert lock.acquire(wait=1_000, strict=False) is False
    with pytest.raises(BackendUnavailableError):
        lock.acquire()


def test_auto_release_can_be_turned_off(backend: MemoryBackend) -> None:
    """Then the lock outlives the `with`, until it is released."""
    with Lock("x", backend=backend, auto_release=False) as lock:
        lock.acquire()
    assert lock.held
    assert lock.release()
    assert not lock.release()


def test_an_exception_in_the_with_releases(backend: MemoryBackend) -> None:
    """However the `with` is left."""
    lock = Lock("x", backend=backend)

    def fail() -> None:
        with lock:
            lock.acquire()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert lock.holder is None


def test_it_ends_by_itself(backend: MemoryBackend, clock: Clock) -> None:
    """After its ttl (an hour by default) the lock is free; its former holder can't free the next one's."""
    assert Lock("y", backend=backend).ttl == 3_600_000
    one = Lock("x", backend=backend, ttl=10, owner_id="one")
    two = Lock("x", backend=backend, ttl=10, owner_id="two")
    assert one.acquire()
    assert not two.acquire()
    clock.advance(10)
    assert not one.held
    assert two.acquire()
    assert not one.release()
    assert not one.extend()
    assert two.held


def test_extend(backend: MemoryBackend, clock: Clock) -> None:
    """The lock lasts from now, as long as said or as long as it was made for."""
    lock = Lock("x", backend=backend, ttl=10)
    assert not lock.extend()
    lock.acquire()
    clock.advance(9)
    assert lock.extend()
    clock.advance(9)
    assert lock.held
    assert lock.extend(100)
    clock.advance(99)
    assert lock.held
    clock.advance(1)
    assert not lock.held


def test_fences_grow(backend: MemoryBackend, clock: Clock) -> None:
    """Each acquisition has a number greater than all before it, also after an expiry."""
    fences = []
    for number in range(3):
        lock = Lock("x", backend=backend, ttl=10, owner_id=f"o{number}")
        assert lock.fence is None
        lock.acquire()
        fences.append(lock.fence)
        if number:
            clock.advance(10)
        else:
            lock.release()
            assert lock.fence is None
    assert fences == sorted(set(fences))
    assert len(fences) == 3


def test_each_thread_is_an_owner(backend: MemoryBackend) -> None:
    """Owners differ from thread to thread, also of threads that have ended."""
    lock = Lock("x", backend=backend)
    owners = {Elsewhere(lambda: lock.owner_id).value() for _ in range(20)} | {lock.owner_id}
    assert len(owners) == 21
    assert lock.owner_id == lock.owner_id
    assert Lock("x", backend=backend, owner_id="me").owner_id == "me"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_is_another_owner(backend: MemoryBackend) -> None:
    """What the parent holds, its child does not."""
    lock = Lock("x", backend=backend)
    lock.acquire()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, f"{lock.owner_id} {lock.held} {lock.fence} {lock.acquire()}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        owner, *rest = told.read().split()
    os.waitpid(pid, 0)
    assert owner != lock.owner_id
    assert rest == ["False", "None", "False"]


def test_waiting_ends_with_the_release() -> None:
    """A waiter sleeps until the holder releases, and has the lock then."""
    backend = WatchedBackend()
    holder = Lock("x", backend=backend)
    holder.acquire()
    waiting = Elsewhere(lambda: Lock("x", backend=backend).acquire(wait=60_000))
    assert backend.asleep.wait(PATIENCE)
    holder.release()
    assert waiting.value() is True
    assert holder.holder not in (None, holder.owner_id)


def test_waiting_in_vain(backend: MemoryBackend) -> None:
    """After `wait` ms it is False."""
    Lock("x", backend=backend, owner_id="other").acquire()
    assert Lock("x", backend=backend).acquire(wait=5) is False
    assert Lock("x", backend=backend).acquire(wait=0) is False


def test_many_threads_one_winner_at_a_time() -> None:
    """Mutual exclusion holds among threads that wait for each other."""
    backend = MemoryBackend()
    inside, most = 0, 0
    guard = threading.Lock()

    def enter() -> bool:
        nonlocal inside, most
        with Lock("x", backend=backend) as lock:
            if not lock.acquire(wait=20_000):
                return False
            with guard:
                inside += 1
                most = max(most, inside)
            with guard:
                inside -= 1
            return True

    threads = [Elsewhere(enter) for _ in range(8)]
    assert all(thread.value() for thread in threads)
    assert most == 1


def test_nonsense_is_refused(backend: MemoryBackend) -> None:
    """A lock without a name, or that lasts no time, can't be made."""
    for make in (
        lambda: Lock("", backend),
        lambda: Lock("x", backend, ttl=0),
        lambda: Lock("x", backend, ttl=-1),
    ):
        with pytest.raises(ValidationError):
            make()
    assert "'x'" in repr(Lock("x", backend))
