"""The exceptions of Alsek.

::

    AlsekError
    ├── ValidationError (ValueError)             an argument out of range or of the wrong kind
    │   └── ArgumentsError (TypeError)           arguments that the function of a task can't take
    ├── SerializationError (TypeError)           a value that the serializer can't take
    ├── CorruptMessageError (ValueError)         bytes in the store that can't be read as a message
    ├── MessageAlreadyExistsError                submit() of a uuid that the store has
    ├── MessageNotUniqueError                    another message holds the unique key (`conflict="raise"`, replay)
    ├── MessageDoesNotExistsError                retry() of a uuid that the store does not have
    ├── ClaimLostError                           the claim is not the current one; another worker may have the message
    ├── WorkerUnknownError                       the worker's lease ran out; it must register again
    ├── BackendError                             the store answered with an error
    │   └── BackendUnavailableError              the store can't be reached
    ├── MoveError                                a move to another store can't begin, or can't go on
    ├── SchedulingError                          wrong use of a trigger; a schedule that was removed
    ├── LockError
    │   └── LockAlreadyHeldError                 acquire() by the owner that holds the lock
    ├── EventLoopError (RuntimeError)            a coroutine where no event loop can run it
    ├── TaskDefinitionError                      two tasks of one name, two brokers in a pool, …
    ├── NoTasksFoundError                        a pool without tasks
    ├── TaskError                                a message failed
    │   ├── TaskFailedError                      the task failed for good (raised by ResultStore.get)
    │   │   └── GroupFailedError                 a group failed, or was revoked
    │   ├── TaskTimeoutError (TimeoutError)      the task ran longer than its timeout
    │   ├── UnknownTaskError                     no task of that name in the pool
    │   ├── WorkerLostError                      the process that ran the task died
    │   ├── MessageExpiredError                  the message was ready for longer than its ttl
    │   └── MessageRevokedError                  the message was revoked
    └── Directive                                raised by a task to decide how its message ends
        ├── Retry                                run the message again, after `delay`
        └── Reject                               make a dead letter of it, without a retry
            └── ArgumentsRejectedError           a message whose arguments the function can't take

    SecondsWarning (UserWarning)                 a duration that looks like seconds
"""

from __future__ import annotations

from typing import Any

from alsek.types import Duration


class AlsekError(Exception):
    """Base of all exceptions of Alsek."""


class ValidationError(AlsekError, ValueError):
    """An argument is out of range or of the wrong kind."""


class ArgumentsError(ValidationError, TypeError):
    """The function of a task can't take these arguments, or a method does not have this option."""


class SerializationError(AlsekError, TypeError):
    """A value can't be serialized by the backend's serializer."""


class PayloadTooLargeError(SerializationError):
    """A message, a result or a checkpoint has more bytes than its backend's ``max_payload``."""


class CorruptMessageError(AlsekError, ValueError):
    """Bytes in the store can't be read as a message by this version."""


class MessageAlreadyExistsError(AlsekError):
    """A message of this uuid is in the store, or was finished within the last minute."""


class MessageNotUniqueError(AlsekError):
    """Another message holds the unique key: with ``conflict="raise"``, or when a dead letter is replayed.

    Attributes:
        key: The key, with the name of the task before it.
        holder: The uuid of the message that holds it.
    """

    def __init__(self, text: str, key: str = "", holder: str = "") -> None:
        super().__init__(text)
        self.key = key
        self.holder = holder


class MessageDoesNotExistsError(AlsekError):
    """No message of this uuid is in the store."""


class ClaimLostError(AlsekError):
    """The claim on a message is no longer the current one; the store has refused the outcome."""


class WorkerUnknownError(AlsekError):
    """The store does not know this worker: it never registered, was retired, or its lease ran out."""


class BackendError(AlsekError):
    """The store answered with an error."""


class BackendUnavailableError(BackendError):
    """The store can't be reached; the text says where it is, how long was tried, and what to do."""


class MoveError(AlsekError):
    """A move to another store can't begin, or can't go on; the text says why. Nothing is lost."""


class SchedulingError(AlsekError):
    """A trigger, or a task with a trigger, was used wrongly; or a schedule is used that was removed."""


class LockError(AlsekError):
    """Base of the errors of locks."""


class LockAlreadyHeldError(LockError):
    """The owner holds this lock already (``acquire(strict=True)``)."""


class EventLoopError(AlsekError, RuntimeError):
    """Synchronous code has a coroutine to run where it can't, or asynchronous code is called without an event loop."""


class TaskDefinitionError(AlsekError):
    """Tasks that one pool can't run together: two have the same name, or different brokers."""


class NoTasksFoundError(AlsekError):
    """A pool was given no task that it can run."""


class TaskError(AlsekError):
    """Base of the reasons for which a message fails."""


class TaskFailedError(TaskError):
    """The task failed for good.

    Attributes:
        details: ``name``, ``text`` and ``traceback`` of the exception.
    """

    def __init__(self, text: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(text)
        self.details: dict[str, Any] = details or {}


class GroupFailedError(TaskFailedError):
    """A group has failed because of one of its members, or was revoked.

    Attributes:
        group: The id of the group.
        number: The number of the member that failed first; None if there is none: the group itself was revoked.
        uuid: The uuid of the message that failed: the member, or a callback of it; None likewise.
        details: As those of :class:`TaskFailedError`, of the member.
    """

    def __init__(
        self,
        text: str,
        details: dict[str, Any] | None = None,
        *,
        group: str = "",
        number: int | None = None,
        uuid: str | None = None,
    ) -> None:
        super().__init__(text, details)
        self.group = group
        self.number = number
        self.uuid = uuid


class TaskTimeoutError(TaskError, TimeoutError):
    """The task ran longer than its timeout."""


class UnknownTaskError(TaskError):
    """The pool has no task of the name in the message."""


class WorkerLostError(TaskError):
    """The process that ran the task died."""


class MessageExpiredError(TaskError):
    """The message was ready for longer than its ttl before any worker took it."""


class MessageRevokedError(TaskError):
    """The message was revoked."""


class Directive(AlsekError):
    """Base of the exceptions by which a task decides how its message ends."""


class Retry(Directive):
    """Raised by a task to run its message again.

    It counts as a retry: after ``max_retries`` of them, the message fails instead.

    With `uncounted`, it does not: nothing has failed, as when a task stops for ``message.stopping``. The message's
    ``retries`` stay as they are, and neither `max_retries` nor the task's ``do_retry`` is asked.

    Args:
        text: The reason, for the log and the message's ``exception_details``.
        delay: How long to wait; by default those of the task's backoff.
        uncounted: It does not count as a retry.
    """

    def __init__(self, text: str = "", *, delay: Duration | None = None, uncounted: bool = False) -> None:
        super().__init__(text)
        self.delay = delay
        self.uncounted = uncounted


class Reject(Directive):
    """Raised by a task whose message can never succeed: it becomes a dead letter without a retry.

    Args:
        reason: The reason, for the log and the message's ``exception_details``.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class ArgumentsRejectedError(Reject, ArgumentsError):
    """The function can't take the arguments of the message. It is not run, and not retried."""


class SecondsWarning(UserWarning):
    """A duration looks like seconds, although all are milliseconds."""
