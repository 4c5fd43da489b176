"""Concluding a message that is charged with an error which was not raised in its task."""

from __future__ import annotations

from alsek.core.execution.delivery import Delivery
from alsek.core.execution.lifecycle import (
    Attempt,
    bury,
    conclude,
    dead_letter_unreadable,
    unknown_task,
    without_hooks,
)
from alsek.core.execution.session import ReadOnlySession
from alsek.core.worker.options import PoolOptions
from alsek.exceptions import (
    CorruptMessageError,
    TaskError,
)
from alsek.storage.backends.records import Claimed, Outcome, Worker


def conclude_charged(
    pool: PoolOptions, worker: Worker, claimed: Claimed, error: TaskError, *, with_hooks: bool
) -> Outcome:
    """What becomes of a message that `error` ended, though it was not raised in its task.

    Args:
        pool: The pool's options.
        worker: Who holds the message.
        claimed: The message.
        error: What it is charged with.
        with_hooks: Let the task's own ``do_retry`` and hooks have their say; else `max_retries` alone decides.
    """
    broker = pool.broker
    try:
        delivery = Delivery(claimed, ReadOnlySession(broker.backend, worker), broker.backend.serializer)
    except CorruptMessageError as corrupt:
        return dead_letter_unreadable(claimed, corrupt, broker.dlq_ttl)
    task = pool.tasks.get(delivery.task_name)
    if task is None:
        return bury(None, delivery, unknown_task(delivery, pool.tasks), broker).outcome
    judge = task if with_hooks else without_hooks(task)
    return conclude(judge, delivery, Attempt(exception=error)).outcome
