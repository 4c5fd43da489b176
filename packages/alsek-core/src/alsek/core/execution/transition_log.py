"""The log lines of workers: one for each transition of a message.

Each has the message as fields of the record (`extra`): ``event`` (the transition), ``uuid``, ``task``, ``queue``,
``attempt`` (1 for the first) and ``ms`` (how long this attempt has taken; None if it was not begun here).

=============  =======  =========================================================================================
event          level    when
=============  =======  =========================================================================================
``claimed``    DEBUG    an attempt is about to begin
``succeeded``  DEBUG
``retrying``   WARNING  it has failed, and is run again; with a traceback
``retrying``   INFO     its task asked for another attempt, uncounted (then the record has ``uncounted``)
``failed``     ERROR    it has failed for good; with a traceback
``lost``       WARNING  its worker died, and it is ready again
``revoked``    INFO     it is not run, or was stopped
``expired``    INFO     it is not run
=============  =======  =========================================================================================
"""

from __future__ import annotations

import logging
from typing import Final, Literal, TypeAlias

from alsek.core.clock import monotonic_ms
from alsek.core.execution.delivery import Delivery
from alsek.core.execution.guarded_hooks import log_context
from alsek.core.failure import TracebackText
from alsek.core.loggers import guarded_logger
from alsek.exceptions import Directive
from alsek.types import Ending, ExceptionDetails

log = guarded_logger(__name__)

#: What a line may say of a message.
Event: TypeAlias = Ending | Literal["claimed"]

#: How a message ends for good, at which level that is logged, and in which words.
_ENDINGS: Final[dict[Ending, tuple[int, str]]] = {
    "failed": (logging.ERROR, "failed for good"),
    "revoked": (logging.INFO, "was revoked"),
    "expired": (logging.INFO, "has expired"),
}


def fields(delivery: Delivery, event: Event) -> dict[str, object]:
    """Return the `extra` of a line about a transition."""
    began = delivery.began_at
    return {
        "event": event,
        **log_context(delivery),
        "attempt": delivery.retries + 1,
        "ms": None if began is None else max(0, monotonic_ms() - began),
    }


def log_claimed(delivery: Delivery) -> None:
    """Log that an attempt is about to begin, and have its success logged too. Called only if DEBUG is logged."""
    delivery.verbose = True
    log.debug(
        "%s is claimed (attempt %d).",
        delivery.summary,
        delivery.retries + 1,
        extra={**fields(delivery, "claimed"), "ms": 0},
    )


def log_succeeded(delivery: Delivery) -> None:
    """Log a success."""
    log.debug("%s succeeded.", delivery.summary, extra=fields(delivery, "succeeded"))


def log_retrying(
    delivery: Delivery,
    delay: int,
    trace: TracebackText,
    failure: ExceptionDetails,
    *,
    uncounted: bool = False,
) -> None:
    """Log that an attempt has failed, and that the message is run again.

    Args:
        delivery: The message.
        delay: How long (ms) it waits before.
        trace: The traceback.
        failure: Why it failed.
        uncounted: It has not failed: its task asked for another attempt that does not count as a retry.
    """
    if uncounted:
        log.info(
            "%s is run again in %d ms, as its task asked: %s",
            delivery.summary,
            delay,
            failure["text"],
            extra={**fields(delivery, "retrying"), "uncounted": True},
        )
        return
    log.warning(
        "%s failed, and is run again in %d ms (retry %d): %s: %s%s",
        delivery.summary,
        delay,
        delivery.retries + 1,
        failure["name"],
        failure["text"],
        trace,
        extra=fields(delivery, "retrying"),
    )


def log_ended(delivery: Delivery, ending: Ending, trace: TracebackText, failure: ExceptionDetails) -> None:
    """Log that a message has ended without success.

    Args:
        delivery: The message.
        ending: How.
        trace: The traceback.
        failure: Why.
    """
    level, words = _ENDINGS[ending]
    log.log(
        level,
        "%s %s: %s: %s%s",
        delivery.summary,
        words,
        failure["name"],
        failure["text"],
        trace,
        extra=fields(delivery, ending),
    )


def log_lost(delivery: Delivery, losses: int) -> None:
    """Log that a message is ready again because its worker died.

    Args:
        delivery: The message.
        losses: How often that has happened to it now.
    """
    log.warning(
        "%s was lost with its process, and is ready again (loss %d).",
        delivery.summary,
        losses,
        extra=fields(delivery, "lost"),
    )


def traceback_for_log(error: BaseException, failure: ExceptionDetails) -> TracebackText:
    """Return the traceback for the end of a log line; empty if there is none, or for a Retry or Reject.

    It is text, not `exc_info`: a log handler that formats an exception would run the user's code once more.
    """
    trace = failure["traceback"]
    told = trace is not None and not issubclass(type(error), Directive)
    return TracebackText(f"\n{trace.rstrip()}" if told and trace is not None else "")
