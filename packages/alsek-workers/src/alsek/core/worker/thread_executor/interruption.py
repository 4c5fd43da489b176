"""Interrupting a task in its thread, and nothing else in that thread.

An exception that is set asynchronously is raised at some later bytecode, which may be past the task's end. Hence a
lock: the engine's thread sets the exception only while the task is *armed*. The task's thread disarms under the same
lock, and then clears an exception that was set and not raised yet. Before that it marks the task as *ending*: from then
on at most one more exception is raised, so that the code that catches it is not interrupted again.
"""

from __future__ import annotations

import threading

from alsek.core.worker.engine.stand_in import StandIn
from alsek.core.worker.thread_executor.async_exceptions import clear_pending, raise_in_thread
from alsek.exceptions import MessageRevokedError, TaskError, TaskTimeoutError

#: The exceptions that are raised in a task's thread.
INTERRUPTIONS = (TaskTimeoutError, MessageRevokedError)

#: How long after an interruption the next one follows, if the thread goes on.
_INTERRUPT_EVERY_MS = 1_000


class Interruptible:
    """Code that runs in a thread of its own, and may be interrupted and abandoned from the engine's thread.

    Attributes:
        thread: The thread that runs it.
        deadline: When the task must have ended (monotonic ms); 0 while it is not armed.
        next_interrupt: When it is next to be interrupted (monotonic ms).
        timed_out: It was interrupted because of its deadline.
        revoked: It was interrupted because its message was revoked.
        abandoned: Its thread was abandoned while the task ran.
        stand_in: Wakes the engine's thread if it would oversleep the deadline; None if nothing has to.
    """

    __slots__ = (
        "_abandoned_threads",
        "_armed",
        "_ending",
        "_ident",
        "_lock",
        "abandoned",
        "deadline",
        "next_interrupt",
        "revoked",
        "stand_in",
        "thread",
        "timed_out",
    )

    def __init__(self) -> None:
        self.thread: threading.Thread | None = None
        self.deadline = 0
        self.next_interrupt = 0
        self.timed_out = False
        self.revoked = False
        self.abandoned = False
        self.stand_in: StandIn | None = None
        self._abandoned_threads: tuple[threading.Thread | None, ...] = ()
        self._armed = False
        self._ending = False
        self._ident = 0
        self._lock = threading.Lock()

    def _arm(self, deadline: int) -> None:
        """In the task's thread: allow interruptions from now on."""
        with self._lock:
            self._ident = threading.get_ident()
            self._armed = True
            self.next_interrupt = deadline
            self.deadline = deadline
        stand_in = self.stand_in
        if stand_in is not None and deadline < stand_in.sleeps_until:  # as `note_deadline`, without a call
            stand_in.wake_engine()

    def _disarm(self) -> None:
        """In the task's thread, once it is *ending*: no interruption follows after this."""
        with self._lock:
            self._armed = False
            self.deadline = 0
        if self.timed_out or self.revoked:
            clear_pending()

    @property
    def was_abandoned(self) -> bool:
        """Whether the calling thread was abandoned: what it does for this job from now on has no effect."""
        # Not by the ident: the system gives that of a thread that has ended to the next, which may be just the one that
        # concludes this job.
        return bool(self._abandoned_threads) and threading.current_thread() in self._abandoned_threads

    @property
    def has_abandoned_threads(self) -> bool:
        """Whether a thread was abandoned with this job: its code may run until that thread has ended."""
        return bool(self._abandoned_threads)

    def interrupt(self, now: int) -> None:
        """Raise the timeout in the task's thread, if the task still runs. To be repeated at `next_interrupt`."""
        with self._lock:
            if self._armed and not self._ending:
                self.timed_out = True
                self.next_interrupt = now + _INTERRUPT_EVERY_MS
                self._interrupt(TaskTimeoutError)

    def revoke(self) -> None:
        """Raise in the task's thread that the message was revoked, if the task still runs."""
        with self._lock:
            if self._armed and not self._ending and not self.timed_out:
                self.revoked = True
                self._interrupt(MessageRevokedError)

    def _interrupt(self, kind: type[TaskError]) -> None:
        """Interrupt the task. In the engine's thread, under the lock."""
        raise_in_thread(self._ident, kind)

    def abandon_task(self) -> bool:
        """Abandon the thread while it runs the task. Returns False if the task has just ended."""
        with self._lock:
            if self._armed and not self._ending:
                self.abandoned = True
                self._abandoned_threads += (self.thread,)
            return self.abandoned
