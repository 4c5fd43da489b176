"""What runs in a task process: it runs the jobs that the engine sends, one at a time, and answers each.

::

           ◄── (READY,) ───────────────────────────         its start hooks have run; sent if there are any
    engine ── (job, job, …) ──────────────────────► process   jobs to run in turn; one with a charge has ended an
                                                              earlier process, and is concluded with that exception
           ◄── (outcome, verdict wanted, timing,              sent before the next job is started; most have no
                report, …) ───────────────────────            report
           ── accepted ───────────────────────────►           if wanted: whether the store has accepted the outcome
           ◄── (REPORTED,) ───────────────────────            statuses were reported; the next job is started

Before any user code, the process writes to the shared state which job it starts, and its deadline.

SIGTERM ends the process if the engine sends it, because the job is overdue or revoked, or if it is sent to this process
alone. A service manager that stops the pool may send it to every process at once, and running tasks are to finish then,
as if it had been sent to the supervisor alone. See :meth:`TaskRunner.terminated`.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Iterable, Sequence
from types import FrameType
from typing import Final, TypeAlias

from alsek.core.clock import monotonic_ms, real_time
from alsek.core.current_message import CURRENT
from alsek.core.event_loops import close_main_loop, run_coroutine
from alsek.core.execution import async_attempts, forks
from alsek.core.execution.attempts import Attempt, attempt
from alsek.core.execution.conclusions import Conclusion, conclude, dead_letter, reject
from alsek.core.execution.delivery import Delivery
from alsek.core.execution.log_capture import capture_logs
from alsek.core.execution.loop_exits import log_exit
from alsek.core.execution.notices import (
    Notice,
    pending_notices,
    send_notice,
    send_status,
)
from alsek.core.execution.opening import open_claimed
from alsek.core.execution.session import ReadOnlySession, WorkerSession
from alsek.core.execution.sync_hooks import with_sync_hooks
from alsek.core.execution.transition_log import log, log_claimed
from alsek.core.hooks import run_hooks
from alsek.core.reporting.reporter import Reporter
from alsek.core.status import TaskStatus
from alsek.core.task import AnyTask
from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.child_process import EXIT_NOT_STARTED
from alsek.core.worker.contexts import Contexts
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.process_executor.charge import Charge
from alsek.core.worker.process_executor.engine_connection import EngineConnection, JobRequest
from alsek.core.worker.process_executor.frames import pack
from alsek.core.worker.process_executor.outcome_codec import claimed_from_wire, outcome_to_wire
from alsek.core.worker.process_executor.start_permits import StartPermits
from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.signals import STOP_REACHES_ALL_MS
from alsek.exceptions import SerializationError
from alsek.storage.backends.records import Failed, Outcome, Report, Worker

#: What an answer says of its job: task, `ready_at`, if an attempt was made, `started_at`, `elapsed_ns`.
Timing: TypeAlias = tuple[str, int, bool, int, int]

READY: Final = "ready"
REPORTED: Final = "reported"

#: Looked up once, and not by each process.
_RUNNING: Final = TaskStatus.RUNNING

#: How long opening a message may take: its own timeout is not known yet.
OPEN_WITHIN_MS = 5_000
#: How long concluding a charged message may take, with the task's hooks.
CONCLUDE_WITHIN_MS = 5_000
#: How often the handler of SIGTERM reads the shared state.
_LOOK_EVERY_S: Final = 0.005


class TaskRunner:
    """Runs in a task process.

    Args:
        pool: The pool's options.
        state: The engine's: it has the worker's id, and the process writes there which job it runs.
        max_tasks: Exit after this many jobs, those not counted after which there may be more.
        wakeup: Wakes the engine.
        permits: For each process that may exist, if jobs are prefetched; else empty.
    """

    def __init__(
        self,
        pool: PoolOptions,
        state: SharedState,
        max_tasks: int,
        wakeup: WakeupPipe,
        permits: Sequence[StartPermits] = (),
    ) -> None:
        self._pool = pool
        self._state = state
        self._max_tasks = max_tasks
        self._wakeup = wakeup
        self._permits = permits
        self._tasks = {name: with_sync_hooks(task) for name, task in pool.tasks.items()}
        # What each process would find out anew is found out before the fork: see template.py.
        self._has_start_hooks = has_start_hooks(pool)
        self._keeps_logs = any(task.broker.keep_logs for task in pool.tasks.values())
        self._pid = 0
        #: Made for the first job that tells something of its message.
        self._reporter: Reporter | None = None
        #: The number, in the shared state, of the job that runs.
        self._entry: int | None = None
        self._session: ReadOnlySession | None = None

    def main(self, engine: socket.socket, permits_index: int | None = None) -> int:
        """Run jobs until the engine closes, or `max_tasks` were served. Returns the exit code.

        Args:
            engine: The socket to the engine.
            permits_index: The index of this process's permits.
        """
        self._pid = os.getpid()
        connection = EngineConnection(engine, self._wakeup, self._own_permits(permits_index))
        if self._has_start_hooks:
            if not run_hooks(self._pool.hooks, "start"):
                return EXIT_NOT_STARTED
            self._end_forks()
        if self._keeps_logs:
            capture_logs(self._pool.tasks)
        contexts = Contexts()
        if self._has_start_hooks:
            connection.send_now((READY,))
        served = 0
        while served < self._max_tasks:
            job = connection.next_job()
            if job is None:
                break
            served += not job.more
            self._entry = job.entry
            context = contexts.fresh()
            frame, notices = context.run(self._serve, job)
            self._end_forks()
            self._entry = None
            connection.send_answer(frame)
            if notices:
                accepted = connection.receive_verdict()
                if accepted is None:
                    break
                for notice in notices if accepted else ():
                    context.run(send_notice, notice)
                self._end_forks()
                connection.send_answer(pack((REPORTED,)))
        connection.flush()
        if self._pool.hooks:
            run_hooks(self._pool.hooks, "stop")
        close_main_loop()
        return 0

    def _own_permits(self, index: int | None) -> StartPermits | None:
        """Return this process's permits, and close the ends of pipes that it does not use."""
        for number, permits in enumerate(self._permits):
            permits.close(taken=number != index)
        return None if index is None else self._permits[index]

    def _serve(self, job: JobRequest) -> tuple[bytes, list[Notice]]:
        """Run a job; return the answer, and the statuses to report once the store has accepted the outcome."""
        started_ns, charge, claimed = real_time.monotonic_ns(), job.charge, claimed_from_wire(job.claimed)
        started = started_ns // 1_000_000
        self._state.start_task(
            job.entry, started + (OPEN_WITHIN_MS if charge is None else CONCLUDE_WITHIN_MS)
        )
        broker = self._pool.broker
        max_losses = self._pool.max_losses if charge is None else None
        session = self._current_session()
        session.held.add(claimed.token)
        session.reporter = self._reporter
        session.follows = charge is not None
        opened = open_claimed(claimed, session, broker, self._tasks, max_losses)
        if isinstance(opened, Failed):
            return _answer(opened, False, None, False, started_ns), []
        delivery, task, rejection = opened
        attempted = False
        if charge is None:
            self._state.start_task(job.entry, started + delivery.timeout)
        if task is None or rejection is not None:
            assert rejection is not None
            CURRENT.set(delivery.message)
            wait = self._pool.unknown_tasks == "wait"
            conclusion: Conclusion = reject(task, delivery, rejection, broker, wait=wait)
        elif charge is None:
            delivery.began_at = started
            if log.isEnabledFor(logging.DEBUG):
                log_claimed(delivery)
            send_status(task, delivery, _RUNNING)
            attempted = True
            made = self._attempt(task, delivery)
            self._end_forks()
            conclusion = conclude(task, delivery, made)
        else:
            CURRENT.set(delivery.message)
            conclusion = conclude(task, delivery, Attempt(exception=Charge(*charge).to_exception()))
        notices = pending_notices(self._tasks, task, delivery, conclusion, broker)
        session.held.clear()
        reports: tuple[Report, ...] = ()
        if session.reporter is not None:
            self._reporter = session.reporter
            reports = session.reporter.last_of(claimed.token)
        try:
            frame = _answer(conclusion.outcome, bool(notices), delivery, attempted, started_ns, reports)
        except (TypeError, ValueError) as error:
            # A callback's priority is no number, for example: the function ran, but the outcome can't be sent.
            unsendable = SerializationError(f"the outcome of {delivery.summary} can't be sent: {error}")
            conclusion = dead_letter(task, delivery, unsendable, broker)
            notices = pending_notices(self._tasks, task, delivery, conclusion, broker)
            frame = _answer(conclusion.outcome, bool(notices), delivery, attempted, started_ns, reports)
        return frame, notices

    def _attempt(self, task: AnyTask, delivery: Delivery) -> Attempt:
        if not task.is_async:
            return attempt(task, delivery)
        return run_coroutine(async_attempts.attempt(self._pool.tasks[task.name], delivery), log_exit)

    def terminated(self, number: int, frame: FrameType | None) -> None:
        """Handle SIGTERM: end by it, unless the pool is being stopped and the engine has not sent it.

        A stop may reach this process before it reaches the engine, so the handler waits a moment for the engine to
        write that it is stopping. The signal is handled, not ignored or blocked, so that programs which a task starts
        have the default action.
        """
        until = monotonic_ms() + STOP_REACHES_ALL_MS
        while not (self._entry is not None and self._state.is_terminating(self._entry)):
            if self._state.stopping:
                return
            if monotonic_ms() >= until:
                break
            real_time.sleep(_LOOK_EVERY_S)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _is_stopping(self) -> bool:
        """Return True if the running task is to come to an end: its group ends, or it was revoked or lost."""
        state, entry = self._state, self._entry
        if state.draining or state.stopping:
            return True
        return entry is not None and (state.is_terminating(entry) or not state.lists(entry))

    def _end_forks(self) -> None:
        """Exit if this is a process that a task or hook has forked and that has returned: it is no part of the pool."""
        if os.getpid() != self._pid:
            forks.leave()

    def _current_session(self) -> WorkerSession:
        worker_id = self._state.worker_id or ""
        session = self._session
        if session is None or session.worker.id != worker_id:
            worker = Worker(worker_id, "process", None, self._pool.lease, 0)
            session = self._session = ReadOnlySession(self._pool.broker.backend, worker)
            session.is_stopping = self._is_stopping
        return session


def _answer(
    outcome: Outcome,
    verdict_wanted: bool,
    delivery: Delivery | None,
    attempted: bool,
    started_ns: int,
    reports: Iterable[Report] = (),
) -> bytes:
    """Return an answer, with the timing of the job: its task, and the times that :class:`ProcessJob` has.

    The reports are the last ones on the message, if there are any.
    """
    name, ready_at = ("", 0) if delivery is None else (delivery.task_name, delivery.ready_at)
    elapsed_ns = real_time.monotonic_ns() - started_ns
    timing: Timing = (name, ready_at, attempted, started_ns // 1_000_000, elapsed_ns)
    return pack((outcome_to_wire(outcome), verdict_wanted, *timing, *map(tuple, reports)))


def has_start_hooks(pool: PoolOptions) -> bool:
    """Return True if a process runs start hooks before it is ready for a job."""
    return any(hook.when == "start" for hook in pool.hooks)
