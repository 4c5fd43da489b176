"""A history of calls, made on two stores alike, and compared after each.

Where the promise in ``ports.py`` leaves nothing open, nothing is left out here: repetitions of any earlier call, old
sequence numbers, stale and foreign tokens, workers of all kinds, interventions by hand, outages. Two things are
avoided, since stores may differ there: a silence that ends within a second of the length of somebody's lease, and a
time to live that Redis counts in real time. The shortest of these are twelve seconds; a history for which a busy
machine needs longer than eight is cut short there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import count
from types import MappingProxyType
from typing import Any, Final, NamedTuple, get_args

from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.records import (
    FOR_EVER,
    HistoryCounts,
    Outcome,
    Step,
    Submission,
    TaskStatus,
    Worker,
    WorkerFacts,
)
from tests.contract.stores import InMemory, Store
from tests.contract.workers import ERROR, by_hand, replay, the_facts
from tests.differential.chance import CASTS, LEASES, QUEUES, TASKS, Chance, Claim
from tests.differential.group_acts import GroupActs
from tests.differential.pair import UNKNOWN_TOKEN, Pair, Refusal
from tests.differential.snapshot import closer_look, snapshot

#: How much longer than it was a store may take a silence to be.
BLUR: Final = 1_001

#: How long (s) a history may take: no time to live ends within this.
_LONGEST_S: Final = 8.0

_names = count()


class Call(NamedTuple):
    """A worker's call, to be repeated."""

    worker: Worker
    seq: int
    outcomes: tuple[Outcome, ...] = ()
    limits: Mapping[SlotKind, int] = MappingProxyType({})
    tokens: tuple[int, ...] = ()
    history: tuple[HistoryCounts, ...] = ()


class History(GroupActs):
    """Calls on two stores.

    Args:
        stores: Both.
        keys: Messages may have unique keys and limits.
    """

    def __init__(self, stores: tuple[Store, Store], keys: bool = False) -> None:
        self._keys = keys
        self._begun = time.monotonic()
        self._last_of_all = 0
        self.pair = Pair(stores, f"{stores[0].namespace}d{next(_names)}")
        self.story: list[str] = []
        self._contact = self.pair.now
        self._uuids = ["m0"]
        self.created = []
        self._adds: list[tuple[list[Submission], str]] = []
        self._claims: list[Claim] = [Claim("m0", "a", UNKNOWN_TOKEN)]
        self._steps: list[Call] = []
        self._renewals: list[Call] = []
        self._retirements: list[Call] = []
        self._workers: list[Worker] = []
        self._seqs: dict[str, int] = {}
        self._cast = [self._new_worker(n) for n in range(len(CASTS))]

    def act(self, seed: int) -> None:
        """One call that this seed chooses, or a few, and the comparison of what the stores hold then.

        Raises:
            AssertionError: They differ; the text tells the whole story.
        """
        if self.cut_short:
            return
        chance = Chance(seed, self._uuids, self._keys)
        (name,) = chance.random.choices(list(_ACTS), list(_ACTS.values()))
        act: Callable[[Chance], None] = getattr(self, name)
        try:
            act(chance)
            self._compare(snapshot, self._uuids[-12:], QUEUES, [*self._cast, *self._workers[-2:]])
            if len(self.story) % 10 == 0:
                self.look_closer()
        except AssertionError as error:
            if not self.cut_short:
                raise AssertionError("\n".join([*self.story, str(error)])) from error

    @property
    def cut_short(self) -> bool:
        """Whether it has taken too long in real time to be compared any more."""
        return time.monotonic() - self._begun > _LONGEST_S

    def look_closer(self) -> None:
        """Compare what takes many calls to see."""
        if self.cut_short:
            return
        try:
            self._compare(closer_look, self._uuids[-12:], QUEUES)
        except AssertionError:
            if not self.cut_short:
                raise

    def _compare(self, look: Callable[..., dict[str, Any]], *what: Any) -> None:
        one, two = (look(self.pair, side, *what) for side in (0, 1))
        for part, first in one.items():
            (kind, other), second = (store.kind for store in self.pair.stores), two[part]
            assert first == second, f"{part} differ:\n{kind}: {first}\n{other}: {second}"

    def _tell(self, what: str, *told: Any) -> None:
        self.story.append(f"{self.pair.now} {what} {' '.join(map(repr, told))}")

    def add(self, chance: Chance) -> None:
        """A producer's call; two of one uuid may be in it."""
        batch = [chance.submission() for _ in range(chance.one(1, 1, 1, 2, 3))]
        self._adds.append((batch, f"r{len(self._adds)}"))
        self._add(*self._adds[-1])

    def add_again(self, chance: Chance) -> None:
        """An earlier call once more."""
        if self._adds:
            self._add(*chance.of(self._adds))

    def _add(self, batch: list[Submission], request: str) -> None:
        self._tell("add", request, batch)
        self.pair.same(lambda backend, _: backend.messages.add(batch, request))

    def _new_worker(self, n: int) -> Worker:
        worker = Worker(f"w{len(self._workers)}", dlq_ttl=FOR_EVER, **CASTS[n])
        self._workers.append(worker)
        self._seqs[worker.id] = 0
        tasks = TASKS[n]
        self._register(worker, None if tasks == () else the_facts(tasks=tasks))
        return worker

    def _register(self, worker: Worker, facts: WorkerFacts | None = None) -> None:
        self._tell("register", worker, facts)
        self.pair.same(lambda backend, _: backend.messages.register(worker, facts))
        self._contact = self.pair.now

    def register(self, chance: Chance) -> None:
        """A worker registers once more, or is heard of no more and another takes its part."""
        n = chance.below(len(CASTS))
        if chance.maybe(0.5):
            self._cast[n] = self._new_worker(n)
        else:
            self._register(self._cast[n])

    def step(self, chance: Chance) -> None:
        """A worker's step."""
        self._next_step(chance, chance.below(len(CASTS)), chance.limits(0), ends=chance.one(0, 1, 2, 4))

    def work(self, chance: Chance) -> None:
        """A step that claims, and one that reports."""
        n = chance.below(len(CASTS))
        self._next_step(chance, n, chance.limits(1), ends=0)
        self._next_step(chance, n, chance.one({}, {}, chance.limits(2)), ends=chance.one(1, 2, 4))

    def _next_step(self, chance: Chance, n: int, limits: Mapping[SlotKind, int], ends: int) -> None:
        worker = self._cast[n]
        self._seqs[worker.id] += 1
        outcomes = self._outcomes(chance, worker, ends)
        self._steps.append(Call(worker, self._seqs[worker.id], outcomes, limits, history=chance.history()))
        answer = self._step(self._steps[-1])
        if isinstance(answer, Refusal):
            self._cast[n] = self._new_worker(n)
        else:
            self._claims += [Claim(claim.uuid, claim.queue, claim.token) for claim in answer.claimed]

    def step_again(self, chance: Chance) -> None:
        """A worker's last step once more, or any earlier one."""
        mine = [call for call in self._steps if call.worker is self._cast[chance.below(len(CASTS))]]
        if mine:
            self._step(mine[-1] if chance.maybe(0.7) else chance.of(self._steps), repeated=True)

    def _step(self, call: Call, repeated: bool = False) -> Step | Refusal:
        self._tell("step", call.worker.id, call.seq, call.outcomes, call.limits, call.history)
        answer = self.pair.step(
            lambda backend, side: backend.messages.step(
                call.worker,
                call.seq,
                self.pair.numbered(side, call.outcomes),
                call.limits,
                call.history,
            ),
            repeated,
        )
        if isinstance(answer, Step):
            self._contact = self.pair.now
        return answer

    def _outcomes(self, chance: Chance, worker: Worker, most: int) -> tuple[Outcome, ...]:
        """Of what it holds, from the oldest on; and now and then of any claim that was once."""
        held = [Claim(claim.uuid, claim.queue, claim.token) for claim in self._held(worker)]
        tasks = TASKS[self._cast.index(worker)]
        made = [chance.outcome(claim, tasks) for claim in held[:most] if chance.maybe(0.8)]
        if chance.maybe(0.1):
            made.insert(chance.below(len(made) + 1), chance.outcome(chance.of(self._claims), tasks))
        return tuple(made)

    def _held(self, worker: Worker) -> list[Any]:
        held: list[Any] = self.pair.same(
            lambda backend, side: self.pair.named(side, backend.messages.held(worker))
        )
        return held

    def renew(self, chance: Chance) -> None:
        """A renewal that may be a step behind, not know of some claims, and name a token of another."""
        n = chance.below(len(CASTS))
        tokens = [claim.token for claim in self._held(self._cast[n]) if chance.maybe(0.7)]
        tokens.append(chance.of(self._claims).token)
        self._next_renewal(n, tokens, behind=chance.below(2))

    def _next_renewal(self, n: int, tokens: list[int], behind: int = 0) -> None:
        worker = self._cast[n]
        self._renewals.append(Call(worker, self._seqs[worker.id] - behind, tokens=tuple(tokens)))
        if isinstance(self._renew(self._renewals[-1]), Refusal):
            self._cast[n] = self._new_worker(n)

    def renew_again(self, chance: Chance) -> None:
        """An earlier renewal once more."""
        if self._renewals:
            self._renew(chance.of(self._renewals))

    def _renew(self, call: Call) -> Any:
        def ask(backend: Any, side: int) -> list[str]:
            tokens = [self.pair.tokens.number(side, token) for token in call.tokens]
            return sorted(backend.messages.renew(call.worker, call.seq, tokens))

        self._tell("renew", call.worker.id, call.seq, call.tokens)
        answer = self.pair.same(ask)
        if not isinstance(answer, Refusal):
            self._contact = self.pair.now
        return answer

    def retire(self, chance: Chance) -> None:
        """A worker ends in good order, and another takes its part."""
        n = chance.below(len(CASTS))
        outcomes = self._outcomes(chance, self._cast[n], chance.one(0, 2, 4))
        self._retirements.append(Call(self._cast[n], 0, outcomes))
        self._retire(self._retirements[-1])
        self._cast[n] = self._new_worker(n)

    def retire_again(self, chance: Chance) -> None:
        """An earlier retirement once more."""
        if self._retirements:
            self._retire(chance.of(self._retirements))

    def _retire(self, call: Call) -> None:
        self._tell("retire", call.worker.id, call.outcomes)
        self.pair.same(
            lambda backend, side: backend.messages.retire(
                call.worker, self.pair.numbered(side, call.outcomes)
            )
        )

    def wait(self, chance: Chance) -> None:
        """Time passes: delays, lives and leases end, outages begin."""
        self._wait(chance.one(1, 10, 700, 701, 1_000, 1_000, 3_000, 4_500, 12_000, 31_000, 60_000))

    def _wait(self, ms: int) -> None:
        silence = self.pair.now + ms - self._contact
        while any(silence < lease <= silence + BLUR for lease in LEASES):
            ms, silence = ms + BLUR, silence + BLUR
        self._tell("wait", ms)
        self.pair.advance(ms)
        if self._keys:  # a start that has left its window may count with the next call, or with the next step
            self._step(self._empty_step())

    def _empty_step(self) -> Call:
        """The next step of a worker of its own, which claims nothing."""
        self._last_of_all += 1
        worker = Worker(f"promoter{self._last_of_all}", "any", ("nothing",), LEASES[0], FOR_EVER)
        self.pair.same(lambda backend, _: backend.messages.register(worker))
        return Call(worker, 1)

    def outlive(self, chance: Chance) -> None:
        """Some workers are silent while the others renew, and take over."""
        alive = chance.random.sample(range(len(CASTS)), 1 + chance.below(len(CASTS)))
        for _ in range(1 + chance.below(5)):
            self._wait(chance.one(3_000, 4_500))
            for n in alive:
                self._next_renewal(n, [claim.token for claim in self._held(self._cast[n])])
        self._next_step(chance, alive[0], chance.limits(2), ends=0)

    def intervene(self, chance: Chance) -> None:
        """Someone does something to a message, mostly to one that is there."""
        what = chance.one("remove", "reschedule", "fail", "fail", "revoke", "revoke")
        queue, uuid = self._somewhere(chance, dead=False)
        delay, dlq_ttl = chance.one(0, 10, 1_000, 4_000), chance.dlq_ttl()
        callback, unreachable = chance.submission() if chance.maybe(0.3) else None, chance.unreachable()

        def act(backend: Any, _: int) -> Any:
            match what:
                case "reschedule":
                    return backend.messages.reschedule(by_hand(queue, uuid, b"rescheduled", delay))
                case "fail":
                    return backend.messages.fail(queue, uuid, ERROR, dlq_ttl, callback, unreachable)
            return getattr(backend.messages, what)(queue, uuid)

        self._tell(what, queue, uuid, delay, dlq_ttl, callback, unreachable)
        self.pair.same(act)

    def steer(self, chance: Chance) -> None:
        """Someone pauses a queue, or, more often, resumes one."""
        queue, what = chance.one(*QUEUES), chance.one("pause", "resume", "resume")
        arguments = (queue, "ada") if what == "pause" else (queue,)
        self._tell(what, *arguments)
        self.pair.same(lambda backend, _: getattr(backend.messages, what)(*arguments))

    def revive(self, chance: Chance) -> None:
        """Someone takes a dead letter back, or deletes one, or all of a queue."""
        queue, uuid = self._somewhere(chance, dead=True)
        if chance.maybe(0.7):
            submission = chance.submission(queue, uuid)
            self._tell("replay", submission)
            self.pair.same(lambda backend, _: replay(backend.messages, submission))
        else:
            name = uuid if chance.maybe(0.7) else None
            self._tell("purge", queue, name)
            self.pair.same(lambda backend, _: backend.messages.purge(queue, name))

    def _somewhere(self, chance: Chance, dead: bool) -> tuple[str, str]:
        """Queue and uuid of a message, or of a dead letter; mostly of one that is there now."""
        port = self.pair.backends[0].messages
        if dead:
            there = [(queue, each.uuid) for queue in port.dead_queues() for each in port.dead_letters(queue)]
        else:
            there = [(queue, each.uuid) for queue in port.queues() for each in port.browse(queue)]
        return chance.one(*there) if there and chance.maybe(0.85) else (chance.one(*QUEUES), chance.uuid())

    def spoil(self, chance: Chance) -> None:
        """A record becomes unreadable, and the next worker that drains its queue meets it."""
        queue, backends = chance.one(*QUEUES), self.pair.backends
        paused = [pause.queue for pause in backends[0].messages.pauses()]
        for stored in backends[0].messages.browse(queue):
            # Redis can't tell whether an unreadable one is tracked: it looks whether its uuid has a status.
            found = backends[0].messages.find(stored.uuid)
            met = stored.state == "ready" and queue not in paused and found is not None and not found.aside
            there = backends[0].statuses.get([stored.uuid])[0] is not None
            if met and there and self._is_tracked(stored.uuid):
                self._tell("spoil", queue, stored.uuid)
                for store, backend in zip(self.pair.stores, backends, strict=True):
                    store.spoil(queue, stored.uuid, "version", backend)
                break
        worker = Worker(f"w{len(self._workers)}", "any", (queue,), LEASES[0], FOR_EVER, "freely")
        self._workers.append(worker)
        self._register(worker)
        self._step(Call(worker, 1, (), dict.fromkeys(get_args(SlotKind), 100)))
        self._retire(Call(worker, 0))

    def _is_tracked(self, uuid: str) -> bool:
        return InMemory.is_tracked(uuid, self.pair.backends[0])

    def result(self, chance: Chance) -> None:
        """Someone writes a result, by a claim that was once or without, or deletes it."""
        uuid, token = chance.of(self._uuids), chance.of(self._claims).token if chance.maybe(0.5) else 0
        progenitor = chance.of(self._uuids) if chance.maybe(0.6) else None
        deletes = chance.maybe(0.3)

        def act(backend: Any, side: int) -> Any:
            if deletes:
                return backend.results.delete([uuid, uuid])
            number = self.pair.tokens.number(side, token)
            return backend.results.put(uuid, b"by hand", FOR_EVER, number, progenitor)

        if token != UNKNOWN_TOKEN:
            self._tell("delete result" if deletes else "put result", uuid, token, progenitor)
            self.pair.same(act)

    def status(self, chance: Chance) -> None:
        """Someone writes a status, replaces it if it is as another's, or deletes it."""
        what = chance.one("put", "put new", "replace", "delete")
        uuid, other = chance.of(self._uuids), chance.of(self._uuids)
        status, details = chance.one(*TaskStatus), chance.one(None, b"{}")
        expected = self.pair.same(lambda backend, _: backend.statuses.get([other])[0])

        def act(backend: Any, _: int) -> Any:
            if what == "delete":
                return backend.statuses.delete([uuid, other])
            if what == "replace" and expected is not None:
                return backend.statuses.replace(uuid, expected, status)
            return backend.statuses.put(uuid, status, details, only_new=what == "put new")

        self._tell(f"{what} status", uuid, other, status, details)
        self.pair.same(act)

    def lock(self, chance: Chance) -> None:
        """Someone uses a lock."""
        name, owner, ttl = chance.one("x", "y"), chance.one("A", "B"), chance.one(20_000, 90_000)
        what = chance.one("acquire", "acquire", "release", "extend", "holder")

        def act(backend: Any, _: int) -> Any:
            locks = backend.locks
            if what in ("acquire", "extend"):
                return getattr(locks, what)(name, owner, ttl)
            return locks.release(name, owner) if what == "release" else locks.holder(name)

        self._tell(what, name, owner, ttl)
        self.pair.lock(act)


#: How likely each act is.
_ACTS: Final = {
    "add": 14,
    "add_again": 3,
    "create_group": 5,
    "revoke_group": 0.7,
    "work": 14,
    "step": 12,
    "step_again": 5,
    "renew": 3,
    "renew_again": 1,
    "retire": 2,
    "retire_again": 1,
    "register": 2,
    "wait": 10,
    "outlive": 4,
    "intervene": 8,
    "steer": 3,
    "revive": 4,
    "spoil": 0.5,
    "result": 3,
    "status": 2,
    "lock": 1.5,
}
