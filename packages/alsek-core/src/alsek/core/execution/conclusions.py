"""Conclusions: how a message ends after an attempt, as an outcome for the store."""

from __future__ import annotations

import json
import logging
from typing import Any, NamedTuple

from alsek.core.broker import Broker
from alsek.core.clock import now_ms
from alsek.core.execution import forks
from alsek.core.execution.attempts import Attempt
from alsek.core.execution.delivery import Delivery
from alsek.core.execution.guarded_hooks import call_guarded, log_context, traceback_for_log
from alsek.core.execution.results import keep_result
from alsek.core.execution.retries import may_retry, retry
from alsek.core.failure import describe_failure
from alsek.core.loggers import guarded_logger
from alsek.core.message import Message
from alsek.core.status import TaskStatus
from alsek.core.task import AnyTask
from alsek.exceptions import MessageRevokedError, SerializationError
from alsek.storage.backends.records import FOR_EVER, Claimed, Failed, Outcome, Succeeded
from alsek.types import ExceptionDetails

log = guarded_logger(__name__)


class Conclusion(NamedTuple):
    """How a message ends: the outcome for the store, the status that it means, and the callback that it submits."""

    outcome: Outcome
    status: TaskStatus
    callback: Message | None = None


def conclude(task: AnyTask, delivery: Delivery, made: Attempt) -> Conclusion:
    """Decide how the message ends: success, retry or dead letter. Never raises; failures of the hooks are logged."""
    delivery.restore()
    error, failure = made.exception, made.failure
    if error is None:
        try:
            return _success(task, delivery, made)
        except SerializationError as unserializable:
            # No retry: the function ran, and its result could not be kept the next time either.
            return dead_letter(task, delivery, unserializable)
        except BaseException as trouble:  # noqa: BLE001  a user's result store or serializer may raise anything
            forks.check(trouble)
            error, failure = trouble, describe_failure(trouble)
    failure = failure or describe_failure(error)
    if may_retry(task, delivery, error):
        try:
            return Conclusion(retry(task, delivery, error, failure), TaskStatus.RETRYING)
        except BaseException as trouble:  # the user's serializer may raise anything
            forks.check(trouble)
            log.exception(
                "%s can't be put back, and fails for good.", delivery.summary, extra=log_context(delivery)
            )
    return dead_letter(task, delivery, error, failure=failure)


def dead_letter(
    task: AnyTask | None,
    delivery: Delivery,
    error: BaseException,
    broker: Broker | None = None,
    failure: ExceptionDetails | None = None,
) -> Conclusion:
    """Conclude a message that has failed for good: log it, call the task's hook, and make it a dead letter.

    Args:
        task: The message's task; None if the worker does not have it.
        delivery: The message.
        error: Why it failed.
        broker: Needed if there is no task.
        failure: The error as text, if it has been described already.
    """
    broker = task.broker if task is not None else broker
    assert broker is not None
    details = failure or describe_failure(error)
    wire = json.dumps(details).encode()  # before the hook, which may change them
    delivery.restore().exception_details = details
    log.error(
        "%s failed for good: %s: %s%s",
        delivery.summary,
        details["name"],
        details["text"],
        traceback_for_log(error, details),
        extra=log_context(delivery),
    )
    if task is not None:
        revoked = issubclass(type(error), MessageRevokedError)
        call_guarded(task.on_revocation if revoked else task.on_failure, delivery, delivery.message, error)
    claimed = delivery.claimed
    return Conclusion(
        Failed(claimed.uuid, claimed.queue, claimed.token, wire, broker.dlq_ttl or 0), TaskStatus.FAILED
    )


def dead_letter_unreadable(claimed: Claimed, error: BaseException, dlq_ttl: int | None) -> Failed:
    """Return the outcome that makes a dead letter of a claim whose bytes can't be read as a message."""
    log.error("%s", error, extra={"uuid": claimed.uuid, "queue": claimed.queue})
    return Failed(
        claimed.uuid, claimed.queue, claimed.token, json.dumps(describe_failure(error)).encode(), dlq_ttl or 0
    )


def _success(task: AnyTask, delivery: Delivery, made: Attempt) -> Conclusion:
    claimed = delivery.claimed
    result, ttl = None, FOR_EVER
    if task.result_store is not None:
        result, ttl = keep_result(task, task.result_store, delivery, made.result)
    callback = _callback(delivery, made.result) if made.callback else None
    submission = callback.submission(task.broker.backend.serializer) if callback is not None else None
    call_guarded(task.on_success, delivery, delivery.message, made.result)
    if log.isEnabledFor(logging.DEBUG):
        log.debug("%s succeeded.", delivery.summary, extra=log_context(delivery))
    outcome = Succeeded(
        claimed.uuid, claimed.queue, claimed.token, result, ttl, delivery.progenitor_uuid, submission
    )
    return Conclusion(outcome, TaskStatus.SUCCEEDED, callback)


def _callback(delivery: Delivery, result: Any) -> Message:
    """The callback to submit, with the result of the message before it. The task may have chosen another callback."""
    callback = delivery.message.callback()
    assert callback is not None
    callback.previous_result = result
    callback.previous_message_uuid = delivery.uuid
    callback.progenitor_uuid = delivery.progenitor_uuid or delivery.uuid
    callback.created_at = callback.updated_at = now_ms()
    return callback
