"""Threads in which the code runs that may block beside coroutines: hooks, result stores and trackers elsewhere."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final, TypeAlias

from alsek.core.loggers import guarded_logger
from alsek.core.worker.coroutine_executor.job import CoroutineJob
from alsek.core.worker.thread_executor.abandoned import Abandoned
from alsek.core.worker.thread_executor.task_threads import TaskThreads
from alsek.core.worker.thread_executor.work_queue import WorkQueue

log = guarded_logger(__name__)

#: What is to be done for a job.
Work: TypeAlias = Callable[[], None]

#: The most threads.
_MOST: Final = 8


class HookThreads:
    """Does work for jobs in a few threads, each in a copy of the job's context.

    Args:
        on_done: Called with a job when its work has ended. In the thread.
        abandoned: Where the threads are put that do not end.
    """

    def __init__(
        self, on_done: Callable[[CoroutineJob, Work], None], abandoned: Abandoned[CoroutineJob]
    ) -> None:
        self._on_done = on_done
        self._abandoned = abandoned
        self._queue: WorkQueue[tuple[CoroutineJob, Work] | None] = WorkQueue()
        self._threads = TaskThreads(self._work, self._queue, _MOST, lambda: None, "alsek-hooks")
        #: Of the threads, which are started from the loop's thread and the engine's.
        self._lock = threading.Lock()
        self._busy: dict[threading.Thread, CoroutineJob] = {}

    def put(self, job: CoroutineJob, work: Work) -> None:
        """Have work done for a job. From any thread."""
        self._queue.put((job, work))
        with self._lock:
            self._threads.wake(len(self._queue) + len(self._busy))

    def works_for(self, job: CoroutineJob) -> bool:
        """Whether a thread works for this job, one that was not abandoned."""
        return job in list(self._busy.values())

    def overdue(self, now: int) -> list[CoroutineJob]:
        """Return the jobs whose work takes too long."""
        if self._threads.start_again_at and now >= self._threads.start_again_at:
            with self._lock:
                self._threads.start_again_at = 0
                self._threads.wake(len(self._queue) + len(self._busy))
        return [job for job in list(self._busy.values()) if job.conclude_by and now >= job.conclude_by]

    def next_deadline(self) -> int | None:
        """When :meth:`overdue` is next to be looked at (monotonic ms)."""
        wakes = [job.conclude_by for job in list(self._busy.values()) if job.conclude_by]
        if self._threads.start_again_at:
            wakes.append(self._threads.start_again_at)
        return min(wakes, default=None)

    def replace(self, thread: threading.Thread, job: CoroutineJob) -> None:
        """Take a thread out that was abandoned with this job. In the engine's thread."""
        with self._lock:
            self._busy.pop(thread, None)
            self._threads.count -= 1
            self._threads.wake(len(self._queue) + len(self._busy))
        self._abandoned.add(thread, job)

    def _work(self) -> None:
        lock = threading.Lock()
        lock.acquire()
        me = threading.current_thread()
        while (item := self._queue.get(lock)) is not None:
            job, work = item
            self._busy[me] = job
            try:
                job.enter_thread()
                context = job.context.copy()  # the loop, or an abandoned thread, may still be in it
                context.run(work)
            except BaseException:
                # Nothing in a job should raise; if it does, its message must not be lost in silence.
                log.critical("A thread for hooks failed outside of any hook.", exc_info=True)
                os._exit(70)  # the supervisor gives back what this process held, and starts another
            if not job.leave_thread():
                return  # another thread has taken this one's place
            self._busy.pop(me, None)
            job.context = context
            self._on_done(job, work)
            del item, job, work, context  # the thread sleeps now: it keeps nothing of theirs

    def shut_down(self) -> None:
        """Let the threads end after the work that waits."""
        with self._lock:
            self._threads.shut_down(self._abandoned.jobs)
