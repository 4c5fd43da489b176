"""What is kept of the failed attempts of a task: one value in the store, written when an attempt has failed."""

from __future__ import annotations

import traceback
from typing import Any, Final, TypedDict

from alsek.core.failure import shortened
from alsek.storage.backends.abstract import Backend

#: Attempts beyond so many are left out, the oldest first.
_MOST: Final = 100


class FailedAttempt(TypedDict):
    """A failed attempt. Times are Unix milliseconds on the worker's clock; None if they are not known.

    Attributes:
        worker: The id of the worker.
        began: When it began.
        ended: When it ended.
        exception: The dotted path of the exception's class.
        traceback: Its traceback as text.
    """

    worker: str
    began: int | None
    ended: int
    exception: str
    traceback: str


def failed_attempt(worker: str, began: int | None, ended: int, error: BaseException) -> FailedAttempt:
    """Return the record of an attempt that `error` has ended."""
    kind = type(error)
    return FailedAttempt(
        worker=worker,
        began=began,
        ended=ended,
        exception=f"{kind.__module__}.{kind.__qualname__}",
        traceback=shortened("".join(traceback.format_exception(error))),
    )


def read_attempts(backend: Backend, uuid: str) -> list[FailedAttempt]:
    """Return the failed attempts of a message, oldest first."""
    found: Any = backend.get(_name(uuid), default=[])
    return list(found)


def keep_attempt(backend: Backend, uuid: str, attempt: FailedAttempt, ttl: int) -> list[FailedAttempt]:
    """Add a failed attempt of a message to those that are kept, and return all of them.

    Args:
        backend: The store.
        uuid: The message.
        attempt: The attempt.
        ttl: How long (ms) they are kept.
    """
    attempts = [*read_attempts(backend, uuid), attempt][-_MOST:]
    backend.set(_name(uuid), attempts, ttl=ttl)
    return attempts


def _name(uuid: str) -> str:
    return f"django-attempts:{uuid}"
