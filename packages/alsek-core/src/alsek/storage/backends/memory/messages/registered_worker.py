"""A worker as a :class:`~alsek.storage.backends.memory.MemoryBackend` knows it."""

from __future__ import annotations

from dataclasses import dataclass, field

from alsek.storage.backends.memory.messages.stored_message import StoredMessage
from alsek.storage.backends.records import Running, Step, Worker, WorkerFacts


@dataclass(eq=False, slots=True)
class RegisteredWorker:
    """A registered worker, its lease, and what it holds.

    Attributes:
        worker: The worker.
        lease_end: When its lease ends.
        seq: The number of its last step; None before the first.
        answer: The answer to its last step, kept in case the reply was lost.
        claims: The messages that it holds by uuid, oldest claim first.
        registered_at: When it registered.
        facts: What it told of itself; None if nothing.
        running: What it said to run at its last renewal.
        spared: An outage has given it a new lease, and it has not renewed that since.
        next_due_at: When something was due next, as that answer said; None if nothing was.
    """

    worker: Worker
    lease_end: int
    seq: int | None = None
    answer: Step | None = None
    claims: dict[str, StoredMessage] = field(default_factory=dict)
    next_due_at: int | None = None
    registered_at: int = 0
    facts: WorkerFacts | None = None
    running: tuple[Running, ...] = ()
    spared: bool = False

    @property
    def fires(self) -> bool:
        """True if the worker fires schedules."""
        return self.facts is not None and self.facts.fires

    def has_task(self, task: str) -> bool:
        """Return True if the worker registered this task by name."""
        return self.facts is not None and self.facts.tasks is not None and task in self.facts.tasks

    def takes_aside(self, task: str, queue: str) -> bool:
        """Return True if the worker may claim what is set aside in this queue for this task."""
        if self.facts is not None and self.facts.tasks is None:
            return self.worker.queues is None or queue in self.worker.queues
        return self.has_task(task)
