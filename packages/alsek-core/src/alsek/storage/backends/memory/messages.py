"""The messages of a :class:`~alsek.storage.backends.memory.MemoryBackend`: the message port in plain dicts.

Read :meth:`MemoryMessages.step` first. All public methods run under the store's lock; the private ones
expect to be called under it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from alsek.defaults import DEDUP_WINDOW, PROMOTION_BATCH
from alsek.storage.backends.batches import add_in_batches
from alsek.storage.backends.header import READABLE_VERSIONS
from alsek.storage.backends.memory.message_table import MessageTable
from alsek.storage.backends.memory.queue import Due, Holder, Lane, StoredMessage
from alsek.storage.backends.memory.results import MemoryResults
from alsek.storage.backends.memory.store import ExpiringDict, MemoryStore
from alsek.storage.backends.memory.waiter import MemoryWaiter, Sleepers
from alsek.storage.backends.ports import MessagePort, Waiter
from alsek.storage.backends.records import (
    REPLAYED,
    Added,
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
    TakenOver,
    TaskStatus,
    Worker,
    refused_again,
)
from alsek.storage.backends.refusals import late_step, unknown_worker


class MemoryMessages(MessagePort):
    """Workers and their steps, over a shelf of messages."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._results = MemoryResults(store)
        self.shelf = MessageTable(store)
        self._holders: dict[str, Holder] = {}
        self._retired: ExpiringDict[str, frozenset[int]] = ExpiringDict(store.clock)
        self._last_contact = store.clock()
        self._sleepers = Sleepers(store, self._serves, self._missed)

    def add(self, submissions: Sequence[Submission], request: str) -> list[Added]:
        with self._store.lock:
            answers = add_in_batches(
                submissions, lambda batch: [self.shelf.add(submission, request) for submission in batch]
            )
            self._wake()
            return answers

    def register(self, worker: Worker) -> None:
        with self._store.lock:
            self._note_contact()
            holder = self._holders.setdefault(worker.id, Holder(worker, 0))
            self._renew_lease(holder, worker)

    def step(self, worker: Worker, seq: int, outcomes: Sequence[Outcome], limit: int) -> Step:
        with self._store.lock:
            holder = self._known(worker)
            if holder.seq is not None and seq < holder.seq:
                raise late_step(worker, seq, holder.seq)
            self._note_contact()
            if seq != holder.seq:
                step = self._step(holder, worker, seq, outcomes, limit)
                holder.answer = step._replace(taken_over=())
                holder.seq = seq
                return _told(step, holder)
            assert holder.answer is not None
            return _told(holder.answer, holder)

    def _step(
        self, holder: Holder, worker: Worker, seq: int, outcomes: Sequence[Outcome], limit: int
    ) -> Step:
        skipped: list[str] = []
        refused = self._finish(holder, outcomes, skipped)
        self._promote()
        taken_over = self._take_over(holder)
        claimed, corrupt = self._claim(holder, worker, seq, limit)
        self._wake(everything=True)
        due = self._next_due()
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
            taken_over=tuple(taken_over),
        )

    def renew(self, worker: Worker, seq: int, tokens: Iterable[int]) -> list[str]:
        with self._store.lock:
            holder = self._known(worker)
            self._note_contact()
            self._renew_lease(holder, worker)
            received = set(tokens)
            for record in list(holder.claims.values()):
                if record.seq <= seq and record.token not in received:
                    self.shelf.give_back(record, TaskStatus.SUBMITTED)
            self._wake()
            return [record.uuid for record in holder.claims.values() if record.revoked]

    def retire(self, worker: Worker, outcomes: Sequence[Outcome] = ()) -> list[str]:
        with self._store.lock:
            holder = self._holders.get(worker.id)
            if holder is None:
                return refused_again(outcomes, self._retired.get(worker.id) or frozenset())
            held = {record.token for record in holder.claims.values()}
            refused = self._finish(holder, outcomes, skipped=[])
            held.difference_update(record.token for record in holder.claims.values())
            self._retired.put(worker.id, frozenset(held), DEDUP_WINDOW)
            del self._holders[worker.id]
            for record in list(holder.claims.values()):
                self.shelf.give_back(record, TaskStatus.SUBMITTED)
            self._wake()
            return refused

    def held(self, worker: Worker) -> list[Claimed]:
        with self._store.lock:
            return [record.as_claimed() for record in self._holding(worker)]

    def waiter(self, worker: Worker) -> Waiter:
        return MemoryWaiter(self._sleepers, worker)

    def _finish(self, holder: Holder, outcomes: Sequence[Outcome], skipped: list[str]) -> list[str]:
        refused = []
        callbacks: list[Submission] = []
        for outcome in outcomes:
            record = holder.claims.get(outcome.uuid)
            if record is None or record.token != outcome.token:
                refused.append(outcome.uuid)
                continue
            self._accept(record, outcome)
            if isinstance(outcome, Succeeded) and outcome.callback is not None:
                callbacks.append(outcome.callback)
        skipped += [
            callback.uuid for callback in callbacks if not self.shelf.add(callback, request="").accepted
        ]
        return refused

    def _accept(self, record: StoredMessage, outcome: Outcome) -> None:
        match outcome:
            case Succeeded():
                self.shelf.succeed(record)
                if outcome.result is not None:
                    self._results.write(
                        record.uuid, outcome.result, outcome.result_ttl, outcome.token, outcome.progenitor
                    )
            case Retried():
                self.shelf.requeue(record, outcome.payload, outcome.delay)
            case Died():
                self.shelf.bury(record, outcome.error, outcome.dlq_ttl, finished=True)
            case Released():
                self.shelf.give_back(record, TaskStatus.SUBMITTED)
            case Lost():
                record.losses += 1
                self.shelf.give_back(record, TaskStatus.RETRYING, suspect=outcome.suspect)

    def _promote(self) -> None:
        now = self._store.clock()
        for _ in range(PROMOTION_BATCH):
            due = self._next_due()
            if due is None or due[0] > now:
                return
            record = self.shelf.records[due[2]]
            self.shelf.take(record)
            self.shelf.make_ready(record, since=due[0])

    def _take_over(self, asking: Holder) -> list[TakenOver]:
        now = self._store.clock()
        lost = [holder for holder in self._holders.values() if holder.lease_end <= now]
        taken_over: list[TakenOver] = []
        for holder in sorted(lost, key=lambda holder: (holder.lease_end, holder.worker.id)):
            if holder is asking:
                continue  # it lives: it is here, even though its lease ended before anyone noticed
            taken_over.append(TakenOver(holder.worker.id, len(holder.claims)))
            del self._holders[holder.worker.id]
            for record in list(holder.claims.values()):
                record.losses += 1
                self.shelf.give_back(record, TaskStatus.RETRYING)
        return taken_over

    def _claim(
        self, holder: Holder, worker: Worker, seq: int, limit: int
    ) -> tuple[list[Claimed], list[Corrupt]]:
        chosen, unreadable = self._choose(worker, limit)
        for record in chosen:
            self.shelf.hand_out(record, holder, seq)
        corrupt = [self.shelf.reject(record, worker.dlq_ttl) for record in unreadable]
        return [record.as_claimed() for record in chosen], corrupt

    def _choose(self, worker: Worker, limit: int) -> tuple[list[StoredMessage], list[StoredMessage]]:
        """Up to `limit` ready records for `worker`, best first; and the unreadable ones met on the way."""
        holding = self._holding(worker)
        chosen: list[StoredMessage] = []
        unreadable: list[StoredMessage] = []
        if limit <= 0:
            return chosen, unreadable
        for record in self._takeable(worker, holding):
            if record.version not in READABLE_VERSIONS:
                unreadable.append(record)
            elif record.suspect and worker.suspects != "freely":
                if not chosen:
                    return [record], unreadable
            else:
                chosen.append(record)
                if len(chosen) == limit:
                    break
        return chosen, unreadable

    def _takeable(self, worker: Worker, holding: Sequence[StoredMessage]) -> Iterator[StoredMessage]:
        for name in self.shelf.drained_by(worker):
            queue = self.shelf.queues[name]
            yield from queue.ready([lane for lane in queue.lanes if lane.serves(worker, holding)])

    def _left_behind(self, worker: Worker) -> list[Lane]:
        """The lanes with something that `worker` may take, now or once it holds nothing."""
        lanes = (lane for name in self.shelf.drained_by(worker) for lane in self.shelf.queues[name].lanes)
        return [lane for lane in lanes if lane.serves(worker, ())]

    def _next_due(self) -> Due | None:
        # Of all queues and wishes: whichever worker comes first makes ready what is due, and wakes
        # the one that may take it.
        dues = (queue.next_due for queue in self.shelf.queues.values())
        return min((due for due in dues if due is not None), default=None)

    def _known(self, worker: Worker) -> Holder:
        holder = self._holders.get(worker.id)
        if holder is None:
            raise unknown_worker(worker)
        return holder

    def _note_contact(self) -> None:
        """A worker reached the store. If none had for a whole lease (an outage), each gets a new one."""
        now = self._store.clock()
        silence = now - self._last_contact
        self._last_contact = now
        for holder in self._holders.values():
            if silence >= holder.worker.lease:
                holder.lease_end = max(holder.lease_end, now + holder.worker.lease)

    def _renew_lease(self, holder: Holder, worker: Worker) -> None:
        holder.worker = worker
        holder.lease_end = self._store.clock() + worker.lease

    def _holding(self, worker: Worker) -> list[StoredMessage]:
        holder = self._holders.get(worker.id)
        return [] if holder is None else list(holder.claims.values())

    def remove(self, queue: str, uuid: str) -> bool:
        with self._store.lock:
            record = self.shelf.find(queue, uuid)
            if record is None:
                return False
            self.shelf.drop(record)
            self._store.publish(f"results:{uuid}")
            return True

    def reschedule(self, queue: str, uuid: str, payload: bytes, delay: int) -> bool:
        with self._store.lock:
            record = self.shelf.find(queue, uuid)
            if record is None:
                return False
            self.shelf.requeue(record, payload, delay)
            self._wake()
            return True

    def fail(self, queue: str, uuid: str, error: bytes, dlq_ttl: int) -> bool:
        with self._store.lock:
            record = self.shelf.find(queue, uuid)
            if record is None:
                return self.shelf.dead.get((queue, uuid)) is not None
            self.shelf.bury(record, error, dlq_ttl, finished=False)
            return True

    def revoke(self, queue: str, uuid: str) -> bool:
        with self._store.lock:
            record = self.shelf.find(queue, uuid)
            if record is None:
                return False
            record.revoked = True
            if record.holder is None:
                self._store.publish(f"results:{uuid}")
            return True

    def get(self, queue: str, uuid: str) -> Stored | None:
        with self._store.lock:
            record = self.shelf.find(queue, uuid)
            return None if record is None else record.as_stored()

    def exists(self, queue: str, uuid: str) -> bool:
        with self._store.lock:
            return self.shelf.find(queue, uuid) is not None

    def queues(self) -> list[str]:
        with self._store.lock:
            return sorted(self.shelf.queues)

    def count(self, queue: str) -> int:
        with self._store.lock:
            return len(self.shelf.queues[queue].records) if queue in self.shelf.queues else 0

    def browse(self, queue: str) -> Iterator[Stored]:
        with self._store.lock:
            uuids = list(self.shelf.queues[queue].records) if queue in self.shelf.queues else []
        for uuid in uuids:
            stored = self.get(queue, uuid)
            if stored is not None:
                yield stored

    def dead_letter(self, queue: str, uuid: str) -> DeadLetter | None:
        with self._store.lock:
            return self.shelf.dead.get((queue, uuid))

    def dead_letters(self, queue: str) -> Iterator[DeadLetter]:
        with self._store.lock:
            letters = [letter for (name, _), letter in self.shelf.dead.items() if name == queue]
        yield from letters

    def dead_queues(self) -> list[str]:
        with self._store.lock:
            return sorted({queue for (queue, _), _ in self.shelf.dead.items()})

    def replay(self, submission: Submission, died_at: int) -> bool:
        with self._store.lock:
            key = (submission.queue, submission.uuid)
            letter = self.shelf.dead.get(key)
            if letter is None or letter.died_at != died_at:
                return self.shelf.was_taken_in(submission.uuid, REPLAYED)
            # A message of this uuid that lives again must not be overwritten by its own past.
            if submission.uuid in self.shelf.records:
                return False
            self.shelf.dead.pop(key)
            self.shelf.admit(submission, REPLAYED)
            self._wake()
            return True

    def purge(self, queue: str, uuid: str | None = None) -> int:
        with self._store.lock:
            uuids = [letter.uuid for letter in self.dead_letters(queue)] if uuid is None else [uuid]
            return sum(self.shelf.dead.pop((queue, each)) is not None for each in uuids)

    def clear(self) -> int:
        """Forget messages, dead letters and workers; how many messages and dead letters it was."""
        with self._store.lock:
            self._holders.clear()
            self._retired.clear()
            return self.shelf.clear()

    def _wake(self, everything: bool = False) -> None:
        """Wake sleepers for what has become ready in this step, or for everything that is ready."""
        if everything:
            for queue in self.shelf.queues.values():
                self.shelf.fresh.update(dict.fromkeys(queue.lanes))
        self._sleepers.wake(self.shelf.fresh)
        self.shelf.fresh.clear()

    def _serves(self, lane: Lane, worker: Worker) -> bool:
        return lane.serves(worker, self._holding(worker))

    def _missed(self, worker: Worker) -> bool:
        """Whether `worker`, about to sleep, would miss something: ready, due, or due before it expects it."""
        if any(True for _ in self._takeable(worker, self._holding(worker))):
            return True
        due = self._next_due()
        holder = self._holders.get(worker.id)
        if due is None or holder is None:
            return due is not None
        return holder.next_due_at is None or due[0] < holder.next_due_at or due[0] <= self._store.clock()


def _told(step: Step, holder: Holder) -> Step:
    """The answer, first or repeated, in lists of its own; of its claims those that are held still, as they are now."""
    current = {record.token: record for record in holder.claims.values()}
    return step._replace(
        refused=list(step.refused),
        claimed=[current[claim.token].as_claimed() for claim in step.claimed if claim.token in current],
        skipped=list(step.skipped),
        corrupt=list(step.corrupt),
    )
