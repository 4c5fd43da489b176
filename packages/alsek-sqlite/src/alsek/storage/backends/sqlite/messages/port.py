"""The message port: each method is one transaction, made of the functions of the modules beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from alsek.storage.backends.batches import add_in_batches
from alsek.storage.backends.kinds import SlotKind
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
    TaskStatus,
    UniqueRecord,
    Worker,
    WorkerFacts,
    WorkerRecord,
    refused_again,
)
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.messages import (
    aside_lanes,
    claims,
    counting,
    dead_letters,
    interventions,
    leases,
    limits,
    pauses,
    peeking,
    places,
    queries,
    reports,
    unique_keys,
    wakeups,
    worker_facts,
)
from alsek.storage.backends.sqlite.messages.becoming_ready import give_back_all
from alsek.storage.backends.sqlite.messages.follow_ups import finish, write
from alsek.storage.backends.sqlite.messages.new_rows import with_states_now
from alsek.storage.backends.sqlite.messages.outcomes import accept, take_reports
from alsek.storage.backends.sqlite.messages.steps import StepRunner
from alsek.storage.backends.sqlite.messages.submissions import add
from alsek.storage.backends.sqlite.messages.tallies import tallies
from alsek.storage.backends.sqlite.wakeup.waiter import SleepInfo, SQLiteWaiter
from alsek.storage.backends.states import MessageState


class SQLiteMessages(MessagePort):
    """Messages in tables.

    Args:
        database: The file and the namespace.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._steps = StepRunner(database)

    def add(self, submissions: Sequence[Submission], request: str) -> list[Added]:
        if len(submissions) == 1:
            return write(self._database, lambda tx: add(tx, submissions, request))
        return add_in_batches(submissions, lambda batch: self._add(batch, request))

    def _add(self, batch: Sequence[Submission], request: str) -> list[Added]:
        bound = any(each.unique or each.limits for each in batch)

        def work(tx: Transaction) -> list[Added]:
            answers = add(tx, batch, request)
            finish(tx)
            # Nothing else in a batch changes the state of a message that was there before.
            return with_states_now(tx, answers) if bound else answers

        return self._database.write(work)

    def register(self, worker: Worker, facts: WorkerFacts | None = None) -> None:
        self._database.write(lambda tx: leases.register(tx, worker, facts))

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
        return self._steps.step(worker, seq, outcomes, limits, history)

    def renew(
        self, worker: Worker, seq: int, tokens: Iterable[int], running: Sequence[Running] | None = None
    ) -> list[str]:
        received = frozenset(tokens)
        return write(self._database, lambda tx: leases.renew(tx, worker, seq, received, running))

    def retire(self, worker: Worker, outcomes: Sequence[Outcome] = ()) -> list[str]:
        return write(self._database, lambda tx: self._retire(tx, worker, outcomes))

    def _retire(self, tx: Transaction, worker: Worker, outcomes: Sequence[Outcome]) -> list[str]:
        number = leases.find_worker(tx, worker)
        if number is None:
            return refused_again(outcomes, leases.last_accepted(tx, worker)) if outcomes else []
        refused: list[str] = []
        if outcomes:
            held = claims.tokens_of(tx, number)
            refused = accept(tx, number, outcomes).refused
            accepted = held - claims.tokens_of(tx, number)
            accepted |= held.intersection(each.token for each in outcomes if isinstance(each, Report))
            leases.remember_accepted(tx, worker, accepted)
        give_back_all(tx, number, TaskStatus.SUBMITTED)
        leases.forget(tx, number)
        return refused

    def report(self, worker: Worker, reports: Sequence[Report]) -> list[str]:
        return self._database.write(lambda tx: self._report(tx, worker, reports))

    def _report(self, tx: Transaction, worker: Worker, told: Sequence[Report]) -> list[str]:
        number = leases.find_worker(tx, worker)
        return [each.uuid for each in told] if number is None else take_reports(tx, number, told)

    def held(self, worker: Worker) -> list[Claimed]:
        return self._database.read(lambda tx: self._held(tx, worker))

    def _held(self, tx: Transaction, worker: Worker) -> list[Claimed]:
        number = leases.find_worker(tx, worker)
        return [] if number is None else claims.held(tx, number)

    def waiter(self, worker: Worker, slot: SlotKind | None = None) -> Waiter:
        self._database.ping()  # the registry of sleepers lies beside the file, so that must exist
        return SQLiteWaiter(self._database.notifier, worker, slot, self._sleep_info, self._pass_on)

    def _sleep_info(self, worker: Worker, slot: SlotKind | None) -> SleepInfo:
        expected = self._steps.expected_due(worker)
        return self._database.read(lambda tx: wakeups.sleep_info(tx, worker, slot, expected))

    def _pass_on(self, worker: Worker, slot: int) -> None:
        wakeups.pass_on(self._database, worker, slot)

    def remove(self, queue: str, uuid: str, waiting: bool = False) -> bool:
        return write(self._database, lambda tx: interventions.remove(tx, queue, uuid, waiting))

    def reschedule(self, retried: Retried) -> bool:
        return write(self._database, lambda tx: interventions.reschedule(tx, retried))

    def fail(
        self,
        queue: str,
        uuid: str,
        error: bytes,
        dlq_ttl: int,
        callback: Submission | None = None,
        unreachable: tuple[str, ...] = (),
    ) -> bool:
        return write(
            self._database,
            lambda tx: interventions.fail(tx, queue, uuid, error, dlq_ttl, callback, unreachable),
        )

    def revoke(self, queue: str, uuid: str) -> bool:
        return write(self._database, lambda tx: interventions.revoke(tx, queue, uuid))

    def pause(self, queue: str, by: str) -> bool:
        return self._database.write(lambda tx: self._pause(tx, queue, by))

    def _pause(self, tx: Transaction, queue: str, by: str) -> bool:
        was_running = pauses.pause(tx, queue, by)
        self._database.paused.look(tx)
        return was_running

    def resume(self, queue: str) -> bool:
        return self._database.write(lambda tx: pauses.resume(tx, queue))

    def now(self) -> int:
        return self._database.read(lambda tx: tx.now)

    def find(self, uuid: str) -> Located | None:
        return self._database.read(lambda tx: places.find(tx, uuid))

    def find_dead(self, uuid: str) -> list[DeadLetter]:
        return self._database.read(lambda tx: dead_letters.of_uuid(tx, uuid))

    def place(self, queue: str, uuid: str, most: int) -> int | None:
        return self._database.read(lambda tx: places.place(tx, queue, uuid, most))

    def tallies(self, queues: Sequence[str] | None = None) -> list[QueueTally]:
        return tallies(self._database, queues)

    def fronts(self, queues: Sequence[str]) -> list[Stored]:
        return places.fronts(self._database, queues)

    def peek(self, queue: str, state: MessageState, most: int) -> list[Stored]:
        return self._database.read(lambda tx: peeking.peek(tx, queue, state, most))

    def workers(self) -> list[WorkerRecord]:
        return self._database.read(worker_facts.records)

    def pauses(self) -> list[Pause]:
        return self._database.read(pauses.pauses)

    def aside(self) -> list[Aside]:
        return self._database.read(aside_lanes.counts)

    def limits(self, ids: Sequence[str] | None = None) -> list[LimitRecord]:
        return self._database.read(lambda tx: limits.records(tx, ids))

    def unique_key(self, key: str) -> UniqueRecord | None:
        return self._database.read(lambda tx: unique_keys.record(tx, key))

    def reports(self, uuids: Sequence[str], lines: bool = False) -> list[ReportRecord | None]:
        return self._database.read(lambda tx: reports.records(tx, uuids, lines))

    def history(self, first: int, last: int) -> list[HistoryRow]:
        return self._database.read(lambda tx: counting.rows(tx, first, last))

    def get(self, queue: str, uuid: str) -> Stored | None:
        return self._database.read(lambda tx: queries.get(tx, queue, uuid))

    def exists(self, queue: str, uuid: str) -> bool:
        return self._database.read(lambda tx: queries.exists(tx, queue, uuid))

    def queues(self) -> list[str]:
        return self._database.read(queries.queues)

    def count(self, queue: str) -> int:
        return self._database.read(lambda tx: queries.count(tx, queue))

    def browse(self, queue: str) -> Iterator[Stored]:
        return queries.browse(self._database, queue)

    def uuids(self) -> Iterator[str]:
        return queries.uuids(self._database)

    def dead_letter(self, queue: str, uuid: str) -> DeadLetter | None:
        return self._database.read(lambda tx: dead_letters.get(tx, queue, uuid))

    def may_be_dead(self, messages: Sequence[tuple[str, str]]) -> list[bool]:
        return self._database.read(lambda tx: [dead_letters.exists(tx, *message) for message in messages])

    def dead_letters(self, queue: str) -> Iterator[DeadLetter]:
        return dead_letters.browse(self._database, queue)

    def dead_count(self, queue: str) -> int:
        return self._database.read(lambda tx: dead_letters.count(tx, queue))

    def dead_queues(self) -> list[str]:
        return self._database.read(dead_letters.queues)

    def replay(self, submission: Submission, died_at: int, unreachable: tuple[str, ...] = ()) -> Added:
        return write(self._database, lambda tx: dead_letters.replay(tx, submission, died_at, unreachable))

    def purge(self, queue: str, uuid: str | None = None) -> int:
        return self._database.write(lambda tx: dead_letters.purge(tx, queue, uuid))
