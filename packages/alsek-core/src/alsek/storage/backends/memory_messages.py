"""The messages of a :class:`~alsek.storage.backends.memory.MemoryBackend`: the message port in plain dicts.

Read :meth:`MemoryMessages.step` first. All public methods run under the store's lock; the private ones
expect to be called under it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from alsek.defaults import DEDUP_WINDOW, PROMOTION_BATCH
from alsek.exceptions import BackendError, WorkerUnknownError
from alsek.storage.backends.memory_queue import Due, Holder, Lane, Queue, Record
from alsek.storage.backends.memory_records import MemoryResults, MemoryStatuses
from alsek.storage.backends.memory_store import Expiring, MemoryStore
from alsek.storage.backends.memory_waiter import MemoryWaiter, Sleepers
from alsek.storage.backends.ports import MessagePort, Waiter
from alsek.storage.backends.records import (
    RECORD_VERSION,
    Claimed,
    Corrupt,
    DeadLetter,
    Died,
    Lost,
    Outcome,
    Released,
    Retried,
    Step,
    Stored,
    Submission,
    Succeeded,
    TaskStatus,
    Worker,
)


class _Gone(NamedTuple):
    """What is remembered of a message that is gone: its request, and whether its uuid is still taken."""

    request: str
    finished: bool


class MemoryMessages(MessagePort):
    """Messages in dicts, queues in sorted lists."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._results = MemoryResults(store)
        self._statuses = MemoryStatuses(store)
        self._queues: dict[str, Queue] = {}
        self._records: dict[str, Record] = {}
        self._gone: Expiring[str, _Gone] = Expiring(store.clock)
        self._dead: Expiring[tuple[str, str], DeadLetter] = Expiring(store.clock)
        self._holders: dict[str, Holder] = {}
        self._last_contact = store.clock()
        self._fresh: dict[Lane, None] = {}
        self._sleepers = Sleepers(store, self._serves, self._missed)

    # --- what producers do -------------------------------------------------------------------------

    def add(self, submissions: Sequence[Submission], request: str) -> list[bool]:
        with self._store.lock:
            accepted = [self._add(submission, request) for submission in submissions]
            self._wake()
            return accepted

    def _add(self, submission: Submission, request: str) -> bool:
        present = self._records.get(submission.uuid)
        if present is not None:
            return bool(request) and present.request == request
        gone = self._gone.get(submission.uuid)
        if gone is not None and request and gone.request == request:
            return True
        if gone is not None and gone.finished:
            return False
        self._admit(submission, request)
        return True

    def _admit(self, submission: Submission, request: str) -> None:
        record = Record(submission, request, bytes(submission.payload))
        self._records[record.uuid] = record
        self._set_status(record, TaskStatus.SUBMITTED)
        self._delay(record, submission.delay)

    # --- what workers do ---------------------------------------------------------------------------

    def register(self, worker: Worker) -> None:
        with self._store.lock:
            self._note_contact()
            holder = self._holders.setdefault(worker.id, Holder(worker, 0))
            self._renew_lease(holder, worker)

    def step(self, worker: Worker, seq: int, outcomes: Sequence[Outcome], limit: int) -> Step:
        with self._store.lock:
            holder = self._known(worker)
            self._note_contact()
            if seq != holder.seq:
                if holder.seq is not None and seq < holder.seq:
                    raise BackendError(f"step {seq} of worker {worker.id} came after its step {holder.seq}")
                holder.answer = self._step(holder, worker, seq, outcomes, limit)
                holder.seq = seq
            return _copy(holder.answer)

    def _step(
        self, holder: Holder, worker: Worker, seq: int, outcomes: Sequence[Outcome], limit: int
    ) -> Step:
        skipped: list[str] = []
        refused = self._finish(holder, outcomes, skipped)
        self._promote(worker)
        self._take_over(holder)
        claimed, corrupt = self._claim(holder, worker, seq, limit)
        self._wake(everything=True)
        due = self._next_due(worker)
        holder.next_due_at = None if due is None else due[0]
        left, freely = self._left_behind(worker), worker.suspects == "freely"
        return Step(
            refused=refused,
            claimed=claimed,
            next_due=None if due is None else max(due[0] - self._store.clock(), 0),
            waiting=any(not lane.suspect or freely for lane in left),
            suspects=any(lane.suspect and not freely for lane in left),
            skipped=skipped,
            corrupt=corrupt,
        )

    def renew(self, worker: Worker, seq: int, tokens: Iterable[int]) -> list[str]:
        with self._store.lock:
            holder = self._known(worker)
            self._note_contact()
            self._renew_lease(holder, worker)
            received = set(tokens)
            for record in list(holder.claims.values()):
                if record.seq <= seq and record.token not in received:
                    self._give_back(record, TaskStatus.SUBMITTED)
            self._wake()
            return [record.uuid for record in holder.claims.values() if record.revoked]

    def retire(self, worker: Worker, outcomes: Sequence[Outcome] = ()) -> list[str]:
        with self._store.lock:
            holder = self._holders.get(worker.id)
            if holder is None:
                return [outcome.uuid for outcome in outcomes]
            refused = self._finish(holder, outcomes, skipped=[])
            del self._holders[worker.id]
            for record in list(holder.claims.values()):
                self._give_back(record, TaskStatus.SUBMITTED)
            self._wake()
            return refused

    def held(self, worker: Worker) -> list[Claimed]:
        with self._store.lock:
            return [record.as_claimed() for record in self._holding(worker)]

    def waiter(self, worker: Worker) -> Waiter:
        return MemoryWaiter(self._sleepers, worker)

    # --- the parts of a step -----------------------------------------------------------------------

    def _finish(self, holder: Holder, outcomes: Sequence[Outcome], skipped: list[str]) -> list[str]:
        refused = []
        for outcome in outcomes:
            record = holder.claims.get(outcome.uuid)
            if record is None or (record.token, record.queue) != (outcome.token, outcome.queue):
                refused.append(outcome.uuid)
            else:
                self._accept(record, outcome, skipped)
        return refused

    def _accept(self, record: Record, outcome: Outcome, skipped: list[str]) -> None:
        match outcome:
            case Succeeded():
                self._drop(record, finished=True)
                if outcome.result is not None:
                    self._results.put(
                        record.uuid, outcome.result, outcome.result_ttl, outcome.token, outcome.progenitor
                    )
                self._set_status(record, TaskStatus.SUCCEEDED)
                if outcome.callback is not None and not self._add(outcome.callback, request=""):
                    skipped.append(outcome.callback.uuid)
            case Retried():
                self._requeue(record, outcome.payload, outcome.delay)
            case Died():
                self._drop(record, finished=True)
                self._entomb(record, outcome.error, outcome.dlq_ttl)
            case Released():
                self._give_back(record, TaskStatus.SUBMITTED)
            case Lost():
                record.losses += 1
                self._give_back(record, TaskStatus.RETRYING, suspect=outcome.suspect)

    def _promote(self, worker: Worker) -> None:
        now = self._store.clock()
        for _ in range(PROMOTION_BATCH):
            due = self._next_due(worker)
            if due is None or due[0] > now:
                return
            record = self._records[due[2]]
            self._set_aside(record)
            self._make_ready(record, since=due[0])

    def _take_over(self, asking: Holder) -> None:
        now = self._store.clock()
        lost = [holder for holder in self._holders.values() if holder.lease_end <= now]
        for holder in lost:
            if holder is asking:
                continue  # it lives: it is here, even though its lease ended before anyone noticed
            del self._holders[holder.worker.id]
            for record in list(holder.claims.values()):
                record.losses += 1
                self._give_back(record, TaskStatus.RETRYING)

    def _claim(
        self, holder: Holder, worker: Worker, seq: int, limit: int
    ) -> tuple[list[Claimed], list[Corrupt]]:
        chosen, unreadable = self._choose(worker, limit)
        now = self._store.clock()
        for record in chosen:
            ttl = record.submission.ttl
            record.expired = bool(ttl) and now - record.ready_since > ttl
            self._set_aside(record)
            record.state, record.token, record.holder = "claimed", next(self._store.numbers), holder
            record.seq = seq
            self._put(record)
            holder.claims[record.uuid] = record
            self._set_status(record, TaskStatus.RUNNING)
        corrupt = [self._reject(record, worker.dlq_ttl) for record in unreadable]
        return [record.as_claimed() for record in chosen], corrupt

    def _choose(self, worker: Worker, limit: int) -> tuple[list[Record], list[Record]]:
        """Up to `limit` ready records for `worker`, best first, and those met on the way that can't be read."""
        holding = self._holding(worker)
        chosen: list[Record] = []
        unreadable: list[Record] = []
        if limit <= 0:
            return chosen, unreadable
        for record in self._takeable(worker, holding):
            if record.version != RECORD_VERSION:
                unreadable.append(record)
            elif record.suspect and worker.suspects != "freely":
                if not chosen:
                    return [record], unreadable
            else:
                chosen.append(record)
                if len(chosen) == limit:
                    break
        return chosen, unreadable

    def _takeable(self, worker: Worker, holding: Sequence[Record]) -> Iterator[Record]:
        for name in self._names(worker):
            queue = self._queues[name]
            yield from queue.ready([lane for lane in queue.lanes if lane.serves(worker, holding)])

    def _left_behind(self, worker: Worker) -> list[Lane]:
        """The lanes with something that `worker` may take, now or once it holds nothing."""
        lanes = (lane for name in self._names(worker) for lane in self._queues[name].lanes)
        return [lane for lane in lanes if lane.serves(worker, ())]

    def _next_due(self, worker: Worker) -> Due | None:
        # Of all queues it drains, whatever the wish: whichever worker comes first makes ready what
        # is due, and wakes the one that may take it.
        dues = (self._queues[name].next_due for name in self._names(worker))
        return min((due for due in dues if due is not None), default=None)

    # --- leases ------------------------------------------------------------------------------------

    def _known(self, worker: Worker) -> Holder:
        holder = self._holders.get(worker.id)
        if holder is None:
            raise WorkerUnknownError(f"worker {worker.id} is not registered, or its lease ran out; register anew")
        return holder

    def _note_contact(self) -> None:
        """A worker has reached the store. If none had for a whole lease, each gets a new one: it was an outage."""
        now = self._store.clock()
        silence = now - self._last_contact
        self._last_contact = now
        for holder in self._holders.values():
            if silence >= holder.worker.lease:
                holder.lease_end = max(holder.lease_end, now + holder.worker.lease)

    def _renew_lease(self, holder: Holder, worker: Worker) -> None:
        holder.worker = worker
        holder.lease_end = self._store.clock() + worker.lease

    def _holding(self, worker: Worker) -> list[Record]:
        holder = self._holders.get(worker.id)
        return [] if holder is None else list(holder.claims.values())

    # --- what anyone may do to a message -----------------------------------------------------------

    def remove(self, queue: str, uuid: str) -> bool:
        with self._store.lock:
            record = self._find(queue, uuid)
            if record is None:
                return False
            self._drop(record, finished=False)
            self._store.publish(f"results:{uuid}")
            return True

    def reschedule(self, queue: str, uuid: str, payload: bytes, delay: int) -> bool:
        with self._store.lock:
            record = self._find(queue, uuid)
            if record is None:
                return False
            self._requeue(record, payload, delay)
            self._wake()
            return True

    def bury(self, queue: str, uuid: str, error: bytes, dlq_ttl: int) -> bool:
        with self._store.lock:
            record = self._find(queue, uuid)
            if record is None:
                return self._dead.get((queue, uuid)) is not None
            self._drop(record, finished=False)
            self._entomb(record, error, dlq_ttl)
            return True

    def revoke(self, queue: str, uuid: str) -> bool:
        with self._store.lock:
            record = self._find(queue, uuid)
            if record is None:
                return False
            record.revoked = True
            return True

    # --- looking on --------------------------------------------------------------------------------

    def get(self, queue: str, uuid: str) -> Stored | None:
        with self._store.lock:
            record = self._find(queue, uuid)
            return None if record is None else record.as_stored()

    def exists(self, queue: str, uuid: str) -> bool:
        with self._store.lock:
            return self._find(queue, uuid) is not None

    def queues(self) -> list[str]:
        with self._store.lock:
            return sorted(self._queues)

    def count(self, queue: str) -> int:
        with self._store.lock:
            return len(self._queues[queue].records) if queue in self._queues else 0

    def browse(self, queue: str) -> Iterator[Stored]:
        with self._store.lock:
            uuids = list(self._queues[queue].records) if queue in self._queues else []
        for uuid in uuids:
            stored = self.get(queue, uuid)
            if stored is not None:
                yield stored

    # --- dead letters ------------------------------------------------------------------------------

    def dead_letter(self, queue: str, uuid: str) -> DeadLetter | None:
        with self._store.lock:
            return self._dead.get((queue, uuid))

    def dead_letters(self, queue: str) -> Iterator[DeadLetter]:
        with self._store.lock:
            letters = [letter for (name, _), letter in self._dead.items() if name == queue]
        yield from letters

    def dead_queues(self) -> list[str]:
        with self._store.lock:
            return sorted({queue for (queue, _), _ in self._dead.items()})

    def replay(self, submission: Submission) -> bool:
        with self._store.lock:
            key = (submission.queue, submission.uuid)
            # A message of this uuid that lives again must not be overwritten by its own past.
            if submission.uuid in self._records or self._dead.pop(key) is None:
                return False
            self._admit(submission, request="")
            self._wake()
            return True

    def purge(self, queue: str, uuid: str | None = None) -> int:
        with self._store.lock:
            uuids = [letter.uuid for letter in self.dead_letters(queue)] if uuid is None else [uuid]
            return sum(self._dead.pop((queue, each)) is not None for each in uuids)

    def clear(self) -> int:
        """Forget messages, dead letters and workers; how many messages and dead letters it was."""
        with self._store.lock:
            dropped = len(self._records) + self._dead.clear()
            self._queues.clear()
            self._records.clear()
            self._holders.clear()
            self._gone.clear()
            return dropped

    # --- the moves of a record ---------------------------------------------------------------------

    def _find(self, queue: str, uuid: str) -> Record | None:
        record = self._records.get(uuid)
        return record if record is not None and record.queue == queue else None

    def _names(self, worker: Worker) -> list[str]:
        """The queues with messages that `worker` drains, in its order."""
        if worker.queues is None:
            return sorted(self._queues)
        return [name for name in worker.queues if name in self._queues]

    def _put(self, record: Record) -> None:
        self._queues.setdefault(record.queue, Queue()).insert(record)

    def _set_aside(self, record: Record) -> None:
        """Take a record from wherever it is; a claim on it ends."""
        queue = self._queues[record.queue]
        queue.withdraw(record)
        if not queue.records:
            del self._queues[record.queue]
        if record.holder is not None:
            del record.holder.claims[record.uuid]
            record.holder, record.token = None, 0

    def _drop(self, record: Record, finished: bool) -> None:
        self._set_aside(record)
        del self._records[record.uuid]
        self._gone.put(record.uuid, _Gone(record.request, finished), DEDUP_WINDOW)

    def _make_ready(self, record: Record, since: int) -> None:
        record.arrival, record.ready_since = next(self._store.numbers), since
        record.state = "ready"
        self._put(record)
        self._fresh[record.lane] = None

    def _delay(self, record: Record, delay: int) -> None:
        now = self._store.clock()
        if delay <= 0:
            self._make_ready(record, since=now)
            return
        record.due, record.state = (now + delay, next(self._store.numbers), record.uuid), "delayed"
        self._put(record)
        if self._queues[record.queue].next_due == record.due:
            # Sleepers have set their timers by another message: one must learn of this earlier one.
            self._fresh[record.lane] = None

    def _requeue(self, record: Record, payload: bytes, delay: int) -> None:
        self._set_aside(record)
        record.payload, record.suspect = bytes(payload), False
        self._set_status(record, TaskStatus.RETRYING)
        self._delay(record, delay)

    def _give_back(self, record: Record, status: TaskStatus, suspect: bool = False) -> None:
        self._set_aside(record)
        record.suspect = record.suspect or suspect
        record.state, record.ready_since = "ready", self._store.clock()
        self._put(record)
        self._fresh[record.lane] = None
        self._set_status(record, status)

    def _entomb(self, record: Record, error: bytes, dlq_ttl: int) -> None:
        if dlq_ttl:
            letter = DeadLetter(record.uuid, record.queue, record.payload, bytes(error), self._store.clock())
            self._dead.put((record.queue, record.uuid), letter, dlq_ttl)
        self._set_status(record, TaskStatus.FAILED)
        self._store.publish(f"results:{record.uuid}")

    def _reject(self, record: Record, dlq_ttl: int) -> Corrupt:
        reason = f"record version {record.version}: this version of Alsek reads {RECORD_VERSION}"
        details = {"name": "alsek.exceptions.CorruptMessageError", "text": reason, "traceback": None}
        self._drop(record, finished=False)
        self._entomb(record, json.dumps(details).encode(), dlq_ttl)
        return Corrupt(record.uuid, record.queue, reason)

    def _set_status(self, record: Record, status: TaskStatus) -> None:
        if record.submission.status_ttl:
            self._statuses.put(record.uuid, status, ttl=record.submission.status_ttl)

    # --- waking ------------------------------------------------------------------------------------

    def _wake(self, everything: bool = False) -> None:
        """Wake sleepers for what has become ready in this step, or for everything that is ready."""
        if everything:
            for queue in self._queues.values():
                self._fresh.update(dict.fromkeys(queue.lanes))
        self._sleepers.wake(self._fresh)
        self._fresh.clear()

    def _serves(self, lane: Lane, worker: Worker) -> bool:
        return lane.serves(worker, self._holding(worker))

    def _missed(self, worker: Worker) -> bool:
        """Whether `worker`, about to sleep, would miss something: ready, due, or due before it expects it."""
        if any(True for _ in self._takeable(worker, self._holding(worker))):
            return True
        due = self._next_due(worker)
        holder = self._holders.get(worker.id)
        if due is None or holder is None:
            return due is not None
        return holder.next_due_at is None or due[0] < holder.next_due_at or due[0] <= self._store.clock()


def _copy(step: Step | None) -> Step:
    """The answer, with lists of its own: what the caller does to them must not change a later repetition."""
    assert step is not None
    return step._replace(
        refused=list(step.refused),
        claimed=list(step.claimed),
        skipped=list(step.skipped),
        corrupt=list(step.corrupt),
    )
