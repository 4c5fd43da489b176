"""Random histories of calls, made on two stores alike, and compared after each.

Where the promise in ``ports.py`` leaves nothing open, nothing is left out here: repetitions of any earlier call, old
sequence numbers, stale and foreign tokens, workers of all kinds, interventions by hand, outages. Two things are
avoided, since stores may differ there: a silence that ends within a second of the length of somebody's lease, and a
time to live that Redis counts in real time.
"""

from __future__ import annotations

from itertools import count
from typing import Any, ClassVar, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from alsek.storage.backends.records import (
    FOR_EVER,
    Died,
    Lost,
    Outcome,
    Released,
    Retried,
    Step,
    Submission,
    Succeeded,
    TaskStatus,
    Worker,
)
from tests.contract.actors import ERROR
from tests.contract.stores import Store
from tests.differential.pair import UNKNOWN_TOKEN, Pair, Refusal
from tests.differential.snapshot import closer_look, snapshot

QUEUES = ("a", "b", "ü")
UUIDS = [f"m{n}" for n in range(7)]
LEASES = (10_000, 25_000)

#: How much longer than it was a store may take a silence to be.
BLUR = 1_001

CASTS: tuple[dict[str, Any], ...] = (
    {"kind": "thread", "queues": None, "lease": LEASES[0], "suspects": "alone"},
    {"kind": "process", "queues": ("b", "a"), "lease": LEASES[1], "suspects": "freely"},
    {"kind": "any", "queues": ("a", "ü"), "lease": LEASES[1], "suspects": "alone"},
    {"kind": "thread", "queues": ("b", "nothing", "a"), "lease": LEASES[0], "suspects": "only"},
    {"kind": "any", "queues": None, "lease": LEASES[0], "suspects": "freely"},
)

_names = count()

submissions = st.builds(
    lambda uuid, queue, n, priority, wish, delay, ttl, status_ttl, named: Submission(
        uuid, queue, b"p%d" % n, priority, wish, delay, ttl, status_ttl, named
    ),
    st.sampled_from(UUIDS),
    st.sampled_from(QUEUES),
    st.integers(0, 99),
    st.integers(0, 2),
    st.sampled_from(["any", "any", "thread", "process"]),
    st.sampled_from([0, 0, 0, 0, 1, 1_000, 5_000]),
    st.sampled_from([0, 0, 700, 20_000]),
    st.sampled_from([FOR_EVER, FOR_EVER, 0]),
    st.booleans(),
)
casts = st.integers(0, len(CASTS) - 1)
indices = st.integers(0, 30)
names = st.sampled_from(UUIDS)
queues = st.sampled_from(QUEUES)
delays = st.sampled_from([0, 0, 10, 1_000, 4_000])
dlq_ttls = st.sampled_from([FOR_EVER, FOR_EVER, 0, 90_000])
kinds = st.sampled_from(
    [
        "succeeded",
        "no result",
        "callback",
        "callback",
        "retried",
        "retried",
        "died",
        "died",
        "released",
        "lost",
    ]
    + ["suspect", "none"]
)
interventions = st.sampled_from(
    ["remove", "reschedule", "bury", "revoke", "revoke", "replay", "replay", "purge"]
)


class Claim(NamedTuple):
    """A claim that was made once, by the name of its token."""

    uuid: str
    queue: str
    token: int


class Call(NamedTuple):
    """A worker's call, to be repeated."""

    worker: Worker
    seq: int
    outcomes: tuple[Outcome, ...]
    number: int  # the limit of a step
    tokens: tuple[int, ...] = ()


#: What becomes of what a worker holds, the oldest first; and of some claim that was once.
ends = st.lists(st.tuples(kinds, indices, delays, submissions, dlq_ttls), max_size=5)
strays = st.lists(st.tuples(kinds, indices), max_size=1)


class DifferentialMachine(RuleBasedStateMachine):
    """One history on two stores."""

    stores: ClassVar[tuple[Store, Store]]

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair(self.stores, f"{self.stores[0].namespace}d{next(_names)}")
        self.contact = self.pair.now
        self.calls = 0
        self.requests: list[tuple[list[Submission], str]] = []
        self.claims: list[Claim] = [Claim("m0", "a", UNKNOWN_TOKEN)]
        self.steps: list[Call] = []
        self.renewals: list[Call] = []
        self.retirements: list[Call] = []
        self.workers: list[Worker] = []
        self.seqs: dict[str, int] = {}
        self.cast = [self._new_worker(n) for n in range(len(CASTS))]

    def teardown(self) -> None:
        try:
            self._look_closer()
        finally:
            self.pair.close()

    # --- producers ---------------------------------------------------------------------------------

    @initialize(batch=st.lists(submissions, min_size=2, max_size=6))
    def begin(self, batch: list[Submission]) -> None:
        """There is something to work on."""
        self.add(batch)

    @rule(batch=st.lists(submissions, min_size=1, max_size=3))
    def add(self, batch: list[Submission]) -> None:
        """A producer's call; two of one uuid may be in it."""
        request = f"r{next(_names)}"
        self.requests.append((batch, request))
        self._add(batch, request)

    @rule(submission=submissions)
    def add_one(self, submission: Submission) -> None:
        """The usual call."""
        self.add([submission])

    def _add(self, batch: list[Submission], request: str) -> None:
        self.pair.same(lambda backend, _: backend.messages.add(batch, request))

    # --- what may come twice -----------------------------------------------------------------------

    @rule(n=indices, what=st.sampled_from(["add", "step", "renew", "retire"]))
    def again(self, n: int, what: str) -> None:
        """Any earlier call, once more."""
        calls: list[Any] = {
            "add": self.requests,
            "step": self.steps,
            "renew": self.renewals,
            "retire": self.retirements,
        }[what]
        if not calls:
            return
        call = calls[-1 - n % len(calls)]
        match what:
            case "add":
                self._add(*call)
            case "step":
                self._step(call, repeated=True)
            case "renew":
                self._renew(call)
            case _:
                self._retire(call)

    @rule(n=casts)
    def step_again(self, n: int) -> None:
        """A worker's last step, once more."""
        mine = [call for call in self.steps if call.worker is self.cast[n]]
        if mine:
            self._step(mine[-1], repeated=True)

    # --- workers -----------------------------------------------------------------------------------

    def _new_worker(self, n: int) -> Worker:
        worker = Worker(f"w{next(_names)}", dlq_ttl=FOR_EVER, **CASTS[n])
        self.workers.append(worker)
        self.seqs[worker.id] = 0
        self._register(worker)
        return worker

    def _register(self, worker: Worker) -> None:
        self.pair.same(lambda backend, _: backend.messages.register(worker))
        self.contact = self.pair.now

    @rule(n=casts, vanishes=st.booleans())
    def register(self, n: int, vanishes: bool) -> None:
        """A worker registers once more, or is heard of no more and another takes its part."""
        if vanishes:
            self.cast[n] = self._new_worker(n)
        else:
            self._register(self.cast[n])

    @rule(n=casts, chosen=ends, stray=strays, limit=st.integers(0, 4))
    def step(self, n: int, chosen: list[Any], stray: list[Any], limit: int) -> None:
        """A worker's step."""
        worker = self.cast[n]
        self.seqs[worker.id] += 1
        call = Call(worker, self.seqs[worker.id], self._outcomes(worker, chosen, stray), limit)
        self.steps.append(call)
        if isinstance(self._step(call), Refusal):
            self.cast[n] = self._new_worker(n)

    @rule(n=casts, chosen=ends, limit=st.integers(1, 4))
    def work(self, n: int, chosen: list[Any], limit: int) -> None:
        """A step that claims, and one that reports."""
        self.step(n, [], [], limit)
        self.step(n, chosen, [], 0)

    @rule(n=casts, limit=st.integers(1, 4))
    def claim(self, n: int, limit: int) -> None:
        """A step that only claims."""
        self.step(n, [], [], limit)

    def _step(self, call: Call, repeated: bool = False) -> Step | Refusal:
        answer = self.pair.step(
            lambda backend, side: backend.messages.step(
                call.worker, call.seq, self.pair.numbered(side, call.outcomes), call.number
            ),
            repeated,
        )
        if isinstance(answer, Step):
            self.contact = self.pair.now
            if not repeated:
                self.claims += [Claim(claim.uuid, claim.queue, claim.token) for claim in answer.claimed]
        return answer

    def _outcomes(self, worker: Worker, chosen: list[Any], stray: list[Any]) -> tuple[Outcome, ...]:
        """Of what it holds, from the oldest on; and of any claim that was once."""
        held = [Claim(claim.uuid, claim.queue, claim.token) for claim in self._held(worker)]
        made = [_outcome(claim, *end) for claim, end in zip(held, chosen, strict=False) if end[0] != "none"]
        for kind, index in stray:
            claim = self.claims[-1 - index % len(self.claims)]
            made.append(_outcome(claim, kind, index, 0, Submission("m0", "a", b"stray"), FOR_EVER))
        return tuple(made)

    def _held(self, worker: Worker) -> list[Any]:
        held: list[Any] = self.pair.same(
            lambda backend, side: self.pair.named(side, backend.messages.held(worker))
        )
        return held

    @rule(n=casts, missed=st.sets(st.integers(0, 3), max_size=2), behind=st.integers(0, 1), foreign=indices)
    def renew(self, n: int, missed: set[int], behind: int, foreign: int) -> None:
        """A renewal that does not know of some claims, may be a step behind, and names a token of another."""
        worker = self.cast[n]
        tokens = [claim.token for k, claim in enumerate(self._held(worker)) if k not in missed]
        tokens.append(self.claims[foreign % len(self.claims)].token)
        call = Call(worker, self.seqs[worker.id] - behind, (), 0, tuple(tokens))
        self.renewals.append(call)
        if isinstance(self._renew(call), Refusal):
            self.cast[n] = self._new_worker(n)

    def _renew(self, call: Call) -> Any:
        def ask(backend: Any, side: int) -> list[str]:
            tokens = [self.pair.tokens.number(side, token) for token in call.tokens]
            return sorted(backend.messages.renew(call.worker, call.seq, tokens))

        answer = self.pair.same(ask)
        if not isinstance(answer, Refusal):
            self.contact = self.pair.now
        return answer

    @rule(n=casts, chosen=ends, stray=strays)
    def retire(self, n: int, chosen: list[Any], stray: list[Any]) -> None:
        """A worker ends in good order, and another takes its part."""
        worker = self.cast[n]
        call = Call(worker, 0, self._outcomes(worker, chosen, stray), 0)
        self.retirements.append(call)
        self._retire(call)
        self.cast[n] = self._new_worker(n)

    def _retire(self, call: Call) -> None:
        self.pair.same(
            lambda backend, side: backend.messages.retire(
                call.worker, self.pair.numbered(side, call.outcomes)
            )
        )

    # --- time --------------------------------------------------------------------------------------

    @rule(ms=st.sampled_from([1, 10, 700, 1_000, 3_000, 4_500, 12_000, 31_000, 60_000]))
    def wait(self, ms: int) -> None:
        """Time passes: delays, lives and leases end, outages begin."""
        silence = self.pair.now + ms - self.contact
        while any(silence < lease <= silence + BLUR for lease in LEASES):
            ms, silence = ms + BLUR, silence + BLUR
        self.pair.advance(ms)

    @rule(ms=st.sampled_from([3_000, 4_500]), alive=st.sets(casts, min_size=1), turns=st.integers(1, 5))
    def outlive(self, ms: int, alive: set[int], turns: int) -> None:
        """Some workers are silent while the others renew, and take over."""
        for _ in range(turns):
            self.wait(ms)
            for n in sorted(alive):
                self.renew(n, set(), 0, 0)
        self.step(min(alive), [], [], 2)

    # --- by hand -----------------------------------------------------------------------------------

    @rule(what=interventions, n=indices, message=submissions, dlq_ttl=dlq_ttls)
    def intervene(self, what: str, n: int, message: Submission, dlq_ttl: int) -> None:
        """Someone does something to a message, mostly to one that is there."""
        queue, uuid = self._somewhere(what, n) or (message.queue, message.uuid)
        message = message._replace(queue=queue, uuid=uuid)

        def act(backend: Any, _: int) -> Any:
            port = backend.messages
            match what:
                case "reschedule":
                    return port.reschedule(queue, uuid, message.payload, message.delay)
                case "bury":
                    return port.bury(queue, uuid, ERROR, dlq_ttl)
                case "replay":
                    return port.replay(message)
                case "purge":
                    return port.purge(queue, uuid if n % 4 else None)
            return getattr(port, what)(queue, uuid)

        self.pair.same(act)

    def _somewhere(self, what: str, n: int) -> tuple[str, str] | None:
        """Queue and uuid of a message, or of a dead letter, that is there now."""
        port = self.pair.backends[0].messages
        if what in ("replay", "purge"):
            there = [(queue, each.uuid) for queue in port.dead_queues() for each in port.dead_letters(queue)]
        else:
            there = [(queue, each.uuid) for queue in port.queues() for each in port.browse(queue)]
        return there[n % len(there)] if there and n % 5 else None

    @rule(queue=queues)
    def spoil(self, queue: str) -> None:
        """A record becomes unreadable, and the next worker that drains its queue meets it."""
        statuses = self.pair.backends[0].statuses
        for stored in self.pair.backends[0].messages.browse(queue):
            if stored.state == "ready" and statuses.get([stored.uuid])[0] is not None:
                for store, backend in zip(self.stores, self.pair.backends, strict=True):
                    store.spoil(queue, stored.uuid, "version", backend)
                break
        worker = Worker(f"w{next(_names)}", "any", (queue,), LEASES[0], FOR_EVER, "freely")
        self.workers.append(worker)
        self._register(worker)
        self._step(Call(worker, 1, (), 100))
        self._retire(Call(worker, 0, (), 0))

    # --- results, statuses, locks ------------------------------------------------------------------

    @rule(uuid=names, n=indices, progenitor=st.none() | names, delete=st.booleans())
    def result(self, uuid: str, n: int, progenitor: str | None, delete: bool) -> None:
        """Someone writes a result, by a claim that was once or without, or deletes it."""
        token = self.claims[-1 - n % len(self.claims)].token if n % 2 else 0
        payload = b"by hand %d" % n

        def act(backend: Any, side: int) -> Any:
            if delete:
                return backend.results.delete([uuid, uuid])
            number = self.pair.tokens.number(side, token)
            return backend.results.put(uuid, payload, FOR_EVER, number, progenitor)

        if token != UNKNOWN_TOKEN:
            self.pair.same(act)

    @rule(
        uuid=names,
        other=names,
        status=st.sampled_from(TaskStatus),
        details=st.sampled_from([None, b"{}"]),
        what=st.sampled_from(["put", "put new", "replace", "delete"]),
    )
    def status(self, uuid: str, other: str, status: TaskStatus, details: bytes | None, what: str) -> None:
        """Someone writes a status, replaces it if it is as another's, or deletes it."""
        expected = self.pair.same(lambda backend, _: backend.statuses.get([other])[0])

        def act(backend: Any, _: int) -> Any:
            if what == "delete":
                return backend.statuses.delete([uuid, other])
            if what == "replace" and expected is not None:
                return backend.statuses.replace(uuid, expected, status)
            return backend.statuses.put(uuid, status, details, only_new=what == "put new")

        self.pair.same(act)

    @rule(
        name=st.sampled_from("xy"),
        owner=st.sampled_from("AB"),
        what=st.sampled_from(["acquire", "acquire", "release", "extend", "holder"]),
        ttl=st.sampled_from([20_000, 90_000]),
    )
    def lock(self, name: str, owner: str, what: str, ttl: int) -> None:
        """Someone uses a lock."""

        def use(backend: Any, _: int) -> Any:
            locks = backend.locks
            if what in ("acquire", "extend"):
                return getattr(locks, what)(name, owner, ttl)
            return locks.release(name, owner) if what == "release" else locks.holder(name)

        first, second = self.pair.both(use)
        if isinstance(first, tuple) and isinstance(second, tuple):
            fence = self.pair.fences.learn(first[2], second[2])
            first, second = (*first[:2], fence), (*second[:2], fence)
        assert first == second

    # --- the comparison ----------------------------------------------------------------------------

    @invariant()
    def they_hold_the_same(self) -> None:
        """Whatever can be seen of one store is seen of the other."""
        watched = [*self.cast, *self.workers[-3:]]
        self._compare(*(snapshot(self.pair, side, UUIDS, QUEUES, watched) for side in (0, 1)))
        self.calls += 1
        if self.calls % 10 == 0:
            self._look_closer()

    def _look_closer(self) -> None:
        self._compare(*(closer_look(self.pair, side, UUIDS, QUEUES) for side in (0, 1)))

    def _compare(self, one: dict[str, Any], two: dict[str, Any]) -> None:
        for what, first in one.items():
            kinds_, second = (self.stores[0].kind, self.stores[1].kind), two[what]
            assert first == second, f"{what} differ:\n{kinds_[0]}: {first}\n{kinds_[1]}: {second}"


def _outcome(claim: Claim, kind: str, index: int, delay: int, callback: Submission, dlq_ttl: int) -> Outcome:
    uuid, queue, token = claim
    if index % 7 == 6:
        queue = "elsewhere"
    match kind:
        case "succeeded":
            progenitor = UUIDS[index % len(UUIDS)] if index % 2 else None
            return Succeeded(uuid, queue, token, b"result %d" % index, FOR_EVER, progenitor)
        case "no result":
            return Succeeded(uuid, queue, token)
        case "callback":
            return Succeeded(uuid, queue, token, b"result" if index % 2 else None, callback=callback)
        case "retried":
            return Retried(uuid, queue, token, b"retried %d" % index, delay)
        case "died":
            return Died(uuid, queue, token, ERROR, dlq_ttl)
        case "released":
            return Released(uuid, queue, token)
    return Lost(uuid, queue, token, suspect=kind == "suspect")
