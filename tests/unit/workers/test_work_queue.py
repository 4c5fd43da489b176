"""Work that waits for a thread."""

from __future__ import annotations

import threading

from alsek.core.worker.thread_executor.work_queue import WorkQueue
from tests.unit.workers.fakes import PATIENCE, eventually


def bed() -> threading.Lock:
    """What a thread sleeps on."""
    lock = threading.Lock()
    lock.acquire()
    return lock


def test_first_in_first_out() -> None:
    """Work is taken in the order in which it came, without waiting while there is any."""
    inbox: WorkQueue[int] = WorkQueue()
    for n in range(3):
        inbox.put(n)
    assert [inbox.get(bed()) for _ in range(3)] == [0, 1, 2]


def test_what_nobody_has_taken_can_be_withdrawn() -> None:
    """Once; what a thread has taken can't."""
    inbox: WorkQueue[str] = WorkQueue()
    inbox.put("a")
    inbox.put("b")
    assert inbox.get(bed()) == "a"
    assert not inbox.withdraw("a")
    assert inbox.withdraw("b")
    assert not inbox.withdraw("b")
    assert len(inbox) == 0


def test_who_sleeps_is_woken_and_nobody_else() -> None:
    """`wake` says whether there was anybody to wake."""
    inbox: WorkQueue[int] = WorkQueue()
    assert not inbox.wake()
    got: list[int] = []
    thread = threading.Thread(target=lambda: got.append(inbox.get(bed())))
    thread.start()
    eventually(lambda: inbox._sleepers)
    inbox.put(7)
    assert inbox.wake()
    thread.join(PATIENCE)
    assert got == [7]
    assert not inbox.wake()


def test_work_that_comes_while_a_thread_falls_asleep_is_seen() -> None:
    """Nobody was asleep when it was put in, so nobody was woken: the thread looks once more before it sleeps."""
    inbox: WorkQueue[int] = WorkQueue()

    class Late(list[threading.Lock]):
        def append(self, lock: threading.Lock) -> None:
            inbox.put(1)  # just before
            super().append(lock)

    inbox._sleepers = Late()
    assert inbox.get(bed()) == 1
    assert inbox._sleepers == []


def test_work_that_another_took_meanwhile_is_waited_for() -> None:
    """A thread that was woken for work that is gone sleeps again."""
    inbox: WorkQueue[int] = WorkQueue()
    got: list[int] = []
    thread = threading.Thread(target=lambda: got.append(inbox.get(bed())))
    thread.start()
    eventually(lambda: inbox._sleepers)
    assert inbox.wake()
    eventually(lambda: inbox._sleepers)
    assert got == []
    inbox.put(1)
    inbox.wake()
    thread.join(PATIENCE)
    assert got == [1]


def test_nothing_is_lost_among_many_threads() -> None:
    """Twenty thousand pieces of work, some put in with a call each and some by batches, are each taken once."""
    inbox: WorkQueue[int | None] = WorkQueue()
    got: list[int] = []

    def take() -> None:
        mine = bed()
        while (work := inbox.get(mine)) is not None:
            got.append(work)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in range(20_000):
        waiting = len(inbox)
        inbox.put(n)
        if n % 3 == 0 or not waiting:
            inbox.wake()
    for _ in threads:
        inbox.put(None)
    while inbox.wake():
        pass
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(got) == list(range(20_000))
