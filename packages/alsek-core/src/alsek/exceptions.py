"""Every error that Alsek raises on purpose.

::

    AlsekError
    ├── ValidationError (ValueError)             an argument out of range or of the wrong kind
    │   └── ArgumentsError (TypeError)           arguments that the function of a task can't take
    ├── SerializationError (TypeError)           a value that the serializer can't take
    ├── CorruptMessageError (ValueError)         bytes in the store that are no message
    ├── MessageAlreadyExistsError                submit() of a uuid that the store holds
    ├── MessageDoesNotExistsError                retry() of one that it does not
    ├── ClaimLostError                           the claim ran out; another worker may hold the message
    ├── WorkerUnknownError                       the worker's lease ran out; it must register anew
    ├── BackendError                             the store answered with an error
    │   └── BackendUnavailableError              the store can't be reached
    ├── SchedulingError                          a trigger used in a way that it can't be
    ├── LockError
    │   └── LockAlreadyHeldError                 acquire() by the owner that holds it
    ├── TaskDefinitionError                      two tasks of one name, two brokers in a pool, …
    ├── NoTasksFoundError                        a pool with nothing to do
    ├── TaskError                                how a message may end
    │   ├── TaskFailedError                      the task failed for good (raised by ResultStore.get)
    │   ├── TaskTimeoutError (TimeoutError)      it ran longer than its timeout
    │   ├── UnknownTaskError                     no task of that name in the pool
    │   ├── WorkerLostError                      the process that ran it died
    │   ├── MessageExpiredError                  it waited longer than its ttl
    │   └── MessageRevokedError                  it was revoked
    └── Directive                                raised by a task to steer its own message
        ├── Retry                                run me again, after `delay`
        └── Reject                               to the dead letters, at once
            └── ArgumentsRejectedError           a message whose arguments the function can't take
"""

from __future__ import annotations

from typing import Any


class AlsekError(Exception):
    """Base of every error that Alsek raises on purpose."""


class ValidationError(AlsekError, ValueError):
    """An argument is out of range or of the wrong kind."""


class ArgumentsError(ValidationError, TypeError):
    """The function of a task can't take these arguments, or a method of Alsek's this option."""


class SerializationError(AlsekError, TypeError):
    """A value can't be serialized by the backend's serializer."""


class CorruptMessageError(AlsekError, ValueError):
    """Bytes in the store are not a message this version can read."""


class MessageAlreadyExistsError(AlsekError):
    """A message of this uuid is in the store, or was finished within the last minute."""


class MessageDoesNotExistsError(AlsekError):
    """No message of this uuid is in the store."""


class ClaimLostError(AlsekError):
    """The claim on a message is no longer valid; what was done with it is refused."""


class WorkerUnknownError(AlsekError):
    """The store does not know this worker: never registered, retired, or its lease ran out."""


class BackendError(AlsekError):
    """The store answered with an error."""


class BackendUnavailableError(BackendError):
    """The store can't be reached; the message says where, how long was tried, and what to do."""


class SchedulingError(AlsekError):
    """A trigger was used in a way that it can't be."""


class LockError(AlsekError):
    """Base of what can go wrong with a lock."""


class LockAlreadyHeldError(LockError):
    """The owner holds this lock already (``acquire(strict=True)``)."""


class TaskDefinitionError(AlsekError):
    """Tasks that can't go together: two of one name, or of two brokers in one pool."""


class NoTasksFoundError(AlsekError):
    """A pool was given no task that it could run."""


class TaskError(AlsekError):
    """Base of the ways in which a message may end other than by success."""


class TaskFailedError(TaskError):
    """The task failed for good.

    Attributes:
        details: ``name``, ``text`` and ``traceback`` of what ended it.
    """

    def __init__(self, text: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(text)
        self.details: dict[str, Any] = details or {}


class TaskTimeoutError(TaskError, TimeoutError):
    """The task ran longer than its timeout."""


class UnknownTaskError(TaskError):
    """The pool has no task of the name in the message."""


class WorkerLostError(TaskError):
    """The process that ran the task died without a word."""


class MessageExpiredError(TaskError):
    """The message was ready for longer than its ttl before any worker took it."""


class MessageRevokedError(TaskError):
    """The message was revoked."""


class Directive(AlsekError):
    """Base of what a task raises to steer its own message."""


class Retry(Directive):
    """Raised by a task: run this message again.

    It counts as a retry: with ``max_retries`` spent, the message fails instead.

    Args:
        text: Why, for the log and the message's ``exception_details``.
        delay: Milliseconds to wait; by default what the task's backoff says.
    """

    def __init__(self, text: str = "", *, delay: int | None = None) -> None:
        super().__init__(text)
        self.delay = delay


class Reject(Directive):
    """Raised by a task: this message can never succeed; to the dead letters at once.

    Args:
        reason: Why, for the log and the message's ``exception_details``.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class ArgumentsRejectedError(Reject, ArgumentsError):
    """A worker met a message whose arguments the function can't take. It is not run, and not retried."""
