"""One message through one task: what is run, and what becomes of the message, as plain values.

::

    attempt(task, delivery)            pre_op, function, post_op, do_callback: the user's code, under the timeout
        │
        ▼ Attempt (a result, or an exception)
    conclude(task, delivery, attempt)  what becomes of it, serialized: nothing in here can fail half-way
        │
        ▼ Conclusion (an outcome for the store, and the status it means)
    the worker's next step             the store accepts the outcome, or refuses it
        │
        ▼
    tell(owed)                         tells a tracker that the store does not write itself

Pools and tests go through these three; none of them waits, or knows of threads and processes. What the store is told
comes from the delivery, not from the message object that the user's code is given.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from alsek.core.backoff import DEFAULT_BACKOFF
from alsek.core.bounds import check_number
from alsek.core.broker import Broker
from alsek.core.clock import now_ms
from alsek.core.execution import forks
from alsek.core.execution.delivery import Delivery
from alsek.core.failure import class_name, describe_failure, qualified_name
from alsek.core.loggers import guarded_logger
from alsek.core.message import Message
from alsek.core.status import StatusTracker, TaskStatus
from alsek.core.task import Task
from alsek.defaults import MAX_DURATION
from alsek.exceptions import (
    AlsekError,
    Directive,
    MessageExpiredError,
    MessageRevokedError,
    Reject,
    Retry,
    SerializationError,
    TaskError,
    UnknownTaskError,
    WorkerLostError,
)
from alsek.storage.backends.records import FOR_EVER, Claimed, Died, Outcome, Retried, Succeeded
from alsek.storage.result import ResultStore
from alsek.storage.serialization import Serializer, dump
from alsek.types import ExceptionDetails

log = guarded_logger(__name__)

AnyTask = Task[Any, Any]


class Attempt(NamedTuple):
    """What running a task came to.

    Attributes:
        result: What the function returned.
        exception: What ended it instead.
        callback: Whether the callback is to be submitted.
        failure: The exception as text, if that is known already.
    """

    result: Any = None
    exception: BaseException | None = None
    callback: bool = False
    failure: ExceptionDetails | None = None


class Conclusion(NamedTuple):
    """What becomes of a message: what to tell the store, the status that it means, and the callback that it submits."""

    outcome: Outcome
    status: TaskStatus
    callback: Message | None = None


def rejection_of(claimed: Claimed, max_losses: int) -> TaskError | None:
    """Why a message that was handed out must not be run; None if it may be."""
    where = f"message {claimed.uuid!r} in queue {claimed.queue!r}"
    if claimed.revoked:
        return MessageRevokedError(f"{where} was revoked")
    if claimed.expired:
        return MessageExpiredError(f"{where} was ready for longer than its ttl before a worker took it")
    if claimed.losses > max_losses:
        return WorkerLostError(
            f"{where}: {claimed.losses} workers died or lost their lease while they held it (max_losses={max_losses})"
        )
    return None


def unknown_task(delivery: Delivery, tasks: dict[str, AnyTask]) -> UnknownTaskError:
    """That a pool with these tasks can't run the message."""
    known = ", ".join(sorted(tasks))
    return UnknownTaskError(f"no task is named {delivery.task_name!r} in this pool; it has: {known}")


def attempt(task: AnyTask, delivery: Delivery) -> Attempt:
    """Run the task. Whatever the user's code raises ends up in the attempt."""
    message = delivery.message
    try:
        task.pre_op(message)
        if forks.forked:
            forks.leave()
        result = task.op(message)
        if forks.forked:
            forks.leave()
        task.post_op(message, result)
        if forks.forked:
            forks.leave()
        callback = message.chain is not None and bool(task.do_callback(message, result))
    except BaseException as error:  # noqa: BLE001  SystemExit in a task ends the task, not the worker
        forks.check(error)
        return Attempt(exception=error)
    if forks.forked:
        forks.leave()
    return Attempt(result, callback=callback)


def conclude(task: AnyTask, delivery: Delivery, made: Attempt) -> Conclusion:
    """Decide what becomes of the message. Never raises; the task's hooks are guarded."""
    delivery.restore()
    error, failure = made.exception, made.failure
    if error is None:
        try:
            return _success(task, delivery, made)
        except SerializationError as unserializable:
            # It would fail in the same way again: the function ran, but what it returned can't be kept.
            return bury(task, delivery, unserializable)
        except BaseException as trouble:  # noqa: BLE001  a user's result store or serializer may raise anything
            forks.check(trouble)
            error, failure = trouble, describe_failure(trouble)
    failure = failure or describe_failure(error)
    # By its class: an exception's `__class__` may be code of the user's.
    if not issubclass(type(error), Reject | MessageRevokedError) and _may_retry(task, delivery, error):
        try:
            return _retry(task, delivery, error, failure)
        except BaseException as trouble:  # the user's serializer may raise anything
            forks.check(trouble)
            log.exception(
                "%s can't be put back, and fails for good.", delivery.summary, extra=context_of(delivery)
            )
    return bury(task, delivery, error, failure=failure)


def bury(
    task: AnyTask | None,
    delivery: Delivery,
    error: BaseException,
    broker: Broker | None = None,
    failure: ExceptionDetails | None = None,
) -> Conclusion:
    """The message has failed for good.

    Args:
        task: Whose message it is; None for an unknown one.
        delivery: The message.
        error: What ended it.
        broker: Needed if there is no task.
        failure: The error as text, if that is known.
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
        _trace(error, details),
        extra=context_of(delivery),
    )
    if task is not None:
        revoked = issubclass(type(error), MessageRevokedError)
        _guarded(task.on_revocation if revoked else task.on_failure, delivery, delivery.message, error)
    claimed = delivery.claimed
    return Conclusion(
        Died(claimed.uuid, claimed.queue, claimed.token, wire, broker.dlq_ttl or 0), TaskStatus.FAILED
    )


def dead_letter_unreadable(claimed: Claimed, error: BaseException, dlq_ttl: int | None) -> Died:
    """The outcome for what was handed out and is no message: to the dead letters, as it is."""
    log.error("%s", error, extra={"uuid": claimed.uuid, "queue": claimed.queue})
    return Died(
        claimed.uuid, claimed.queue, claimed.token, json.dumps(describe_failure(error)).encode(), dlq_ttl or 0
    )


class StatusReport(NamedTuple):
    """What a tracker that the store does not write itself is to hear, once the outcome has been accepted."""

    tracker: StatusTracker
    message: Message
    status: TaskStatus


def tell(owed: StatusReport) -> None:
    """Tell a tracker. Guarded: a failure is logged."""
    _guarded(owed.tracker.set, owed.message, owed.message, owed.status)


def report(task: AnyTask, delivery: Delivery, status: TaskStatus) -> None:
    """Tell the task's tracker, if the store does not write its statuses itself."""
    if task.status_tracker is not None and not delivery.status_ttl:
        _guarded(task.status_tracker.set, delivery, delivery.restore(), status)


def owed(
    tasks: Mapping[str, AnyTask], task: AnyTask, delivery: Delivery, conclusion: Conclusion
) -> list[StatusReport]:
    """All that is owed for this conclusion: by the task's own tracker, and by that of the callback it submits.

    Args:
        tasks: What this worker knows; a callback's task may be known elsewhere alone, and then nobody hears of its
            submission.
        task: Whose message it is.
        delivery: The message.
        conclusion: What becomes of it.
    """
    found: list[StatusReport] = []
    if task.status_tracker is not None and not delivery.status_ttl:
        found.append(StatusReport(task.status_tracker, delivery.restore(), conclusion.status))
    callback = conclusion.callback
    if callback is not None and not callback.status_ttl:
        follower = tasks.get(callback.task_name)
        if follower is not None and follower.status_tracker is not None:
            found.append(StatusReport(follower.status_tracker, callback, TaskStatus.SUBMITTED))
    return found


def without_hooks(task: AnyTask) -> AnyTask:
    """The task without what its class overrides: `max_retries` alone decides, and no code of the user's is asked."""
    return Task(
        task.function,
        task.broker,
        name=task.name,
        queue=task.queue,
        timeout=task.timeout,
        max_retries=task.max_retries,
        backoff=task.backoff,
        result_store=task.result_store,
        status_tracker=task.status_tracker,
    )


def context_of(message: Message | Delivery) -> dict[str, str]:
    """For the `extra` of a log record."""
    return {"uuid": message.uuid, "task": message.task_name, "queue": message.queue}


def _trace(error: BaseException, failure: ExceptionDetails) -> str:
    """The traceback for the end of a log line; empty if there is none, or if the task asked for what happens.

    As text, not as `exc_info`: a log handler that formats an exception runs the user's code once more.
    """
    trace = failure["traceback"]
    return "" if trace is None or issubclass(type(error), Directive) else f"\n{trace.rstrip()}"


def _success(task: AnyTask, delivery: Delivery, made: Attempt) -> Conclusion:
    claimed, message = delivery.claimed, delivery.message
    result, ttl = None, FOR_EVER
    if task.result_store is not None:
        if message.result_ttl is not None:  # the task may have chosen it; what is too long is cut
            asked: Any = message.result_ttl
            check_number(
                "result_ttl",
                min(asked, MAX_DURATION) if isinstance(asked, int) else asked,
                1,
                delivery.summary,
            )
        ttl = task.result_store.wire_ttl(message)
        if task.result_store.is_atomic_with(task.broker.backend):
            result = _wire_result(task, task.result_store.backend.serializer, made.result)
        else:
            _store_elsewhere(task, message, made.result)
            forks.check()
            delivery.restore()
    callback = _callback(delivery, made.result) if made.callback else None
    submission = callback.submission(task.broker.backend.serializer) if callback is not None else None
    _guarded(task.on_success, delivery, message, made.result)
    if log.isEnabledFor(logging.DEBUG):
        log.debug("%s succeeded.", delivery.summary, extra=context_of(delivery))
    outcome = Succeeded(
        claimed.uuid, claimed.queue, claimed.token, result, ttl, delivery.progenitor_uuid, submission
    )
    return Conclusion(outcome, TaskStatus.SUCCEEDED, callback)


def _wire_result(task: AnyTask, serializer: Serializer, result: Any) -> bytes:
    """The result as its store reads it: the store may be the broker's, and have a serializer of its own."""
    try:
        return dump(serializer, result)
    except BaseException as error:  # whatever a serializer raises on values that it can't take
        raise _unserializable(task, serializer, result, error) from error


def _store_elsewhere(task: AnyTask, message: Message, result: Any) -> None:
    """Written before the message is completed, under the claim's token: an older claim never replaces a newer one's."""
    assert task.result_store is not None
    try:
        task.result_store.set(message, result)
    except AlsekError:
        raise
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        if _wire_or_none(task.result_store, result) is None:
            raise _unserializable(task, task.result_store.backend.serializer, result, error) from error
        raise


def _wire_or_none(store: ResultStore, result: Any) -> bytes | None:
    try:
        return dump(store.backend.serializer, result)
    except Exception:  # noqa: BLE001  whatever it is, it is a refusal
        return None


def _unserializable(
    task: AnyTask, serializer: Serializer, result: Any, error: BaseException
) -> SerializationError:
    why = describe_failure(error.__cause__ or error)["text"]
    return SerializationError(
        f"task {task.name!r} returned {class_name(result)}, which {serializer!r} can't "
        f"serialize: {why}. Return something simpler, or leave out the result store."
    )


def _callback(delivery: Delivery, result: Any) -> Message:
    """The message's callback, as it is submitted together with the completion. The task may have chosen it."""
    callback = delivery.message.callback()
    assert callback is not None
    callback.previous_result = result
    callback.previous_message_uuid = delivery.uuid
    callback.progenitor_uuid = delivery.progenitor_uuid or delivery.uuid
    callback.created_at = callback.updated_at = now_ms()
    return callback


def _may_retry(task: AnyTask, delivery: Delivery, error: BaseException) -> bool:
    message = delivery.restore()
    try:
        more = bool(task.do_retry(message, error))
    except BaseException as failure:  # the user's code: its failure must not decide that a payment is lost
        forks.check(failure)
        log.exception(
            "do_retry of task %r failed: max_retries decides.", task.name, extra=context_of(delivery)
        )
        return Task.do_retry(task, delivery.restore(), error)
    forks.check()
    return more


def _retry(task: AnyTask, delivery: Delivery, error: BaseException, failure: ExceptionDetails) -> Conclusion:
    claimed = delivery.claimed
    # What the task did to its arguments must not reach the next attempt.
    retried = delivery.as_it_came(task.broker.backend.serializer)
    retries = retried.retries = delivery.retries + 1
    retried.updated_at = now_ms()
    retried.exception_details = failure
    retried.retry_delay = _asked_for(error)
    delay = _backoff(task, retried)
    # Before the hook, which may change it.
    payload = retried.pack(task.broker.backend.serializer)
    name, text, trace = failure["name"], failure["text"], _trace(error, failure)
    _guarded(task.on_retry, delivery, retried, error)
    log.warning(
        "%s failed, and is run again in %d ms (retry %d): %s: %s%s",
        delivery.summary,
        delay,
        retries,
        name,
        text,
        trace,
        extra=context_of(delivery),
    )
    return Conclusion(
        Retried(claimed.uuid, claimed.queue, claimed.token, payload, delay), TaskStatus.RETRYING
    )


def _backoff(task: AnyTask, retried: Message) -> int:
    if retried.retry_delay is not None:
        return retried.retry_delay
    try:
        return max(0, min(retried.backoff.get(retried.retries), MAX_DURATION))
    except BaseException as error:  # noqa: BLE001  of a class that this process has not imported, or the user's own
        log.warning("The backoff of %s fails, the task's own is used: %r", retried.summary, error)
    try:
        return max(0, min(task.backoff.get(retried.retries), MAX_DURATION))
    except BaseException:
        log.exception("The backoff of task %r fails: the default is used.", task.name)
        return DEFAULT_BACKOFF.get(retried.retries)


def _asked_for(error: BaseException) -> int | None:
    """The delay that the task asked for."""
    if not issubclass(type(error), Retry):  # by its class: its `__class__` may be code of the user's
        return None
    asked: Any = None
    try:
        asked = getattr(error, "delay", None)
        return None if asked is None else max(0, min(int(asked), MAX_DURATION))
    except BaseException:  # noqa: BLE001  it may be any object
        log.warning("raise Retry(delay=%r): not milliseconds; the backoff decides.", asked)
        return None


def _guarded(hook: Callable[..., Any], about: Delivery | Message, message: Message, *details: Any) -> None:
    """Call a hook of the user's; what it raises is logged, and changes nothing.

    Args:
        hook: It.
        about: What the log names.
        message: What the hook is given first.
        details: What it is given besides.
    """
    try:
        hook(message, *details)
    except BaseException as error:
        forks.check(error)
        log.exception(
            "%s failed for %s.",
            qualified_name(hook),
            about.summary,
            extra=context_of(about),
        )
    if forks.forked:
        forks.leave()
