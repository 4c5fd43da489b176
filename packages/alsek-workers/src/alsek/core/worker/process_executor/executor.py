"""The processes of a process pool, as its engine sees them: an executor that runs its jobs.

Children that wait for work (*spares*) are forked ahead, so that a message need not wait for a fork.
A child that dies before it has answered has lost its message: a fresh child then decides what becomes of it, with
the task's own ``do_retry`` and hooks; should that fail too, `max_retries` alone decides, here.

Children that serve many jobs are given some *ahead*, while tasks prove to be short
(see :mod:`~alsek.core.worker.process_executor.dispatcher`)::

    claimed ─► waiting ─► in hand of a child ─► begun ─► answered ─► reported
                  ▲              │
                  └──────────────┘ taken back: the job before it is long, or its child has died
                  │
                  └─► given back to the store: no other child can begin it at once

No job must be lost with a child, nor be charged with what it can't have done: that is why a child writes in the
shared state which one it has begun, and begins none that was taken back (see ``start_permits.py``).
"""

from __future__ import annotations

import select
import signal
import socket
from collections.abc import Sequence, Set

from alsek.core.clock import monotonic_ms
from alsek.core.clock import real_time as time
from alsek.core.execution.session import WorkerSession
from alsek.core.hooks import in_start_hooks
from alsek.core.loggers import guarded_logger
from alsek.core.message import Message
from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.child_process import describe_exit
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.process_executor import process_manager as nursery
from alsek.core.worker.process_executor.dispatcher import Dispatcher
from alsek.core.worker.process_executor.frames import outcome_from_wire
from alsek.core.worker.process_executor.process_manager import TaskProcessManager
from alsek.core.worker.process_executor.start_permits import StartPermits
from alsek.core.worker.process_executor.task_process import ProcessJob, TaskProcess
from alsek.core.worker.process_executor.task_runner import TOLD, begins, outcome_without_hooks
from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.signals import STOP_REACHES_ALL_MS
from alsek.exceptions import CorruptMessageError
from alsek.storage.backends.records import Claimed, Outcome, Released

log = guarded_logger(__name__)

#: A child that ignores SIGTERM is killed so long (ms) after it.
KILL_AFTER = 900
#: What was given ahead is taken back after so long (ms) without an answer.
TAKE_BACK_AFTER = 30

#: A child that was given several and begins none for so long (ms) is replaced.
_BEGINS_WITHIN = 500
#: So many processes that have answered may be about to end, beside two for each slot, before no more is claimed.
_MOST_ENDING = 8


class ProcessExecutor:
    """Up to `size` processes that run jobs, and hand them back finished. The engine alone calls it.

    Args:
        pool: The pool's options.
        state: Where it is seen which jobs were begun, and ends are written.
        size: How many jobs at once.
        tasks_per_process: How many jobs each process serves.
        prune_interval: The longest sleep (ms) while jobs run.
        template: The socket to the template.
        bell: Rung by children that have answered.
        permits: For each of `size` children, if they are given jobs ahead; else empty.
    """

    def __init__(
        self,
        pool: PoolOptions,
        state: SharedState,
        size: int,
        tasks_per_process: int,
        prune_interval: int,
        template: socket.socket,
        bell: WakeupPipe,
        permits: Sequence[StartPermits],
    ) -> None:
        self._pool = pool
        self._state = state
        self._size = size
        self._tasks_per_process = tasks_per_process
        self._prune_interval = prune_interval
        self._template = template
        self._bell = bell
        self._running: dict[int, ProcessJob] = {}
        self._finished: list[ProcessJob] = []
        #: Jobs whose process was ended by a SIGTERM that is not the engine's, with when that is charged (monotonic ms).
        self._terminated: list[tuple[int, ProcessJob, str]] = []
        self._nursery = TaskProcessManager(template, size, permits, begins(pool), in_start_hooks(pool.hooks))
        self._dealer = Dispatcher(self._nursery, size, tasks_per_process, ahead=bool(permits))
        self._nursery.order(0)

    # ── what the engine asks ───────────────────────────────────────────────────────────────────

    @property
    def in_flight(self) -> int:
        """How many jobs are under way."""
        return len(self._running)

    @property
    def free_slots(self) -> int:
        """How many jobs may be claimed now: those that could start at once, and those ahead.

        None while processes don't start, or don't end.
        """
        if self._nursery.pause_until or self._nursery.barren:
            return 0
        if len(self._nursery.children) > 3 * self._size + _MOST_ENDING:
            return 0
        return self._dealer.room(len(self._running))

    @property
    def prefetch(self) -> int:
        """None beside those that `free` counts."""
        return 0

    @property
    def exhausted(self) -> bool:
        """Never: its processes are replaced one by one."""
        return False

    def job(self, claimed: Claimed, entry: int, session: WorkerSession) -> ProcessJob:
        """A job for a claim."""
        return ProcessJob(claimed, entry, session.worker)

    def start(self, job: ProcessJob) -> None:
        """Queue a job. Jobs claimed together are dispatched together, by the next :meth:`enforce_deadlines`."""
        self._running[job.claimed.token] = job
        self._dealer.waiting.append(job)

    def collect(self) -> list[ProcessJob]:
        """What has finished since the last time."""
        finished, self._finished = self._finished, []
        for job in finished:
            del self._running[job.claimed.token]
        return finished

    def on_outcome(self, job: ProcessJob, accepted: bool) -> None:
        """The store has accepted the job's outcome, or refused it."""
        child = job.child
        if job.verdict_wanted and child is not None and child.owing is job:
            child.owing = None
            child.excused = True
            if child.alive:
                try:
                    child.send(accepted)
                except BlockingIOError:
                    self._give_up(child)
                self._after_job(child)

    def revoke(self, uuid: str) -> None:
        """End the task of a message that was revoked; the store tells again of one that has not begun yet."""
        for job in self._running.values():
            if (
                job.claimed.uuid == uuid
                and job.child is not None
                and job.outcome is None
                and job.charge is None
                and self._state.deadline(job.entry)
            ):
                self._doom(
                    job.child, job, "MessageRevokedError", f"message {uuid!r} was revoked while it ran"
                )

    # ── sleeping and waking ────────────────────────────────────────────────────────────────────

    def register_with(self, poll: select.poll) -> bool:
        """Add what wakes the engine to `poll`; False if something has finished already."""
        poll.register(self._nursery, select.POLLIN)
        poll.register(self._bell, select.POLLIN)
        return not self._finished

    def on_ready(self, ready: Set[int]) -> None:
        """Take in what has come on these descriptors."""
        if self._nursery.fileno() in ready:
            self._hear_template()
        if self._bell.fileno() in ready:
            rung = self._bell.read()  # the lowest byte of each pid
            for child in list(self._nursery.children.values()):
                if child.pid & 0xFF in rung:
                    self._drain(child)

    def next_deadline(self) -> int | None:
        """When :meth:`enforce_deadlines` is next needed (monotonic ms)."""
        wakes = self._nursery.wakes()
        if self._running:
            wakes.append(monotonic_ms() + self._prune_interval)
            wakes += [until for until, *_ in self._terminated]
            for child in self._nursery.children.values():
                if child.in_hand and child.doom is None:
                    wakes.append(self._look_at(child))
        return min(wakes, default=None)

    def _look_at(self, child: TaskProcess) -> int:
        """When a child that has jobs is to be looked at, should it say nothing."""
        now = monotonic_ms()
        if len(child.in_hand) > 1 and (due := int(child.heard_at) + TAKE_BACK_AFTER + 1) > now:
            return due
        # One that has not begun has no deadline yet.
        return self._state.deadline(child.in_hand[0].entry) or now + TAKE_BACK_AFTER

    def enforce_deadlines(self) -> None:
        """Hand out what waits; take back what waits in vain; end what runs past its deadline."""
        now = monotonic_ms()
        for child in self._nursery.children.values():
            if child.in_hand and child.doom is None:
                self._watch(child, now)
        self._nursery.enforce(now)
        if self._terminated:
            self._judge_terminated(now)
        if self._state.draining:
            self._dealer.take_all_back()
            self._give_back(none=True)
        if self._dealer.waiting:
            for child in self._dealer.hand_out():
                self._give_up(child)
            # If nothing starts, and that lasts, it may be so here alone: another pool may run what waits.
            self._give_back(none=self._nursery.failing)
        self._dealer.order()

    def _give_back(self, *, none: bool) -> None:
        for job in self._dealer.surplus(none=none):
            self._done(job, Released(job.claimed.uuid, job.claimed.queue, job.claimed.token))

    def _watch(self, child: TaskProcess, now: int) -> None:
        """See to a child that has jobs in hand."""
        if now - child.heard_at >= TAKE_BACK_AFTER and len(child.in_hand) > 1:
            self._drain(child)
        if not child.in_hand:
            return
        head, silent = child.in_hand[0], now - child.heard_at
        deadline = self._state.deadline(head.entry)
        if child.owing is not None:
            if silent >= TAKE_BACK_AFTER:  # it is the store that it waits for
                self._dealer.take_back(child)
        elif not deadline:
            if silent >= (nursery.PATIENCE if len(child.in_hand) == 1 else _BEGINS_WITHIN):
                self._abandon(child)
        elif now >= deadline:
            self._overdue(child, head)
        elif silent >= TAKE_BACK_AFTER and len(child.in_hand) > 1:
            self._dealer.pace.stumble()
            self._dealer.take_back(child)

    def _abandon(self, child: TaskProcess) -> None:
        """A child does not begin what it was given: it has been stopped, or gets no time. Others may."""
        if child.permits is None:
            log.error("Process %d does not begin what it was given: it is killed.", child.pid)
            child.heard_at = monotonic_ms()  # not again at once
            child.excused = True
            self._nursery.kill(child.pid, signal.SIGKILL)
            return
        self._dealer.take_back(child)
        if not child.in_hand:
            log.warning("Process %d does not begin what it was given: it is replaced.", child.pid)
            self._nursery.spares.remove(child)
            self._nursery.let_go(child)

    def _overdue(self, child: TaskProcess, head: ProcessJob) -> None:
        if head.charge is None:
            timeout = self._timeout_of(head.claimed)
            text = f"message {head.claimed.uuid!r} ran longer than its timeout of {timeout} ms"
            self._doom(child, head, "TaskTimeoutError", text)
        else:
            child.doom = head.charge  # hooks that hang
            self._nursery.kill(child.pid, signal.SIGKILL)

    def shut_down(self) -> None:
        """Let the children end, and the template after them."""
        self._nursery.close()
        deadline = monotonic_ms() + nursery.PATIENCE
        while self._nursery.expected and monotonic_ms() < deadline:
            if select.select([self._template], [], [], 0.1)[0]:
                self._hear_template()
        self._template.close()

    # ── ends ───────────────────────────────────────────────────────────────────────────────────

    def _hear_template(self) -> None:
        born, ended = self._nursery.hear()
        for child in born:
            if not child.ready:
                self._drain(child)  # it may have rung before it was known
        for child, status in ended:
            self._bury(child, status)

    def _bury(self, child: TaskProcess, status: int) -> None:
        """A child has ended: the job that it had begun and not answered is charged with that."""
        if not child.let_go:
            self._drain(child)  # it may have answered before it died
        jobs = list(child.in_hand)
        child.in_hand.clear()
        self._nursery.bury(child, status, had_jobs=bool(jobs or child.owing))
        self._dealer.waiting.extendleft(reversed(jobs[1:]))
        for job in jobs:
            job.child = None
        if jobs:
            self._lost(jobs[0], child, status)

    def _lost(self, job: ProcessJob, child: TaskProcess, status: int) -> None:
        begun = self._state.deadline(job.entry) > 0
        if begun:
            self._state.leave_user_code(job.entry)
        if job.charge is not None:  # the one that was to conclude it
            log.error("The hooks for message %s failed or hung: max_retries decides.", job.claimed.uuid)
            self._done(job, outcome_without_hooks(self._pool, job.worker, job.claimed, *job.charge))
            return
        excused = child.excused or status == -signal.SIGTERM  # that comes from outside
        if not begun and child.doom is None and (excused or not job.repeated):
            # If it was the message that killed it, unread, it is so once only.
            job.repeated = job.repeated or not excused
            self._dealer.waiting.appendleft(job)
            return
        where = f"the process that ran message {job.claimed.uuid!r} {describe_exit(status)}"
        if child.doom is None and begun and status == -signal.SIGTERM:
            self._terminated.append((monotonic_ms() + STOP_REACHES_ALL_MS, job, where))
            return
        log.error(
            "Process %d %s: %s.", child.pid, describe_exit(status), child.doom[1] if child.doom else where
        )
        self._charge(job, child.doom or ("WorkerLostError", where))

    def _charge(self, job: ProcessJob, charge: tuple[str, str]) -> None:
        """Have a job concluded by an exception, in a fresh process."""
        job.charge = charge
        self._dealer.waiting.appendleft(job)

    def _judge_terminated(self, now: int) -> None:
        """Give back what was ended by the stop itself, which reached a process before the engine; charge the rest."""
        undecided, self._terminated = self._terminated, []
        for until, job, where in undecided:
            if self._state.stopping:
                log.warning("The pool is being stopped: %s. The message is given back.", where)
                self._done(job, Released(job.claimed.uuid, job.claimed.queue, job.claimed.token))
            elif now >= until:
                log.error("A process was ended from outside: %s.", where)
                self._charge(job, ("WorkerLostError", where))
            else:
                self._terminated.append((until, job, where))

    def _doom(self, child: TaskProcess, job: ProcessJob, name: str, text: str) -> None:
        """End a child for what its job has done: SIGTERM now, SIGKILL soon. From now on its answer counts no more."""
        # In this order: then it begins no other, and what it has answered before is there to be read.
        self._dealer.take_back(child)
        self._drain(child)
        if child.doom is None and child.in_hand and child.in_hand[0] is job:
            child.doom = (name, text)
            child.kill_at = monotonic_ms() + KILL_AFTER
            self._state.mark_terminating(job.entry)
            self._nursery.kill(child.pid, signal.SIGTERM)

    def _distrust(self, child: TaskProcess) -> None:
        """Kill a child that says what no child would: its task has meddled with its socket, or with its message."""
        if child.in_hand:
            where = f"the process that ran message {child.in_hand[0].claimed.uuid!r}"
            child.doom = ("WorkerLostError", f"{where} did not answer for it: it was killed")
            self._dealer.take_back(child)
        self._nursery.kill(child.pid, signal.SIGKILL)

    def _give_up(self, child: TaskProcess) -> None:
        log.error("Process %d takes nothing in: it is killed.", child.pid)
        self._nursery.kill(child.pid, signal.SIGKILL)

    # ── answers ────────────────────────────────────────────────────────────────────────────────

    def _drain(self, child: TaskProcess) -> None:
        """Take in what a child has said."""
        if child.let_go:
            return
        child.read()
        before = child.served
        try:
            for answer in child.said():
                if answer == (TOLD,):
                    child.excused = False
                elif child.ready:
                    self._answered(child, outcome_from_wire(answer[0]), bool(answer[1]))
                else:  # the first that it says is that
                    self._nursery.ready(child)
        except (ValueError, EOFError, TypeError, LookupError):
            log.exception("Process %d says what can't be understood.", child.pid)
            self._distrust(child)
        answered = child.served - before
        if answered:
            now = time.monotonic() * 1000
            self._dealer.pace.note(answered, now - child.heard_at)
            child.heard_at = now
            self._after_job(child)

    def _answered(self, child: TaskProcess, outcome: Outcome, verdict_wanted: bool) -> None:
        if child.doom is not None or not child.in_hand:
            return  # a deadline that has passed has passed
        job = child.in_hand[0]
        if (outcome.uuid, outcome.token) != (job.claimed.uuid, job.claimed.token):
            log.error("Process %d answers for message %s, which is not its own.", child.pid, outcome.uuid)
            self._distrust(child)
            return
        child.answered()
        self._state.leave_user_code(job.entry)
        self._done(job, outcome)
        if verdict_wanted:
            job.verdict_wanted, child.owing = True, job

    def _after_job(self, child: TaskProcess) -> None:
        """A child has served what it had: it is a spare again, or ends by itself."""
        self._nursery.served(child)
        if child.in_hand or child.owing is not None:
            return
        if child.alive and child.served < self._tasks_per_process and child.doom is None:
            self._nursery.spares.append(child)
        else:
            self._nursery.let_go(child)

    def _done(self, job: ProcessJob, outcome: Outcome) -> None:
        job.outcome = outcome
        self._finished.append(job)

    def _timeout_of(self, claimed: Claimed) -> int:
        try:
            serializer = self._pool.broker.backend.serializer
            return Message.unpack(claimed.uuid, claimed.queue, claimed.payload, serializer).timeout
        except CorruptMessageError:
            return nursery.PATIENCE  # that of opening it
