"""Inspection: reads of messages, queues and dead letters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import islice

from alsek.storage.backends.records import (
    Aside,
    DeadLetter,
    HistoryRow,
    LimitRecord,
    Located,
    Pause,
    QueueTally,
    ReportRecord,
    Stored,
    UniqueRecord,
    WorkerRecord,
)
from alsek.storage.backends.states import MessageState

#: For how many priorities of a lane :meth:`InspectionPort.fronts` shows the first message.
FRONT_PRIORITIES = 8
#: How many delayed or waiting messages of all queues :meth:`InspectionPort.peek` looks at.
PEEKED = 2_000


class InspectionPort(ABC):
    """Reads messages, queues, dead letters, workers and counts. Changes nothing.

    Nothing here reads all messages of a queue but :meth:`browse` and :meth:`uuids`. A method that reads many queues or
    workers may do so in batches, each of which is one step.
    """

    @abstractmethod
    def now(self) -> int:
        """The time on the store's clock: Unix milliseconds."""

    @abstractmethod
    def get(self, queue: str, uuid: str) -> Stored | None:
        """A message as it is stored now, or None."""

    @abstractmethod
    def exists(self, queue: str, uuid: str) -> bool:
        """True if the message is stored: delayed, ready or claimed."""

    @abstractmethod
    def find(self, uuid: str) -> Located | None:
        """A message as it is stored now, whatever its queue, and where it stands; or None."""

    @abstractmethod
    def find_dead(self, uuid: str) -> list[DeadLetter]:
        """The dead letters of this uuid, by queue in alphabetical order."""

    @abstractmethod
    def place(self, queue: str, uuid: str, most: int) -> int | None:
        """How many ready messages of the queue go before this one, by (priority, arrival).

        Suspects and messages of every wish count, those that are set aside don't.

        Returns:
            The number up to `most`, or ``most + 1`` if they are more. None if the message is not ready in this queue.
        """

    @abstractmethod
    def tallies(self, queues: Sequence[str] | None = None) -> list[QueueTally]:
        """How many messages these queues hold, by state.

        Args:
            queues: The queues, in the order of the answer. None for all that hold messages or dead letters, or are
                paused, in alphabetical order.
        """

    @abstractmethod
    def fronts(self, queues: Sequence[str]) -> list[Stored]:
        """The ready messages that are the first of their priority in their lane, of these queues, in no order.

        They are at most :data:`FRONT_PRIORITIES` for each lane, those with the lowest priorities. What is set aside is
        not among them. Records that can't be read are left out.
        """

    def peek(self, queue: str, state: MessageState, most: int) -> list[Stored]:
        """Up to `most` messages of a queue that are in this state, without reading a backlog.

        Ready ones are those with the lowest priorities, and of these the ones that arrived first; what is set aside is
        among them. Delayed ones are those that are due first. No more than :data:`PEEKED` of those that are delayed, or
        wait, in any queue are looked at, so some may be left out. Records that can't be read may be left out too.

        A store overrides this method if it can do better than look at the first messages that it browses.
        """
        first = islice(self.browse(queue), PEEKED)
        return list(islice((stored for stored in first if stored.state == state), most))

    @abstractmethod
    def workers(self) -> list[WorkerRecord]:
        """The registered workers, also those whose lease has ended and that nobody has taken over; in order of id."""

    @abstractmethod
    def pauses(self) -> list[Pause]:
        """The queues that are paused, in alphabetical order."""

    @abstractmethod
    def aside(self) -> list[Aside]:
        """How many messages are set aside, by queue and task, in this order."""

    @abstractmethod
    def limits(self, ids: Sequence[str] | None = None) -> list[LimitRecord]:
        """The limits of these ids that are known, in this order; None for all, in the order of id."""

    @abstractmethod
    def unique_key(self, key: str) -> UniqueRecord | None:
        """Who holds a unique key; None if nobody does."""

    @abstractmethod
    def reports(self, uuids: Sequence[str], lines: bool = False) -> list[ReportRecord | None]:
        """What is kept of the reports on these messages, in this order; None for one of which nothing is.

        Args:
            uuids: The messages, whether or not they are still stored.
            lines: With what they have logged.
        """

    @abstractmethod
    def history(self, first: int, last: int) -> list[HistoryRow]:
        """What was counted in these minutes, the last included, in the order of minute, queue and task.

        Counts are kept for :data:`~alsek.storage.backends.history.KEPT_MS`.
        """

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

    def may_be_dead(self, messages: Sequence[tuple[str, str]]) -> list[bool]:
        """For each queue and uuid: False only if there is no dead letter.

        A store overrides this method if it can do better than read one after the other.
        """
        return [self.dead_letter(queue, uuid) is not None for queue, uuid in messages]

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
