"""One queue of a :class:`~alsek.storage.backends.memory.MemoryBackend`: its messages, in order."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from heapq import merge
from typing import NamedTuple, TypeAlias

from alsek.storage.backends.header import RECORD_VERSION
from alsek.storage.backends.records import Claimed, Step, Stored, Submission, Worker
from alsek.storage.backends.states import MessageState
from alsek.types import Wish

#: Where a ready message waits among those of its lane: (priority, arrival, uuid).
Place: TypeAlias = tuple[int, int, str]

#: When a delayed message is due: (due, in which order it was put there, uuid).
Due: TypeAlias = tuple[int, int, str]


class Lane(NamedTuple):
    """The ready messages of one queue that the same workers may take."""

    queue: str
    wish: Wish
    suspect: bool

    def serves(self, worker: Worker, holding: Collection[StoredMessage]) -> bool:
        """Whether `worker`, holding these, may be handed something out of this lane now."""
        if worker.queues is not None and self.queue not in worker.queues:
            return False
        if worker.kind != "any" and self.wish not in ("any", worker.kind):
            return False
        if worker.suspects == "freely":
            return True
        if any(record.suspect for record in holding):
            return False
        return not holding if self.suspect else worker.suspects == "alone"


@dataclass(eq=False, slots=True)
class StoredMessage:
    """A stored message: what was submitted, and where it stands.

    Attributes:
        request: The submission that brought it; empty for one that the store made of a callback.
        arrival: When it became ready, as a number that grows: its place, kept when it is given back.
        ready_since: Its lifetime counts from here.
        token: Of the current claim; 0 when it is not claimed.
        holder: Who has that claim.
        seq: The step of the holder that brought it.
        version: Of this record. Another one than this version's is not understood.
    """

    submission: Submission
    request: str
    payload: bytes
    state: MessageState = "delayed"
    due: Due = (0, 0, "")
    arrival: int = 0
    ready_since: int = 0
    losses: int = 0
    revoked: bool = False
    suspect: bool = False
    expired: bool = False
    token: int = 0
    holder: Holder | None = None
    seq: int = 0
    version: int = RECORD_VERSION

    @property
    def uuid(self) -> str:
        return self.submission.uuid

    @property
    def queue(self) -> str:
        return self.submission.queue

    @property
    def lane(self) -> Lane:
        return Lane(self.queue, self.submission.wish, self.suspect)

    @property
    def place(self) -> Place:
        return (self.submission.priority, self.arrival, self.uuid)

    def as_claimed(self) -> Claimed:
        """As its holder sees it."""
        return Claimed(
            self.uuid,
            self.queue,
            self.payload,
            self.token,
            self.losses,
            self.revoked,
            self.expired,
            self.suspect,
        )

    def as_stored(self) -> Stored:
        """As an onlooker sees it."""
        return Stored(
            self.uuid,
            self.queue,
            self.payload,
            self.submission.priority,
            self.state,
            self.losses,
            self.revoked,
        )


@dataclass(eq=False, slots=True)
class Holder:
    """A registered worker.

    Attributes:
        lease_end: Until when what it holds is its own.
        seq: Of its last step.
        answer: To its last step, kept in case the reply was lost.
        claims: What it holds, oldest claim first.
        next_due_at: When the next delayed message was due, as it was told with that answer.
    """

    worker: Worker
    lease_end: int
    seq: int | None = None
    answer: Step | None = None
    claims: dict[str, StoredMessage] = field(default_factory=dict)
    next_due_at: int | None = None


class Queue:
    """The messages of one queue: all by uuid, ready ones by lane and place, delayed ones by due time."""

    def __init__(self) -> None:
        self.records: dict[str, StoredMessage] = {}
        self._ready: dict[Lane, list[Place]] = {}
        self._delayed: list[Due] = []

    def insert(self, record: StoredMessage) -> None:
        """Put a record where its state says."""
        self.records[record.uuid] = record
        if record.state == "ready":
            insort(self._ready.setdefault(record.lane, []), record.place)
        elif record.state == "delayed":
            insort(self._delayed, record.due)

    def withdraw(self, record: StoredMessage) -> None:
        """Take a record out of where its state says; the queue has it no more."""
        del self.records[record.uuid]
        if record.state == "ready":
            places = self._ready[record.lane]
            del places[bisect_left(places, record.place)]
            if not places:
                del self._ready[record.lane]
        elif record.state == "delayed":
            del self._delayed[bisect_left(self._delayed, record.due)]

    @property
    def lanes(self) -> Iterable[Lane]:
        """The lanes with something in them."""
        return self._ready.keys()

    @property
    def next_due(self) -> Due | None:
        """The delayed message that is due first."""
        return self._delayed[0] if self._delayed else None

    def ready(self, lanes: Collection[Lane]) -> Iterator[StoredMessage]:
        """The ready messages of some lanes, by (priority, arrival)."""
        for *_, uuid in merge(*(self._ready[lane] for lane in lanes)):
            yield self.records[uuid]
