"""A worker as a :class:`~alsek.storage.backends.memory.MemoryBackend` knows it."""

from __future__ import annotations

from dataclasses import dataclass, field

from alsek.storage.backends.memory.messages.stored_message import StoredMessage
from alsek.storage.backends.records import Step, Worker


@dataclass(eq=False, slots=True)
class RegisteredWorker:
    """A registered worker, its lease, and what it holds.

    Attributes:
        worker: The worker.
        lease_end: When its lease ends.
        seq: The number of its last step; None before the first.
        answer: The answer to its last step, kept in case the reply was lost.
        claims: The messages that it holds by uuid, oldest claim first.
        next_due_at: When the next delayed message was due, as that answer said; None if none was delayed.
    """

    worker: Worker
    lease_end: int
    seq: int | None = None
    answer: Step | None = None
    claims: dict[str, StoredMessage] = field(default_factory=dict)
    next_due_at: int | None = None
