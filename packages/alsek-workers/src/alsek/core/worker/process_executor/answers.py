"""Reading what task processes answer."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Final, TypeAlias

from alsek.core.clock import real_time
from alsek.core.loggers import guarded_logger
from alsek.core.worker.process_executor.charge import Charge
from alsek.core.worker.process_executor.dispatcher import Dispatcher
from alsek.core.worker.process_executor.job import ProcessJob
from alsek.core.worker.process_executor.outcome_codec import outcome_from_wire, report_from_wire
from alsek.core.worker.process_executor.process_manager import TaskProcessManager
from alsek.core.worker.process_executor.shared_processes import MOST_SHARING
from alsek.core.worker.process_executor.task_process import TaskProcess
from alsek.core.worker.process_executor.task_runner import REPORTED, Timing
from alsek.core.worker.shared_state import SharedState
from alsek.storage.backends.records import Outcome, Report

log = guarded_logger(__name__)

#: Called with a job and its outcome, once the outcome is known.
Finish: TypeAlias = Callable[[ProcessJob, Outcome], None]
#: Called with a job and the last reports on it, which are to reach the store with its outcome.
Adopt: TypeAlias = Callable[[ProcessJob, tuple[Report, ...]], None]

#: Where the reports begin in an answer.
_REPORTS: Final = 7


class AnswerReader:
    """Reads the answers of task processes, and decides what a process does after its last job.

    Args:
        manager: The processes.
        dispatcher: Where jobs wait.
        state: Where ends of tasks are written.
        tasks_per_process: How many jobs each process serves.
        finish: Called with each answered job.
        adopt: Called before that with a job and the last reports on it, if there are any.
    """

    def __init__(
        self,
        manager: TaskProcessManager,
        dispatcher: Dispatcher,
        state: SharedState,
        tasks_per_process: int,
        finish: Finish,
        adopt: Adopt,
    ) -> None:
        self._manager = manager
        self._dispatcher = dispatcher
        self._state = state
        self._tasks_per_process = tasks_per_process
        self._finish = finish
        self._adopt = adopt

    def read(self, process: TaskProcess) -> None:
        """Read what a process has sent."""
        if process.released:
            return
        process.read()
        before = process.served
        try:
            for answer in process.answers():
                if answer == (REPORTED,):
                    self._manager.on_reported(process)
                elif process.ready:
                    outcome = outcome_from_wire(answer[0])
                    reports = (
                        tuple(map(report_from_wire, answer[_REPORTS:])) if len(answer) > _REPORTS else ()
                    )
                    self._on_answer(process, outcome, bool(answer[1]), answer[2:_REPORTS], reports)
                else:  # the first frame says that it is ready
                    self._manager.on_ready(process)
        except (ValueError, EOFError, TypeError, LookupError):
            log.exception("Process %d has sent an invalid frame: it is killed.", process.pid)
            self._kill_corrupt(process)
        answered = process.served - before
        if answered:
            now = real_time.monotonic() * 1000
            self._dispatcher.prefetch.record(answered, now - process.last_answer_at)
            process.last_answer_at = now
            self._after_job(process)

    def _on_answer(
        self,
        process: TaskProcess,
        outcome: Outcome,
        verdict_wanted: bool,
        timing: Timing,
        reports: tuple[Report, ...],
    ) -> None:
        if process.charge is not None or not process.jobs:
            return  # too late: its job is past the deadline, or was revoked
        job = process.jobs[0]
        if (outcome.uuid, outcome.token) != (job.claimed.uuid, job.claimed.token):
            log.error(
                "Process %d has answered for message %s, which it was not sent: it is killed.",
                process.pid,
                outcome.uuid,
            )
            self._kill_corrupt(process)
            return
        task_name, ready_at, attempted, started_at, elapsed_ns = timing
        process.pop_answered()
        job.task_name = task_name
        if job.charge is None and attempted:
            job.ready_at, job.started_at, job.elapsed_ns = ready_at, started_at, elapsed_ns
        elif job.attempt_lost:
            job.ready_at = ready_at
        self._state.leave_user_code(job.entry)
        if reports and all(report.token == outcome.token for report in reports):
            self._adopt(job, reports)
        self._finish(job, outcome)
        if verdict_wanted:
            job.verdict_wanted, process.awaiting_verdict = True, job

    def send_verdict(self, job: ProcessJob, accepted: bool) -> None:
        """Tell the process that waits for it if the store has accepted the job's outcome."""
        process = job.process
        if not job.verdict_wanted or process is None or process.awaiting_verdict is not job:
            return
        process.awaiting_verdict = None
        process.excused = True
        if process.alive:
            try:
                process.send(accepted)
            except BlockingIOError:
                self._manager.kill_blocked(process)
            self._after_job(process)

    def _after_job(self, process: TaskProcess) -> None:
        """Let an idle process wait for further jobs, or exit if it has served enough."""
        self._manager.on_answer()
        if not process.jobs and process.awaiting_verdict is None:
            most = MOST_SHARING if process.shared else self._tasks_per_process
            more = process.alive and process.served < most and process.charge is None
            self._manager.on_served(process, more=more)

    def _kill_corrupt(self, process: TaskProcess) -> None:
        """Kill a process that sends what only a task that has written to its socket or changed its message can send."""
        if process.jobs:
            where = f"the process that ran message {process.jobs[0].claimed.uuid!r}"
            process.charge = Charge("WorkerLostError", f"{where} did not answer for it: it was killed")
            self._dispatcher.take_back(process)
        self._manager.signal(process.pid, signal.SIGKILL)
