"""Conclusions: how a message ends after an attempt, as an outcome for the store."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from alsek.core.broker import Broker
from alsek.core.execution import forks
from alsek.core.execution.attempts import Attempt
from alsek.core.execution.callback import make_callback
from alsek.core.execution.delivery import Delivery
from alsek.core.execution.failing import after_failure
from alsek.core.execution.guarded_hooks import call_guarded, log_context
from alsek.core.execution.results import keep_result, serialize_result
from alsek.core.execution.retries import may_retry, retry
from alsek.core.execution.transition_log import log_ended, log_succeeded, traceback_for_log
from alsek.core.failure import describe_failure
from alsek.core.groups.group import Group
from alsek.core.groups.packing import pack_group
from alsek.core.loggers import guarded_logger
from alsek.core.message import Message
from alsek.core.status import TaskStatus
from alsek.core.task import AnyTask
from alsek.exceptions import (
    MessageExpiredError,
    MessageRevokedError,
    SerializationError,
    TaskError,
    UnknownTaskError,
)
from alsek.storage.backends.records import FOR_EVER, Claimed, Failed, Outcome, SetAside, Succeeded
from alsek.types import Ending, ExceptionDetails

log = guarded_logger(__name__)


class Conclusion(NamedTuple):
    """How a message ends.

    Attributes:
        outcome: What the store is told.
        status: The status that it means.
        ending: What middleware is told.
        callback: What is submitted with it: a callback, a group as callback, or a failure callback.
    """

    outcome: Outcome
    status: TaskStatus
    ending: Ending
    callback: Message | Group | None = None


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
            return Conclusion(retry(task, delivery, error, failure), TaskStatus.RETRYING, "retrying")
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
    ending = _ending_of(error)
    claimed = delivery.claimed
    outcome = Failed(claimed.uuid, claimed.queue, claimed.token, wire, broker.dlq_ttl or 0)
    callback = None
    if delivery.message.chain is not None or delivery.message.branches is not None:
        callback, submission, unreachable = after_failure(delivery, details, broker)
        outcome = outcome._replace(callback=submission, unreachable=unreachable)
    if claimed.group is not None:
        outcome = outcome._replace(revoked=ending == "revoked")
    log_ended(delivery, ending, traceback_for_log(error, details), details)
    if task is not None:
        hook = task.on_revocation if ending == "revoked" else task.on_failure
        call_guarded(hook, delivery, delivery.message, error)
    return Conclusion(outcome, TaskStatus.FAILED, ending, callback)


def reject(
    task: AnyTask | None, delivery: Delivery, rejection: TaskError, broker: Broker, *, wait: bool
) -> Conclusion:
    """Conclude a message that must not run here.

    If only its task is unknown, the store decides whether it fails: nothing is logged, and no hook is called. The
    conclusion is that of a failure.

    Args:
        task: The message's task; None if the worker does not have it.
        delivery: The message.
        rejection: Why it must not run.
        broker: Whose message it is.
        wait: A message of an unknown task does not fail, even if no worker has the task.
    """
    if not isinstance(rejection, UnknownTaskError):
        return dead_letter(task, delivery, rejection, broker)
    details = describe_failure(rejection)
    delivery.restore().exception_details = details
    claimed = delivery.claimed
    outcome = SetAside(
        claimed.uuid,
        claimed.queue,
        claimed.token,
        delivery.task_name,
        json.dumps(details).encode(),
        broker.dlq_ttl or 0,
        wait,
    )
    if delivery.message.chain is not None or delivery.message.branches is not None:
        # Middleware is not called: most of these messages are set aside, perhaps more than once.
        _, submission, unreachable = after_failure(delivery, details, broker, with_middleware=False)
        outcome = outcome._replace(callback=submission, unreachable=unreachable)
    return Conclusion(outcome, TaskStatus.FAILED, "failed")


def _ending_of(error: BaseException) -> Ending:
    """How a message ended that has failed for good with `error`."""
    if issubclass(type(error), MessageRevokedError):
        return "revoked"
    return "expired" if issubclass(type(error), MessageExpiredError) else "failed"


def dead_letter_unreadable(claimed: Claimed, error: BaseException, dlq_ttl: int | None) -> Failed:
    """Return the outcome that makes a dead letter of a claim whose bytes can't be read as a message."""
    log.error("%s", error, extra={"event": "failed", "uuid": claimed.uuid, "queue": claimed.queue})
    return Failed(
        claimed.uuid, claimed.queue, claimed.token, json.dumps(describe_failure(error)).encode(), dlq_ttl or 0
    )


def _success(task: AnyTask, delivery: Delivery, made: Attempt) -> Conclusion:
    claimed = delivery.claimed
    result, ttl = None, FOR_EVER
    if task.result_store is not None:
        result, ttl = keep_result(task, task.result_store, delivery, made.result)
    follows = None
    if made.callback or claimed.group is not None:
        follows = _follows(task, delivery, made, result)
    call_guarded(task.on_success, delivery, delivery.message, made.result)
    if delivery.verbose:
        log_succeeded(delivery)
    outcome = Succeeded(claimed.uuid, claimed.queue, claimed.token, result, ttl, delivery.progenitor_uuid)
    if follows is None:
        return Conclusion(outcome, TaskStatus.SUCCEEDED, "succeeded")
    callback, fields = follows
    return Conclusion(outcome._replace(**fields), TaskStatus.SUCCEEDED, "succeeded", callback)


def _follows(
    task: AnyTask, delivery: Delivery, made: Attempt, kept: bytes | None
) -> tuple[Message | Group | None, dict[str, Any]]:
    """Return the callback of a success, and what the outcome says of it and to the group of the message.

    Args:
        task: The task.
        delivery: The message.
        made: The attempt.
        kept: The serialized result, if the step writes it.
    """
    place, serializer = delivery.claimed.group, task.broker.backend.serializer
    callback: Message | Group | None = None
    fields: dict[str, Any] = {}
    if made.callback:
        callback = made.prepared or make_callback(delivery, made.result)
        if isinstance(callback, Message):
            submission = callback.submission(serializer)
            fields["callback"] = submission if place is None else submission._replace(group=place)
        else:
            packed = pack_group(callback, lambda _: serializer, place)
            fields["groups"], fields["members"] = tuple(packed.groups), tuple(packed.members)
    if place is not None:
        fields["group_result"] = serialize_result(task, serializer, made.result, kept)
    return callback, fields
