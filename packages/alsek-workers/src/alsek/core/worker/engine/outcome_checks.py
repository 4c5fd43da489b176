"""Checks that a store can take an outcome.

An outcome that makes a step fail would be sent again and again, with all other outcomes of that step: one message would
stop a whole pool. Parts of an outcome come from users (a lifetime, a callback's priority, changes that a task made to
its own message), so each outcome is checked before it is sent.
"""

from __future__ import annotations

import json
import math
import operator
from typing import Any, Final

from alsek.core.failure import describe_failure
from alsek.core.loggers import guarded_logger
from alsek.defaults import MAX_DURATION, MAX_PRIORITY
from alsek.exceptions import SerializationError
from alsek.storage.backends.records import FOR_EVER, Failed, Outcome, Retried, SetAside, Submission, Succeeded

log = guarded_logger(__name__)

#: Longer durations are cut, because the message has ended already.
LONGEST: Final = MAX_DURATION
#: The optional fields of a success without result, status and callback.
_WITHOUT_ANYTHING: Final = Succeeded("", "", 0)[3:]
_BYTES = (bytes, bytearray, memoryview)


def validate_outcome(outcome: Outcome, dlq_ttl: int | None) -> Outcome:
    """Return the outcome, with too long durations cut; if no store can take it, a failure that says why.

    Args:
        outcome: The outcome of a message.
        dlq_ttl: How long a dead letter is kept (ms).
    """
    try:
        return _checked(outcome)
    except (TypeError, ValueError) as error:
        log.error(
            "The outcome of message %s can't be stored, so it fails: %s",
            outcome.uuid,
            error,
            extra={"uuid": outcome.uuid, "queue": outcome.queue},
        )
        text = json.dumps(describe_failure(SerializationError(f"its outcome can't be stored: {error}")))
        kept = dlq_ttl if type(dlq_ttl) is int else 0
        return Failed(outcome.uuid, outcome.queue, outcome.token, text.encode(), min(kept, LONGEST))


def _checked(outcome: Outcome) -> Outcome:
    if isinstance(outcome, Succeeded):
        if outcome[3:] == _WITHOUT_ANYTHING:
            return outcome
        ttl = _duration("result_ttl", outcome.result_ttl)
        if outcome.result is not None and not isinstance(outcome.result, _BYTES):
            raise TypeError(f"the serializer made {type(outcome.result).__name__} of the result, not bytes")
        if outcome.progenitor is not None:
            if not isinstance(outcome.progenitor, str):
                raise TypeError(f"progenitor_uuid={outcome.progenitor!r}: must be text")
            outcome.progenitor.encode()  # half a surrogate pair, which JSON can carry, is no text for a store
        callback = outcome.callback if outcome.callback is None else _submission(outcome.callback)
        if ttl is outcome.result_ttl and callback is outcome.callback:
            return outcome
        return outcome._replace(result_ttl=ttl, callback=callback)
    if isinstance(outcome, Retried):
        delay = _duration("delay", outcome.delay)
        return outcome if delay is outcome.delay else outcome._replace(delay=delay)
    if isinstance(outcome, (Failed, SetAside)):
        if isinstance(outcome, SetAside):
            outcome.task.encode()
        kept = _duration("dlq_ttl", outcome.dlq_ttl)
        return outcome if kept is outcome.dlq_ttl else outcome._replace(dlq_ttl=kept)
    return outcome


def _submission(callback: Submission) -> Submission:
    if not isinstance(callback.payload, _BYTES):
        raise TypeError(f"the serializer made {type(callback.payload).__name__} of the callback, not bytes")
    for name, text in (("uuid", callback.uuid), ("queue", callback.queue)):
        if not isinstance(text, str):
            raise TypeError(f"{name}={text!r} of the callback: must be text")
        text.encode()
    priority = operator.index(callback.priority)
    if not 0 <= priority <= MAX_PRIORITY:
        raise ValueError(f"priority={priority} of the callback: must be from 0 to {MAX_PRIORITY}")
    delay, ttl = _duration("delay", callback.delay), _duration("ttl", callback.ttl)
    status_ttl = _duration("status_ttl", callback.status_ttl)
    if delay is callback.delay and ttl is callback.ttl and status_ttl is callback.status_ttl:
        return callback
    return callback._replace(delay=delay, ttl=ttl, status_ttl=status_ttl)


def _duration(name: str, value: Any) -> int:
    """Return `value` if it is a valid duration, else the nearest one that is."""
    if type(value) is int and FOR_EVER <= value <= LONGEST:
        return value
    try:
        whole = math.trunc(value) if isinstance(value, float) else operator.index(value)
        return max(FOR_EVER, min(whole, LONGEST))
    except (TypeError, ValueError, OverflowError):  # no number, not a number, infinite
        raise TypeError(f"{name}={value!r}: must be whole milliseconds") from None
