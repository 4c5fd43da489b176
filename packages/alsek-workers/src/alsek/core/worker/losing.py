"""Telling of a message that is given back with one loss more, because its process died."""

from __future__ import annotations

from typing import NamedTuple

from alsek.core.current_message import CURRENT
from alsek.core.execution.delivery import Delivery
from alsek.core.execution.notices import Notice, end_notices
from alsek.core.execution.session import ReadOnlySession
from alsek.core.execution.transition_log import log, log_lost
from alsek.core.worker.options import PoolOptions
from alsek.exceptions import CorruptMessageError
from alsek.storage.backends.records import Claimed, Worker


class LostMessage(NamedTuple):
    """A message that is lost.

    Attributes:
        task_name: The name of its task; empty if it can't be read.
        notices: What to send once the store has accepted that it is lost.
    """

    task_name: str
    notices: list[Notice]


def log_and_report_lost(pool: PoolOptions, worker: Worker, claimed: Claimed) -> LostMessage:
    """Log that a message is lost; return what it is, and the notices to send once the store has accepted that.

    Reading the message is the user's code, if the serializer is.

    Args:
        pool: The pool's options.
        worker: The worker that held the message.
        claimed: The message.
    """
    session = ReadOnlySession(pool.broker.backend, worker)
    try:
        delivery = Delivery(claimed, session, pool.broker.backend.serializer)
    except CorruptMessageError as error:
        log.warning("%s", error, extra={"event": "lost", "uuid": claimed.uuid, "queue": claimed.queue})
        return LostMessage("", [])
    CURRENT.set(delivery.message)
    log_lost(delivery, claimed.losses + 1)
    task = pool.tasks.get(delivery.task_name)
    broker = task.broker if task is not None else pool.broker
    return LostMessage(delivery.task_name, end_notices(broker, delivery, "lost"))
