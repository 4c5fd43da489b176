"""The threads of one group, and the deadlines of what they run."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable, Set

from alsek.core.broker import Broker
from alsek.core.clock import monotonic_ms
from alsek.core.clock import real_time as time
from alsek.core.execution.session import WorkerSession
from alsek.core.loggers import guarded_logger
from alsek.core.task import AnyTask
from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.contexts import Contexts
from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.thread_executor.job import ThreadJob
from alsek.core.worker.thread_executor.recent_durations import RecentDurations
from alsek.core.worker.thread_executor.work_queue import WorkQueue
from alsek.storage.backends.records import Claimed, Released

log = guarded_logger(__name__)

#: How long after its deadline a thread may take to end before it is given up.
ABANDON_AFTER = 900
#: How long (s) threads may take to end, once nothing runs any more.
LAST_REPORTS = 2.0
#: When no thread can be started, the next attempt follows after so long (ms).
_HIRE_AFTER = 1_000
#: While tasks are very short, how long (ms) work may wait for one awake thread, and what has finished for the engine.
_BRISK_WAIT = 2


class ThreadExecutor:
    """Up to `size` threads that run jobs, and hand them back finished.

    The engine alone calls it, except for what is said to run in the threads. Threads are started as they are
    needed. One that does not end after its deadline is abandoned, and another takes its place.

    Args:
        tasks: What can be run.
        broker: Whose messages they are.
        state: Where starts and ends are written.
        size: How many threads.
        max_losses: See :func:`~alsek.core.execution.opening.rejection_of`.
        patient: Never abandon a thread: its slot is taken until it ends.
    """

    def __init__(
        self,
        tasks: dict[str, AnyTask],
        broker: Broker,
        state: SharedState,
        size: int,
        max_losses: int,
        patient: bool = False,
    ) -> None:
        self._tasks = tasks
        self._broker = broker
        self._state = state
        self._size = size
        self._max_losses = max_losses
        self._patient = patient
        self._contexts = Contexts()
        self._inbox: WorkQueue[ThreadJob | Callable[[], ThreadJob | None] | None] = WorkQueue()
        self._rhythm = RecentDurations()
        #: When something was last begun by an idle executor, or handed back (monotonic ms).
        self._moved_at = 0
        self._finished: deque[ThreadJob] = deque()
        self._running: dict[int, ThreadJob] = {}
        #: Settled, and their trackers are to hear of it.
        self._reporting: set[ThreadJob] = set()
        self._threads = 0
        #: When a thread is to be started again (monotonic ms), since none could be; 0 while all is well.
        self._hire_at = 0
        self._numbers = 0
        self._hired: set[threading.Thread] = set()
        #: Threads that were given up and have not ended, with what they ran.
        self._strays: dict[threading.Thread, ThreadJob] = {}
        self._wakeup = WakeupPipe()
        self._engine_sleeps = False

    @property
    def in_flight(self) -> int:
        """How many jobs are under way."""
        return len(self._running)

    @property
    def free_slots(self) -> int:
        """How many jobs could start at once now; less than none if some were claimed ahead."""
        return (self._threads if self._hire_at else self._size) - len(self._running)

    @property
    def prefetch(self) -> int:
        """How many jobs more may be claimed: while tasks are very short, as many again as there are threads."""
        return self._size if self._rhythm.brisk and not self._hire_at else 0

    @property
    def exhausted(self) -> bool:
        """So many threads have been abandoned that the process had better be replaced."""
        return len(self._strays) >= self._size

    def job(self, claimed: Claimed, entry: int, session: WorkerSession) -> ThreadJob:
        """A job for a claim."""
        return ThreadJob(claimed, session, entry, session.worker.id)

    def start(self, job: ThreadJob) -> None:
        """Run a job in a thread."""
        if not self._running:
            self._moved_at = monotonic_ms()
        self._running[job.claimed.token] = job
        waiting = len(self._inbox)
        self._inbox.put(job)
        if not self._rhythm.brisk or not waiting:
            self._call_thread()

    def _call_thread(self) -> None:
        """Let a thread see to the inbox: one that sleeps, else a new one if there are fewer than jobs."""
        if not self._inbox.wake() and self._threads < min(self._size, max(1, len(self._running))):
            self._hire()

    def on_outcome(self, job: ThreadJob, accepted: bool) -> None:
        """If the store has accepted it, tell the trackers that it does not write itself; in a thread."""
        if not accepted or not job.owed:
            return
        job.conclude_by = 0  # until a thread begins
        self._reporting.add(job)
        self._state.enter_user_code(job.entry)  # a tracker is code of the user's

        def report() -> ThreadJob | None:
            job.context.copy().run(job.report)  # a copy: a thread that was given up may still be in it
            self._reporting.discard(job)
            if job.was_taken:
                return job
            if not job.has_strays:
                self._state.leave_user_code(job.entry)
            return None

        self._inbox.put(report)
        self._call_thread()

    def revoke(self, uuid: str) -> None:
        """Raise in the thread that runs this message, once; if it does not listen, it goes on."""
        for job in self._running.values():
            if job.claimed.uuid == uuid and not job.revoked:
                job.revoke()

    def collect(self) -> list[ThreadJob]:
        """What has finished since the last time: while tasks are very short, many at once."""
        if not self._ripe and monotonic_ms() < self._moved_at + _BRISK_WAIT:
            return []
        finished = []
        longest_ns = 0
        while self._finished:
            job = self._finished.popleft()
            del self._running[job.claimed.token]
            longest_ns = max(longest_ns, job.took_ns)
            finished.append(job)
        if finished:
            self._moved_at = monotonic_ms()
            was_brisk = self._rhythm.brisk
            self._rhythm.note(longest_ns)
            if was_brisk and not self._rhythm.brisk:
                self._spread()
        return finished

    @property
    def _ripe(self) -> bool:
        """Whether what has finished is worth a trip: at once, unless very short tasks still wait to be run."""
        done = len(self._finished)
        return done > 0 and (not self._rhythm.brisk or not self._inbox or done >= self._size)

    def _spread(self) -> None:
        """Call a thread for each piece of work that waits: one alone would take too long."""
        for _ in range(len(self._inbox)):
            self._call_thread()

    @property
    def _stalls_at(self) -> int | None:
        """When what waits has waited for too long (monotonic ms); None if each has a thread of its own."""
        if self._inbox and (self._rhythm.brisk or self.free_slots < 0):
            return self._moved_at + _BRISK_WAIT
        return None

    def _unblock(self) -> None:
        """A task does not end: give back what was claimed ahead, and call a thread for each that waits."""
        self._rhythm.lose()
        self._give_back_surplus()
        self._spread()

    def _give_back_surplus(self) -> None:
        """Give back what waits and can't be started soon."""
        waiting = [job for job in self._running.values() if job.runner is None]
        for job in waiting[max(0, len(waiting) + self.free_slots) :] if self.free_slots < 0 else ():
            if self._inbox.withdraw(job):
                job.outcome = Released(job.claimed.uuid, job.claimed.queue, job.claimed.token)
                self._finished.append(job)

    # ── sleeping and waking ────────────────────────────────────────────────────────────────────

    def register_with(self, poll: select.poll) -> bool:
        """Let the bell ring, and `poll` hear it, when something finishes; False if something has already."""
        poll.register(self._wakeup.reader, select.POLLIN)
        self._engine_sleeps = True
        if self._ripe:
            self._engine_sleeps = False
            return False
        return True

    def on_ready(self, ready: Set[int]) -> None:
        """The bell need not ring any more."""
        self._engine_sleeps = False
        if self._wakeup.reader in ready:
            self._wakeup.read()

    def next_deadline(self) -> int | None:
        """When :meth:`enforce_deadlines` is next needed (monotonic ms)."""
        jobs = (*self._running.values(), *self._strays.values()) if self._strays else self._running.values()
        wakes = [job.next_interrupt for job in jobs if job.deadline]
        if not self._patient:
            wakes += [job.conclude_by for job in self._running.values() if job.conclude_by]
            wakes += [job.conclude_by for job in list(self._reporting) if job.conclude_by]
        if (stalls_at := self._stalls_at) is not None:
            wakes.append(stalls_at)
        if self._hire_at:
            wakes.append(self._hire_at)
        return min(wakes, default=None)

    def enforce_deadlines(self) -> None:
        """Interrupt what runs past its deadline; abandon what does not listen."""
        now = monotonic_ms()
        if self._hire_at and now >= self._hire_at:
            self._hire_at = 0
            self._spread()
        if (stalls_at := self._stalls_at) is not None and now >= stalls_at:
            self._unblock()
        for job in list(self._running.values()):
            if job.conclude_by and now >= job.conclude_by and not self._patient:
                self._give_up(job)
            if not job.deadline or job.abandoned or now < job.next_interrupt:
                continue
            if not job.timed_out:
                job.interrupt(now)
                job.next_interrupt = now + (1_000 if self._patient else ABANDON_AFTER)
            elif self._patient:
                job.interrupt(now)
            else:
                self._abandon(job)
        for job in list(self._reporting):
            if job.conclude_by and now >= job.conclude_by and not self._patient:
                self._give_up_report(job)
        for thread, stray in list(self._strays.items()):
            if not thread.is_alive():
                self._forget(thread, stray)
            elif stray.deadline and now >= stray.next_interrupt:
                stray.interrupt(now)

    def _forget(self, thread: threading.Thread, stray: ThreadJob) -> None:
        """A thread that was given up has ended: once no other runs code for its message, none does."""
        if stray.claimed.token in self._running or stray in self._reporting:
            return  # another thread concludes it, or tells its tracker
        del self._strays[thread]
        self._state.abandoned = len(self._strays)
        if stray not in self._strays.values():
            self._state.leave_user_code(stray.entry)

    def _abandon(self, job: ThreadJob) -> None:
        thread = job.runner
        if not job.abandon():
            return
        job.interrupt(monotonic_ms())
        self._state.end_task(job.entry)
        self._rhythm.lose()
        self._replace(thread, job, "did not end after the timeout")

        def conclude() -> ThreadJob:
            job.context.copy().run(job.conclude_timeout)
            return job

        self._inbox.put(conclude)
        self._call_thread()

    def _give_up(self, job: ThreadJob) -> None:
        thread = job.runner
        if job.give_up():
            self._replace(thread, job, "did not end what follows the task")
            self._finished.append(job)

    def _give_up_report(self, job: ThreadJob) -> None:
        thread = job.runner
        if job.give_up_report():
            self._reporting.discard(job)
            self._replace(thread, job, "did not end telling a tracker what became of it")

    def _replace(self, thread: threading.Thread | None, job: ThreadJob, why: str) -> None:
        assert thread is not None
        self._strays[thread] = job
        self._state.abandoned = len(self._strays)
        self._threads -= 1
        log.error(
            "The thread of %s %s: it is abandoned, and another takes its place.",
            job.delivery.summary if job.delivery is not None else job.claimed.uuid,
            why,
            extra={"uuid": job.claimed.uuid, "queue": job.claimed.queue},
        )
        self._hire()

    # ── the threads ────────────────────────────────────────────────────────────────────────────

    def _hire(self) -> None:
        if self._hire_at:
            return
        thread = threading.Thread(target=self._work, name=f"alsek-task-{self._numbers + 1}", daemon=True)
        try:
            thread.start()
        except (RuntimeError, MemoryError) as error:
            # A limit on processes, or too little memory for its stack. What others could run must not wait here.
            log.error("No thread can be started: %s. Trying again in %.0f s.", error, _HIRE_AFTER / 1000)
            self._hire_at = monotonic_ms() + _HIRE_AFTER
            self._give_back_surplus()
            return
        self._threads += 1
        self._numbers += 1
        self._hired.add(thread)

    def _work(self) -> None:
        """In a thread: run what comes, until told to end or abandoned."""
        bed = threading.Lock()
        bed.acquire()
        tasks, broker, max_losses, state = self._tasks, self._broker, self._max_losses, self._state
        contexts = self._contexts
        while (work := self._inbox.get(bed)) is not None:
            job: ThreadJob | None
            try:
                if isinstance(work, ThreadJob):
                    job = work
                    began = time.monotonic_ns()
                    job.context = contexts.fresh()
                    job.context.run(job.run, tasks, broker, max_losses, state)
                    job.took_ns = time.monotonic_ns() - began
                else:
                    job = work()
            except BaseException:
                # Nothing in a job should raise; if it does, its message must not be lost in silence.
                log.critical("A worker thread failed outside of any task.", exc_info=True)
                os._exit(70)  # the supervisor gives back what this process held, and starts another
            if job is None:
                continue
            if job.was_taken:
                return  # another thread has taken this one's place
            self._finished.append(job)
            if self._engine_sleeps and self._ripe:
                self._engine_sleeps = False
                self._wakeup.notify()

    def shut_down(self) -> None:
        """Let the threads end once they are done: a tracker of the user's may have something to hear yet."""
        for _ in range(self._threads):
            self._inbox.put(None)
        while self._inbox.wake():
            pass
        until = time.monotonic() + LAST_REPORTS
        for thread in self._hired - set(self._strays):
            thread.join(max(0.0, until - time.monotonic()))
