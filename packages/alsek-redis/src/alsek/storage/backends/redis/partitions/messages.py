"""The message port over several partitions."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

from alsek.core.loggers import guarded_logger
from alsek.exceptions import AlsekError, ValidationError, WorkerUnknownError
from alsek.storage.backends.kinds import SlotKind, SuspectPolicy
from alsek.storage.backends.ports import MessagePort, Waiter
from alsek.storage.backends.records import (
    Added,
    Claimed,
    Failed,
    HistoryCounts,
    Outcome,
    Report,
    Retried,
    Running,
    SetAside,
    Step,
    Submission,
    Worker,
    WorkerFacts,
)
from alsek.storage.backends.redis.partitions.away import Away
from alsek.storage.backends.redis.partitions.bonds import check_alone, check_outcome, check_together
from alsek.storage.backends.redis.partitions.inspection import PartitionedInspection
from alsek.storage.backends.redis.partitions.lost_leases import registered_again
from alsek.storage.backends.redis.partitions.parts import Parts
from alsek.storage.backends.redis.partitions.rounds import Rounds, Visit
from alsek.storage.backends.redis.partitions.waiter import PartitionedWaiter
from alsek.storage.backends.redis.ports.port_set import PortSet
from alsek.storage.backends.redis.ports.worker_arguments import WITHOUT_SUSPECTS
from alsek.storage.backends.redis.wakeup.telling import Telling
from alsek.storage.backends.refusals import late_step

log = guarded_logger(__name__)

#: What is known of so many workers is kept.
_KNOWN_WORKERS: Final = 64

Told = TypeVar("Told", bound=Outcome)


class PartitionedMessages(PartitionedInspection, MessagePort):
    """Messages, each in the partition that its uuid names.

    What concerns one message is one step of its partition. A step of a worker is one in each partition that it visits
    (:mod:`~alsek.storage.backends.redis.partitions.rounds`); a submission of several messages, a registration, a
    renewal, a retirement, and what is done to a queue are one in each partition: all of them can be repeated.

    Args:
        parts: The partitions.
    """

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._rounds: OrderedDict[str, Rounds] = OrderedDict()
        self._away = Away(parts)
        self._telling = Telling()

    def add(self, submissions: Sequence[Submission], request: str) -> list[Added]:
        parts = self._parts
        for submission in submissions:
            check_alone(parts, submission)
        if len(submissions) == 1:
            return parts.of(submissions[0].uuid).messages.add(submissions, request)
        return parts.gather(
            submissions, lambda each: each.uuid, lambda part, mine: part.messages.add(mine, request)
        )

    def register(self, worker: Worker, facts: WorkerFacts | None = None) -> None:
        self._parts.check()  # the store may have been emptied, and filled by others
        for part in self._parts.all:
            part.messages.register(worker, facts)
        self._rounds_of(worker).facts = facts

    def _rounds_of(self, worker: Worker) -> Rounds:
        found = self._rounds.get(worker.id)
        if found is None:
            while len(self._rounds) >= _KNOWN_WORKERS:
                self._rounds.popitem(last=False)
            found = self._rounds[worker.id] = Rounds(len(self._parts), worker)
        self._rounds.move_to_end(worker.id)
        return found

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
        rounds = self._rounds_of(worker)
        if seq < rounds.seq:
            raise late_step(worker, seq, rounds.seq)
        if seq == rounds.seq and rounds.complete:
            return rounds.merged([self._sent(worker, seq, visit) for visit, _ in rounds.answers])
        if seq != rounds.seq:
            places = {outcome.uuid: place for place, outcome in enumerate(outcomes)}
            split = self._by_part(worker, outcomes)
            rounds.begin(seq, split, limits, history, places)
        while (visit := rounds.next_visit()) is not None:
            rounds.take(visit, self._visited(worker, seq, visit, rounds))
        return rounds.end()

    def _visited(self, worker: Worker, seq: int, visit: Visit, rounds: Rounds) -> Step:
        try:
            return self._sent(worker, seq, visit)
        except WorkerUnknownError:
            if not registered_again(self._parts, visit.number, worker, rounds.facts):
                raise
            return self._sent(worker, seq, visit)

    def _sent(self, worker: Worker, seq: int, visit: Visit) -> Step:
        part = self._parts.all[visit.number]
        if visit.plain and worker.suspects == "alone":
            worker = worker._replace(suspects=cast(SuspectPolicy, WITHOUT_SUSPECTS))
        outcomes = [self._inward(outcome) for outcome in visit.outcomes]
        answer = part.messages.step(worker, seq, outcomes, visit.limits, visit.history)
        return answer._replace(claimed=[self._outward(visit.number, each) for each in answer.claimed])

    def _by_part(self, worker: Worker, outcomes: Sequence[Outcome]) -> dict[int, list[Outcome]]:
        split: dict[int, list[Outcome]] = {}
        for outcome in outcomes:
            number = self._parts.part_of_token(outcome.token)
            split.setdefault(number, []).append(self._checked(worker, outcome, number))
        return split

    def _checked(self, worker: Worker, outcome: Outcome, number: int) -> Outcome:
        """The outcome, or the failure of a message whose callback can't be stored in the same step."""
        try:
            check_outcome(self._parts, outcome, number)
        except ValidationError as error:
            log.error("%s", error, extra={"uuid": outcome.uuid, "queue": outcome.queue})
            if isinstance(outcome, Failed | SetAside):
                return outcome._replace(callback=None)
            details = {"name": "alsek.exceptions.ValidationError", "text": str(error), "traceback": ""}
            told = json.dumps(details).encode()
            return Failed(outcome.uuid, outcome.queue, outcome.token, told, worker.dlq_ttl)
        return outcome

    def _inward(self, outcome: Told) -> Told:
        changed: Any = outcome._replace(token=self._parts.inward(outcome.token))
        return cast(Told, changed)

    def _outward(self, number: int, claimed: Claimed) -> Claimed:
        return claimed._replace(token=self._parts.outward(number, claimed.token))

    def renew(
        self, worker: Worker, seq: int, tokens: Iterable[int], running: Sequence[Running] | None = None
    ) -> list[str]:
        parts = self._parts
        known: list[list[int]] = [[] for _ in parts.unchecked]
        for token in tokens:
            known[parts.part_of_token(token)].append(parts.inward(token))

        def renewed(number: int, part: PortSet) -> list[str]:
            mine = None if running is None else [r for r in running if parts.number(r.uuid) == number]
            return part.messages.renew(worker, seq, known[number], mine)

        return self._away.ask_each(renewed, worker.lease)

    def retire(self, worker: Worker, outcomes: Sequence[Outcome] = ()) -> list[str]:
        split = self._by_part(worker, outcomes)

        def retired(number: int, part: PortSet) -> list[str]:
            return part.messages.retire(worker, [self._inward(each) for each in split.get(number, ())])

        refused = self._in_each(retired)
        self._rounds.pop(worker.id, None)
        return refused

    def _in_each(self, ask: Any) -> list[str]:
        """Ask each partition, also those after one that has failed; then raise the first error."""
        failure: AlsekError | None = None
        found: list[str] = []
        for number, part in enumerate(self._parts.all):
            try:
                found += ask(number, part)
            except AlsekError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return found

    def report(self, worker: Worker, reports: Sequence[Report]) -> list[str]:
        split: dict[int, list[Report]] = {}
        for report in reports:
            split.setdefault(self._parts.part_of_token(report.token), []).append(self._inward(report))
        refused: list[str] = []
        for number, mine in split.items():
            refused += self._parts.all[number].messages.report(worker, mine)
        return refused

    def held(self, worker: Worker) -> list[Claimed]:
        held = [
            self._outward(number, claimed)
            for number, part in enumerate(self._parts.all)
            for claimed in part.messages.held(worker)
        ]
        return sorted(held, key=lambda claimed: claimed.token)

    def waiter(self, worker: Worker, slot: SlotKind | None = None) -> Waiter:
        parts = self._parts.all
        waiter = PartitionedWaiter(
            parts, worker, slot, lambda number: parts[number].messages.pass_on(worker), self._telling
        )
        self._rounds_of(worker).waiters.append(waiter)
        return waiter

    def remove(self, queue: str, uuid: str, waiting: bool = False) -> bool:
        return self._parts.of(uuid).messages.remove(queue, uuid, waiting)

    def reschedule(self, retried: Retried) -> bool:
        return self._parts.of(retried.uuid).messages.reschedule(retried)

    def fail(
        self,
        queue: str,
        uuid: str,
        error: bytes,
        dlq_ttl: int,
        callback: Submission | None = None,
        unreachable: tuple[str, ...] = (),
    ) -> bool:
        if callback is not None:
            check_together(self._parts, callback, self._parts.number(uuid), f"message {uuid!r}")
        return self._parts.of(uuid).messages.fail(queue, uuid, error, dlq_ttl, callback, unreachable)

    def revoke(self, queue: str, uuid: str) -> bool:
        return self._parts.of(uuid).messages.revoke(queue, uuid)

    def pause(self, queue: str, by: str) -> bool:
        return sum(part.messages.pause(queue, by) for part in self._parts.all) > 0

    def resume(self, queue: str) -> bool:
        return sum(part.messages.resume(queue) for part in self._parts.all) > 0

    def replay(self, submission: Submission, died_at: int, unreachable: tuple[str, ...] = ()) -> Added:
        check_alone(self._parts, submission)
        return self._parts.of(submission.uuid).messages.replay(submission, died_at, unreachable)

    def purge(self, queue: str, uuid: str | None = None) -> int:
        if uuid is not None:
            return self._parts.of(uuid).messages.purge(queue, uuid)
        return sum(part.messages.purge(queue) for part in self._parts.all)
