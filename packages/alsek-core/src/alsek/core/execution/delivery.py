"""One delivery of a message to a worker: what the store handed out, and the object that the user's code is given.

That code (the task, its hooks, trackers and result stores) may change the object as it likes. What the store is told
comes from here, and two things alone from the object: its `callback_message_data` and its `result_ttl`, so that a task
may choose what follows it and how long its result is kept. All else that is changed holds until the attempt has been
concluded, and reaches neither the store nor the next attempt. The fields that tell which message it is
(:data:`RESTORED`) are put back before the next hook sees them.
"""

from __future__ import annotations

from typing import Final

from alsek.core.attempt_state import read_message, restore_attempt
from alsek.core.execution.session import WorkerSession
from alsek.core.message import Claim, Message
from alsek.storage.backends.records import Claimed
from alsek.storage.serialization import Serializer

#: What is put back before code of the user's is called again.
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
    """A message in a worker's hands.

    Args:
        claimed: What the store handed out.
        session: The standing of the worker that holds it.
        serializer: Of the store.

    Raises:
        CorruptMessageError: It is no message.

    Attributes:
        message: What the user's code is given.
        uuid: Names the message.
        queue: Where it came from.
        task_name: The task that is to run.
        retries: How often it has been retried.
        timeout: How long (ms) the task may run.
        status_ttl: How long the store keeps its statuses; 0 if it does not write them itself.
        progenitor_uuid: The message from which it descends.
    """

    __slots__ = (*RESTORED, "claimed", "message")

    def __init__(self, claimed: Claimed, session: WorkerSession, serializer: Serializer) -> None:
        self.claimed = claimed
        self.uuid = uuid = claimed.uuid
        self.queue = queue = claimed.queue
        self.message = message = Message.unpack(uuid, queue, claimed.payload, serializer)
        if claimed.retries:
            restore_attempt(message, claimed)
        self.claim = message.claim = Claim(session, claimed)
        self.task_name = message.task_name
        self.retries = message.retries
        self.timeout = message.timeout
        self.status_ttl = message.status_ttl
        self.progenitor_uuid = message.progenitor_uuid

    @property
    def summary(self) -> str:
        """The message in one line."""
        return f"Message(uuid={self.uuid!r}, queue={self.queue!r}, task={self.task_name!r})"

    def restore(self) -> Message:
        """Put back what tells which message it is; the message."""
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
        """The message as the store handed it out, without the claim: an object that no code of the user's has seen."""
        return read_message(self.claimed, serializer)
