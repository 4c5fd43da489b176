"""The executor of a thread pool's coroutines: runs jobs on the event loop, and enforces their deadlines."""

from __future__ import annotations

import functools
import itertools
import select
import threading
from collections import deque
from collections.abc import Set
from typing import Final

from alsek.core.broker import Broker
from alsek.core.clock import monotonic_ms
from alsek.core.execution.session import WorkerSession
from alsek.core.loggers import guarded_logger
from alsek.core.task import AnyTask
from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.contexts import Contexts
from alsek.core.worker.coroutine_executor.blocked_loop import BlockedLoopWatch
from alsek.core.worker.coroutine_executor.group_loop import GroupLoop
from alsek.core.worker.coroutine_executor.hook_threads import HookThreads, Work
from alsek.core.worker.coroutine_executor.job import CoroutineJob
from alsek.core.worker.coroutine_executor.jobs_to_begin import JobsToBegin
from alsek.core.worker.coroutine_executor.loop_frames import executing
from alsek.core.worker.coroutine_executor.surroundings import Surroundings, concluding_tasks, quiet_tasks
from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.thread_executor.abandoned import Abandoned
from alsek.core.worker.thread_executor.concluding_job import running_of
from alsek.storage.backends.records import Claimed, Released, Running

log = guarded_logger(__name__)

#: How long after its cancellation a coroutine may take to end before it is abandoned.
ABANDON_AFTER_MS = 900

#: A loop that stands still for so long is given up, whoever blocks it.
GIVE_UP_AFTER_MS = 8_000

#: Of how many jobs the store is told that they run.
_MOST_TOLD: Final = 1_000

#: Later than any clock goes.
_NEVER: Final = 2**63


class CoroutineExecutor:
    """Runs the jobs of ``async def`` tasks as coroutines of one event loop. Only the engine calls it.

    A job of another task is collected without an outcome: it is none of this executor's.

    Args:
        tasks: The pool's tasks by name.
        broker: Whose messages they are.
        state: Where starts and ends of user code are written.
        slots: How many coroutines run at once.
        max_losses: See :func:`~alsek.core.execution.opening.rejection_of`.
        loop: Has the event loop of the group.
        unknown_tasks_wait: A message whose task is unknown does not fail.
    """

    def __init__(
        self,
        tasks: dict[str, AnyTask],
        broker: Broker,
        state: SharedState,
        slots: int,
        max_losses: int,
        loop: GroupLoop,
        unknown_tasks_wait: bool = False,
    ) -> None:
        self._state = state
        self._slots = slots
        self._group_loop = loop
        self._loop = loop.current()
        self._contexts = Contexts()
        self._around = Surroundings(
            tasks=tasks,
            broker=broker,
            state=state,
            max_losses=max_losses,
            unknown_tasks_wait=unknown_tasks_wait,
            armed=self._on_armed,
            leave_loop=self._on_leaving_loop,
            finished=self._on_finished,
            concluded_by=concluding_tasks(tasks),
            quiet=quiet_tasks(tasks),
        )
        self._running: dict[int, CoroutineJob] = {}
        self._finished: deque[CoroutineJob] = deque()
        #: Jobs that the loop is to begin, and whether it was told that there are some.
        self._to_begin = JobsToBegin()
        self._told = False
        #: Jobs whose outcomes were accepted, and whose trackers have yet to be told.
        self._reporting: set[CoroutineJob] = set()
        self._abandoned: Abandoned[CoroutineJob] = Abandoned(state, self._is_in_use)
        self._hooks = HookThreads(self._on_hooks_done, self._abandoned)
        self._watch = BlockedLoopWatch(lambda: self._loop, lambda: bool(self._running))
        #: When a deadline passes, at the earliest (monotonic ms). Lowered by the loop's thread.
        self._earliest = _NEVER
        self._earliest_lock = threading.Lock()
        self._given_up = False
        self._closed = False
        self._wakeup = WakeupPipe()
        self._engine_sleeps = False
        self._about_to_wake = False
        self._loop.on_break = self._on_break

    @property
    def in_flight(self) -> int:
        """How many jobs are in flight."""
        return len(self._running)

    @property
    def free_slots(self) -> int:
        """How many jobs could start at once now."""
        return self._slots - len(self._running)

    @property
    def prefetch(self) -> int:
        """None: as many coroutines as there are slots wait for nothing but the loop."""
        return 0

    @property
    def shares_interpreter(self) -> bool:
        """Its threads do."""
        return True

    @property
    def exhausted(self) -> bool:
        """Whether the process should be replaced: as many coroutines were abandoned as there are slots.

        Or the loop was given up, and with it everything on it that hooks and tasks have made, such as connections.
        """
        return self._given_up or len(self._abandoned.jobs) >= self._slots

    def job(self, claimed: Claimed, entry: int, session: WorkerSession) -> CoroutineJob:
        """Return a job for a claim."""
        return CoroutineJob(claimed, session, entry, session.worker.id, self._around)

    def start(self, job: CoroutineJob) -> None:
        """Hand a job to the loop."""
        self._running[job.claimed.token] = job
        self._hand_over(job)
        if self._watch.asleep:
            self._watch.wake()

    def _hand_over(self, job: CoroutineJob) -> None:
        """Have the loop begin a job. From any thread."""
        self._to_begin.append(job)
        if self._given_up:
            self._release_unbegun()
        elif not self._told:
            self._told = True
            try:
                self._loop.call_soon(self._begin_all)
            except RuntimeError:
                self._on_break()

    def _on_break(self) -> None:
        """Take in that user code has closed the loop, or broken it: the engine's thread gives it up."""
        self._closed = True
        self._wake_engine()

    def _begin_all(self) -> None:
        """Begin the jobs that were handed over. In the loop's thread."""
        self._told = False
        loop = self._loop
        if loop.thread is not threading.current_thread():
            return  # this loop was given up
        begun = []
        while (job := self._to_begin.next()) is not None:
            if job.delivery is None:
                job.context = self._contexts.fresh()
            job.begin(loop)
            begun.append(job)
        loop.loop.call_soon(self._begin_again, begun)

    def _begin_again(self, jobs: list[CoroutineJob]) -> None:
        """Begin those jobs again that user code has cancelled before they had begun: it cancels all that it finds."""
        again = [job for job in jobs if not job.begun]
        if again:
            self._to_begin.extend(again)
            self._begin_all()

    def _on_armed(self, deadline: int) -> None:
        """Take in that a task has begun. In the loop's thread."""
        if deadline < self._earliest:
            with self._earliest_lock:
                self._earliest = min(self._earliest, deadline)
            self._wake_engine()  # it may sleep for longer

    def _on_leaving_loop(self, job: CoroutineJob, work: Work) -> None:
        self._hooks.put(job, work)

    def _on_hooks_done(self, job: CoroutineJob, work: Work) -> None:
        """Go on with a job for which hooks have run. In their thread."""
        if job in self._reporting:
            self._reporting.discard(job)
            if not job.has_abandoned_threads:
                self._state.leave_user_code(job.entry)
            return
        if job.outcome is not None:
            job.finish()
            self._finished.append(job)
            self._wake_engine()
            return
        self._hand_over(job)  # its tracker knows that it runs

    def _on_finished(self, job: CoroutineJob) -> None:
        """Take in that a job has ended. In the loop's thread, which wakes the engine once for all that end now."""
        self._finished.append(job)
        if self._engine_sleeps and not self._about_to_wake:
            self._about_to_wake = True
            self._loop.loop.call_soon(self._wake_engine)

    def _wake_engine(self) -> None:
        self._about_to_wake = False
        if self._engine_sleeps:
            self._engine_sleeps = False
            self._wakeup.notify()

    def on_outcome(self, job: CoroutineJob, accepted: bool) -> None:
        """Take in whether the store has accepted the job's outcome. If so, a thread sends the pending notices."""
        if not accepted:
            return
        self._reporting.add(job)
        self._state.enter_user_code(job.entry)  # a tracker is user code
        self._hooks.put(job, job.report)

    def revoke(self, uuid: str) -> None:
        """Cancel the coroutine of this message, once. If it goes on for long, it is abandoned."""
        for job in self._running.values():
            if job.claimed.uuid == uuid and not job.revoked:
                job.session.note_revoked(job.claimed.token)  # before it is cancelled: it may look
                job.revoke()
                if job.revoked:
                    job.next_interrupt = min(job.next_interrupt, monotonic_ms() + ABANDON_AFTER_MS)
                    self._on_armed(job.next_interrupt)

    def running(self) -> list[Running]:
        """Return what runs now; of very many, those that have run for longest."""
        return list(itertools.islice(running_of(self._running.values()), _MOST_TOLD))

    def collect(self) -> list[CoroutineJob]:
        """Return the jobs that have finished since the last call."""
        finished = []
        while self._finished:
            job = self._finished.popleft()
            del self._running[job.claimed.token]
            finished.append(job)
        return finished

    def register_with(self, poll: select.poll) -> bool:
        """Add the descriptor that wakes the engine to `poll`. Returns False if a job has finished already."""
        poll.register(self._wakeup, select.POLLIN)
        self._engine_sleeps = True
        if self._finished:
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
        if self._closed and not self._given_up:
            return 0
        wakes = [job.next_interrupt for job in self._abandoned.jobs.values() if job.deadline]
        if self._earliest < _NEVER:
            wakes.append(self._earliest)
        if (hooks := self._hooks.next_deadline()) is not None:
            wakes.append(hooks)
        if (since := self._watch.blocked_since) and not self._given_up:
            wakes.append(since + GIVE_UP_AFTER_MS)
        return min(wakes, default=None)

    def enforce_deadlines(self) -> None:
        """Cancel the coroutines that run past their deadlines, and abandon what does not end."""
        now = monotonic_ms()
        if now >= self._earliest:
            self._interrupt_overdue(now)
        for job in self._hooks.overdue(now):
            self._abandon_hooks(job)
        if self._abandoned.jobs:
            self._abandoned.check(now)
        if self._given_up:
            return
        if self._closed:
            self._give_up(self._loop.broken or "was closed by a task or a hook")
        elif (since := self._watch.blocked_since) and now - since >= GIVE_UP_AFTER_MS:
            self._give_up(f"has stood still for {now - since} ms")

    def _interrupt_overdue(self, now: int) -> None:
        self._earliest = _NEVER  # first: a task that begins meanwhile must not be missed
        earliest = _NEVER
        for job in list(self._running.values()):
            if not job.deadline or job.abandoned:
                continue
            if now >= job.next_interrupt:
                if not job.timed_out and now >= job.deadline:
                    job.interrupt(now)
                    job.next_interrupt = now + ABANDON_AFTER_MS
                elif job.timed_out or job.revoked:
                    self._abandon_coroutine(job, now)
                    continue
            earliest = min(earliest, job.next_interrupt)
        with self._earliest_lock:
            self._earliest = min(self._earliest, earliest)

    def _is_in_use(self, job: CoroutineJob) -> bool:
        """Whether a thread concludes an abandoned job, or sends its pending notices."""
        return job.claimed.token in self._running or job in self._reporting

    def _abandon_coroutine(self, job: CoroutineJob, now: int) -> None:
        if not job.abandon_task():
            return
        self._state.end_task(job.entry)
        self._abandoned.add(job, job)
        log.error(
            "The coroutine of %s did not end after it was cancelled: it is abandoned, and its slot is free.",
            job.summary,
            extra={"uuid": job.claimed.uuid, "queue": job.claimed.queue},
        )
        assert job.loop is not None
        if job.deaf and not self._given_up and job.loop is self._loop:
            found = executing(job.loop.thread)
            if found is not None and job.delivery is not None and found.message is job.delivery.message:
                self._give_up(f"stands still: {job.summary} blocks it, at {found.where}")
        self._hooks.put(job, job.conclude_abandoned)
        job.interrupt(now)

    def _abandon_hooks(self, job: CoroutineJob) -> None:
        thread = job.thread
        assert thread is not None
        if job in self._reporting:
            if not job.abandon_report():
                return
            self._reporting.discard(job)
            what = "reporting the outcome to a tracker"
        elif job.outcome is None and job.abandon_conclusion():
            self._finished.append(job)
            what = "the code beside the task"
        else:
            return
        log.error(
            "A thread of %s did not end %s: it is abandoned.",
            job.summary,
            what,
            extra={"uuid": job.claimed.uuid, "queue": job.claimed.queue},
        )
        self._hooks.replace(thread, job)

    def _give_up(self, why: str) -> None:
        """Give up the loop, and what has not begun on it; begin nothing more in this process."""
        self._given_up = True
        log.error(
            "The event loop %s. It is given up: messages that have not begun go back, and the process is replaced.",
            why,
        )
        loop = self._loop
        self._group_loop.give_up(loop)
        self._release_unbegun()
        for job in list(self._running.values()):
            if self._closed and job.loop is loop and not job.abandoned and job.abandon_task():
                self._state.end_task(job.entry)
                self._abandoned.add(job, job)
                self._hooks.put(job, functools.partial(job.conclude_abandoned, broken=why))
            # It is being opened or concluded on the loop, by a serializer that blocks it.
            if job.thread is loop.thread and job.conclude_by and job.abandon_conclusion():
                self._abandoned.add(job, job)
                self._finished.append(job)

    def _release_unbegun(self) -> None:
        while (job := self._to_begin.next()) is not None:
            job.outcome = Released.of(job.claimed)
            self._state.leave_user_code(job.entry)
            self._finished.append(job)
        self._wake_engine()

    def shut_down(self) -> None:
        """Let the threads for hooks end, once they have sent the pending notices. The loop stays, for stop hooks."""
        self._hooks.shut_down()
        self._watch.stop()
