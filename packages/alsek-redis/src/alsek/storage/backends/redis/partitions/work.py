"""The work port over several partitions: what workers do with messages."""

from __future__ import annotations

import contextlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

from alsek.core.loggers import guarded_logger
from alsek.exceptions import BackendError, BackendUnavailableError, ValidationError, WorkerUnknownError
from alsek.storage.backends.kinds import SlotKind, SuspectPolicy
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.ports.work import WorkPort
from alsek.storage.backends.records import (
    Claimed,
    Failed,
    HistoryCounts,
    Outcome,
    Report,
    Running,
    SetAside,
    Step,
    Worker,
    WorkerFacts,
)
from alsek.storage.backends.redis.partitions.away import Away, does_without, in_each, in_those_there
from alsek.storage.backends.redis.partitions.bonds import check_outcome
from alsek.storage.backends.redis.partitions.late_visits import LateVisit, LateVisits
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


class PartitionedWork(WorkPort):
    """What workers do. A step is one in each partition that it visits (see
    :mod:`~alsek.storage.backends.redis.partitions.rounds`); a registration, a renewal and a retirement are one in each
    partition: all of them can be repeated.

    Args:
        parts: The partitions.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._rounds: OrderedDict[str, Rounds] = OrderedDict()
        self._away = Away(parts)
        self._telling = Telling()

    def register(self, worker: Worker, facts: WorkerFacts | None = None) -> None:
        """As the port says; in partitions that are away as soon as they answer."""
        self._parts.check()  # the store may have been emptied, and filled by others
        rounds = self._rounds_of(worker)
        rounds.facts = facts
        in_those_there(self._parts, rounds.untold.late, lambda _, part: self._registered(part, worker, facts))

    def _registered(self, part: PortSet, worker: Worker, facts: WorkerFacts | None) -> None:
        part.messages.register(worker, facts)
        self._parts.note(part)

    def _rounds_of(self, worker: Worker) -> Rounds:
        found = self._rounds.get(worker.id)
        if found is None:
            while len(self._rounds) >= _KNOWN_WORKERS:
                idle = (each for each, rounds in self._rounds.items() if not rounds.untold.late.away)
                self._rounds.pop(next(idle, next(iter(self._rounds)))).untold.late.stop()
            found = self._rounds[worker.id] = self._new_rounds(worker)
        self._rounds.move_to_end(worker.id)
        return found

    def _new_rounds(self, worker: Worker) -> Rounds:
        parts = self._parts

        def make(late: LateVisit) -> Step | None:
            if not late.seq:
                self._registered(parts.prompt[late.number], worker, rounds.facts)
                return None
            return self._made_late(worker, late, rounds)

        def share_node(one: int, other: int) -> bool:
            return other in parts.on_node_of(one)

        rounds = Rounds(len(parts), worker, LateVisits(make, share_node, parts.refresh))
        return rounds

    def _made_late(self, worker: Worker, late: LateVisit, rounds: Rounds) -> Step:
        """Make a visit again that was not answered. Called by a thread of its own."""
        visit = Visit(late.number, tuple(late.outcomes), {}, late.history, plain=True)
        answer = self._visited(worker, late.seq, visit, rounds)
        if answer.claimed:
            # By the first attempt. The worker may hold other messages by now, so it does not get them.
            known = [self._parts.inward(token) for token in late.held]
            with contextlib.suppress(BackendError):  # then a later renewal gives them back
                self._parts.prompt[late.number].messages.renew(worker, late.seq, known)
        return answer._replace(claimed=[])

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
        else:
            rounds.collect()
        while (visit := rounds.next_visit()) is not None:
            try:
                answer = self._visited(worker, seq, visit, rounds)
            except BackendUnavailableError:
                mates = self._parts.on_node_of(visit.number)
                if len(mates | rounds.untold.late.away) == len(self._parts):
                    raise  # there is no other
                rounds.hand_over(visit, mates)
            else:
                rounds.take(visit, answer)
        return rounds.end()

    def _visited(self, worker: Worker, seq: int, visit: Visit, rounds: Rounds) -> Step:
        try:
            return self._sent(worker, seq, visit)
        except WorkerUnknownError:
            late = rounds.untold.late
            if late.stopped or not registered_again(
                self._parts, visit.number, worker, rounds.facts, late.away
            ):
                raise
            return self._sent(worker, seq, visit)

    def _sent(self, worker: Worker, seq: int, visit: Visit) -> Step:
        part = self._parts.prompt[visit.number]
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

        rounds = self._rounds.get(worker.id)
        if rounds is None:  # it belongs to another process
            return self._away.ask_each(renewed, worker.lease)
        revoked = in_those_there(parts, rounds.untold.late, renewed)
        return [uuid for some in revoked for uuid in some]

    def close(self) -> None:
        """Make no visits again."""
        for rounds in self._rounds.values():
            rounds.untold.late.stop()

    def retire(self, worker: Worker, outcomes: Sequence[Outcome] = ()) -> list[str]:
        """As the port says, also for the outcomes of earlier steps that are not known yet."""
        split = self._by_part(worker, outcomes)
        rounds = self._rounds.get(worker.id)
        if rounds is not None:
            rounds.untold.late.stop()
            for number, untold in rounds.untold.all().items():
                split[number] = [*untold, *split.get(number, ())]

        def retired(number: int, part: PortSet) -> list[str]:
            return part.messages.retire(worker, [self._inward(each) for each in split.get(number, ())])

        # Where it holds nothing, and has nothing to tell, its registration may end by itself.
        spared = set() if rounds is None else set(rounds.idle_in()) - split.keys()
        refused = in_each(self._parts, retired, spared)
        self._rounds.pop(worker.id, None)
        given = {outcome.uuid for outcome in outcomes}
        return [uuid for uuid in refused if uuid in given]

    def report(self, worker: Worker, reports: Sequence[Report]) -> list[str]:
        split: dict[int, list[Report]] = {}
        for report in reports:
            split.setdefault(self._parts.part_of_token(report.token), []).append(self._inward(report))

        def told(number: int, part: PortSet) -> list[str]:
            return part.messages.report(worker, split[number]) if number in split else []

        refused = in_each(self._parts, told)
        places = {report.uuid: place for place, report in reversed(list(enumerate(reports)))}
        return sorted(refused, key=places.__getitem__)

    def held(self, worker: Worker) -> list[Claimed]:
        """As the port says, in the partitions that answer."""

        def mine(number: int, part: PortSet) -> list[Claimed]:
            return [self._outward(number, claimed) for claimed in part.messages.held(worker)]

        held = in_each(self._parts, mine, spared=frozenset(range(len(self._parts))))
        return sorted(held, key=lambda claimed: claimed.token)

    def waiter(self, worker: Worker, slot: SlotKind | None = None) -> Waiter:
        parts = self._parts.prompt
        rounds = self._rounds_of(worker)
        late = rounds.untold.late

        def pass_on(number: int) -> None:
            try:
                parts[number].messages.pass_on(worker)
            except BackendUnavailableError:
                if not does_without(self._parts, late, number):
                    raise

        waiter = PartitionedWaiter(
            parts,
            worker,
            slot,
            pass_on,
            self._telling,
            lambda numbers: all(does_without(self._parts, late, number) for number in numbers),
            lambda: late.away,
        )
        rounds.waiters.append(waiter)
        return waiter
