"""A message on its way through one thread: opened, run under its deadline, concluded."""

from __future__ import annotations

import threading
from contextvars import Context

from alsek.core.broker import Broker
from alsek.core.clock import monotonic_ms
from alsek.core.execution import forks
from alsek.core.execution.attempts import Attempt, attempt
from alsek.core.execution.conclusions import Conclusion, conclude, dead_letter, dead_letter_unreadable
from alsek.core.execution.delivery import Delivery
from alsek.core.execution.opening import open_claimed
from alsek.core.execution.session import WorkerSession
from alsek.core.execution.status_reports import (
    StatusReport,
    pending_reports,
    report_status,
    send_report,
)
from alsek.core.failure import describe_failure
from alsek.core.status import TaskStatus
from alsek.core.task import AnyTask, without_hooks
from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.thread_executor.async_exceptions import clear_pending, raise_in_thread
from alsek.exceptions import MessageRevokedError, TaskTimeoutError
from alsek.storage.backends.records import Claimed, Died, Outcome

#: How long (ms) what comes before and after a task may take: the user's hooks, result store and tracker. A tracker
#: whose store hangs says so within 7.5 s, and then the task runs without it.
CONCLUDE_WITHIN = 8_000

_INTERRUPTIONS = (TaskTimeoutError, MessageRevokedError)


class ThreadJob:
    """One claim, from when it was handed out until the store has accepted what became of it.

    The deadline is enforced from outside, by :meth:`interrupt`. It must never hit code other than the task: an
    exception that is set asynchronously is raised at some later bytecode, which may be past the task's end.
    Hence the lock. The interrupter sets the exception only while the job is *armed*; the thread disarms under the same
    lock and then takes back an exception that has been set and not been raised yet. Before that it says that it is
    *ending*: after this at most one more is raised, so that whatever catches it is left in peace.
    """

    __slots__ = (
        "_armed",
        "_ending",
        "_lock",
        "_taken_from",
        "_tasks",
        "_thread",
        "abandoned",
        "claimed",
        "conclude_by",
        "context",
        "deadline",
        "delivery",
        "entry",
        "made",
        "next_interrupt",
        "outcome",
        "owed",
        "revoked",
        "runner",
        "session",
        "task",
        "timed_out",
        "took_ns",
        "worker_id",
    )

    def __init__(self, claimed: Claimed, session: WorkerSession, entry: int, worker_id: str) -> None:
        self.claimed = claimed
        self.session = session
        self.entry = entry
        self.worker_id = worker_id
        self.task: AnyTask | None = None
        self.delivery: Delivery | None = None
        self.outcome: Outcome | None = None
        #: What trackers are to hear once the outcome has been accepted.
        self.owed: list[StatusReport] = []
        self._tasks: dict[str, AnyTask] = {}
        #: How long it had a thread (ns), the user's hooks, store and tracker included; 0 if it had none.
        self.took_ns = 0
        self.deadline = 0
        self.next_interrupt = 0
        self.timed_out = False
        self.revoked = False
        self.abandoned = False
        self._armed = False
        self._ending = False
        self._thread = 0
        #: The thread that has it in hand.
        self.runner: threading.Thread | None = None
        #: In which all code of the user's runs for it; set when a thread begins it.
        self.context: Context
        self._taken_from: tuple[threading.Thread | None, ...] = ()
        #: What running the task came to, once it has.
        self.made: Attempt | None = None
        #: When what follows the task must have ended (monotonic ms); 0 while there is nothing to wait for.
        self.conclude_by = 0
        self._lock = threading.Lock()

    # ── in the thread that runs it ─────────────────────────────────────────────────────────────

    def run(self, tasks: dict[str, AnyTask], broker: Broker, max_losses: int, state: SharedState) -> None:
        """Open the message, run its task, and leave what becomes of it in `outcome`."""
        self.runner = threading.current_thread()
        self.conclude_by = monotonic_ms() + CONCLUDE_WITHIN
        state.enter_user_code(self.entry)
        self._run(tasks, broker, max_losses, state)
        if not self._taken_from:
            state.leave_user_code(self.entry)

    def _run(self, tasks: dict[str, AnyTask], broker: Broker, max_losses: int, state: SharedState) -> None:
        opened = open_claimed(self.claimed, self.session, broker, tasks, max_losses)
        if isinstance(opened, Died):
            self.outcome = opened
            return
        self._tasks = tasks
        delivery, task, rejection = opened
        self.delivery, self.task = delivery, task
        if task is None or rejection is not None:
            assert rejection is not None
            self._settle(dead_letter(task, delivery, rejection, broker))
            return
        report_status(task, delivery, TaskStatus.RUNNING)
        with self._lock:
            if self._taken_from and self.was_taken:
                return  # given up meanwhile: the message is another's to run
            self.conclude_by = 0
        made = self._attempt(state)
        if not (self._taken_from and self.was_taken):
            self._conclude(made)

    def conclude_timeout(self) -> None:
        """What becomes of the message whose thread did not end in time; called in another thread."""
        self.runner = threading.current_thread()
        self._conclude(Attempt(exception=self._timeout()))

    def report(self) -> None:
        """Tell the trackers that the store does not write itself; once the outcome has been accepted."""
        self.runner = threading.current_thread()
        self.conclude_by = monotonic_ms() + CONCLUDE_WITHIN
        for each in self.owed:
            send_report(each)
        with self._lock:
            self.conclude_by = 0

    def _attempt(self, state: SharedState) -> Attempt:
        made: Attempt | None = None
        assert self.task is not None
        assert self.delivery is not None
        try:
            self._arm(state)
            made = attempt(self.task, self.delivery)
        except _INTERRUPTIONS:  # raised outside of what attempt() guards
            pass
        # The interpreter raises what was set after calls and jumps back: there is none between the task's and this.
        self._ending = True
        if forks.forked:
            forks.leave()
        while True:
            try:
                self._disarm(state)
                break
            except _INTERRUPTIONS:
                continue
        # A deadline that has passed has passed, whatever the task made of the exception.
        if self.timed_out:
            return Attempt(exception=self._timeout())
        if made is None or (
            made.exception is not None and issubclass(type(made.exception), MessageRevokedError)
        ):
            return Attempt(exception=MessageRevokedError(f"{self.delivery.summary} was revoked while it ran"))
        return made

    def _arm(self, state: SharedState) -> None:
        assert self.delivery is not None
        deadline = monotonic_ms() + self.delivery.timeout
        state.start_task(self.entry, deadline)
        with self._lock:
            self._thread = threading.get_ident()
            self._armed = True
            self.next_interrupt = deadline
            self.deadline = deadline

    def _disarm(self, state: SharedState) -> None:
        with self._lock:
            self._armed = False
            self.deadline = 0
        if self.timed_out or self.revoked:
            clear_pending()
        if not self.abandoned:
            state.end_task(self.entry)

    def _conclude(self, made: Attempt) -> None:
        assert self.task is not None
        assert self.delivery is not None
        self.made = made
        self.conclude_by = monotonic_ms() + CONCLUDE_WITHIN
        if made.exception is not None:
            # The text of an exception is the user's code: if it does not end, nobody asks for it again.
            made = self.made = made._replace(failure=describe_failure(made.exception))
        self._settle(conclude(self.task, self.delivery, made))

    def _settle(self, conclusion: Conclusion) -> None:
        with self._lock:
            if not (self._taken_from and self.was_taken):
                self._accept(conclusion)

    def _accept(self, conclusion: Conclusion) -> None:
        if self.delivery is not None:
            self.owed = pending_reports(self._tasks, self.task, self.delivery, conclusion)
        self.outcome = conclusion.outcome

    def _timeout(self) -> TaskTimeoutError:
        assert self.delivery is not None
        return TaskTimeoutError(
            f"task {self.delivery.task_name!r} ran longer than its timeout of {self.delivery.timeout} ms"
        )

    @property
    def was_taken(self) -> bool:
        """Whether the job was taken out of this thread's hands: what it comes to here counts no more."""
        # Not by the ident: the system gives that of a thread that has ended to the next, which may be just the one that
        # concludes this job.
        return bool(self._taken_from) and threading.current_thread() in self._taken_from

    @property
    def has_strays(self) -> bool:
        """Whether a thread was given up with this job: its code may run until that thread has ended."""
        return bool(self._taken_from)

    # ── in the engine's thread ─────────────────────────────────────────────────────────────────

    def interrupt(self, now: int) -> None:
        """Raise the timeout in the thread that runs the task, if it still does; again a second later."""
        with self._lock:
            if self._armed and not self._ending:
                self.timed_out = True
                self.next_interrupt = now + 1_000
                raise_in_thread(self._thread, TaskTimeoutError)

    def revoke(self) -> None:
        """Raise in the thread that runs the task that its message was revoked, if it still runs."""
        with self._lock:
            if self._armed and not self._ending and not self.timed_out:
                self.revoked = True
                raise_in_thread(self._thread, MessageRevokedError)

    def abandon(self) -> bool:
        """Give up the thread that runs the task; False if it has just ended."""
        with self._lock:
            if self._armed and not self._ending:
                self.abandoned = True
                self._taken_from += (self.runner,)
            return self.abandoned

    def give_up_report(self) -> bool:
        """Leave the trackers to the thread that tells them; False if it just has."""
        with self._lock:
            if not self.conclude_by:
                return False
            self.conclude_by = 0
            self._taken_from += (self.runner,)
            return True

    def give_up(self) -> bool:
        """Conclude without the user's hooks, store or tracker, which don't end; False if they just have."""
        with self._lock:
            if self.outcome is not None or not self.conclude_by:
                return False  # it has ended, or the task has begun
            self._taken_from += (self.runner,)
        self.conclude_by = 0
        if self.task is None or self.delivery is None:
            error = TaskTimeoutError(
                f"message {self.claimed.uuid!r} could not be opened within {CONCLUDE_WITHIN} ms"
            )
            self.outcome = dead_letter_unreadable(self.claimed, error, self.session.worker.dlq_ttl)
            return True
        store = self.task.result_store
        kept = store is None or store.is_atomic_with(self.task.broker.backend)
        made = self.made
        if made is None or (made.failure is None if made.exception is not None else not kept):
            what = f"the hooks, result store or tracker of task {self.task.name!r}, or the text of its exception,"
            made = Attempt(exception=TaskTimeoutError(f"{what} did not end within {CONCLUDE_WITHIN} ms"))
        self._accept(conclude(without_hooks(self.task), self.delivery, made))
        return True
