"""Some messages of a queue: those that go first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from alsek.core.inspection.contents import contents_of, details_of, task_of
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports.inspection import PEEKED
from alsek.storage.backends.records import Stored
from alsek.storage.backends.states import MessageState
from alsek.types import ExceptionDetails

#: Where a stored message stands.
ListedState: TypeAlias = Literal["ready", "running", "delayed", "waiting"]

#: The same as stores name them.
STATES: Final[dict[ListedState, MessageState]] = {
    "ready": "ready",
    "running": "claimed",
    "delayed": "delayed",
    "waiting": "waiting",
}


@dataclass(frozen=True, slots=True)
class ListedInfo:
    """A stored message, in a list. What can't be read of it is None.

    Attributes:
        uuid: Its uuid.
        queue: Its queue.
        state: Where it stands.
        task: The name of its task.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        priority: Lower goes first.
        created_at: When it was made, on the producer's clock: Unix milliseconds.
        retries: How often it was retried.
        losses: How often the worker that held it died or lost its lease.
        revoked: It was revoked.
        group: The id of the group of which it is a member; None if it is in none.
        error: The exception that ended its last attempt: ``name``, ``text``, ``traceback``.
    """

    uuid: str
    queue: str
    state: ListedState
    task: str | None
    args: tuple[Any, ...] | None
    kwargs: dict[str, Any] | None
    priority: int
    created_at: int | None
    retries: int
    losses: int
    revoked: bool
    group: str | None
    error: ExceptionDetails | None


def listed(backend: Backend, queue: str, state: ListedState, task: str | None, most: int) -> list[ListedInfo]:
    """Return up to `most` messages of a queue in one state, those that go first; of one task only, if it is named.

    No more than :data:`PEEKED` are looked at.
    """
    looked_at = most if task is None else PEEKED
    found = backend.messages.peek(queue, STATES[state], looked_at)
    if task is not None:
        found = [stored for stored in found if task_of(stored, backend.serializer) == task]
    return [_info(backend, state, stored) for stored in found[:most]]


def _info(backend: Backend, state: ListedState, stored: Stored) -> ListedInfo:
    contents = contents_of(stored, backend.serializer)
    return ListedInfo(
        stored.uuid,
        stored.queue,
        state,
        contents.task,
        contents.args,
        contents.kwargs,
        stored.priority,
        contents.created_at,
        stored.retries if contents.retries is None else contents.retries,
        stored.losses,
        stored.revoked,
        None if stored.group is None else stored.group.group,
        contents.error or (details_of(stored.last_error) if stored.last_error else None),
    )
