"""Work that waits for a thread."""

from __future__ import annotations

import threading

from alsek.core.worker.thread_executor.work_queue import WorkQueue
from tests.unit.workers.fakes import PATIENCE
from tests.waiting import eventually


def lock() -> threading.Lock:
    """What a thread sleeps on."""
    lock = threading.Lock()
    lock.acquire()
    return lock


def test_first_in_first_out() -> None:
    """Work is taken in the order in which it came, without waiting while there is any."""
    queue: WorkQueue[int] = WorkQueue()
    for n in range(3):
        queue.put(n)
    assert [queue.get(lock()) for _ in range(3)] == [0, 1, 2]


def test_what_nobody_has_taken_can_be_withdrawn() -> None:
    """Once; what a thread has taken can't."""
    queue: WorkQueue[str] = WorkQueue()
    queue.put("a")
    queue.put("b")
    assert queue.get(lock()) == "a"
    assert not queue.remove("a")
    assert queue.remove("b")
    assert not queue.remove("b")
    assert len(queue) == 0


def test_who_sleeps_is_woken_and_nobody_else() -> None:
    """`wake` says whether there was anybody to wake."""
    queue: WorkQueue[int] = WorkQueue()
    assert not queue.wake()
    got: list[int] = []
    thread = threading.Thread(target=lambda: got.append(queue.get(lock())))
    thread.start()
    eventually(lambda: queue._sleepers)
    queue.put(7)
    assert queue.wake()
    thread.join(PATIENCE)
    assert got == [7]
    assert not queue.wake()


def test_work_that_comes_while_a_thread_falls_asleep_is_seen() -> None:
    """Nobody was asleep when it was put in, so nobody was woken: the thread looks once more before it sleeps."""
    queue: WorkQueue[int] = WorkQueue()

    class Late(list[threading.Lock]):
        def append(self, lock: threading.Lock) -> None:
            queue.put(1)  # just before
            super().append(lock)

    queue._sleepers = Late()
    assert queue.get(lock()) == 1
    assert queue._sleepers == []


def test_work_that_another_took_meanwhile_is_waited_for() -> None:
    """A thread that was woken for work that is gone sleeps again."""
    queue: WorkQueue[int] = WorkQueue()
    got: list[int] = []
    thread = threading.Thread(target=lambda: got.append(queue.get(lock())))
    thread.start()
    eventually(lambda: queue._sleepers)
    assert queue.wake()
    eventually(lambda: queue._sleepers)
    assert got == []
    queue.put(1)
    queue.wake()
    thread.join(PATIENCE)
    assert got == [1]


def test_nothing_is_lost_among_many_threads() -> None:
    """Twenty thousand pieces of work, some put in with a call each and some by batches, are each taken once."""
    queue: WorkQueue[int | None] = WorkQueue()
    got: list[int] = []

    def take() -> None:
        mine = lock()
        while (work := queue.get(mine)) is not None:
            got.append(work)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in range(20_000):
        waiting = len(queue)
        queue.put(n)
        if n % 3 == 0 or not waiting:
            queue.wake()
    for _ in threads:
        queue.put(None)
    while queue.wake():
        pass
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(got) == list(range(20_000))
