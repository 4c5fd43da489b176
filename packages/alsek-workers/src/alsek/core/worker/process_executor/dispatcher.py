"""Assigning jobs to processes: to idle ones first; while tasks are short, also to busy ones, ahead of need.

No prefetched job waits long (see :mod:`~alsek.core.worker.process_executor.prefetch_limit`): it is taken back from a
process whose task proves to be long, and is run by another process or released to the store.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from alsek.core.clock import real_time
from alsek.core.worker.process_executor.job import ProcessJob
from alsek.core.worker.process_executor.prefetch_limit import PrefetchLimit
from alsek.core.worker.process_executor.process_manager import TaskProcessManager
from alsek.core.worker.process_executor.task_process import TaskProcess

#: A process that has not answered for this time gets no prefetched jobs.
BUSY_AFTER_MS = 20
#: The most messages claimed in one round trip, unless there are more processes: larger steps hold up the store.
_MOST_A_TRIP: Final = 64


class Dispatcher:
    """Holds the jobs that no process was sent, and assigns them to processes.

    Args:
        manager: The processes.
        size: How many processes are to run jobs at once.
        tasks_per_process: How many jobs each process serves.
        prefetches: Assign jobs to busy processes too, while tasks are short.

    Attributes:
        waiting: The jobs, in the order in which they are to be run.
        add: Appends a job to them. (The method of the deque itself: it is called for each message.)
        prefetch: How many jobs may be assigned ahead of need.
    """

    def __init__(
        self, manager: TaskProcessManager, size: int, tasks_per_process: int, *, prefetches: bool
    ) -> None:
        self.waiting: deque[ProcessJob] = deque()
        self.add: Callable[[ProcessJob], None] = self.waiting.append
        self.prefetch = PrefetchLimit()
        self._manager = manager
        self._size = size
        self._tasks_per_process = tasks_per_process
        self._prefetches = prefetches

    def requeue(self, jobs: Sequence[ProcessJob]) -> None:
        """Put jobs before all others, in this order."""
        self.waiting.extendleft(reversed(jobs))

    def capacity(self, running: int) -> int:
        """Return how many more messages may be claimed while this many jobs are in flight."""
        capacity = self._size - running
        if self._prefetches:
            now = real_time.monotonic() * 1000
            for process in self._manager.processes.values():
                held = len(process.jobs)
                if held > 1:
                    capacity += held - 1  # prefetched jobs take no slot
                # In batches: with one round trip for each answered job, prefetching would save nothing.
                if (
                    not process.released
                    and 2 * held <= self.prefetch.limit + 1
                    and self._is_quick(process, now)
                ):
                    capacity += self._most_jobs(process) - max(1, held)
        return max(0, min(capacity, max(self._size, _MOST_A_TRIP)))

    def dispatch(self) -> list[TaskProcess]:
        """Send the waiting jobs to processes that can take them. Returns the processes that do not read."""
        assigned: dict[TaskProcess, None] = {}
        if len(self._manager.shared) and self.waiting:
            self._share(assigned)
        while self.waiting and self._manager.spares:
            process = self._manager.take_spare()
            job = self.waiting.popleft()
            process.shared = job.shares_process
            process.assign(job)
            assigned[process] = None
        if self.waiting and self.prefetch.limit:
            self._prefetch(assigned)
        unresponsive = []
        for process in assigned:
            try:
                process.send_jobs()
            except BlockingIOError:
                unresponsive.append(process)
        return unresponsive

    def _share(self, assigned: dict[TaskProcess, None]) -> None:
        """Assign waiting jobs that will not run to shared processes."""
        for job in [job for job in self.waiting if job.shares_process]:
            if not len(self._manager.shared):
                return
            self.waiting.remove(job)
            process = self._manager.shared.take()
            process.assign(job)
            assigned[process] = None

    def _prefetch(self, assigned: dict[TaskProcess, None]) -> None:
        """Assign waiting jobs to busy processes, one to each in turn, those with the fewest jobs first."""
        now = real_time.monotonic() * 1000
        processes = [
            process for process in self._manager.processes.values() if self._takes_more(process, now)
        ]
        processes.sort(key=lambda process: len(process.jobs))
        while processes:
            for process in list(processes):
                if not self.waiting:
                    return
                if not process.fits(self.waiting[0]):  # messages of short tasks are not this large
                    self.prefetch.reset()
                    return
                process.assign(self.waiting.popleft())
                assigned[process] = None
                if len(process.jobs) >= self._most_jobs(process):
                    processes.remove(process)

    def _takes_more(self, process: TaskProcess, now: float) -> bool:
        return bool(
            process.jobs
            and process.charge is None
            and process.awaiting_verdict is None
            and self._is_quick(process, now)
            and len(process.jobs) < self._most_jobs(process)
        )

    def _is_quick(self, process: TaskProcess, now: float) -> bool:
        return not process.jobs or now - process.last_answer_at < BUSY_AFTER_MS

    def _most_jobs(self, process: TaskProcess) -> int:
        return max(1, min(self.prefetch.limit + 1, self._tasks_per_process - process.served))

    def take_back(self, process: TaskProcess) -> None:
        """Put the jobs that a process has not started before all others that wait."""
        taken = process.take_unstarted()
        self.requeue(taken)
        if (
            taken
            and not process.jobs
            and process.awaiting_verdict is None
            and process.alive
            and process.charge is None
        ):
            self._manager.return_spare(process)

    def take_all_back(self) -> None:
        """Take back the jobs that no process has started."""
        for process in self._manager.processes.values():
            # A charged job was started before, so it is not released, and may stay where it is.
            if process.jobs and process.charge is None and process.jobs[-1].charge is None:
                self.take_back(process)

    def excess(self, *, keep_none: bool) -> list[ProcessJob]:
        """Remove and return the waiting jobs to be released to the store: those that no process will soon be idle for.

        Charged jobs stay, since they were started before.

        Args:
            keep_none: Return all.
        """
        keep = 0
        if not keep_none:
            if not self._prefetches:
                return []
            busy = sum(
                bool(process.jobs or process.awaiting_verdict) for process in self._manager.processes.values()
            )
            keep = max(0, self._size - busy)
        excess: list[ProcessJob] = []
        for job in reversed(list(self.waiting)):
            if len(self.waiting) <= keep:
                break
            if job.charge is None:
                self.waiting.remove(job)
                excess.append(job)
        return excess

    def request_processes(self) -> None:
        """Have processes forked for the jobs that wait, here or behind others in a process."""
        if self._manager.at_capacity:
            return
        jobs = len(self.waiting)
        if self._prefetches:
            jobs += sum(max(0, len(process.jobs) - 1) for process in self._manager.processes.values())
        self._manager.request(jobs)
