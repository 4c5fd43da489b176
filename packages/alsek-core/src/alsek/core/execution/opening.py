"""Opening a claim: from what the store handed out to a message and the task that may run it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from alsek.core.broker import Broker
from alsek.core.execution.conclusions import dead_letter_unreadable
from alsek.core.execution.delivery import Delivery
from alsek.core.execution.session import WorkerSession
from alsek.core.task import AnyTask
from alsek.exceptions import (
    CorruptMessageError,
    MessageExpiredError,
    MessageRevokedError,
    TaskError,
    UnknownTaskError,
    WorkerLostError,
)
from alsek.storage.backends.records import Claimed, Failed


class Opened(NamedTuple):
    """A claim that could be read.

    Attributes:
        delivery: The message.
        task: The task that is to run; None if this worker does not have it.
        rejection: Why the message must not run; None if it may. Set if `task` is None, unless any task will do.
    """

    delivery: Delivery
    task: AnyTask | None
    rejection: TaskError | None


def open_claimed(
    claimed: Claimed,
    session: WorkerSession,
    broker: Broker,
    tasks: Mapping[str, AnyTask] | None,
    max_losses: int | None,
) -> Opened | Failed:
    """Read a message that was claimed, and check whether it may run. Calls none of the task's hooks.

    Args:
        claimed: What the store handed out.
        session: The worker that holds it.
        broker: Whose store handed it out.
        tasks: The worker's tasks by name; None if it takes messages of any task, as a consumer does.
        max_losses: Passed to :func:`rejection_of`; None to leave out that check, for a message that ran already.

    Returns:
        The opened claim; or, if it can't be read, the outcome that makes it a dead letter.
    """
    try:
        delivery = Delivery(claimed, session, broker.backend.serializer)
    except CorruptMessageError as error:
        return dead_letter_unreadable(claimed, error, broker.dlq_ttl)
    rejection = None
    if max_losses is not None and must_not_run(claimed, max_losses):
        rejection = rejection_of(claimed, max_losses)
    if tasks is None:
        return Opened(delivery, None, rejection)
    task = tasks.get(delivery.task_name)
    if task is None and rejection is None:
        known = ", ".join(sorted(tasks))
        rejection = UnknownTaskError(
            f"no task is named {delivery.task_name!r} in this pool (it has: {known}), and no other worker has one"
        )
    return Opened(delivery, task, rejection)


def must_not_run(claimed: Claimed, max_losses: int) -> bool:
    """Whether a claimed message must not run, as far as its claim says."""
    return claimed.revoked or claimed.expired or claimed.losses > max_losses


def rejection_of(claimed: Claimed, max_losses: int) -> TaskError | None:
    """Return why a claimed message must not run: revoked, expired, or lost more often than `max_losses`; else None."""
    if not must_not_run(claimed, max_losses):
        return None
    where = f"message {claimed.uuid!r} in queue {claimed.queue!r}"
    if claimed.revoked:
        return MessageRevokedError(f"{where} was revoked")
    if claimed.expired:
        return MessageExpiredError(f"{where} was ready for longer than its ttl before a worker took it")
    return WorkerLostError(
        f"{where}: {claimed.losses} workers died or lost their lease while they held it (max_losses={max_losses})"
    )
