"""Time limits of the jobs that task processes were sent: to start, to answer, and to end."""

from __future__ import annotations

import signal

from alsek.core.clock import monotonic_ms
from alsek.core.loggers import guarded_logger
from alsek.core.message import Message
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.process_executor.answers import AnswerReader
from alsek.core.worker.process_executor.charge import Charge
from alsek.core.worker.process_executor.dispatcher import Dispatcher
from alsek.core.worker.process_executor.job import ProcessJob
from alsek.core.worker.process_executor.process_manager import TaskProcessManager
from alsek.core.worker.process_executor.task_process import TaskProcess
from alsek.core.worker.process_executor.task_runner import OPEN_WITHIN_MS
from alsek.core.worker.shared_state import SharedState
from alsek.exceptions import CorruptMessageError
from alsek.storage.backends.records import Claimed

log = guarded_logger(__name__)

#: SIGKILL follows this long after SIGTERM.
KILL_AFTER_MS = 900
#: Prefetched jobs are taken back from a process that has not answered for this time.
TAKE_BACK_AFTER_MS = 30
#: A process that starts none of several jobs for this time is replaced.
START_WITHIN_MS = 500
#: The same, if it was sent one job only: it may be concluding the one before.
START_ONLY_WITHIN_MS = 5_000


class ProcessWatch:
    """Enforces the time limits.

    Args:
        pool: The pool's options.
        manager: The processes.
        dispatcher: Where jobs wait.
        state: Where it is seen which jobs were started, and their deadlines.
        answers: Reads what a process has answered.
    """

    def __init__(
        self,
        pool: PoolOptions,
        manager: TaskProcessManager,
        dispatcher: Dispatcher,
        state: SharedState,
        answers: AnswerReader,
    ) -> None:
        self._pool = pool
        self._manager = manager
        self._dispatcher = dispatcher
        self._state = state
        self._answers = answers

    def next_check(self, process: TaskProcess) -> int:
        """Return when a process that has jobs is to be checked if it sends nothing (monotonic ms)."""
        now = monotonic_ms()
        if len(process.jobs) > 1 and (due := int(process.last_answer_at) + TAKE_BACK_AFTER_MS + 1) > now:
            return due
        # A job that was not started has no deadline yet.
        return self._state.deadline(process.jobs[0].entry) or now + TAKE_BACK_AFTER_MS

    def check(self, process: TaskProcess, now: int) -> None:
        """Enforce the limits of a process that has jobs."""
        if now - process.last_answer_at >= TAKE_BACK_AFTER_MS and len(process.jobs) > 1:
            self._answers.read(process)
        if not process.jobs:
            return
        job, silent = process.jobs[0], now - process.last_answer_at
        deadline = self._state.deadline(job.entry)
        if process.awaiting_verdict is not None:
            if silent >= TAKE_BACK_AFTER_MS:  # it waits for the store, not for its task
                self._dispatcher.take_back(process)
        elif not deadline:
            if silent >= (START_ONLY_WITHIN_MS if len(process.jobs) == 1 else START_WITHIN_MS):
                self._replace_stalled(process)
        elif now >= deadline:
            self._end_overdue(process, job)
        elif silent >= TAKE_BACK_AFTER_MS and len(process.jobs) > 1:
            self._dispatcher.prefetch.reset()
            self._dispatcher.take_back(process)

    def _replace_stalled(self, process: TaskProcess) -> None:
        """Replace a process that does not start its jobs, because it was stopped or gets no processor time."""
        if process.permits is None:
            log.error("Process %d does not start the job that it was sent: it is killed.", process.pid)
            process.last_answer_at = monotonic_ms()  # so that it is not killed again at once
            process.excused = True
            self._manager.signal(process.pid, signal.SIGKILL)
            return
        self._dispatcher.take_back(process)
        if not process.jobs:
            log.warning("Process %d does not start the jobs that it was sent: it is replaced.", process.pid)
            self._manager.replace(process)

    def _end_overdue(self, process: TaskProcess, job: ProcessJob) -> None:
        if job.charge is None:
            timeout = self._timeout_of(job.claimed)
            text = f"message {job.claimed.uuid!r} ran longer than its timeout of {timeout} ms"
            self.terminate(process, job, Charge("TaskTimeoutError", text))
        else:
            process.charge = job.charge  # hooks that hang
            self._manager.signal(process.pid, signal.SIGKILL)

    def terminate(self, process: TaskProcess, job: ProcessJob, charge: Charge) -> None:
        """End a process because of its job: SIGTERM now, SIGKILL later. An answer no longer counts."""
        # In this order: once it can start no other job, what it has answered before can be read to the end.
        self._dispatcher.take_back(process)
        self._answers.read(process)
        if process.charge is None and process.jobs and process.jobs[0] is job:
            process.charge = charge
            process.kill_at = monotonic_ms() + KILL_AFTER_MS
            self._state.mark_terminating(job.entry)
            self._manager.signal(process.pid, signal.SIGTERM)

    def _timeout_of(self, claimed: Claimed) -> int:
        try:
            serializer = self._pool.broker.backend.serializer
            return Message.unpack(claimed.uuid, claimed.queue, claimed.payload, serializer).timeout
        except CorruptMessageError:
            return OPEN_WITHIN_MS
