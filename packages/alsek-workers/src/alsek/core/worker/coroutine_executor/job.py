"""The job of a coroutine: open a message, run its task on the event loop under a deadline, and conclude it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import sys
import threading
from typing import Any, ClassVar, Final

from alsek.core.clock import monotonic_ms, real_time
from alsek.core.current_message import CURRENT
from alsek.core.execution.async_attempts import attempt as run_attempt
from alsek.core.execution.attempts import Attempt
from alsek.core.execution.conclusions import reject
from alsek.core.execution.delivery import Delivery
from alsek.core.execution.notices import send_status
from alsek.core.execution.opening import open_claimed
from alsek.core.execution.session import WorkerSession
from alsek.core.execution.transition_log import log, log_claimed
from alsek.core.groups.joined_message import JoinedMessage
from alsek.core.status import TaskStatus
from alsek.core.task import AnyTask
from alsek.core.worker.coroutine_executor.event_loop import EventLoopThread
from alsek.core.worker.coroutine_executor.surroundings import Surroundings
from alsek.core.worker.thread_executor.concluding_job import CONCLUDE_WITHIN_MS, ConcludingJob, timeout_of
from alsek.exceptions import AlsekError, EventLoopError, MessageRevokedError, TaskError, TaskTimeoutError
from alsek.storage.backends.records import Claimed, Failed

#: A coroutine begins when it is made, where Python can do that: it is not put into the queue of the loop first.
_AT_ONCE: Final[dict[str, Any]] = {"eager_start": True} if sys.version_info >= (3, 12) else {}


def _prepare(task: AnyTask, delivery: Delivery) -> None:
    """Do what may block before the coroutine begins. In a thread for hooks."""
    if isinstance(delivery.message, JoinedMessage):
        with contextlib.suppress(Exception):  # raised again when the coroutine asks for them
            delivery.message.load()
    send_status(task, delivery, TaskStatus.RUNNING)


class CoroutineJob(ConcludingJob):
    """A job whose task runs as a coroutine on an event loop, and is interrupted by cancelling it.

    Attributes:
        loop: The loop on which it runs; None before it was begun.
        running: The coroutine, as the loop runs it; None before and after that.
        begun: The coroutine has begun.
        deaf: The loop was asked to cancel the coroutine, and has not come to do it.
    """

    __slots__ = ("_alive", "_around", "_started_ns", "begun", "deaf", "loop", "running")

    def __init__(
        self, claimed: Claimed, session: WorkerSession, entry: int, worker_id: str, around: Surroundings
    ) -> None:
        super().__init__(claimed, session, entry, worker_id)
        self._around = around
        self._started_ns = 0
        self._alive = False
        self.loop: EventLoopThread | None = None
        self.running: asyncio.Task[None] | None = None
        self.begun = False
        self.deaf = False

    def begin(self, loop: EventLoopThread) -> None:
        """Begin the coroutine, or make it begin soon. In the thread of the loop."""
        self.loop = loop
        self.thread = loop.thread
        self.begun = False
        self._alive = True
        running = asyncio.Task(self._run(), loop=loop.loop, context=self.context, **_AT_ONCE)
        if self._alive:
            self.running = running

    @property
    def summary(self) -> str:
        """The message, for a log line."""
        return self.claimed.uuid if self.delivery is None else self.delivery.summary

    def is_alive(self) -> bool:
        """Whether the coroutine has not ended."""
        return self._alive

    def _over(self) -> None:
        self.running, self._alive = None, False

    async def _run(self) -> None:
        self.begun = True
        around = self._around
        delivery = self.delivery
        if delivery is None:
            task = self._open()
            if task is None:
                return
            delivery = self.delivery
            assert delivery is not None
            now = self.started_at
        else:  # its tracker was told that it runs
            task, now = around.tasks[delivery.task_name], monotonic_ms()
        self.ready_at = delivery.ready_at
        delivery.began_at = now
        deadline = now + delivery.timeout
        around.state.start_task(self.entry, deadline)
        self._arm(deadline)
        around.armed(deadline)
        attempt = await run_attempt(task, delivery)
        self._disarm()
        if self.abandoned:
            self._over()
            return
        around.state.end_task(self.entry)
        error = attempt.exception
        if self.timed_out:
            attempt = Attempt(exception=timeout_of(delivery))
        elif error is None:
            if delivery.task_name in around.quiet and delivery.message.branches is None:
                assert self.task is not None
                self._conclude(self.task, delivery, attempt)
                self._end()
                return
        elif self.revoked:  # whatever the coroutine made of its cancellation
            attempt = Attempt(exception=self._revoked_error(delivery))
        self._leave_loop(functools.partial(self._conclude_in_thread, attempt))

    #: The code of what a loop runs of a job.
    CODE: ClassVar = _run.__code__

    def _open(self) -> AnyTask | None:
        """Open the message. Returns None if its task is not to run, or not yet."""
        around = self._around
        self._started_ns = started_ns = real_time.monotonic_ns()
        self.started_at = now = started_ns // 1_000_000
        self.conclude_by = now + CONCLUDE_WITHIN_MS
        around.state.enter_user_code(self.entry)
        opened = open_claimed(self.claimed, self.session, around.broker, around.tasks, around.max_losses)
        if isinstance(opened, Failed):
            with self._lock:
                if not self.was_abandoned:
                    self.outcome = opened
            self._end()
            return None
        self._tasks, self._broker = around.tasks, around.broker
        delivery, task, rejection = opened
        self.delivery = delivery
        self.task_name = name = delivery.task_name
        if task is None or rejection is not None:
            assert rejection is not None
            if task is not None:
                self.task = around.concluded_by[name]
            self._leave_loop(functools.partial(self._reject, rejection))
            return None
        if not task.is_async:
            self._end()  # without an outcome: it is none of this executor's
            return None
        self.task = around.concluded_by[name]
        if log.isEnabledFor(logging.DEBUG):
            log_claimed(delivery)
        if self.claimed.joins or (task.status_tracker is not None and not delivery.status_ttl):
            self._leave_loop(functools.partial(_prepare, task, delivery))
            return None
        if self._abandoned_threads:
            self._end()
            return None
        self.conclude_by = 0
        return task

    def _end(self) -> None:
        """Finish the job, unless the loop was given up meanwhile. In the thread of the loop."""
        self._over()
        if self._abandoned_threads and self.was_abandoned:
            return
        self.finish()
        self._around.finished(self)

    def finish(self) -> None:
        """Note that no user code runs for it any longer, and how long it took."""
        self.conclude_by = 0
        self.elapsed_ns = real_time.monotonic_ns() - self._started_ns
        if not self._abandoned_threads:
            self._around.state.leave_user_code(self.entry)

    def _leave_loop(self, work: functools.partial[None]) -> None:
        """Go on in a thread for hooks."""
        self._over()
        with self._lock:
            if self._abandoned_threads and self.was_abandoned:
                return
            self.conclude_by = 0
        self._around.leave_loop(self, work)

    def enter_thread(self) -> None:
        """Note that the calling thread runs hooks for it."""
        self.thread = threading.current_thread()
        self.conclude_by = monotonic_ms() + CONCLUDE_WITHIN_MS

    def leave_thread(self) -> bool:
        """Note that the calling thread runs no hooks for it any longer; False if it was abandoned."""
        with self._lock:
            if self._abandoned_threads and self.was_abandoned:
                return False
            self.conclude_by = 0
            return True

    def _reject(self, rejection: TaskError) -> None:
        assert self.delivery is not None
        CURRENT.set(self.delivery.message)
        around = self._around
        self._settle(
            reject(self.task, self.delivery, rejection, around.broker, wait=around.unknown_tasks_wait)
        )

    def _conclude_in_thread(self, attempt: Attempt) -> None:
        assert self.task is not None
        assert self.delivery is not None
        self._conclude(self.task, self.delivery, attempt)

    def _disarm(self) -> None:
        with self._lock:
            self._armed = False
            if not self.abandoned:
                self.deadline = 0

    def _interrupt(self, kind: type[TaskError]) -> None:
        """Let the loop cancel the coroutine."""
        assert self.loop is not None
        why = "its timeout has passed" if kind is TaskTimeoutError else "its message was revoked"
        self.deaf = True
        with contextlib.suppress(RuntimeError):  # user code has closed the loop
            self.loop.call_soon(functools.partial(self._cancel, why))

    def _cancel(self, why: str) -> None:
        self.deaf = False
        if self._armed and self.running is not None:
            self.running.cancel(why)

    def conclude_abandoned(self, *, broken: str = "") -> None:
        """Conclude a message whose coroutine was abandoned. In a thread for hooks.

        Args:
            broken: Why its loop can't go on; otherwise its message was revoked, or has timed out.
        """
        assert self.task is not None
        delivery = self.delivery
        assert delivery is not None
        error: AlsekError
        if self.timed_out:
            error = timeout_of(delivery)
        elif self.revoked:
            error = self._revoked_error(delivery)
        else:
            error = EventLoopError(f"{delivery.summary} can't go on: the event loop {broken}")
        self._conclude(self.task, delivery, Attempt(exception=error))

    def _revoked_error(self, delivery: Delivery) -> TaskError:
        return MessageRevokedError(f"{delivery.summary} was revoked while it ran")

    def abandon_task(self) -> bool:
        """Abandon the coroutine while it runs the task. Returns False if that has just ended."""
        with self._lock:
            if self._armed:
                self.abandoned = True
                self._abandoned_threads += (None,)  # no thread of its own: the loop goes on
            return self.abandoned
