"""Retrying a message: whether, when, and what the store is told."""

from __future__ import annotations

from typing import Any, Final

from alsek.core.attempt_state import retried_outcome
from alsek.core.backoff import DEFAULT_BACKOFF
from alsek.core.bounds import milliseconds
from alsek.core.clock import now_ms
from alsek.core.execution import forks
from alsek.core.execution.delivery import Delivery
from alsek.core.execution.guarded_hooks import call_guarded, log_context
from alsek.core.execution.transition_log import log_retrying, traceback_for_log
from alsek.core.loggers import guarded_logger
from alsek.core.message import Message
from alsek.core.task import AnyTask, Task
from alsek.defaults import MAX_DURATION
from alsek.exceptions import MessageRevokedError, Reject, Retry
from alsek.storage.backends.records import Retried
from alsek.types import ExceptionDetails

log = guarded_logger(__name__)

#: How the text of an uncounted retry ends, wherever it is shown.
UNCOUNTED: Final = "(not counted as a retry)"


def may_retry(task: AnyTask, delivery: Delivery, error: BaseException) -> bool:
    """Return whether a failed message is to be run again: not after a Reject or a revocation; else the task decides.

    If the task's ``do_retry`` raises, `max_retries` decides. After an uncounted Retry neither is asked.
    """
    # By its class: an exception's `__class__` may be code of the user's.
    if issubclass(type(error), Reject | MessageRevokedError):
        return False
    if is_uncounted(error):
        return True
    message = delivery.restore()
    try:
        more = bool(task.do_retry(message, error))
    except BaseException as failure:  # a bug in do_retry must not make a dead letter of the message
        forks.check(failure)
        log.exception(
            "do_retry of task %r failed: max_retries decides.", task.name, extra=log_context(delivery)
        )
        return Task.do_retry(task, delivery.restore(), error)
    forks.check()
    return more


def is_uncounted(error: BaseException) -> bool:
    """Return True if `error` is a Retry that does not count as one."""
    if not issubclass(type(error), Retry):  # by its class: its `__class__` may be code of the user's
        return False
    try:
        return bool(getattr(error, "uncounted", False))
    except BaseException as broken:  # noqa: BLE001  it may be any object
        forks.check(broken)
        return False


def retry(task: AnyTask, delivery: Delivery, error: BaseException, failure: ExceptionDetails) -> Retried:
    """Return the outcome that puts the message back for another attempt.

    Args:
        task: The task that failed.
        delivery: The message.
        error: Why it failed.
        failure: The error as text.

    Raises:
        Exception: The message can't be read again.
    """
    # A fresh copy: what the task did to its arguments must not reach the next attempt.
    retried = delivery.as_it_came(task.broker.backend.serializer)
    uncounted = is_uncounted(error)
    if uncounted:
        failure["text"] = f"{failure['text']} {UNCOUNTED}".lstrip()
    retried.retries = delivery.retries + 1
    retried.updated_at = now_ms()
    retried.exception_details = failure
    retried.retry_delay = _requested_delay(error)
    delay = _delay_before(task, retried)
    if uncounted:
        # With the delay: of a message that was never retried nothing else says when it is ready.
        retried.retries, retried.retry_delay = delivery.retries, delay
    # Before the hook, which may change it.
    outcome = retried_outcome(retried, delivery.claimed.token, delay)
    trace, told = traceback_for_log(error, failure), failure.copy()
    retried.claim = delivery.claim  # the hook may report on the message, too
    call_guarded(task.on_retry, delivery, retried, error)
    delivery.message.exception_details = failure  # for middleware
    log_retrying(delivery, delay, trace, told, uncounted=uncounted)
    return outcome


def _delay_before(task: AnyTask, retried: Message) -> int:
    """The delay (ms) before the next attempt: what a Retry requested, else the backoff's."""
    if retried.retry_delay is not None:
        return retried.retry_delay
    try:
        return max(0, min(retried.backoff.get(retried.retries), MAX_DURATION))
    except BaseException as error:  # noqa: BLE001  its class is not imported in this process, or is the user's own
        log.warning("The backoff of %s fails, the task's own is used: %r", retried.summary, error)
    try:
        return max(0, min(task.backoff.get(retried.retries), MAX_DURATION))
    except BaseException:
        log.exception("The backoff of task %r fails: the default is used.", task.name)
        return DEFAULT_BACKOFF.get(retried.retries)


def _requested_delay(error: BaseException) -> int | None:
    """The delay of a Retry, cut to what a store can hold; None if there is none."""
    if not issubclass(type(error), Retry):  # by its class: its `__class__` may be code of the user's
        return None
    requested: Any = None
    try:
        requested = milliseconds(getattr(error, "delay", None))
        return None if requested is None else max(0, min(int(requested), MAX_DURATION))
    except BaseException:  # noqa: BLE001  it may be any object
        log.warning("raise Retry(delay=%r): not milliseconds; the backoff decides.", requested)
        return None
