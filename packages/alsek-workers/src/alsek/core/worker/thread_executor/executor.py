"""The executor of a thread pool: runs jobs in threads, and enforces their deadlines."""

from __future__ import annotations

import logging
import os
import select
import threading
from collections import deque
from collections.abc import Callable, Mapping, Set

from alsek.core.broker import Broker
from alsek.core.clock import monotonic_ms
from alsek.core.clock import real_time as time
from alsek.core.execution.session import WorkerSession
from alsek.core.execution.sync_hooks import with_sync_hooks
from alsek.core.execution.transition_log import log as log_of_transitions
from alsek.core.loggers import guarded_logger
from alsek.core.task import AnyTask
from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.contexts import Contexts
from alsek.core.worker.engine.executor import Slots
from alsek.core.worker.engine.stand_in import StandIn
from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.thread_executor.abandoned import Abandoned
from alsek.core.worker.thread_executor.concluding_job import running_of
from alsek.core.worker.thread_executor.job import ThreadJob
from alsek.core.worker.thread_executor.place import Place, StandInPlace
from alsek.core.worker.thread_executor.recent_durations import RecentDurations
from alsek.core.worker.thread_executor.task_threads import TaskThreads
from alsek.core.worker.thread_executor.work_queue import WorkQueue
from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.records import Claimed, Released, Running

log = guarded_logger(__name__)

#: How long after its deadline a thread may take to end before it is abandoned.
ABANDON_AFTER_MS = 900

#: With `wait_for_threads`, how often a thread is interrupted.
_INTERRUPT_EVERY_MS = 1_000

#: With very short tasks: the longest that queued jobs wait for a thread and finished jobs for the engine.
_LONGEST_WAIT_MS = 2


class ThreadExecutor:
    """Runs jobs in up to `slots` threads. Only the engine calls it.

    Threads are started as they are needed. One that does not end after its deadline is abandoned, and another takes
    its place.

    Args:
        tasks: The pool's tasks by name.
        broker: Whose messages they are.
        state: Where starts and ends of user code are written.
        slots: How many threads run jobs at once.
        max_losses: See :func:`~alsek.core.execution.opening.rejection_of`.
        wait_for_threads: Never abandon a thread: its slot is taken until it ends.
        unknown_tasks_wait: A message whose task is unknown does not fail.
        stand_in: Lets its threads stand in for the engine's; None if they may not.
    """

    def __init__(
        self,
        tasks: dict[str, AnyTask],
        broker: Broker,
        state: SharedState,
        slots: int,
        max_losses: int,
        wait_for_threads: bool = False,
        unknown_tasks_wait: bool = False,
        stand_in: StandIn | None = None,
    ) -> None:
        self._tasks = {name: with_sync_hooks(task) for name, task in tasks.items()}
        self._broker = broker
        self._state = state
        self._slots = slots
        self._max_losses = max_losses
        self._wait_for_threads = wait_for_threads
        self._unknown_tasks_wait = unknown_tasks_wait
        self._stand_in = stand_in
        self._contexts = Contexts()
        self._queue: WorkQueue[ThreadJob | Callable[[], ThreadJob | None] | None] = WorkQueue()
        self._durations = RecentDurations(slots)
        #: When a job was last started by an idle executor, or collected (monotonic ms).
        self._progress_at = 0
        #: When finished jobs were last collected (monotonic ns), and how many: a trip to the store follows; 0 after it.
        self._trip_since = 0
        self._trip_messages = 0
        #: Whether DEBUG is logged of messages: looked up at the same times, not for each message.
        self._verbose = False
        self._finished: deque[ThreadJob] = deque()
        self._running: dict[int, ThreadJob] = {}
        #: Jobs whose outcomes were accepted, and whose trackers have yet to be told.
        self._reporting: set[ThreadJob] = set()
        self._threads = TaskThreads(self._work, self._queue, slots, on_refused=self._release_excess)
        self._abandoned = Abandoned(state, self._is_in_use)
        self._wakeup = WakeupPipe()
        self._engine_sleeps = False

    @property
    def slots_by_kind(self) -> Mapping[SlotKind, Slots]:
        """Its slots are all of one kind."""
        return {"thread": self}

    @property
    def in_flight(self) -> int:
        """How many jobs are in flight."""
        return len(self._running)

    @property
    def free_slots(self) -> int:
        """How many jobs could start at once now; less than zero if some are prefetched."""
        threads = self._threads
        return (threads.count if threads.start_again_at else self._slots) - len(self._running)

    @property
    def prefetch(self) -> int:
        """While tasks are very short, at least as many as there are slots."""
        return 0 if self._threads.start_again_at else self._durations.in_flight - self._slots

    @property
    def shares_interpreter(self) -> bool:
        """Its threads do."""
        return True

    @property
    def exhausted(self) -> bool:
        """Whether as many threads were abandoned as there are slots: the process should be replaced."""
        return len(self._abandoned.jobs) >= self._slots

    def job(self, claimed: Claimed, entry: int, session: WorkerSession) -> ThreadJob:
        """Return a job for a claim."""
        return ThreadJob(claimed, session, entry, session.worker.id)

    def start(self, job: ThreadJob) -> None:
        """Queue a job for the threads."""
        if self._trip_since:
            self._durations.record_trip(time.monotonic_ns() - self._trip_since, self._trip_messages)
            self._trip_since = 0
        if not self._running:
            self._note_progress()
        self._running[job.claimed.token] = job
        waiting = len(self._queue)
        job.stand_in = stand_in = self._stand_in
        self._queue.put(job)
        if stand_in is not None and stand_in.in_turn and stand_in.takes_work():
            return
        if not self._durations.very_short or not waiting:
            self._threads.wake(len(self._running))

    def _note_progress(self) -> None:
        self._progress_at = monotonic_ms()
        self._verbose = log_of_transitions.isEnabledFor(logging.DEBUG)

    def on_outcome(self, job: ThreadJob, accepted: bool) -> None:
        """Take in whether the store has accepted the job's outcome. If so, a thread sends the pending notices."""
        if not accepted:
            return
        job.conclude_by = 0  # until a thread starts
        self._reporting.add(job)
        self._state.enter_user_code(job.entry)  # a tracker is user code

        def report() -> ThreadJob | None:
            job.context.copy().run(job.report)  # a copy: an abandoned thread may still be in it
            self._reporting.discard(job)
            if job.was_abandoned:
                return job
            if not job.has_abandoned_threads:
                self._state.leave_user_code(job.entry)
            return None

        self._queue.put(report)
        self._threads.wake(len(self._running))

    def revoke(self, uuid: str) -> None:
        """Raise once in the thread that runs this message. If the task catches the exception, it goes on."""
        for job in self._running.values():
            if job.claimed.uuid == uuid and not job.revoked:
                job.session.note_revoked(job.claimed.token)  # before it is interrupted: it may look
                job.revoke()

    def running(self) -> list[Running]:
        """Return what the threads run now."""
        return list(running_of(self._running.values()))

    def collect(self) -> list[ThreadJob]:
        """Return the jobs that have finished since the last call: while tasks are very short, many at once."""
        if not self._worth_collecting and monotonic_ms() < self._progress_at + _LONGEST_WAIT_MS:
            return []
        finished = []
        while self._finished:
            job = self._finished.popleft()
            del self._running[job.claimed.token]
            finished.append(job)
        if finished:
            self._note_progress()
            were_very_short = self._durations.very_short
            self._durations.record([job.elapsed_ns for job in finished])
            self._trip_since, self._trip_messages = time.monotonic_ns(), len(finished)
            if were_very_short and not self._durations.very_short:
                self._wake_all()
        return finished

    @property
    def _worth_collecting(self) -> bool:
        """Whether there are finished jobs, and no very short ones wait to be run before a trip to the store.

        Of very short ones half travel, while the other half runs.
        """
        done = len(self._finished)
        durations = self._durations
        return done > 0 and (not durations.very_short or not self._queue or done >= durations.in_flight // 2)

    def _wake_all(self) -> None:
        """Wake a thread for each queued job: one alone would take too long."""
        for _ in range(len(self._queue)):
            self._threads.wake(len(self._running))

    @property
    def _prefetched_until(self) -> int | None:
        """When queued jobs have waited for too long (monotonic ms); None if each has a thread of its own."""
        taken = self._stand_in is not None and self._stand_in.has_work
        if len(self._queue) > taken and (self._durations.very_short or self.free_slots < 0):
            return self._progress_at + _LONGEST_WAIT_MS
        return None

    def _release_prefetched(self) -> None:
        """Because a task does not end: release the prefetched jobs, and wake a thread for each other one."""
        self._durations.reset()
        self._release_excess()
        self._wake_all()

    def _release_excess(self) -> None:
        """Release the queued jobs for which there is no slot."""
        waiting = [job for job in self._running.values() if job.thread is None]
        for job in waiting[max(0, len(waiting) + self.free_slots) :] if self.free_slots < 0 else ():
            if self._queue.remove(job):
                job.outcome = Released.of(job.claimed)
                self._finished.append(job)

    def register_with(self, poll: select.poll) -> bool:
        """Add the descriptor that wakes the engine to `poll`. Returns False if a job has finished already."""
        poll.register(self._wakeup, select.POLLIN)
        self._trip_since = 0  # what starts next has not come with that trip
        self._engine_sleeps = True
        if self._worth_collecting:
            self._engine_sleeps = False
            return False
        return True

    def on_ready(self, ready: Set[int]) -> None:
        """Take in that the engine no longer sleeps, and which descriptors were ready."""
        self._engine_sleeps = False
        if self._wakeup.reader in ready:
            self._wakeup.read()

    def next_deadline(self) -> int | None:
        """When :meth:`enforce_deadlines` is next needed (monotonic ms)."""
        abandoned = self._abandoned.jobs
        jobs = (*self._running.values(), *abandoned.values()) if abandoned else self._running.values()
        wakes = [job.next_interrupt for job in jobs if job.deadline]
        if not self._wait_for_threads:
            wakes += [job.conclude_by for job in self._running.values() if job.conclude_by]
            wakes += [job.conclude_by for job in list(self._reporting) if job.conclude_by]
        if (prefetched_until := self._prefetched_until) is not None:
            wakes.append(prefetched_until)
        if self._threads.start_again_at:
            wakes.append(self._threads.start_again_at)
        return min(wakes, default=None)

    def enforce_deadlines(self) -> None:
        """Interrupt the tasks that run past their deadlines, and abandon the threads that do not end."""
        now = monotonic_ms()
        if self._threads.start_again_at and now >= self._threads.start_again_at:
            self._threads.start_again_at = 0
            self._wake_all()
        prefetched_until = self._prefetched_until
        # With something finished, it is the trip to the store that has taken so long.
        if prefetched_until is not None and now >= prefetched_until and not self._finished:
            self._release_prefetched()
        for job in list(self._running.values()):
            if job.conclude_by and now >= job.conclude_by and not self._wait_for_threads:
                self._abandon_conclusion(job)
            if not job.deadline or job.abandoned or now < job.next_interrupt:
                continue
            if not job.timed_out:
                job.interrupt(now)
                job.next_interrupt = now + (
                    _INTERRUPT_EVERY_MS if self._wait_for_threads else ABANDON_AFTER_MS
                )
            elif self._wait_for_threads:
                job.interrupt(now)
            else:
                self._abandon_task(job)
        for job in list(self._reporting):
            if job.conclude_by and now >= job.conclude_by and not self._wait_for_threads:
                self._abandon_report(job)
        if self._abandoned.jobs:
            self._abandoned.check(now)

    def _is_in_use(self, job: ThreadJob) -> bool:
        """Whether a thread concludes an abandoned job, or sends its pending notices."""
        return job.claimed.token in self._running or job in self._reporting

    def _abandon_task(self, job: ThreadJob) -> None:
        thread = job.thread
        if not job.abandon_task():
            return
        job.interrupt(monotonic_ms())
        self._state.end_task(job.entry)
        self._durations.reset()
        self._replace(thread, job, "did not end after the timeout")

        def conclude() -> ThreadJob:
            job.context.copy().run(job.conclude_timeout)
            return job

        self._queue.put(conclude)
        self._threads.wake(len(self._running))

    def _abandon_conclusion(self, job: ThreadJob) -> None:
        thread = job.thread
        if job.abandon_conclusion():
            self._replace(thread, job, "did not end the code after the task")
            self._finished.append(job)

    def _abandon_report(self, job: ThreadJob) -> None:
        thread = job.thread
        if job.abandon_report():
            self._reporting.discard(job)
            self._replace(thread, job, "did not end reporting the outcome to a tracker")

    def _replace(self, thread: threading.Thread | None, job: ThreadJob, why: str) -> None:
        assert thread is not None
        job.elapsed_ns = 1_000_000 * (monotonic_ms() - job.started_at)
        self._abandoned.add(thread, job)
        self._threads.count -= 1
        log.error(
            "The thread of %s %s: it is abandoned, and another takes its place.",
            job.delivery.summary if job.delivery is not None else job.claimed.uuid,
            why,
            extra={"uuid": job.claimed.uuid, "queue": job.claimed.queue},
        )
        self._threads.start()

    def _work(self) -> None:
        """Run queued work until the executor shuts down or the thread is abandoned. In a task thread."""
        try:
            self._run_queued()
        except BaseException:
            # Nothing in a job should raise; if it does, its message must not be lost in silence.
            log.critical("A worker thread failed outside of any task.", exc_info=True)
            os._exit(70)  # the supervisor gives back what this process held, and starts another

    def _run_queued(self) -> None:
        stand_in = self._stand_in
        place = Place(self._queue) if stand_in is None else StandInPlace(self._queue, stand_in)
        tasks, broker, max_losses, state = self._tasks, self._broker, self._max_losses, self._state
        contexts, wait = self._contexts, self._unknown_tasks_wait
        while (work := place.next_work()) is not None:
            job: ThreadJob | None
            if isinstance(work, ThreadJob):
                job = work
                started = time.monotonic_ns()
                job.context = contexts.fresh()
                job.context.run(job.run, tasks, broker, max_losses, state, wait, self._verbose)
                job.elapsed_ns = time.monotonic_ns() - started
            else:
                job = work()
            if job is None:
                continue
            if job.was_abandoned:
                return  # another thread has taken this one's place
            self._finished.append(job)
            if not self._worth_collecting:
                continue
            if stand_in is not None and len(self._running) == 1 and stand_in.take_turn(place):
                self._trip_since = 0  # what starts next has not come with that trip
            elif self._engine_sleeps:
                self._engine_sleeps = False
                self._wakeup.notify()

    def shut_down(self) -> None:
        """Let the threads end, once they have sent the pending notices."""
        self._threads.shut_down(self._abandoned.jobs)
