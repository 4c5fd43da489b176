"""Where a :class:`~alsek.storage.backends.memory.MemoryBackend` keeps its messages, and how they move.

Each move leaves the shelf consistent: a record is in exactly one place, its status says where it
stands, and the lanes in which something became ready are noted until their sleepers are woken. All of
it is called under the store's lock.
"""

from __future__ import annotations

from typing import NamedTuple

from alsek.defaults import DEDUP_WINDOW
from alsek.storage.backends.corrupt_records import error_details
from alsek.storage.backends.header import unreadable
from alsek.storage.backends.memory.queue import Holder, Lane, Queue, StoredMessage
from alsek.storage.backends.memory.results import MemoryStatuses
from alsek.storage.backends.memory.store import ExpiringDict, MemoryStore
from alsek.storage.backends.records import (
    ACCEPTED,
    Added,
    Corrupt,
    DeadLetter,
    Submission,
    TaskStatus,
    Worker,
)


class RememberedUuid(NamedTuple):
    """What is remembered of a message that is gone: its request, and whether its uuid is still taken."""

    request: str
    finished: bool


class MessageTable:
    """All messages and dead letters of a store.

    Attributes:
        records: The messages, by uuid.
        queues: The same, by queue; a queue without messages isn't there.
        dead: The dead letters, by queue and uuid, oldest first.
        fresh: The lanes in which something became ready since sleepers were last woken.
    """

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._statuses = MemoryStatuses(store)
        self._gone: ExpiringDict[str, RememberedUuid] = ExpiringDict(store.clock)
        self.records: dict[str, StoredMessage] = {}
        self.queues: dict[str, Queue] = {}
        self.dead: ExpiringDict[tuple[str, str], DeadLetter] = ExpiringDict(store.clock)
        self.fresh: dict[Lane, None] = {}

    def find(self, queue: str, uuid: str) -> StoredMessage | None:
        """The message of this uuid, if it is in this queue."""
        record = self.records.get(uuid)
        return record if record is not None and record.queue == queue else None

    def drained_by(self, worker: Worker) -> list[str]:
        """The queues with messages that `worker` drains, in its order."""
        if worker.queues is None:
            return sorted(self.queues)
        return [name for name in worker.queues if name in self.queues]

    def add(self, submission: Submission, request: str) -> Added:
        """Store a message if its uuid is new, or was submitted by the same request before."""
        present = self.records.get(submission.uuid) or self._gone.get(submission.uuid)
        if present is not None and request and present.request == request:
            return ACCEPTED
        if isinstance(present, StoredMessage):
            return Added(False, present.uuid, present.state)
        if present is not None and present.finished:
            return Added(False, submission.uuid, "finished")
        if submission.named:
            self._clear_traces(submission)
        self.admit(submission, request)
        return ACCEPTED

    def _clear_traces(self, submission: Submission) -> None:
        """Remove what is left of an earlier message of this uuid."""
        uuid, results = submission.uuid, self._store.results
        results.pop(uuid)
        for other, (record, progenitor) in results.items():
            if progenitor == uuid:
                results.amend(other, (record, None))
        self._store.statuses.pop(uuid)
        self.dead.pop((submission.queue, uuid))

    def was_taken_in(self, uuid: str, request: str) -> bool:
        """Whether the message of this uuid, stored or just finished, came in under this request."""
        present = self.records.get(uuid) or self._gone.get(uuid)
        return present is not None and present.request == request

    def admit(self, submission: Submission, request: str) -> None:
        """Take a message in: ready, or delayed by its delay."""
        record = StoredMessage(submission, request, bytes(submission.payload))
        self.records[record.uuid] = record
        self._set_status(record, TaskStatus.SUBMITTED)
        self._delay(record, submission.delay)

    def make_ready(self, record: StoredMessage, since: int) -> None:
        """Give a record a new place, behind all that is ready; its lifetime counts from `since`."""
        record.arrival, record.ready_since = next(self._store.numbers), since
        record.state = "ready"
        self._put(record)
        self.fresh[record.lane] = None

    def hand_out(self, record: StoredMessage, holder: Holder, seq: int) -> None:
        """Make a ready record the claim of `holder`, by its step `seq`."""
        ttl = record.submission.ttl
        self.take(record)
        record.expired = bool(ttl) and self._store.clock() - record.ready_since > ttl
        record.state, record.token = "claimed", next(self._store.numbers)
        record.holder, record.seq = holder, seq
        self._put(record)
        holder.claims[record.uuid] = record
        self._set_status(record, TaskStatus.RUNNING)

    def requeue(self, record: StoredMessage, payload: bytes, delay: int) -> None:
        """Let a record run again at a new place, after `delay`: payload replaced, suspicion lifted, no ttl any more."""
        self.take(record)
        record.submission = record.submission._replace(ttl=0)
        record.payload, record.suspect = bytes(payload), False
        self._set_status(record, TaskStatus.RETRYING)
        self._delay(record, delay)

    def give_back(self, record: StoredMessage, status: TaskStatus, suspect: bool = False) -> None:
        """Make a claimed record ready at its old place. Its lifetime begins anew, unless it was over."""
        self.take(record)
        record.suspect = record.suspect or suspect
        record.state = "ready"
        if not record.expired:
            record.ready_since = self._store.clock()
        self._put(record)
        self.fresh[record.lane] = None
        self._set_status(record, status)

    def drop(self, record: StoredMessage) -> None:
        """Remove a record. Its request is remembered, so that it can be repeated; its uuid is new again."""
        self._discard(record, finished=False)
        status = self._statuses.get([record.uuid])[0]
        if status is None or status.status not in (TaskStatus.FAILED, TaskStatus.SUCCEEDED):
            self._set_status(record, TaskStatus.UNKNOWN)

    def succeed(self, record: StoredMessage) -> None:
        """Remove a record that its holder finished. Its uuid is remembered, and not new for a while."""
        self._discard(record, finished=True)
        self._set_status(record, TaskStatus.SUCCEEDED)

    def bury(self, record: StoredMessage, error: bytes, dlq_ttl: int, finished: bool | None) -> None:
        """Move a record to the dead letters, for `dlq_ttl` (0: nowhere).

        Args:
            record: The record.
            error: What ended it.
            dlq_ttl: How long (ms) the letter is kept.
            finished: Whether its uuid is not new for a while. None if the record can't be read, and so neither can its
                request: what is remembered of an earlier message of its uuid stays.
        """
        self._discard(record, finished)
        if dlq_ttl:
            letter = DeadLetter(record.uuid, record.queue, record.payload, bytes(error), self._store.clock())
            self.dead.put((record.queue, record.uuid), letter, dlq_ttl)
        self._set_status(record, TaskStatus.FAILED)
        self._store.publish(f"results:{record.uuid}")

    def reject(self, record: StoredMessage, dlq_ttl: int) -> Corrupt:
        """Move a record that can't be read to the dead letters."""
        corrupt = Corrupt(record.uuid, record.queue, unreadable(record.version))
        self.bury(record, error_details(corrupt), dlq_ttl, finished=None)
        return corrupt

    def take(self, record: StoredMessage) -> None:
        """Take a record from its place, to be put elsewhere at once; a claim on it ends."""
        queue = self.queues[record.queue]
        queue.withdraw(record)
        if not queue.records:
            del self.queues[record.queue]
        if record.holder is not None:
            del record.holder.claims[record.uuid]
            record.holder, record.token = None, 0

    def clear(self) -> int:
        """Forget everything; how many messages and dead letters it was."""
        dropped = len(self.records) + self.dead.clear()
        self._gone.clear()
        self.records.clear()
        self.queues.clear()
        self.fresh.clear()
        return dropped

    def _put(self, record: StoredMessage) -> None:
        self.queues.setdefault(record.queue, Queue()).insert(record)

    def _discard(self, record: StoredMessage, finished: bool | None) -> None:
        self.take(record)
        del self.records[record.uuid]
        if finished is not None:
            self._gone.put(record.uuid, RememberedUuid(record.request, finished), DEDUP_WINDOW)

    def _delay(self, record: StoredMessage, delay: int) -> None:
        now = self._store.clock()
        if delay <= 0:
            self.make_ready(record, since=now)
            return
        record.due, record.state = (now + delay, next(self._store.numbers), record.uuid), "delayed"
        self._put(record)
        if self.queues[record.queue].next_due == record.due:
            # Sleepers have set their timers by another message: one must learn of this earlier one.
            self.fresh[record.lane] = None

    def _set_status(self, record: StoredMessage, status: TaskStatus) -> None:
        if record.submission.status_ttl:
            self._statuses.put(record.uuid, status, ttl=record.submission.status_ttl)
