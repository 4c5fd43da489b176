"""Gives each job of a thread pool with `async def` tasks to threads or to the event loop.

Which of the two a job belongs to is known only once its message is opened. The store has claimed it for the slot that
the message named when it was submitted. That is wrong if the task has become an `async def` since, or a plain function;
and for messages of Alsek 0.1.0, which named none. Such a job is *misplaced*: the executor that was given it finds that
its task is not one that it runs, and it is started by the other one. If that has no free slot it waits here.
"""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Mapping, Set
from typing import TypeAlias

from alsek.core.execution.session import WorkerSession
from alsek.core.worker.coroutine_executor.executor import CoroutineExecutor
from alsek.core.worker.coroutine_executor.job import CoroutineJob
from alsek.core.worker.engine.executor import Slots
from alsek.core.worker.mixed_executor.thread_job import MixedThreadJob
from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.thread_executor.executor import ThreadExecutor
from alsek.core.worker.thread_executor.job import ThreadJob
from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.records import Claimed, Released, Running

MixedJob: TypeAlias = ThreadJob | CoroutineJob


class _SlotsBehind:
    """The slots of one kind, less those for which misplaced jobs wait.

    Attributes:
        executor: Has the slots.
        waiting: Misplaced jobs of the other executor that are to be started by this one.
    """

    def __init__(self, executor: ThreadExecutor | CoroutineExecutor) -> None:
        self.executor = executor
        self.waiting: deque[MixedJob] = deque()

    @property
    def free_slots(self) -> int:
        """How many more jobs could start at once; less than zero while some wait."""
        return self.executor.free_slots - len(self.waiting)

    @property
    def prefetch(self) -> int:
        """That of the executor."""
        return self.executor.prefetch


class MixedExecutor:
    """Runs the jobs of `async def` tasks as coroutines, and others in threads. Only the engine calls it.

    Args:
        threads: Runs those in threads.
        coroutines: Runs those of `async def` tasks.
        state: Shared with the supervisor.
    """

    def __init__(self, threads: ThreadExecutor, coroutines: CoroutineExecutor, state: SharedState) -> None:
        self._threads = threads
        self._coroutines = coroutines
        self._state = state
        self._for_threads = _SlotsBehind(threads)
        self._for_coroutines = _SlotsBehind(coroutines)

    @property
    def slots_by_kind(self) -> Mapping[SlotKind, Slots]:
        """Threads and coroutines."""
        return {"thread": self._for_threads, "coroutine": self._for_coroutines}

    @property
    def in_flight(self) -> int:
        """How many jobs are in flight, those included that wait for the right executor."""
        waiting = len(self._for_threads.waiting) + len(self._for_coroutines.waiting)
        return self._threads.in_flight + self._coroutines.in_flight + waiting

    @property
    def shares_interpreter(self) -> bool:
        """Its threads do."""
        return True

    @property
    def exhausted(self) -> bool:
        """Whether the process should be replaced: too many threads or coroutines were abandoned."""
        return self._threads.exhausted or self._coroutines.exhausted

    def job(self, claimed: Claimed, entry: int, session: WorkerSession) -> MixedJob:
        """Return a job for a claim, of the executor for whose slots the message was claimed."""
        if claimed.is_async:
            return self._coroutines.job(claimed, entry, session)
        return MixedThreadJob(claimed, session, entry, session.worker.id)

    def start(self, job: MixedJob) -> None:
        """Start a job."""
        if isinstance(job, CoroutineJob):
            self._coroutines.start(job)
        else:
            self._threads.start(job)

    def collect(self) -> list[MixedJob]:
        """Return the jobs that have finished since the last call."""
        finished: list[MixedJob] = []
        for job in self._threads.collect():
            if job.outcome is None:  # it is misplaced
                moved = self._coroutines.job(job.claimed, job.entry, job.session)
                moved.worker_id = job.worker_id  # the session may have another by now
                self._for_coroutines.waiting.append(moved)
            else:
                finished.append(job)
        for one in self._coroutines.collect():
            if one.outcome is None:
                self._for_threads.waiting.append(
                    MixedThreadJob(one.claimed, one.session, one.entry, one.worker_id)
                )
            else:
                finished.append(one)
        if self._for_threads.waiting or self._for_coroutines.waiting:
            finished += self._start_waiting()
        return finished

    def _start_waiting(self) -> list[MixedJob]:
        """Start misplaced jobs as far as there are slots. If the engine drains, return them with their release."""
        released: list[MixedJob] = []
        for slots in (self._for_threads, self._for_coroutines):
            while slots.waiting:
                if self._state.draining:
                    job = slots.waiting.popleft()
                    job.outcome = Released.of(job.claimed)
                    released.append(job)
                elif slots.executor.free_slots > 0:
                    self.start(slots.waiting.popleft())
                else:
                    break
        return released

    def on_outcome(self, job: MixedJob, accepted: bool) -> None:
        """Take in whether the store has accepted the outcome of a collected job."""
        if isinstance(job, CoroutineJob):
            self._coroutines.on_outcome(job, accepted)
        else:
            self._threads.on_outcome(job, accepted)

    def revoke(self, uuid: str) -> None:
        """End the running task of a message that was revoked. The store says so again of one that waits."""
        self._threads.revoke(uuid)
        self._coroutines.revoke(uuid)

    def running(self) -> list[Running]:
        """Return what runs now."""
        return self._threads.running() + self._coroutines.running()

    def enforce_deadlines(self) -> None:
        """End the tasks that run past their deadlines."""
        self._threads.enforce_deadlines()
        self._coroutines.enforce_deadlines()

    def next_deadline(self) -> int | None:
        """When :meth:`enforce_deadlines` is next needed (monotonic ms)."""
        threads, coroutines = self._threads.next_deadline(), self._coroutines.next_deadline()
        if threads is None or coroutines is None:
            return coroutines if threads is None else threads
        return min(threads, coroutines)

    def register_with(self, poll: select.poll) -> bool:
        """Add what wakes the engine to `poll`. Returns False if a job has finished already."""
        if not self._threads.register_with(poll):
            return False
        if self._coroutines.register_with(poll):
            return True
        self._threads.on_ready(frozenset())  # the engine does not sleep after all
        return False

    def on_ready(self, ready: Set[int]) -> None:
        """Take in that the engine no longer sleeps, and which descriptors were ready."""
        self._threads.on_ready(ready)
        self._coroutines.on_ready(ready)

    def shut_down(self) -> None:
        """End the threads, then the event loop: what ends in a thread may need it."""
        self._threads.shut_down()
        self._coroutines.shut_down()
