"""Runs one claimed message to its end, by the functions that worker pools use."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import NamedTuple

from alsek.core.broker import Broker
from alsek.core.current_message import CURRENT
from alsek.core.event_loops import run_coroutine
from alsek.core.execution import async_attempts
from alsek.core.execution.attempts import Attempt, attempt
from alsek.core.execution.conclusions import Conclusion, conclude, reject
from alsek.core.execution.delivery import Delivery
from alsek.core.execution.notices import Notice, pending_notices, send_notice, send_status
from alsek.core.execution.opening import Opened, open_claimed
from alsek.core.execution.session import WorkerSession
from alsek.core.execution.sync_hooks import with_sync_hooks
from alsek.core.status import TaskStatus
from alsek.core.task import AnyTask
from alsek.defaults import DEFAULT_MAX_LOSSES
from alsek.storage.backends.records import Claimed, Failed, Outcome
from alsek.testing.failures import Failures
from alsek.types import Ending


class Run(NamedTuple):
    """How the run of a message has ended.

    Attributes:
        claimed: The message.
        outcome: What the store is to be told.
        ending: What that means.
        exception: What the attempt has raised, if it has.
        notices: What is to be sent once the store has accepted the outcome.
    """

    claimed: Claimed
    outcome: Outcome
    ending: Ending
    exception: BaseException | None = None
    notices: tuple[Notice, ...] = ()

    def send_notices(self) -> None:
        """Tell trackers and middleware."""
        for each in self.notices:
            send_notice(each)


class Lifecycle:
    """Runs messages of one store.

    Args:
        session: The worker's session.
        broker: Of messages whose task is unknown.
        tasks: The tasks by name.
        failures: The failures that tests have asked for.
    """

    def __init__(
        self, session: WorkerSession, broker: Broker, tasks: dict[str, AnyTask], failures: Failures
    ) -> None:
        self._session = session
        self._broker = broker
        self._tasks = tasks
        self._failures = failures

    def run(self, claimed: Claimed) -> Run:
        """Run a message in this thread. An ``async def`` task runs on a loop of this thread."""
        context = Context()
        opened = context.run(self._open, claimed)
        if isinstance(opened, Run):
            return opened
        task, delivery = opened
        if task.is_async:
            made = context.run(run_coroutine, async_attempts.attempt(task, delivery))
        else:
            made = context.run(attempt, with_sync_hooks(task), delivery)
        return context.run(self._conclude, task, delivery, made)

    async def arun(self, claimed: Claimed) -> Run:
        """Run a message: an ``async def`` task on the loop of this thread, all else in other threads, as in a pool."""
        context = Context()
        opened = await asyncio.to_thread(context.run, self._open, claimed)
        if isinstance(opened, Run):
            return opened
        task, delivery = opened
        if task.is_async:
            # In a task of its own, since that is how a coroutine is given other context variables.
            running = asyncio.get_running_loop().create_task(
                async_attempts.attempt(task, delivery), context=context
            )
            made = await running
        else:
            made = await asyncio.to_thread(context.run, attempt, with_sync_hooks(task), delivery)
        return await asyncio.to_thread(context.run, self._conclude, task, delivery, made)

    def _open(self, claimed: Claimed) -> Run | tuple[AnyTask, Delivery]:
        opened = open_claimed(claimed, self._session, self._broker, self._tasks, DEFAULT_MAX_LOSSES)
        if isinstance(opened, Failed):
            return Run(claimed, opened, "failed")
        return self._checked(claimed, opened)

    def _checked(self, claimed: Claimed, opened: Opened) -> Run | tuple[AnyTask, Delivery]:
        delivery, task, rejection = opened
        if task is None or rejection is not None:
            assert rejection is not None
            CURRENT.set(delivery.message)
            synced = None if task is None else with_sync_hooks(task)
            return self._ended(
                synced, delivery, reject(synced, delivery, rejection, self._broker, wait=False), rejection
            )
        send_status(task, delivery, TaskStatus.RUNNING)
        return self._failures.applied(task), delivery

    def _conclude(self, task: AnyTask, delivery: Delivery, made: Attempt) -> Run:
        synced = with_sync_hooks(task)
        return self._ended(synced, delivery, conclude(synced, delivery, made), made.exception)

    def _ended(
        self, task: AnyTask | None, delivery: Delivery, conclusion: Conclusion, error: BaseException | None
    ) -> Run:
        notices = pending_notices(self._tasks, task, delivery, conclusion, self._broker)
        return Run(delivery.claimed, conclusion.outcome, conclusion.ending, error, tuple(notices))
