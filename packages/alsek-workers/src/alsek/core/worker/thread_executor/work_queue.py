"""Work that waits for a thread.

A thread is woken by a system call, a move to another core and a turn at the interpreter's lock, which takes
longer than many a task. So putting work in and waking somebody are two things: whoever puts in a batch of small
tasks may wake one thread for all. The thread that fell asleep last is woken first: what it needs is still in its
core's caches.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

W = TypeVar("W")


class WorkQueue(Generic[W]):
    """First in, first out. What one thread puts in, others take; each method but :meth:`get` returns at once.

    It has no lock of its own: appending to a deque or a list, and taking from one, are single steps of the interpreter.
    """

    def __init__(self) -> None:
        self._work: deque[W] = deque()
        self._sleepers: list[threading.Lock] = []

    def __len__(self) -> int:
        return len(self._work)

    def put(self, work: W) -> None:
        """Add work, and wake nobody: somebody who is awake will take it, or :meth:`wake` is called."""
        self._work.append(work)

    def wake(self) -> bool:
        """Wake a thread that waits; False if none does."""
        try:
            self._sleepers.pop().release()
        except IndexError:
            return False
        return True

    def get(self, bed: threading.Lock) -> W:
        """The next work, once there is any. `bed` is the calling thread's own, and is taken."""
        while True:
            try:
                return self._work.popleft()
            except IndexError:
                self._sleepers.append(bed)
            if self._work:
                # It came in between, and whoever put it in may have seen nobody asleep.
                try:
                    self._sleepers.remove(bed)
                except ValueError:
                    pass  # somebody is just waking this thread
                else:
                    continue
            bed.acquire()

    def withdraw(self, work: W) -> bool:
        """Take back what was put in; False if a thread has taken it."""
        try:
            self._work.remove(work)
        except ValueError:
            return False
        return True
