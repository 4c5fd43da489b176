"""One delivery of a message to a worker: what the store handed out, and the object that the user's code is given.

The user's code (the task, its hooks, trackers and result stores) may change the message object. The outcome is made
from the delivery, and takes only three fields from the object: `callback_message_data`, `branches` and `result_ttl`, so
that a task may choose what follows it, and how long its result is kept. All other changes last until the attempt has
been concluded, and reach neither the store nor the next attempt. The fields that identify the message
(:data:`RESTORED`) are restored before each hook is called.
"""

from __future__ import annotations

from typing import Final

from alsek.core.attempt_state import read_message
from alsek.core.claim import Claim
from alsek.core.execution.session import WorkerSession
from alsek.core.groups.joined_message import JoinedMessage
from alsek.core.message import Message
from alsek.storage.backends.records import Claimed
from alsek.storage.serialization import Serializer

#: The fields that are restored before the user's code is called again.
RESTORED: Final = (
    "uuid",
    "queue",
    "task_name",
    "retries",
    "timeout",
    "status_ttl",
    "progenitor_uuid",
    "claim",
)


class Delivery:
    """A message that a worker has claimed.

    Args:
        claimed: What the store handed out.
        session: The session of the worker that holds the claim.
        serializer: The store's serializer.

    Raises:
        CorruptMessageError: The bytes can't be read as a message.

    Attributes:
        message: The object that the user's code is given.
        uuid: The uuid of the message.
        queue: Its queue.
        task_name: The task to run.
        retries: How often the message has been retried.
        timeout: How long (ms) the task may run.
        status_ttl: How long the store keeps its statuses; 0 if the store does not write them itself.
        progenitor_uuid: The first message of its chain.
        ready_at: When it was ready for its first attempt, on the producer's clock: Unix milliseconds. 0 if this is
            another one.
        began_at: When the attempt began (monotonic ms); None until then.
        verbose: Its success is logged.
    """

    __slots__ = (*RESTORED, "began_at", "claimed", "message", "ready_at", "verbose")

    def __init__(self, claimed: Claimed, session: WorkerSession, serializer: Serializer) -> None:
        self.claimed = claimed
        self.uuid = claimed.uuid
        self.queue = claimed.queue
        message = read_message(claimed, serializer)
        if claimed.joins:
            message = JoinedMessage.of(message, session.backend, claimed.joins)
        self.message = message
        self.claim = message.claim = Claim(session, claimed)
        self.task_name = message.task_name
        self.retries = message.retries
        self.timeout = message.timeout
        self.status_ttl = message.status_ttl
        self.progenitor_uuid = message.progenitor_uuid
        self.ready_at = (
            0
            if message.retries or claimed.losses or claimed.updated_at
            else message.created_at + message.delay
        )
        self.began_at: int | None = None
        self.verbose = False

    @property
    def summary(self) -> str:
        """The message in one line."""
        return f"Message(uuid={self.uuid!r}, queue={self.queue!r}, task={self.task_name!r})"

    def restore(self) -> Message:
        """Restore the fields that identify the message, and return it."""
        message = self.message
        message.uuid = self.uuid
        message.queue = self.queue
        message.task_name = self.task_name
        message.retries = self.retries
        message.timeout = self.timeout
        message.status_ttl = self.status_ttl
        message.progenitor_uuid = self.progenitor_uuid
        message.claim = self.claim
        return message

    def as_it_came(self, serializer: Serializer) -> Message:
        """Return the message as the store handed it out, without the claim, in an object new to the user's code."""
        message = read_message(self.claimed, serializer)
        claimed = self.claimed
        return (
            JoinedMessage.of(message, self.claim.session.backend, claimed.joins) if claimed.joins else message
        )
