"""The job of a thread: open a message, run its task under a deadline, and conclude it."""

from __future__ import annotations

import threading

from alsek.core.broker import Broker
from alsek.core.clock import monotonic_ms
from alsek.core.current_message import CURRENT
from alsek.core.execution import forks
from alsek.core.execution.attempts import Attempt
from alsek.core.execution.attempts import attempt as run_attempt
from alsek.core.execution.conclusions import reject
from alsek.core.execution.delivery import Delivery
from alsek.core.execution.notices import send_status
from alsek.core.execution.opening import open_claimed
from alsek.core.execution.transition_log import log_claimed
from alsek.core.status import TaskStatus
from alsek.core.task import AnyTask
from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.thread_executor.concluding_job import CONCLUDE_WITHIN_MS, ConcludingJob, timeout_of
from alsek.core.worker.thread_executor.interruption import INTERRUPTIONS
from alsek.exceptions import MessageRevokedError
from alsek.storage.backends.records import Failed


class ThreadJob(ConcludingJob):
    """A job that runs in a thread."""

    __slots__ = ()

    def run(
        self,
        tasks: dict[str, AnyTask],
        broker: Broker,
        max_losses: int,
        state: SharedState,
        wait: bool = False,
        verbose: bool = False,
    ) -> None:
        """Open the message, run its task, and set `outcome`. In a task thread.

        Args:
            tasks: The pool's tasks by name.
            broker: Whose message it is.
            max_losses: See :func:`~alsek.core.execution.opening.rejection_of`.
            state: Where starts and ends of user code are written.
            wait: A message whose task is unknown does not fail.
            verbose: The transitions are logged that are no trouble.
        """
        self.started_at = now = monotonic_ms()
        self.thread = threading.current_thread()
        self.conclude_by = now + CONCLUDE_WITHIN_MS
        state.enter_user_code(self.entry)
        self._run(tasks, broker, max_losses, state, wait, verbose)
        if not self._abandoned_threads:
            state.leave_user_code(self.entry)

    def _run(
        self,
        tasks: dict[str, AnyTask],
        broker: Broker,
        max_losses: int,
        state: SharedState,
        wait: bool,
        verbose: bool,
    ) -> None:
        opened = open_claimed(self.claimed, self.session, broker, tasks, max_losses)
        if isinstance(opened, Failed):
            self.outcome = opened
            return
        self._tasks, self._broker = tasks, broker
        delivery, task, rejection = opened
        self.delivery, self.task = delivery, task
        self.task_name = delivery.task_name
        if task is None or rejection is not None:
            assert rejection is not None
            CURRENT.set(delivery.message)
            self._settle(reject(task, delivery, rejection, broker, wait=wait))
            return
        if verbose:
            log_claimed(delivery)
        if task.status_tracker is not None:
            send_status(task, delivery, TaskStatus.RUNNING)
        with self._lock:
            if self._abandoned_threads and self.was_abandoned:
                return  # another thread concludes the message
            self.conclude_by = 0
        attempt = self._attempt(task, delivery, state)
        if not (self._abandoned_threads and self.was_abandoned):
            self._conclude(task, delivery, attempt)

    def _attempt(self, task: AnyTask, delivery: Delivery, state: SharedState) -> Attempt:
        attempt: Attempt | None = None
        try:
            self.ready_at = delivery.ready_at
            began = delivery.began_at = monotonic_ms()
            deadline = began + delivery.timeout
            state.start_task(self.entry, deadline)
            self._arm(deadline)
            attempt = run_attempt(task, delivery)
        except INTERRUPTIONS:  # raised outside of what run_attempt() guards
            pass
        # CPython raises asynchronous exceptions after calls and backward jumps: there is neither between the end of the
        # task's call and this line.
        self._ending = True
        if forks.forked:
            forks.leave()
        while True:
            try:
                self._disarm()
                if not self.abandoned:
                    state.end_task(self.entry)
                break
            except INTERRUPTIONS:
                continue
        # After its deadline a task has failed, whatever it did with the exception.
        if self.timed_out:
            return Attempt(exception=timeout_of(delivery))
        if attempt is None or (
            attempt.exception is not None and issubclass(type(attempt.exception), MessageRevokedError)
        ):
            return Attempt(exception=MessageRevokedError(f"{delivery.summary} was revoked while it ran"))
        return attempt

    def conclude_timeout(self) -> None:
        """Conclude a message whose thread did not end in time. In another task thread."""
        assert self.task is not None
        assert self.delivery is not None
        self.thread = threading.current_thread()
        self._conclude(self.task, self.delivery, Attempt(exception=timeout_of(self.delivery)))
