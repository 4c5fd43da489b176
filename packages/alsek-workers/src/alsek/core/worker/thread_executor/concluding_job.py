"""The job of a group that runs its tasks itself: what concludes it, in threads that may be abandoned."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextvars import Context

from alsek.core.broker import Broker
from alsek.core.clock import monotonic_ms, wall_clock_ahead_ms
from alsek.core.execution import facts
from alsek.core.execution.attempts import Attempt
from alsek.core.execution.conclusions import Conclusion, conclude, dead_letter_unreadable
from alsek.core.execution.delivery import Delivery
from alsek.core.execution.notices import Notice, pending_notices, send_notice
from alsek.core.execution.session import WorkerSession
from alsek.core.failure import describe_failure
from alsek.core.task import AnyTask, without_hooks
from alsek.core.worker.thread_executor.interruption import Interruptible
from alsek.exceptions import TaskTimeoutError
from alsek.storage.backends.records import Claimed, Outcome, Running

#: How long the user code before and after a task may take: hooks, result store and tracker. A tracker whose store hangs
#: raises an error within 7.5 s, and then the task runs without it.
CONCLUDE_WITHIN_MS = 8_000


class ConcludingJob(Interruptible):
    """One claim, from when the store has handed it out until the store has accepted its outcome.

    Attributes:
        claimed: What the store has handed out.
        session: The worker's session.
        entry: Its entry in the shared state.
        worker_id: The id under which it was claimed.
        task: The message's task, once it was opened.
        delivery: The opened message.
        context: The context variables of all user code that runs for it; set when it is started.
        attempt: What running the task came to, once it has ended.
        outcome: What the store is to be told, once the job has finished.
        pending_notices: What trackers and middleware are to be told once the store has accepted the outcome.
        verdict_wanted: There are pending notices.
        started_at: When it was begun (monotonic ms).
        conclude_by: When the user code beside the task must have ended (monotonic ms); 0 while none runs.
        task_name: The name of its task; empty if the message could not be opened.
        ready_at: As in :class:`~alsek.core.execution.delivery.Delivery`; None if its task was not called.
        elapsed_ns: How long it took, hooks, result store and tracker included; 0 if it was not begun.
    """

    __slots__ = (
        "_broker",
        "_tasks",
        "attempt",
        "claimed",
        "conclude_by",
        "context",
        "delivery",
        "elapsed_ns",
        "entry",
        "outcome",
        "pending_notices",
        "ready_at",
        "session",
        "started_at",
        "task",
        "task_name",
        "verdict_wanted",
        "worker_id",
    )

    def __init__(self, claimed: Claimed, session: WorkerSession, entry: int, worker_id: str) -> None:
        super().__init__()
        self.claimed = claimed
        self.session = session
        self.entry = entry
        self.worker_id = worker_id
        self.task: AnyTask | None = None
        self.delivery: Delivery | None = None
        self.context: Context
        self.attempt: Attempt | None = None
        self.outcome: Outcome | None = None
        self.pending_notices: Sequence[Notice] = ()
        self.verdict_wanted = False
        self.conclude_by = 0
        self.task_name = ""
        self.ready_at: int | None = None
        self.started_at = self.elapsed_ns = 0
        self._tasks: dict[str, AnyTask] = {}
        self._broker: Broker

    def _conclude(self, task: AnyTask, delivery: Delivery, attempt: Attempt) -> None:
        self.attempt = attempt
        self.conclude_by = monotonic_ms() + CONCLUDE_WITHIN_MS
        if attempt.exception is not None:
            # Making the text of an exception is user code: if it does not end, it is not run again.
            attempt = self.attempt = attempt._replace(failure=describe_failure(attempt.exception))
        self._settle(conclude(task, delivery, attempt))

    def _settle(self, conclusion: Conclusion) -> None:
        """Set the outcome, unless this thread was abandoned."""
        with self._lock:
            if not (self._abandoned_threads and self.was_abandoned):
                task = self.task
                if (
                    task is None
                    or task.status_tracker is not None
                    or conclusion.callback is not None
                    or task.broker.end_middleware
                ):
                    self._add_notices(conclusion)
                self.outcome = conclusion.outcome

    def _add_notices(self, conclusion: Conclusion) -> None:
        """Add what trackers and middleware are to be told. Most tasks have neither."""
        if self.delivery is not None:
            self.pending_notices = pending_notices(
                self._tasks, self.task, self.delivery, conclusion, self._broker
            )
            self.verdict_wanted = bool(self.pending_notices)

    def report(self) -> None:
        """Send the pending notices, once the store has accepted the outcome. In a task thread."""
        self.thread = threading.current_thread()
        self.conclude_by = monotonic_ms() + CONCLUDE_WITHIN_MS
        for each in self.pending_notices:
            send_notice(each)
        with self._lock:
            self.conclude_by = 0

    def abandon_report(self) -> bool:
        """Abandon the thread that sends the pending notices. Returns False if it has just sent them.

        In the engine's thread.
        """
        with self._lock:
            if not self.conclude_by:
                return False
            self.conclude_by = 0
            self._abandoned_threads += (self.thread,)
            return True

    def abandon_conclusion(self) -> bool:
        """Abandon the thread, and conclude without hooks, result store and tracker, which do not end.

        In the engine's thread. Returns False if they have just ended.
        """
        with self._lock:
            if self.outcome is not None or not self.conclude_by:
                return False  # it has ended, or the task has started
            self._abandoned_threads += (self.thread,)
        self.conclude_by = 0
        if self.task is None or self.delivery is None:
            error = TaskTimeoutError(
                f"message {self.claimed.uuid!r} could not be opened within {CONCLUDE_WITHIN_MS} ms"
            )
            self.outcome = dead_letter_unreadable(self.claimed, error, self.session.worker.dlq_ttl)
            return True
        store = self.task.result_store
        kept = store is None or store.is_atomic_with(self.task.broker.backend)
        attempt = self.attempt
        if attempt is None or (attempt.failure is None if attempt.exception is not None else not kept):
            what = f"the hooks, result store or tracker of task {self.task.name!r}, or the text of its exception,"
            attempt = Attempt(
                exception=TaskTimeoutError(f"{what} did not end within {CONCLUDE_WITHIN_MS} ms")
            )
        self._settle(conclude(without_hooks(self.task), self.delivery, attempt))
        return True


def timeout_of(delivery: Delivery) -> TaskTimeoutError:
    """Return the error with which a message fails whose task ran too long."""
    return TaskTimeoutError(
        f"task {delivery.task_name!r} ran longer than its timeout of {delivery.timeout} ms"
    )


def running_of(jobs: Iterable[ConcludingJob]) -> Iterator[Running]:
    """Iterate over what the store is to show of these jobs: those that were begun and have not finished."""
    ahead, pid = wall_clock_ahead_ms(), os.getpid()
    for job in jobs:
        if (thread := job.thread) is not None and job.outcome is None:
            yield facts.running(job.claimed, ahead + job.started_at, pid, thread)
