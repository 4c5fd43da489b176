"""The message port: each method is one transaction, whose parts are in the modules it calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from alsek.storage.backends.batches import add_in_batches
from alsek.storage.backends.ports import MessagePort, Waiter
from alsek.storage.backends.records import (
    Added,
    Claimed,
    DeadLetter,
    Outcome,
    Step,
    Stored,
    Submission,
    TaskStatus,
    Worker,
    refused_again,
)
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.messages import claims as claiming
from alsek.storage.backends.sqlite.messages import interventions as handling
from alsek.storage.backends.sqlite.messages import leases
from alsek.storage.backends.sqlite.messages import queries as browsing
from alsek.storage.backends.sqlite.messages import submissions as adding
from alsek.storage.backends.sqlite.messages.outcomes import finish
from alsek.storage.backends.sqlite.messages.steps import StepRunner
from alsek.storage.backends.sqlite.messages.transitions import give_back_all
from alsek.storage.backends.sqlite.wakeup.waiter import SQLiteWaiter


class SQLiteMessages(MessagePort):
    """Messages in tables.

    Args:
        database: The file and the namespace.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stepping = StepRunner(database)

    # --- producers ---------------------------------------------------------------------------------

    def add(self, submissions: Sequence[Submission], request: str) -> list[Added]:
        if len(submissions) == 1:
            return self._database.write(lambda tx: adding.add(tx, submissions, request))
        return add_in_batches(
            submissions, lambda batch: self._database.write(lambda tx: adding.add(tx, batch, request))
        )

    # --- workers -----------------------------------------------------------------------------------

    def register(self, worker: Worker) -> None:
        self._database.write(lambda tx: leases.register(tx, worker))

    def step(self, worker: Worker, seq: int, outcomes: Sequence[Outcome], limit: int) -> Step:
        return self._stepping.step(worker, seq, outcomes, limit)

    def renew(self, worker: Worker, seq: int, tokens: Iterable[int]) -> list[str]:
        return self._stepping.renew(worker, seq, tokens)

    def retire(self, worker: Worker, outcomes: Sequence[Outcome] = ()) -> list[str]:
        return self._database.write(lambda tx: self._retire(tx, worker, outcomes))

    def _retire(self, tx: Transaction, worker: Worker, outcomes: Sequence[Outcome]) -> list[str]:
        number = leases.number_of(tx, worker)
        if number is None:
            return refused_again(outcomes, leases.last_accepted(tx, worker)) if outcomes else []
        refused: list[str] = []
        if outcomes:
            held = claiming.tokens_of(tx, number)
            refused, _ = finish(self._database, tx, number, outcomes)
            leases.remember_accepted(tx, worker, held - claiming.tokens_of(tx, number))
        give_back_all(self._database, tx, number, TaskStatus.SUBMITTED)
        leases.forget(tx, number)
        return refused

    def held(self, worker: Worker) -> list[Claimed]:
        return self._database.read(lambda tx: self._held(tx, worker))

    def _held(self, tx: Transaction, worker: Worker) -> list[Claimed]:
        number = leases.number_of(tx, worker)
        return [] if number is None else claiming.held(tx, number)

    def waiter(self, worker: Worker) -> Waiter:
        stepping = self._stepping
        self._database.ping()  # the board lies beside the file, so that must be there
        return SQLiteWaiter(self._database.notifier, worker, stepping.prospect, stepping.pass_on)

    # --- anyone ------------------------------------------------------------------------------------

    def remove(self, queue: str, uuid: str) -> bool:
        return self._database.write(lambda tx: handling.remove(tx, queue, uuid))

    def reschedule(self, queue: str, uuid: str, payload: bytes, delay: int) -> bool:
        return self._database.write(
            lambda tx: handling.reschedule(self._database, tx, queue, uuid, payload, delay)
        )

    def fail(self, queue: str, uuid: str, error: bytes, dlq_ttl: int) -> bool:
        return self._database.write(lambda tx: handling.fail(tx, queue, uuid, error, dlq_ttl))

    def revoke(self, queue: str, uuid: str) -> bool:
        return self._database.write(lambda tx: handling.revoke(tx, queue, uuid))

    def get(self, queue: str, uuid: str) -> Stored | None:
        return self._database.read(lambda tx: browsing.get(tx, queue, uuid))

    def exists(self, queue: str, uuid: str) -> bool:
        return self._database.read(lambda tx: browsing.exists(tx, queue, uuid))

    def queues(self) -> list[str]:
        return self._database.read(browsing.queues)

    def count(self, queue: str) -> int:
        return self._database.read(lambda tx: browsing.count(tx, queue))

    def browse(self, queue: str) -> Iterator[Stored]:
        return browsing.browse(self._database, queue)

    def uuids(self) -> Iterator[str]:
        return browsing.uuids(self._database)

    # --- dead letters ------------------------------------------------------------------------------

    def dead_letter(self, queue: str, uuid: str) -> DeadLetter | None:
        return self._database.read(lambda tx: browsing.dead_letter(tx, queue, uuid))

    def dead_letters(self, queue: str) -> Iterator[DeadLetter]:
        return browsing.dead_letters(self._database, queue)

    def dead_queues(self) -> list[str]:
        return self._database.read(browsing.dead_queues)

    def replay(self, submission: Submission, died_at: int) -> bool:
        return self._database.write(lambda tx: handling.replay(tx, submission, died_at))

    def purge(self, queue: str, uuid: str | None = None) -> int:
        return self._database.write(lambda tx: handling.purge(tx, queue, uuid))
