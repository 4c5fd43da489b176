"""The message port: each method runs under the store's lock, which makes it one step of the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from alsek.defaults import PROMOTION_BATCH
from alsek.storage.backends.batches import add_in_batches
from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.memory.messages import (
    admission,
    counting,
    dead_letters,
    interventions,
    leases,
    pushes,
    queries,
    steps,
    wakeups,
)
from alsek.storage.backends.memory.messages import reports as kept_reports
from alsek.storage.backends.memory.messages.groups import counting as groups
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.settling import settle
from alsek.storage.backends.memory.messages.submissions import add_one
from alsek.storage.backends.memory.store import MemoryStore
from alsek.storage.backends.memory.waiter import MemoryWaiter, Sleepers
from alsek.storage.backends.ports import MessagePort, Waiter
from alsek.storage.backends.records import (
    Added,
    Aside,
    Claimed,
    DeadLetter,
    HistoryCounts,
    HistoryRow,
    LimitRecord,
    Located,
    Outcome,
    Pause,
    QueueTally,
    Report,
    ReportRecord,
    Retried,
    Running,
    Step,
    Stored,
    Submission,
    UniqueRecord,
    Worker,
    WorkerFacts,
    WorkerRecord,
)
from alsek.storage.backends.states import MessageState


class MemoryMessages(MessagePort):
    """Messages in plain dicts.

    Args:
        store: What the ports of the backend share.
    """

    def __init__(self, store: MemoryStore) -> None:
        self._lock = store.lock
        self.table = table = MessageTable(store)
        self._sleepers = Sleepers(
            store,
            lambda lane, worker, slots: wakeups.can_use(table, lane, worker, slots),
            lambda worker, slots: wakeups.would_miss(table, worker, slots),
        )

    def wake(self) -> None:
        """Do what follows this operation, and wake workers for all that is ready.

        Groups count what it has ended; the limits that were noted let in what waits for them.
        """
        groups.settle(self.table)
        settle(self.table, PROMOTION_BATCH)
        self._sleepers.wake(self.table.woken_lanes)
        self.table.woken_lanes.clear()
        if self.table.schedules_moved:
            self._sleepers.wake_late(lambda worker: wakeups.fires(self.table, worker))
            self.table.schedules_moved = False

    def add(self, submissions: Sequence[Submission], request: str) -> list[Added]:
        with self._lock:
            if len(submissions) == 1:
                answer = pushes.add_and_push(
                    self.table, submissions[0], request, self._sleepers.find_receiver
                )
                self.wake()
                return [answer]
            return add_in_batches(submissions, lambda batch: self._add(batch, request))

    def _add(self, batch: Sequence[Submission], request: str) -> list[Added]:
        answers = [add_one(self.table, each, request) for each in batch]
        self.wake()
        return [self._with_state_now(answer) for answer in answers]

    def _with_state_now(self, answer: Added) -> Added:
        """Return an answer as it is after the whole batch, which may have replaced the message that it names."""
        if answer.accepted:
            return answer
        existing = self.table.messages.get(answer.existing)
        return answer._replace(state="finished" if existing is None else existing.state)

    def register(self, worker: Worker, facts: WorkerFacts | None = None) -> None:
        with self._lock:
            leases.register(self.table, worker, facts)

    def step(
        self,
        worker: Worker,
        seq: int,
        outcomes: Sequence[Outcome],
        limits: Mapping[SlotKind, int],
        history: Sequence[HistoryCounts] = (),
        *,
        sleeps: bool = False,
        received: int | None = None,
    ) -> Step:
        with self._lock:
            answer = steps.step(
                self.table, worker, seq, outcomes, limits, history, sleeps=sleeps, received=received
            )
            self.wake()
            return answer

    def renew(
        self, worker: Worker, seq: int, tokens: Iterable[int], running: Sequence[Running] | None = None
    ) -> list[str]:
        with self._lock:
            revoked = leases.renew(self.table, worker, seq, frozenset(tokens), running)
            self.wake()
            return revoked

    def retire(self, worker: Worker, outcomes: Sequence[Outcome] = ()) -> list[str]:
        with self._lock:
            refused = leases.retire(self.table, worker, outcomes)
            self.wake()
            return refused

    def report(self, worker: Worker, reports: Sequence[Report]) -> list[str]:
        with self._lock:
            return kept_reports.report(self.table, worker, reports)

    def held(self, worker: Worker) -> list[Claimed]:
        with self._lock:
            return [message.as_claimed() for message in self.table.held_by(worker)]

    def waiter(self, worker: Worker, slot: SlotKind | None = None) -> Waiter:
        return MemoryWaiter(self._sleepers, worker, slot)

    def remove(self, queue: str, uuid: str, waiting: bool = False) -> bool:
        with self._lock:
            was_stored = interventions.remove(self.table, queue, uuid, waiting)
            self.wake()
            return was_stored

    def reschedule(self, retried: Retried) -> bool:
        with self._lock:
            was_stored = interventions.reschedule(self.table, retried)
            self.wake()
            return was_stored

    def fail(
        self,
        queue: str,
        uuid: str,
        error: bytes,
        dlq_ttl: int,
        callback: Submission | None = None,
        unreachable: tuple[str, ...] = (),
    ) -> bool:
        with self._lock:
            was_stored = interventions.fail(self.table, queue, uuid, error, dlq_ttl, callback, unreachable)
            self.wake()
            return was_stored

    def revoke(self, queue: str, uuid: str) -> bool:
        with self._lock:
            was_stored = interventions.revoke(self.table, queue, uuid)
            self.wake()
            return was_stored

    def pause(self, queue: str, by: str) -> bool:
        with self._lock:
            return interventions.pause(self.table, queue, by)

    def resume(self, queue: str) -> bool:
        with self._lock:
            was_paused = interventions.resume(self.table, queue)
            self.wake()
            return was_paused

    def now(self) -> int:
        return self.table.store.clock()

    def find(self, uuid: str) -> Located | None:
        with self._lock:
            return queries.find(self.table, uuid)

    def find_dead(self, uuid: str) -> list[DeadLetter]:
        with self._lock:
            return queries.find_dead(self.table, uuid)

    def place(self, queue: str, uuid: str, most: int) -> int | None:
        with self._lock:
            return queries.place(self.table, queue, uuid, most)

    def tallies(self, queues: Sequence[str] | None = None) -> list[QueueTally]:
        with self._lock:
            return queries.tallies(self.table, queues)

    def fronts(self, queues: Sequence[str]) -> list[Stored]:
        with self._lock:
            return queries.fronts(self.table, queues)

    def peek(self, queue: str, state: MessageState, most: int) -> list[Stored]:
        with self._lock:
            return queries.peek(self.table, queue, state, most)

    def workers(self) -> list[WorkerRecord]:
        with self._lock:
            return queries.workers(self.table)

    def pauses(self) -> list[Pause]:
        with self._lock:
            return [pause for _, pause in sorted(self.table.pauses.items())]

    def aside(self) -> list[Aside]:
        with self._lock:
            return queries.aside(self.table)

    def limits(self, ids: Sequence[str] | None = None) -> list[LimitRecord]:
        with self._lock:
            return admission.records(self.table, ids)

    def unique_key(self, key: str) -> UniqueRecord | None:
        with self._lock:
            held = self.table.keys.get(key)
            return None if held is None else held.record(key)

    def reports(self, uuids: Sequence[str], lines: bool = False) -> list[ReportRecord | None]:
        with self._lock:
            return kept_reports.records(self.table, uuids, lines)

    def history(self, first: int, last: int) -> list[HistoryRow]:
        with self._lock:
            return counting.rows(self.table, first, last)

    def get(self, queue: str, uuid: str) -> Stored | None:
        with self._lock:
            return queries.get(self.table, queue, uuid)

    def exists(self, queue: str, uuid: str) -> bool:
        with self._lock:
            return self.table.find(queue, uuid) is not None

    def queues(self) -> list[str]:
        with self._lock:
            return sorted(self.table.queues)

    def count(self, queue: str) -> int:
        with self._lock:
            return queries.count(self.table, queue)

    def browse(self, queue: str) -> Iterator[Stored]:
        with self._lock:
            uuids = queries.uuids(self.table, queue)
        for uuid in uuids:
            stored = self.get(queue, uuid)
            if stored is not None:
                yield stored

    def dead_letter(self, queue: str, uuid: str) -> DeadLetter | None:
        with self._lock:
            return self.table.dead.get((queue, uuid))

    def dead_letters(self, queue: str) -> Iterator[DeadLetter]:
        with self._lock:
            letters = dead_letters.of_queue(self.table, queue)
        yield from letters

    def dead_queues(self) -> list[str]:
        with self._lock:
            return dead_letters.queues(self.table)

    def replay(self, submission: Submission, died_at: int, unreachable: tuple[str, ...] = ()) -> Added:
        with self._lock:
            replayed = dead_letters.replay(self.table, submission, died_at, unreachable)
            self.wake()
            return replayed

    def purge(self, queue: str, uuid: str | None = None) -> int:
        with self._lock:
            return dead_letters.purge(self.table, queue, uuid)

    def clear(self) -> int:
        """Delete messages, dead letters and workers; return how many messages, dead letters and groups that were."""
        with self._lock:
            return self.table.clear()
