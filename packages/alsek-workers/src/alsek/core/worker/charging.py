"""Concluding a message that is charged with an error which was not raised in its task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from alsek.core.current_message import CURRENT
from alsek.core.execution.attempts import Attempt
from alsek.core.execution.conclusions import conclude, reject
from alsek.core.execution.notices import Notice, pending_notices
from alsek.core.execution.opening import open_claimed
from alsek.core.execution.session import ReadOnlySession
from alsek.core.execution.sync_hooks import with_sync_hooks
from alsek.core.task import without_hooks
from alsek.core.worker.options import PoolOptions
from alsek.exceptions import TaskError
from alsek.storage.backends.records import Claimed, Failed, Outcome, Report, Worker


class Charged(NamedTuple):
    """How a charged message ends.

    Attributes:
        outcome: The outcome.
        notices: The notices to send once the store has accepted it.
        task_name: The name of its task; empty if the message could not be opened.
        ready_at: See :class:`~alsek.core.execution.delivery.Delivery`.
        reports: What its hooks have told of it, to travel with the outcome.
    """

    outcome: Outcome
    notices: list[Notice]
    task_name: str = ""
    ready_at: int = 0
    reports: Sequence[Report] = ()


def conclude_charged(
    pool: PoolOptions, worker: Worker, claimed: Claimed, error: TaskError, *, with_hooks: bool
) -> Charged:
    """Decide how a message ends that `error` ended, although its task did not raise it.

    Args:
        pool: The pool's options.
        worker: The worker that holds the message.
        claimed: The message.
        error: What it is charged with.
        with_hooks: Call the task's own ``do_retry`` and hooks; else `max_retries` alone decides, and nothing is
            reported.
    """
    session = ReadOnlySession(pool.broker.backend, worker)
    session.follows = True
    if with_hooks:
        session.held.add(claimed.token)
    opened = open_claimed(claimed, session, pool.broker, pool.tasks, max_losses=None)
    if isinstance(opened, Failed):
        return Charged(opened, [])
    delivery, task, rejection = opened
    if with_hooks:
        CURRENT.set(delivery.message)
        task = task and with_sync_hooks(task)
    elif task is not None:
        task = without_hooks(task)
    if task is None:
        assert rejection is not None
        broker = pool.broker if with_hooks else pool.broker.without_middleware()
        conclusion = reject(None, delivery, rejection, broker, wait=pool.unknown_tasks == "wait")
    else:
        conclusion = conclude(task, delivery, Attempt(exception=error))
    notices = pending_notices(pool.tasks, task, delivery, conclusion, pool.broker) if with_hooks else []
    reports: Sequence[Report] = ()
    if session.reporter is not None:
        reports = session.reporter.last_of(claimed.token)
        session.reporter.stop()
    session.held.clear()
    return Charged(conclusion.outcome, notices, delivery.task_name, delivery.ready_at, reports)
