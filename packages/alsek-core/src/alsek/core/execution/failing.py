"""What the step is told in which a message fails for good: its failure callback, and which callbacks will not come."""

from __future__ import annotations

from typing import NamedTuple

from alsek.core.broker import Broker
from alsek.core.execution import forks
from alsek.core.execution.delivery import Delivery
from alsek.core.execution.guarded_hooks import log_context
from alsek.core.failure_callbacks import Failing
from alsek.core.loggers import guarded_logger
from alsek.core.message import Message
from alsek.core.middleware import call_submitting
from alsek.storage.backends.records import Submission
from alsek.types import ExceptionDetails

log = guarded_logger(__name__)


class AfterFailure(NamedTuple):
    """What follows a failure.

    Attributes:
        callback: The failure callback; None if there is none.
        submission: The same, as a store takes it.
        unreachable: The uuids of the callbacks that will not be submitted.
    """

    callback: Message | None
    submission: Submission | None
    unreachable: tuple[str, ...]


def after_failure(
    delivery: Delivery, details: ExceptionDetails, broker: Broker, *, with_middleware: bool = True
) -> AfterFailure:
    """Return what follows the failure of a message. Never raises: what can't be made is logged and left out.

    Args:
        delivery: The message.
        details: Why it fails.
        broker: Whose message it is.
        with_middleware: Call the middleware for submissions.
    """
    failing = Failing(delivery.message, delivery.uuid, delivery.task_name, delivery.progenitor_uuid, details)
    callback, submission = None, None
    unreachable: tuple[str, ...] = ()
    try:
        callback = failing.callback()
        if callback is not None:
            if with_middleware and broker.submission_middleware:
                call_submitting(broker.submission_middleware, callback)
            submission = callback.submission(broker.backend.serializer)
    except BaseException as trouble:  # the user's code may have changed it, and middleware may raise anything
        forks.check(trouble)
        callback = None
        log.exception(
            "%s has failed, and its failure callback can't be submitted.",
            delivery.summary,
            extra=log_context(delivery),
        )
    try:
        unreachable = failing.unreachable()
    except BaseException as trouble:
        forks.check(trouble)
        log.exception("The callbacks of %s can't be read.", delivery.summary, extra=log_context(delivery))
    return AfterFailure(callback, submission, unreachable)
