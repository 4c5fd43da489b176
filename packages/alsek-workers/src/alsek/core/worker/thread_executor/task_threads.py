"""The threads that run tasks: started when they are needed, and woken when there is work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Container
from typing import Any

from alsek.core.clock import monotonic_ms
from alsek.core.clock import real_time as time
from alsek.core.loggers import guarded_logger
from alsek.core.worker.thread_executor.work_queue import WorkQueue

log = guarded_logger(__name__)

#: How long threads may take to end after the last job has finished.
LAST_REPORTS_WITHIN_S = 2.0

#: How long to wait with the next attempt when no thread can be started.
_START_AGAIN_AFTER_MS = 1_000


class TaskThreads:
    """Up to `slots` threads that take work from one queue. Only the engine's thread calls it.

    Args:
        run: Runs in each thread until it takes None from the queue.
        queue: The work.
        slots: How many threads there may be.
        on_refused: Called when the system refuses to start a thread.
        name: How the names of the threads begin.

    Attributes:
        count: How many threads there are, abandoned ones excluded.
        start_again_at: When to start threads again (monotonic ms), because none could be started; else 0.
    """

    def __init__(
        self,
        run: Callable[[], None],
        queue: WorkQueue[Any],
        slots: int,
        on_refused: Callable[[], None],
        name: str = "alsek-task",
    ) -> None:
        self._run = run
        self._queue = queue
        self._slots = slots
        self._on_refused = on_refused
        self._name = name
        self.count = 0
        self.start_again_at = 0
        self._number = 0
        self._all: set[threading.Thread] = set()

    def wake(self, jobs: int) -> None:
        """Have a thread look at the queue: one that sleeps, else a new one if there are fewer than jobs."""
        if not self._queue.wake() and self.count < min(self._slots, max(1, jobs)):
            self.start()

    def start(self) -> None:
        """Start a thread, unless one was refused a moment ago."""
        if self.start_again_at:
            return
        thread = threading.Thread(target=self._run, name=f"{self._name}-{self._number + 1}", daemon=True)
        try:
            thread.start()
        except (RuntimeError, MemoryError) as error:
            # A limit on processes, or too little memory for its stack.
            log.error(
                "No thread can be started: %s. Trying again in %.0f s.", error, _START_AGAIN_AFTER_MS / 1000
            )
            self.start_again_at = monotonic_ms() + _START_AGAIN_AFTER_MS
            self._on_refused()
            return
        self.count += 1
        self._number += 1
        self._all.add(thread)

    def shut_down(self, abandoned: Container[object]) -> None:
        """Let the threads end after the work that waits: trackers may have to be told of outcomes.

        Args:
            abandoned: The threads not to wait for.
        """
        for _ in range(self.count):
            self._queue.put(None)
        while self._queue.wake():
            pass
        until = time.monotonic() + LAST_REPORTS_WITHIN_S
        for thread in self._all:
            if thread not in abandoned:
                thread.join(max(0.0, until - time.monotonic()))
