"""Types of plain values that several modules use."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal, NamedTuple, TypeAlias, TypedDict

#: A duration: milliseconds, or a timedelta.
Duration: TypeAlias = int | timedelta

#: A mechanism that a task may name.
Mechanism: TypeAlias = Literal["thread", "process"]

#: The mechanism that a task names, or any.
MechanismWish: TypeAlias = Literal["any", "thread", "process"]

#: What a store needs to know of a message's task to choose the worker: which mechanism it names, and whether it is an
#: ``async def``. In a process pool a coroutine takes a process like any other message, so those of a task that names
#: ``"process"`` have no wish of their own. Their order is stored: a new one goes to the end.
Wish: TypeAlias = Literal["any", "thread", "process", "any-async", "thread-async"]

#: How an attempt of a message, or the message without one, ended.
Ending: TypeAlias = Literal["succeeded", "retrying", "failed", "lost", "revoked", "expired"]


class ExceptionDetails(TypedDict):
    """An exception as text, the only form in which it is sent to other processes and stores."""

    name: str
    text: str
    traceback: str | None


class FailureDetails(ExceptionDetails):
    """Why a message failed for good, and which one: its uuid, and the name of its task."""

    uuid: str
    task: str


class GroupFailure(NamedTuple):
    """A member of a group that did not succeed.

    Attributes:
        path: Where its place in ``previous_result`` is: its number in the group; for a member of a group within the
            group the number of that, and then its own; and so on.
        uuid: The message that failed: the member, or a callback of it.
        revoked: It was revoked or removed.
        details: ``name``, ``text`` and ``traceback`` of the exception; None if there is none.
    """

    path: tuple[int, ...]
    uuid: str
    revoked: bool
    details: ExceptionDetails | None

    @property
    def number(self) -> int:
        """Its number in the group, from 0; if it is in a group within that one, that group's number."""
        return self.path[0]


class BackoffSettings(TypedDict):
    """A backoff as data: the name of its class, and the arguments that make an equal one."""

    algorithm: str | None
    parameters: dict[str, Any]
