"""What follows for the jobs of task processes that have exited."""

from __future__ import annotations

import signal

from alsek.core.clock import monotonic_ms
from alsek.core.loggers import guarded_logger
from alsek.core.worker.charging import conclude_charged
from alsek.core.worker.child_process import describe_exit
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.process_executor.answers import AnswerReader, Finish
from alsek.core.worker.process_executor.charge import Charge
from alsek.core.worker.process_executor.dispatcher import Dispatcher
from alsek.core.worker.process_executor.job import ProcessJob
from alsek.core.worker.process_executor.process_manager import TaskProcessManager
from alsek.core.worker.process_executor.task_process import TaskProcess
from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.signals import STOP_REACHES_ALL_MS
from alsek.storage.backends.records import Released

log = guarded_logger(__name__)


class LostJobs:
    """Decides about the jobs of processes that have exited.

    The job that a process had started and not answered is charged: a fresh process concludes it, with the task's own
    ``do_retry`` and hooks. If that process fails too, `max_retries` alone decides. Jobs that were not started are run
    by other processes. One that was started in a process that it shared with others is started once more, without.

    Args:
        pool: The pool's options.
        manager: The processes.
        dispatcher: Where jobs wait.
        state: Where it is seen which jobs were started.
        answers: Reads what a process had answered before it exited.
        finish: Called with each job whose outcome is known.

    Attributes:
        undecided: Jobs whose process was ended by a SIGTERM that the engine has not sent, each with the time at which
            it is charged (monotonic ms) and how the process ended.
    """

    def __init__(
        self,
        pool: PoolOptions,
        manager: TaskProcessManager,
        dispatcher: Dispatcher,
        state: SharedState,
        answers: AnswerReader,
        finish: Finish,
    ) -> None:
        self._pool = pool
        self._manager = manager
        self._dispatcher = dispatcher
        self._state = state
        self._answers = answers
        self._finish = finish
        self.undecided: list[tuple[int, ProcessJob, str]] = []

    def wakes(self) -> list[int]:
        """Return the times at which :meth:`run` is needed (monotonic ms)."""
        return [until for until, *_ in self.undecided]

    def on_exit(self, process: TaskProcess, status: int) -> None:
        """A process has exited."""
        if not process.released:
            self._answers.read(process)  # it may have answered before it died
        jobs = process.take_all()
        self._manager.on_exit(process, status, had_jobs=bool(jobs or process.awaiting_verdict))
        self._dispatcher.requeue(jobs[1:])
        if jobs:
            self._on_lost(jobs[0], process, status)

    def _on_lost(self, job: ProcessJob, process: TaskProcess, status: int) -> None:
        started = self._state.deadline(job.entry) > 0
        if started:
            self._state.leave_user_code(job.entry)
        if job.charge is not None:  # this process was to conclude it
            log.error("The hooks for message %s failed or hung: max_retries decides.", job.claimed.uuid)
            error = job.charge.to_exception()
            charged = conclude_charged(self._pool, job.worker, job.claimed, error, with_hooks=False)
            job.task_name = charged.task_name
            if job.attempt_lost:
                job.ready_at = charged.ready_at
            self._finish(job, charged.outcome)
            return
        excused = process.excused or status == -signal.SIGTERM  # which comes from outside
        if not started and process.charge is None and (excused or not job.repeated):
            # Once only: if the message itself makes processes crash that read it, the second death is charged.
            job.repeated = job.repeated or not excused
            self._start_alone(job)
            return
        where = f"the process that ran message {job.claimed.uuid!r} {describe_exit(status)}"
        if process.shared and process.served and process.charge is None and status != -signal.SIGTERM:
            log.warning("Of messages that will not run, %s: another one ends it.", where)
            self._start_alone(job)
            return
        if started:
            job.attempt_lost, job.started_at = True, int(process.last_answer_at)
            job.elapsed_ns = 1_000_000 * (monotonic_ms() - job.started_at)
        if process.charge is None and started and status == -signal.SIGTERM:
            self.undecided.append((monotonic_ms() + STOP_REACHES_ALL_MS, job, where))
            return
        charge = process.charge or Charge("WorkerLostError", where)
        log.error("Process %d %s: %s.", process.pid, describe_exit(status), charge.text)
        self._charge(job, charge)

    def _charge(self, job: ProcessJob, charge: Charge) -> None:
        """Have a fresh process conclude the job with an exception."""
        job.charge = charge
        self._start_alone(job)

    def _start_alone(self, job: ProcessJob) -> None:
        """Put the job before all others, for a process that is not shared."""
        job.shares_process = False
        self._dispatcher.requeue((job,))

    def run(self, now: int) -> None:
        """Decide about the jobs whose process was ended by a SIGTERM that the engine has not sent.

        They are released if the pool is being stopped: the same signal may have reached the process first. Else they
        are charged.
        """
        undecided, self.undecided = self.undecided, []
        for until, job, where in undecided:
            if self._state.stopping:
                log.warning("The pool is being stopped: %s. The message is given back.", where)
                self._finish(job, Released.of(job.claimed))
            elif now >= until:
                log.error("A process was ended from outside: %s.", where)
                self._charge(job, Charge("WorkerLostError", where))
            else:
                self.undecided.append((until, job, where))
