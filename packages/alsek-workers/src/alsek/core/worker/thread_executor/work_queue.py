"""A queue of work for threads, which are woken apart from adding work.

To wake a thread takes a system call, a move to another core and a turn at the interpreter's lock: longer than many a
task. So adding work and waking a thread are two methods, and one thread can be woken for a batch of small tasks. The
thread that fell asleep last is woken first, because its data is still in its core's caches.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar

W = TypeVar("W")


class Sleep(Protocol):
    """On what a thread sleeps: a lock that it has acquired already, or something that is used like one."""

    def acquire(self) -> object:
        """Sleep until :meth:`release` is called. It may return earlier if the sleep was withdrawn."""
        ...

    def release(self) -> None:
        """Wake the thread."""
        ...


class WorkQueue(Generic[W]):
    """A first-in, first-out queue between threads. Each method but :meth:`get` returns at once.

    It has no lock of its own: appending to a deque or a list, and popping from one, are atomic in CPython.
    """

    def __init__(self) -> None:
        self._work: deque[W] = deque()
        self._sleepers: list[Sleep] = []

    def __len__(self) -> int:
        return len(self._work)

    def put(self, work: W) -> None:
        """Add work, and wake no thread: one that is awake will take it, or :meth:`wake` is called."""
        self._work.append(work)

    def wake(self) -> bool:
        """Wake a thread that sleeps in :meth:`get`; False if none does."""
        try:
            self._sleepers.pop().release()
        except IndexError:
            return False
        return True

    def get(self, sleep: Sleep) -> W:
        """Block until there is work, and return it. `sleep` belongs to the calling thread."""
        while True:
            try:
                return self._work.popleft()
            except IndexError:
                self._sleepers.append(sleep)
            # Work may have been added in between, perhaps before this thread was among the sleepers.
            if not (self._work and self.withdraw(sleep)):
                sleep.acquire()

    def withdraw(self, sleep: Sleep) -> bool:
        """Take a thread off those that are woken for work; False if another thread is just waking it."""
        try:
            self._sleepers.remove(sleep)
        except ValueError:
            return False
        return True

    def remove(self, work: W) -> bool:
        """Remove work that was added; False if a thread has taken it."""
        try:
            self._work.remove(work)
        except ValueError:
            return False
        return True
