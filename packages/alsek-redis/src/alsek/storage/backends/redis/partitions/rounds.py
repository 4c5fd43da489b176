"""One step of a worker over all partitions: a *round*, in which it visits some of them.

A round has the number of the step. It visits each partition at most once, with that number, so that the partition knows
the step again when it is repeated. What was answered in a round is kept until the next one begins: if a round can't be
ended, its repetition asks only those that have not answered.

A partition that does not answer while others do is *away*: the rounds go on without it
(:mod:`~alsek.storage.backends.redis.partitions.untold`). It is visited again in the first round that begins after its
visit was answered.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from alsek.core.clock import monotonic_ms
from alsek.storage.backends.kinds import (
    LOOKED_AT,
    SLOTS_OF,
    SUSPECT_RULES,
    SlotKind,
    WorkerKind,
    slots_of_step,
)
from alsek.storage.backends.records import Claimed, HistoryCounts, Outcome, Step, Worker, WorkerFacts
from alsek.storage.backends.redis.partitions.late_visits import LateVisit, LateVisits
from alsek.storage.backends.redis.partitions.untold import Untold, ended
from alsek.storage.backends.redis.partitions.waiter import PartitionedWaiter

#: So many messages of one partition are claimed in succession, or for so long, while others may have some too.
_MOST_IN_A_TURN: Final = 32
_TURN_MS: Final = 50

#: A partition in which there was nothing is left out for so long; for longer, as long as its messages would wake the
#: worker.
_QUIET_MS: Final = 100


class Visit(NamedTuple):
    """A step that is sent to one partition.

    Attributes:
        number: The partition.
        outcomes: Those of its claims.
        limits: How many messages to claim there.
        history: Counts.
        plain: No suspect is to be claimed: the worker holds messages of other partitions.
    """

    number: int
    outcomes: tuple[Outcome, ...]
    limits: Mapping[SlotKind, int]
    history: Sequence[HistoryCounts]
    plain: bool


@dataclass
class Known:
    """What is known of one partition from the last visit.

    Attributes:
        held: The tokens of the claims that the worker holds.
        waiting: The slot kinds for which messages were left.
        suspects: Suspects were left.
        due: When the next delayed message is due (monotonic ms); None for none.
        quiet_at: When nothing was left there, for the last time that this is known (monotonic ms); 0 if something was.
    """

    held: set[int] = field(default_factory=set)
    waiting: tuple[SlotKind, ...] = ()
    suspects: bool = False
    due: int | None = None
    quiet_at: int = 0


class Rounds:
    """The rounds of one worker.

    Args:
        partitions: How many there are.
        worker: The worker.
        late: Makes the visits again that were not answered.
    """

    def __init__(self, partitions: int, worker: Worker, late: LateVisits) -> None:
        self.untold = Untold(late)
        self._kind: WorkerKind = worker.kind
        self._slots = len(SLOTS_OF[worker.kind])
        self._alone = not SUSPECT_RULES[worker.suspects].freely
        self._only = not SUSPECT_RULES[worker.suspects].plain
        #: Each round that may claim visits all partitions, as long as the limits allow.
        self._thorough = worker.thorough or self._only
        self.known = [Known() for _ in range(partitions)]
        self.waiters: list[PartitionedWaiter] = []
        #: What the worker has told of itself.
        self.facts: WorkerFacts | None = None
        self.seq = 0
        self.complete = True
        #: The visits of this round and their answers, in order.
        self.answers: list[tuple[Visit, Step]] = []
        #: Answers to visits of earlier rounds, which no complete round has told of.
        self._late_answers: list[Step] = []
        # Each worker begins elsewhere.
        self._turn = random.randrange(partitions)
        self._look = self._seek = self._turn
        self._in_turn = 0
        self._turn_since = monotonic_ms()
        #: The token of the suspect that the worker holds alone; 0 if it holds none.
        self._suspect = 0
        self._order: list[int] = []
        self._outcomes: Mapping[int, Sequence[Outcome]] = {}
        self._limits: Mapping[SlotKind, int] = {}
        self._history: Sequence[HistoryCounts] = ()
        self._must_visit = self._seeks = False
        self._places: Mapping[str, int] = {}

    def begin(
        self,
        seq: int,
        outcomes: Mapping[int, Sequence[Outcome]],
        limits: Mapping[SlotKind, int],
        history: Sequence[HistoryCounts],
        places: Mapping[str, int],
    ) -> None:
        """Begin the round of this number, and decide in which order it visits partitions.

        Args:
            seq: The number of the step.
            outcomes: By partition.
            limits: As of the step.
            history: Likewise.
            places: Which outcome of the step is that of each uuid.
        """
        if self.complete:
            self._late_answers = []
        self.seq, self.complete = seq, False
        self.answers = []
        self._limits, self._history = limits, history
        self._places = places
        self._seeks = "coroutine" in limits and self._kind in LOOKED_AT
        self.untold.begin_round()
        self.collect()
        if self._suspect and any(self._suspect in ended(mine) for mine in outcomes.values()):
            self._suspect = 0  # it does not run any longer, whether or not its partition is there
        self._outcomes = self.untold.sendable(outcomes)
        self._must_visit = not self._outcomes and not _positive(limits)
        for number, mine in self._outcomes.items():
            self.known[number].held -= ended(mine)
        self._order = self._ordered(monotonic_ms())

    def collect(self) -> None:
        """Take in what was answered late, and which partitions are back.

        Raises:
            WorkerUnknownError: One does not know the worker, which has no lease elsewhere either.
        """
        failure: Exception | None = None
        for visit, answer in self.untold.collect():
            known = self.known[visit.number]
            known.quiet_at = 0  # so that the next round visits it
            if isinstance(answer, Exception):
                failure = failure or answer
            elif answer is not None:
                known.held -= ended(visit.outcomes)
                self._late_answers.append(answer)
        if failure is not None:
            raise failure

    def hand_over(self, visit: Visit, mates: frozenset[int]) -> None:
        """Do without the partition of a visit that was not answered, and without those on the same node."""
        held = self.known[visit.number].held
        held |= ended(visit.outcomes)
        late = LateVisit(visit.number, self.seq, visit.outcomes, visit.history, frozenset(held))
        if visit.history:
            self._history = ()
        self.untold.hand_over(late, mates)

    def idle_in(self) -> list[int]:
        """The partitions in which the worker holds nothing."""
        return [number for number, known in enumerate(self.known) if not known.held]

    def _ordered(self, now: int) -> list[int]:
        woken: set[int] = set()
        self.waiters = [waiter for waiter in self.waiters if not waiter.closed]
        for waiter in self.waiters:
            woken |= waiter.look()
        away = self.untold.away
        if self._turn in away:
            self._turn, self._in_turn, self._turn_since = self._after(self._turn), 0, now
        if self._must_visit and (self._history or (away and not self._thorough)):
            return [self._turn]
        many = len(self.known)
        rotation = [(self._turn + step) % many for step in range(many)]
        if away:
            rotation = [number for number in rotation if number not in away]
        if self._seeks and not self._thorough:
            # What it seeks wakes nobody: it is sought in one partition after the other.
            self._seek = self._after(self._seek)
            return [self._seek, *(number for number in self._outcomes if number != self._seek)]
        chosen = [number for number in rotation if number in woken]
        chosen += [
            number
            for number in rotation
            if number not in woken
            and (self._thorough or number in self._outcomes or not self._is_quiet(number, now))
        ]
        if not chosen or (len(chosen) == len(self._outcomes) and not self._must_visit):
            # Nothing tells of a worker whose lease has ended: all are looked at, one after the other.
            self._look = self._after(self._look)
            if self._look not in chosen:
                chosen.append(self._look)
        return chosen

    def _after(self, number: int) -> int:
        """The next partition that is not away."""
        many = len(self.known)
        following = ((number + step) % many for step in range(1, many + 1))
        return next((each for each in following if each not in self.untold.away), number)

    def _is_quiet(self, number: int, now: int) -> bool:
        known = self.known[number]
        if not known.quiet_at or (known.due is not None and known.due <= now):
            return False
        # Without a waiter for each slot kind nothing would tell the worker of what it has left out.
        if len(self.waiters) < self._slots:
            return False
        if all(waiter.listens_to(number) for waiter in self.waiters):
            known.quiet_at = now
        return now - known.quiet_at <= _QUIET_MS

    def next_visit(self) -> Visit | None:
        """The next visit of this round; None if it is complete."""
        done = {visit.number for visit, _ in self.answers}
        left = self._limits
        claimed_suspect = False
        for _, answer in self.answers:
            left = _less(left, answer.claimed)
            claimed_suspect |= any(each.suspect for each in answer.claimed)
        for number in self._order:
            if number in done or number in self.untold.away:
                continue
            limits, plain = self._limits_in(number, left, claimed_suspect)
            outcomes = tuple(self._outcomes.get(number, ()))
            if outcomes or _positive(limits) or self._must_visit:
                history = () if self.answers else self._history
                return Visit(number, outcomes, limits, history, plain)
        return None

    def _limits_in(
        self, number: int, left: Mapping[SlotKind, int], claimed_suspect: bool
    ) -> tuple[Mapping[SlotKind, int], bool]:
        """What may be claimed in a partition, and whether no suspects."""
        if not self._alone:
            return left, False
        if claimed_suspect or (self._suspect and self._suspect not in self.known[number].held):
            return {}, True
        elsewhere = any(known.held for other, known in enumerate(self.known) if other != number)
        return ({}, True) if elsewhere and self._only else (left, elsewhere)

    def take(self, visit: Visit, answer: Step) -> None:
        """Take in the answer to a visit. Its tokens are those that the caller knows."""
        self.answers.append((visit, answer))
        now = monotonic_ms()
        known = self.known[visit.number]
        for claimed in answer.claimed:
            known.held.add(claimed.token)
            if claimed.suspect and self._alone:
                self._suspect = claimed.token
        known.waiting, known.suspects = answer.waiting, answer.suspects
        known.due = None if answer.next_due is None else now + answer.next_due
        known.quiet_at = 0 if answer.waiting or answer.suspects or self._seeks else now
        for waiter in self.waiters:
            waiter.visited(visit.number)
        if visit.number == self._turn:
            self._in_turn += len(answer.claimed)
            if not answer.waiting or self._in_turn >= _MOST_IN_A_TURN or now - self._turn_since > _TURN_MS:
                self._turn = (self._turn + 1) % len(self.known)
                self._in_turn, self._turn_since = 0, now

    def end(self) -> Step:
        """The answers of this round as one. What woke the worker and was not visited wakes another one.

        Raises:
            BackendError: That can't be done now.
        """
        if self.untold.away:
            self._leave_to_later()
        for waiter in self.waiters:
            waiter.pass_on()
        self.complete = True
        return self.merged([answer for _, answer in self.answers])

    def _leave_to_later(self) -> None:
        """Let the outcomes wait that could not be sent, because a partition on the same node did not answer."""
        away = self.untold.away
        done = {visit.number for visit, _ in self.answers}
        left = {number: mine for number, mine in self._outcomes.items() if number not in done}
        for number, mine in left.items():
            self.known[number].held |= ended(mine)
        self.untold.leave(left)
        self._outcomes = {}
        for waiter in self.waiters:
            for number in away:
                waiter.visited(number)

    def merged(self, answers: Sequence[Step]) -> Step:
        """These answers to the visits of this round as one, with what is known of the other partitions."""
        now = monotonic_ms()
        visited = {visit.number for visit, _ in self.answers}
        there = {number: known for number, known in enumerate(self.known) if number not in self.untold.away}
        answers = [*answers, *self._late_answers]
        dues = [answer.next_due for answer in answers if answer.next_due is not None]
        dues += [
            max(0, known.due - now)
            for number, known in there.items()
            if number not in visited and known.due is not None
        ]
        waiting = {slot for known in there.values() for slot in known.waiting}
        lost: dict[str, int] = {}
        for answer in answers:
            for each in answer.taken_over:
                lost[each.worker] = lost.get(each.worker, 0) + each.messages
        taken_over = {each.worker: each for answer in answers for each in answer.taken_over}
        return Step(
            sorted(
                (uuid for answer in answers for uuid in answer.refused),
                key=lambda uuid: self._places.get(uuid, -1),  # those of earlier rounds come first
            ),
            [claimed for answer in answers for claimed in answer.claimed],
            min(dues, default=None),
            tuple(slot for slot in slots_of_step(self._kind, self._limits) if slot in waiting),
            any(known.suspects for known in there.values()),
            [uuid for answer in answers for uuid in answer.skipped],
            [corrupt for answer in answers for corrupt in answer.corrupt],
            tuple(each._replace(messages=lost[worker]) for worker, each in taken_over.items()),
            tuple(uuid for answer in answers for uuid in answer.failed),
            tuple(sorted({name for answer in answers for name in answer.schedules})),
            unknown=self.untold.tokens() if self.untold.away else None,
        )


def _positive(limits: Mapping[SlotKind, int]) -> bool:
    return any(limit > 0 for limit in limits.values())


def _less(limits: Mapping[SlotKind, int], claimed: Sequence[Claimed]) -> Mapping[SlotKind, int]:
    """What is left of the limits after these claims."""
    if not claimed:
        return limits
    coroutines = sum(each.is_async for each in claimed) if "coroutine" in limits else 0
    others = len(claimed) - coroutines
    return {
        slot: max(0, limit - (coroutines if slot == "coroutine" else others))
        for slot, limit in limits.items()
    }
