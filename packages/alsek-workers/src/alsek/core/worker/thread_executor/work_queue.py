"""A queue of work for threads, which are woken apart from adding work.

To wake a thread takes a system call, a move to another core and a turn at the interpreter's lock: longer than many a
task. So adding work and waking a thread are two methods, and one thread can be woken for a batch of small tasks. The
thread that fell asleep last is woken first, because its data is still in its core's caches.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

W = TypeVar("W")


class WorkQueue(Generic[W]):
    """A first-in, first-out queue between threads. Each method but :meth:`get` returns at once.

    It has no lock of its own: appending to a deque or a list, and popping from one, are atomic in CPython.
    """

    def __init__(self) -> None:
        self._work: deque[W] = deque()
        self._sleepers: list[threading.Lock] = []

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

    def get(self, lock: threading.Lock) -> W:
        """Block until there is work, and return it. `lock` belongs to the calling thread and is already acquired."""
        while True:
            try:
                return self._work.popleft()
            except IndexError:
                self._sleepers.append(lock)
            if self._work:
                # It was added in between, perhaps before this thread was among the sleepers.
                try:
                    self._sleepers.remove(lock)
                except ValueError:
                    pass  # another thread is just waking this one
                else:
                    continue
            lock.acquire()

    def remove(self, work: W) -> bool:
        """Remove work that was added; False if a thread has taken it."""
        try:
            self._work.remove(work)
        except ValueError:
            return False
        return True
