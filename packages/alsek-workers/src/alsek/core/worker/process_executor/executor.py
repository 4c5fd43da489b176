"""The executor of a process pool: runs the engine's jobs in task processes.

Processes that wait for a job (*spares*) are forked ahead, so that a message need not wait for a fork. Processes that
serve many jobs are sent several at once while tasks are short
(see :mod:`~alsek.core.worker.process_executor.dispatcher`)::

    claimed ─► waiting ─► sent to a process ─► started ─► answered ─► reported
                  ▲              │
                  └──────────────┘ taken back: the job before it is long, or its process has died
                  │
                  └─► released to the store: no other process can start it at once

No job is lost with a process, nor charged if it was not started. Therefore a process writes to the shared state which
job it has started, and starts none that was taken back (see ``start_permits.py``).
"""

from __future__ import annotations

import select
import socket
from collections.abc import Mapping, Sequence, Set

from alsek.core.clock import monotonic_ms, wall_clock_ahead_ms
from alsek.core.execution import facts
from alsek.core.execution.opening import must_not_run
from alsek.core.execution.session import WorkerSession
from alsek.core.hooks import in_start_hooks
from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.engine.executor import Slots
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.process_executor import process_manager
from alsek.core.worker.process_executor.answers import AnswerReader
from alsek.core.worker.process_executor.charge import Charge
from alsek.core.worker.process_executor.dispatcher import Dispatcher
from alsek.core.worker.process_executor.job import ProcessJob
from alsek.core.worker.process_executor.lost_jobs import LostJobs
from alsek.core.worker.process_executor.process_manager import TaskProcessManager
from alsek.core.worker.process_executor.process_watch import ProcessWatch
from alsek.core.worker.process_executor.start_permits import StartPermits
from alsek.core.worker.process_executor.task_runner import has_start_hooks
from alsek.core.worker.shared_state import SharedState
from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.records import Claimed, Outcome, Released, Report, Running


class ProcessExecutor:
    """Runs jobs in up to `size` processes at once. Only the engine calls it.

    Args:
        pool: The pool's options.
        state: Where it is seen which jobs were started, and ends of tasks are written.
        size: How many jobs run at once.
        tasks_per_process: How many jobs each process serves.
        prune_interval: The longest sleep (ms) while jobs run.
        template: The socket to the template.
        wakeup: One pipe to which all processes write after they have answered. An answer is written to the process's
            own socket at once, so that it outlives the process; the engine reads that socket once it is woken.
        permits: For each of `size` processes, if jobs are prefetched; else empty.
    """

    def __init__(
        self,
        pool: PoolOptions,
        state: SharedState,
        size: int,
        tasks_per_process: int,
        prune_interval: int,
        template: socket.socket,
        wakeup: WakeupPipe,
        permits: Sequence[StartPermits],
    ) -> None:
        self._may_share = tasks_per_process == 1
        self._max_losses = pool.max_losses
        self._state = state
        self._prune_interval = prune_interval
        self._template = template
        self._wakeup = wakeup
        self._session: WorkerSession | None = None
        self._running: dict[int, ProcessJob] = {}
        self._finished: list[ProcessJob] = []
        self.manager = TaskProcessManager(
            template, size, permits, has_start_hooks(pool), in_start_hooks(pool.hooks)
        )
        self.dispatcher = Dispatcher(self.manager, size, tasks_per_process, prefetches=bool(permits))
        self._answers = AnswerReader(
            self.manager, self.dispatcher, state, tasks_per_process, self._finish, self._adopt
        )
        self._watch = ProcessWatch(pool, self.manager, self.dispatcher, state, self._answers)
        self._lost_jobs = LostJobs(pool, self.manager, self.dispatcher, state, self._answers, self._finish)
        self.manager.request(0)

    @property
    def slots_by_kind(self) -> Mapping[SlotKind, Slots]:
        """Its slots are all of one kind."""
        return {"process": self}

    @property
    def in_flight(self) -> int:
        """How many jobs are in flight."""
        return len(self._running)

    @property
    def free_slots(self) -> int:
        """How many messages may be claimed now: those that could start at once, and those to prefetch."""
        return self.dispatcher.capacity(len(self._running)) if self.manager.can_serve else 0

    @property
    def prefetch(self) -> int:
        """None beside those that `free_slots` counts."""
        return 0

    @property
    def shares_interpreter(self) -> bool:
        """Its processes don't."""
        return False

    @property
    def exhausted(self) -> bool:
        """Never: processes are replaced one by one."""
        return False

    def job(self, claimed: Claimed, entry: int, session: WorkerSession) -> ProcessJob:
        """Return a job for a claim."""
        self._session = session
        shares = self._may_share and must_not_run(claimed, self._max_losses)
        return ProcessJob(claimed, entry, session.worker, shares_process=shares)

    def start(self, job: ProcessJob) -> None:
        """Queue a job. Jobs that were claimed together are sent together, by the next :meth:`enforce_deadlines`."""
        self._running[job.claimed.token] = job
        self.dispatcher.add(job)

    def collect(self) -> list[ProcessJob]:
        """Return the jobs that have finished since the last call."""
        finished, self._finished = self._finished, []
        for job in finished:
            del self._running[job.claimed.token]
        return finished

    def on_outcome(self, job: ProcessJob, accepted: bool) -> None:
        """The store has accepted the job's outcome, or refused it."""
        self._answers.send_verdict(job, accepted)

    def revoke(self, uuid: str) -> None:
        """End the task of a message that was revoked. For one that was not started the store says so again later.

        It also says so of those that were revoked before they were claimed. No task of theirs runs, and to end a hook
        would only have it called again.
        """
        for job in self._running.values():
            if (
                job.claimed.uuid == uuid
                and not must_not_run(job.claimed, self._max_losses)
                and job.process is not None
                and job.outcome is None
                and job.charge is None
                and self._state.deadline(job.entry)
            ):
                charge = Charge("MessageRevokedError", f"message {uuid!r} was revoked while it ran")
                self._watch.terminate(job.process, job, charge)

    def running(self) -> list[Running]:
        """Return what the processes run now."""
        ahead = wall_clock_ahead_ms()
        # A process starts a job when it is sent it, or has answered for the one before.
        return [
            facts.running(process.jobs[0].claimed, ahead + int(process.last_answer_at), process.pid)
            for process in self.manager.processes.values()
            if process.jobs and self._state.deadline(process.jobs[0].entry)
        ]

    def register_with(self, poll: select.poll) -> bool:
        """Add the descriptors that wake the engine to `poll`. Returns False if a job has finished already."""
        poll.register(self.manager, select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        return not self._finished

    def on_ready(self, ready: Set[int]) -> None:
        """Read what has come on these descriptors."""
        if self.manager.fileno() in ready:
            self._receive_events()
        if self._wakeup.fileno() in ready:
            pids = self._wakeup.read()  # the lowest byte of each
            for process in list(self.manager.processes.values()):
                if process.pid & 0xFF in pids:
                    self._answers.read(process)

    def next_deadline(self) -> int | None:
        """Return when :meth:`enforce_deadlines` is next needed (monotonic ms)."""
        wakes = self.manager.wakes()
        if self._running:
            wakes.append(monotonic_ms() + self._prune_interval)
            wakes += self._lost_jobs.wakes()
            for process in self.manager.processes.values():
                if process.jobs and process.charge is None:
                    wakes.append(self._watch.next_check(process))
        return min(wakes, default=None)

    def enforce_deadlines(self) -> None:
        """Enforce time limits, and send waiting jobs to processes."""
        now = monotonic_ms()
        for process in self.manager.processes.values():
            if process.jobs and process.charge is None:
                self._watch.check(process, now)
        self.manager.run(now)
        if self._lost_jobs.undecided:
            self._lost_jobs.run(now)
        if self._state.draining:
            self.dispatcher.take_all_back()
            self._release_excess(keep_none=True)
        if self.dispatcher.waiting:
            for process in self.dispatcher.dispatch():
                self.manager.kill_blocked(process)
            # If processes fail to start again and again, the reason may be local: another pool may run the messages.
            self._release_excess(keep_none=self.manager.starts_fail)
        self.dispatcher.request_processes()

    def _release_excess(self, *, keep_none: bool) -> None:
        for job in self.dispatcher.excess(keep_none=keep_none):
            self._finish(job, Released.of(job.claimed))

    def shut_down(self) -> None:
        """Let the processes exit, and the template after them."""
        self.manager.close()
        deadline = monotonic_ms() + process_manager.EXIT_WITHIN_MS
        while self.manager.any_left and monotonic_ms() < deadline:
            if select.select([self._template], [], [], 0.1)[0]:
                self._receive_events()
        self._template.close()

    def _receive_events(self) -> None:
        started, exited = self.manager.receive_events()
        for process in started:
            if not process.ready:
                self._answers.read(process)  # it may have sent something before it was known here
        for process, status in exited:
            self._lost_jobs.on_exit(process, status)

    def _adopt(self, job: ProcessJob, reports: tuple[Report, ...]) -> None:
        """Have the last reports of a task process travel with the outcome of the job."""
        session = self._session
        if session is not None and job.claimed.token in session.held:
            session.open_reporter().adopt(job.claimed.token, reports)

    def _finish(self, job: ProcessJob, outcome: Outcome) -> None:
        job.outcome = outcome
        self._finished.append(job)
