"""An idle worker's step leaves the same keys and has the same answer, whether or not ``idle_step.lua`` does it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from random import Random
from typing import Any, Final

import pytest

from alsek.exceptions import AlsekError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.kinds import SLOTS_OF
from alsek.storage.backends.records import (
    Claimed,
    Failed,
    HistoryCounts,
    Limit,
    Lost,
    Outcome,
    Released,
    Report,
    Retried,
    Step,
    Submission,
    Succeeded,
    UniqueKey,
    Worker,
    WorkerFacts,
)
from tests.contract.workers import ERROR, LEASE
from tests.differential.history import Call, History
from tests.differential.pair import Refusal
from tests.unit.redis.both_ways import OneWay

pytestmark = pytest.mark.redis

WORKER: Final = Worker("w", "thread", ("q", "r"), LEASE, 60_000)
OTHER: Final = Worker("other", "thread", None, LEASE, 60_000)
#: What a case answers: changes of the worker, and arguments of the last step.
Arguments = dict[str, Any]


class Side:
    """One of the two stores, with a worker that has slept."""

    def __init__(self, store: OneWay, **fields: Any) -> None:
        self.store, self.backend = store, store.open("both")
        self.messages = self.backend.messages
        self.worker = WORKER._replace(**fields)
        self.seq = 0
        for worker in (self.worker, OTHER):
            self.messages.register(worker)

    def step(self, *outcomes: Outcome, worker: Worker | None = None, limit: int = 9, **told: Any) -> Step:
        """The next step of the worker, or the first one of another."""
        worker = worker or self.worker
        self.seq += worker is self.worker
        limits = told.pop("limits", dict.fromkeys(SLOTS_OF[worker.kind], limit))
        return self.messages.step(worker, told.pop("seq", self.seq), outcomes, limits, **told)

    def add(self, uuid: str = "a", **fields: Any) -> None:
        """Submit a message."""
        given: Any = {"queue": "q", "payload": b"p", **fields}
        self.messages.add(
            [Submission(uuid, given.pop("queue"), given.pop("payload"), **given)], f"add {uuid}"
        )

    def claimed(self, **fields: Any) -> Claimed:
        """A message that the worker holds."""
        self.add(**fields)
        (held,) = self.step().claimed
        return held

    def pushed(self, uuid: str = "a", **fields: Any) -> Claimed:
        """The same, which it was pushed while it slept."""
        self.step(sleeps=True)
        self.add(uuid, **fields)
        (held,) = (each for each in self.messages.held(self.worker) if each.uuid == uuid)
        return held

    def overwrite(self, key: str) -> None:
        """Another program writes to a key of Alsek's."""
        self.store.client.set(f"{self.backend.namespace}:{key}", "foreign")

    def field(self, key: str, name: str, value: str) -> None:
        """Another program writes to a field of a hash."""
        self.store.client.hset(f"{self.backend.namespace}:{key}", name, value)

    def forget(self, key: str) -> None:
        """Another program deletes a key."""
        self.store.client.delete(f"{self.backend.namespace}:{key}")


@pytest.fixture(scope="module")
def ways(redis_url: str) -> Iterator[tuple[OneWay, OneWay]]:
    """Both stores, on which all that is pushed is received."""
    base = redis_url.rsplit("/", 1)[0] if redis_url.count("/") > 2 else redis_url
    stores = OneWay(f"{base}/11", True), OneWay(f"{base}/12", False)
    with closing(stores[0].listen()):
        yield stores
    for store in stores:
        store.finish()


def success(held: Claimed, **fields: Any) -> Succeeded:
    """The outcome of a message that has succeeded."""
    return Succeeded(held.uuid, held.queue, held.token, **fields)


def _suspect(side: Side) -> Arguments:
    held = side.claimed()
    side.step(Lost(held.uuid, held.queue, held.token, True), limit=0)
    return {}


def _holds_suspect(side: Side) -> Arguments:
    _suspect(side)
    assert side.step().claimed
    return {}


def _missed(side: Side) -> Arguments:
    side.pushed()
    return {"received": 0}


def _note_gone(side: Side) -> Arguments:
    side.pushed()
    side.forget("sleeping")
    return {"received": 1}


def _twice(side: Side) -> Arguments:
    held = side.pushed()
    return {"outcomes": [success(held), success(held)], "received": 1}


def _ends(kind: type[Any], *more: Any) -> Callable[[Side], Arguments]:
    def ends(side: Side) -> Arguments:
        held = side.pushed()
        return {"outcomes": [kind(held.uuid, held.queue, held.token, *more)], "received": 1}

    return ends


def _with(**fields: Any) -> Callable[[Side], Arguments]:
    def ends(side: Side) -> Arguments:
        return {"outcomes": [success(side.claimed(**fields))]}

    return ends


def _reports(side: Side) -> Arguments:
    held = side.pushed()
    return {"outcomes": [Report(held.uuid, held.queue, held.token, 1, b"1"), success(held)], "received": 1}


def _progenitor(side: Side) -> Arguments:
    held = side.pushed()
    return {"outcomes": [success(held, result=b"1", result_ttl=60_000, progenitor="root")], "received": 1}


def _stale(side: Side) -> Arguments:
    held = side.pushed()
    return {"outcomes": [success(held._replace(token=99))], "received": 1}


def _lease_ends(side: Side) -> Arguments:
    side.add("b", queue="z")
    side.step(worker=OTHER)
    side.store.advance(LEASE // 2)
    side.messages.renew(side.worker, side.seq, [])
    side.store.advance(LEASE // 2 + 1)
    return {}


def _overwritten(key: str) -> Callable[[Side], Arguments]:
    def prepared(side: Side) -> Arguments:
        held = side.pushed(status_ttl=60_000)
        side.overwrite(key)
        return {"outcomes": [success(held, result=b"1", result_ttl=60_000)], "received": 1}

    return prepared


def _paused(side: Side) -> Arguments:
    side.messages.pause("q", "ada")
    return {}


def _set_aside(side: Side) -> Arguments:
    side.field("counters", "aside", "1")
    return {}


def _scheduled(side: Side) -> Arguments:
    side.messages.register(side.worker, WorkerFacts("host", 17, "1", ("t",), 4, fires=True))
    side.store.client.zadd(f"{side.backend.namespace}:delayed", {"schedules": side.store.now})
    return {}


def _retired(side: Side) -> Arguments:
    side.messages.retire(side.worker)
    return {}


def _repeats(side: Side) -> Arguments:
    side.step(sleeps=True)
    return {"seq": side.seq}


def _nothing(side: Side) -> Arguments:
    return {}


#: Why the rest of the script must do a step.
FOR_THE_REST: Final[dict[str, Callable[[Side], Arguments]]] = {
    "a message is ready": lambda side: side.add() or {},
    "a message is ready in its second queue": lambda side: side.add(queue="r", priority=7) or {},
    "a message for threads is ready": lambda side: side.add(wish="thread") or {},
    "a suspect is ready": _suspect,
    "it holds a suspect": _holds_suspect,
    "a push is missing": _missed,
    "what was noted is gone": _note_gone,
    "a delayed message is due": lambda side: side.add(queue="z", delay=1) or side.store.advance(1) or {},
    "a schedule is due": _scheduled,
    "a queue is paused": _paused,
    "a message is set aside": _set_aside,
    "the lease of another has ended": _lease_ends,
    "its own lease has ended": lambda side: side.store.advance(LEASE + 1) or {},
    "it is unknown": _retired,
    "the step is sent again": _repeats,
    "an older step is sent": lambda side: {**_repeats(side), "seq": 0},
    "it sleeps no longer": lambda side: {"sleeps": False, "received": side.pushed() and 1},
    "it has no room": lambda side: {"limit": 0},
    "it tells counts": lambda side: {"history": [HistoryCounts("q", "t", "succeeded:1")]},
    "it looks for coroutines": lambda side: {"limits": {"thread": 4, "coroutine": 4}},
    "an outcome is stale": _stale,
    "an outcome comes twice": _twice,
    "it has failed": _ends(Failed, ERROR, 60_000),
    "it is released": _ends(Released),
    "it is retried": _ends(Retried, 5, 1),
    "it is lost": _ends(Lost, False),
    "it reports": _reports,
    "its result has a progenitor": _progenitor,
    "it had a limit": _with(limits=(Limit("l", 1),)),
    "it had a key": _with(unique=UniqueKey("k")),
    "the messages are overwritten": _overwritten("messages"),
    "the counts are overwritten": _overwritten("queues"),
    "the sleepers are overwritten": _overwritten("sleeping"),
    "no arrival can be counted": lambda side: side.field("counters", "arrival", "x") or {},
}

#: What fails, and changes nothing.
FAILS: Final[dict[str, Callable[[Side], Arguments]]] = {
    "its claims are overwritten": _overwritten("claims:w"),
    "the workers are overwritten": _overwritten("workers"),
    "the delayed messages are overwritten": _overwritten("delayed"),
    "the counters are overwritten": _overwritten("counters"),
}


def _tracked(side: Side) -> Arguments:
    held = side.pushed(status_ttl=60_000)
    return {"outcomes": [success(held, result=b"1", result_ttl=60_000)], "received": 1}


def _several(side: Side) -> Arguments:
    helds = [side.claimed(uuid=f"a{n}", queue="qr"[n % 2], status_ttl=(0, -1)[n % 2]) for n in range(4)]
    side.add("z", queue="z")
    return {"outcomes": [success(held) for held in helds], "received": None}


def _others_sleep(side: Side) -> Arguments:
    for n in range(6):
        other = OTHER._replace(id=f"w{n}")
        side.messages.register(other)
        side.step(worker=other, seq=1, sleeps=True)
    return {}


#: What is done first.
DONE_FIRST: Final[dict[str, Callable[[Side], Arguments]]] = {
    "nothing is there": _nothing,
    "it sleeps again": lambda side: {"received": side.step(sleeps=True) and 0},
    "it holds another": lambda side: side.claimed() and {},
    "messages of other queues wait": lambda side: side.add(queue="z") or {},
    "a delayed message is not due": lambda side: side.add(delay=5_000) or {},
    "one has succeeded": lambda side: {"outcomes": [success(side.pushed())], "received": 1},
    "one has a status and a result": _tracked,
    "its status stays": lambda side: {"outcomes": [success(side.pushed(status_ttl=-1))], "received": 1},
    "several have succeeded": _several,
    "others sleep": _others_sleep,
    "a silence is over": lambda side: side.store.advance(LEASE // 2) or {},
    "its set of sleepers is overwritten": lambda side: side.overwrite("sleepers:wake:thread:r") or {},
    "many steps have no answer": lambda side: {"seq": 40},
}
#: Workers of all kinds.
KINDS: Final[dict[str, Arguments]] = {
    "process": {"kind": "process"},
    "process-async": {"kind": "process-async"},
    "thread-async": {"kind": "thread-async"},
    "all": {"queues": None},
    "all-async": {"kind": "thread-async", "queues": None},
    "freely": {"suspects": "freely"},
    "eight": {"queues": tuple("qrstuvwx")},
}


def alike(ways: tuple[OneWay, OneWay], case: Callable[[Side], Arguments], **fields: Any) -> bool:
    """Compare a step after these preparations, and one more; return whether idle_step.lua has done the first."""
    answers, contents, rests = [], [], []
    now = max(store.now for store in ways)
    for store in ways:
        store.now = now
        side = Side(store, **fields)
        told: Arguments = {"sleeps": True, **case(side)}
        before, outcomes = store.rests, told.pop("outcomes", ())
        answers.append([_answer(lambda: side.step(*outcomes, **told))])  # noqa: B023
        rests.append(store.rests - before)
        contents.append([store.contents(side.backend)])
        side.seq += 50
        answers[-1].append(_answer(lambda: side.step(sleeps=True, received=0)))  # noqa: B023
        contents[-1].append(store.contents(side.backend))
        store.discard(side.backend)
    assert answers[0] == answers[1]
    assert all(map(_same, *contents))
    assert rests[1] == 0
    return not rests[0]


def _same(one: dict[str, Any], two: dict[str, Any]) -> bool:
    """Whether both hold the same, but for keys that have expired in one of them meanwhile."""
    for here, there in ((one, two), (two, one)):
        for key, held in here.items():
            assert there.get(key, held) == held
            assert key in there or held[1], f"only one has {key}"
    return True


def _answer(call: Callable[[], Step]) -> Any:
    try:
        return call()
    except AlsekError as error:
        return type(error), re.sub(r"/1[12]\b|script: \w+, on @user_script:\d+", "", str(error))


@pytest.mark.parametrize("why", FOR_THE_REST)
def test_what_it_leaves_to_the_rest_is_done_there(ways: tuple[OneWay, OneWay], why: str) -> None:
    """For each of these reasons it does nothing, and the step is the usual one."""
    assert not alike(ways, FOR_THE_REST[why])


@pytest.mark.parametrize("what", FAILS)
def test_what_fails_there_fails_alike(ways: tuple[OneWay, OneWay], what: str) -> None:
    """A key that another program has overwritten is named, and nothing is written, whichever way the step goes."""
    assert alike(ways, FAILS[what])


@pytest.mark.parametrize("case", DONE_FIRST)
def test_what_it_does_is_what_the_rest_would_do(ways: tuple[OneWay, OneWay], case: str) -> None:
    """It answers and writes what all of step.lua does."""
    assert alike(ways, DONE_FIRST[case])


@pytest.mark.parametrize("kind", KINDS)
def test_it_serves_workers_of_every_kind(ways: tuple[OneWay, OneWay], kind: str) -> None:
    """For each kind of worker, however many queues it names."""
    assert alike(ways, _nothing, **KINDS[kind])


@pytest.mark.parametrize("fields", [{"queues": ()}, {"queues": tuple("abcdefghi")}, {"suspects": "only"}])
def test_who_is_never_pushed_messages_is_left_to_the_rest(
    ways: tuple[OneWay, OneWay], fields: dict[str, Any]
) -> None:
    """A worker that names no queue or more than eight, or that takes suspects alone, becomes no sleeper."""
    assert not alike(ways, _nothing, **fields)


class Sleepers(History):
    """A history whose workers sleep after most steps, and miss some of what they are pushed."""

    def __init__(self, stores: tuple[OneWay, OneWay], keys: bool) -> None:
        self._told: dict[tuple[str, int], dict[str, Any]] = {}
        self.steps = 0
        super().__init__(stores, keys)

    def act(self, seed: int) -> None:
        super().act(seed)
        one, two = self.pair.stores
        assert isinstance(one, OneWay)
        assert isinstance(two, OneWay)
        assert _same(one.contents(self.pair.backends[0]), two.contents(self.pair.backends[1])), self.story

    def _step(self, call: Call, repeated: bool = False) -> Step | Refusal:
        told = self._told.setdefault((call.worker.id, call.seq), self._sleep(call))
        self._tell("step", call.worker.id, call.seq, call.outcomes, call.limits, call.history, told)

        def step(backend: Backend, side: int) -> Step:
            outcomes = self.pair.numbered(side, call.outcomes)
            return backend.messages.step(call.worker, call.seq, outcomes, call.limits, call.history, **told)

        self.steps += told["sleeps"] or told["received"] is not None
        answer = self.pair.step(step, repeated)
        if isinstance(answer, Step):
            self._contact = self.pair.now
        return answer

    def _held(self, worker: Worker) -> list[Any]:
        one, two = (backend.messages.held(worker) for backend in self.pair.backends)
        self.pair.learn(one, two)  # no step has told of those that were pushed
        return super()._held(worker)

    def _is_tracked(self, uuid: str) -> bool:
        return True  # both are Redis

    def _sleep(self, call: Call) -> dict[str, Any]:
        store: Any = self.pair.stores[0]
        note = store.client.hget(f"{self.pair.backends[0].namespace}:sleeping", call.worker.id)
        received = None if note is None else int(note.split(b"|")[2]) // (1 + call.seq % 2)
        return {"sleeps": call.seq % 6 > 0, "received": received}


@pytest.mark.parametrize("keys", [False, True], ids=["plain", "keys"])
def test_any_history_goes_both_ways_alike(ways: tuple[OneWay, OneWay], keys: bool) -> None:
    """After each act of a history both stores hold the same."""
    chance, steps, before = Random(5), 0, ways[0].rests
    for _ in range(8):
        history = Sleepers(ways, keys)
        try:
            for _ in range(chance.randrange(60)):
                history.act(chance.getrandbits(40))
        finally:
            history.pair.close()
        steps += history.steps
    assert steps / 10 < ways[0].rests - before < steps * 9 / 10, "hardly any step went one of the ways"
