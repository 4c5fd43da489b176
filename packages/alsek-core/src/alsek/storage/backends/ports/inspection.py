"""Inspection: reads of messages, queues and dead letters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from alsek.storage.backends.records import DeadLetter, Stored


class InspectionPort(ABC):
    """Reads messages, queues and dead letters. Changes nothing."""

    @abstractmethod
    def get(self, queue: str, uuid: str) -> Stored | None:
        """A message as it is stored now, or None."""

    @abstractmethod
    def exists(self, queue: str, uuid: str) -> bool:
        """True if the message is stored: delayed, ready or claimed."""

    @abstractmethod
    def queues(self) -> list[str]:
        """The queues that hold messages, in alphabetical order."""

    @abstractmethod
    def count(self, queue: str) -> int:
        """The number of messages in a queue, including delayed and claimed ones. O(1)."""

    @abstractmethod
    def browse(self, queue: str) -> Iterator[Stored]:
        """All messages of a queue, in no particular order, read in batches.

        A message that is there from the beginning to the end of the iteration is yielded exactly once.
        """

    def uuids(self) -> Iterator[str]:
        """The uuids of all messages of all queues, in no particular order, read in batches.

        A message that is there from the beginning to the end of the iteration is yielded. A store overrides this
        method if it can do better than read one queue after the other.
        """
        return (stored.uuid for queue in self.queues() for stored in self.browse(queue))

    @abstractmethod
    def dead_letter(self, queue: str, uuid: str) -> DeadLetter | None:
        """The dead letter of this uuid, or None."""

    @abstractmethod
    def dead_letters(self, queue: str) -> Iterator[DeadLetter]:
        """The dead letters that the queue has when the iteration begins, oldest first, read in batches.

        Each is yielded at most once; one that stays to the end, exactly once. A message that fails during the
        iteration is not yielded, even if it was replayed and failed again.
        """

    def dead_count(self, queue: str) -> int:
        """The number of dead letters of a queue. A store overrides this method if it can do better than read them."""
        return sum(1 for _ in self.dead_letters(queue))

    @abstractmethod
    def dead_queues(self) -> list[str]:
        """The queues that have dead letters, in alphabetical order."""
