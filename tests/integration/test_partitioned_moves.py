"""A move into a namespace with partitions, out of one, and to another number of them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from apscheduler.triggers.cron import CronTrigger
from click.testing import CliRunner

from alsek import Broker, Concurrency, Group, Unique, task
from alsek.cli.main import main
from alsek.core.identifiers import new_uuid
from alsek.core.message import Message
from alsek.core.moving.move import LEASE_MS, Move
from alsek.core.schedules.definition import Definition
from alsek.core.schedules.trigger_data import Date
from alsek.exceptions import MoveError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.copies import CopyKind
from alsek.storage.backends.locations import LOCATIONS, at_location
from alsek.storage.backends.records import FOR_EVER, Limit, Report, Submission, TaskStatus, UniqueKey
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.result import ResultStore
from alsek.storage.serialization import JsonSerializer
from tests.contract.workers import Actor, a_message, add, an_actor, succeeded
from tests.doomed_ports import DoomedPort, KilledError

pytestmark = pytest.mark.redis

#: Things are named so that these numbers of partitions divide them differently.
_SPREAD = 8

#: Payloads that can be read, so that it can be told where the callbacks of their messages are.
_PAYLOADS = [Message("t", args=(n,)).pack(JsonSerializer()) for n in range(9)]
_DEFINITION = Definition("t", Date(2**41, "UTC"), "skip", False, b'{"task_name": "t"}').to_bytes()

Maker = Callable[[int], Backend]


@pytest.fixture
def store(redis_url: str, tmp_path: Path) -> Iterator[Maker]:
    """Makes a new store with so many partitions; with 0 it is a SQLite file."""
    made: list[Backend] = []

    def make(partitions: int) -> Backend:
        if partitions:
            name = f"t{uuid4().hex[:12]}"
            made.append(RedisBackend(redis_url, namespace=name, timeout=2_000, partitions=partitions))
        else:
            made.append(SQLiteBackend(tmp_path / f"{len(made)}.db"))
        return made[-1]

    yield make
    for backend in made:
        backend.clear_namespace()
        backend.close()


def _uuid(eighth: int) -> str:
    """A new uuid at a place in this part of all locations."""
    return at_location(new_uuid(), eighth * LOCATIONS // _SPREAD + 7)


def _keyed(tag: str, where: int) -> Submission:
    return Submission(at_location(new_uuid(), where), "keyed", _PAYLOADS[0], unique=UniqueKey(f"{tag}:key"))


def _limited(tag: str, where: int, n: int) -> Submission:
    """Of two of these one waits for the other."""
    limits = (Limit(f"{tag}:limit", 1),)
    return Submission(at_location(new_uuid(), where), "limited", _PAYLOADS[n], limits=limits)


def _fill(backend: Backend, many: int = 3, step: int = 1) -> None:
    """Something of every kind in parts of the locations; several messages in each, of two queues."""
    for eighth in range(0, _SPREAD, step):
        tag = f"{{k{eighth}}}"
        where = backend.location_of(tag) if backend.partitions > 1 else 0
        add(
            backend,
            *(Submission(_uuid(eighth), f"q{n % 2}", _PAYLOADS[n], status_ttl=FOR_EVER) for n in range(many)),
            Submission(_uuid(eighth), "late", _PAYLOADS[0], delay=86_400_000 + eighth),
        )
        if backend.partitions > 1:
            add(backend, _keyed(tag, where), *(_limited(tag, where, n) for n in range(2)))
        dead, result = _uuid(eighth), _uuid(eighth)
        add(backend, Submission(dead, "dead", _PAYLOADS[0], status_ttl=FOR_EVER))
        backend.messages.fail("dead", dead, b"{}", FOR_EVER)
        backend.results.put(result, b"1", progenitor=result)
        backend.statuses.put(_uuid(eighth), TaskStatus.SUCCEEDED)
        backend.values.put(f"value {eighth}", b"%d" % eighth)
        backend.schedules.put(f"schedule {eighth}", _DEFINITION, "r1", None)
    actor = an_actor(backend, "q0")
    (claim,) = actor.step(limit=1).claimed
    backend.messages.report(
        actor.worker, [Report(claim.uuid, claim.queue, claim.token, 1, b"p", b"c", (b"1",), 9)]
    )
    backend.messages.retire(actor.worker)  # it is given back, to its old place


def _found(backend: Backend) -> dict[str, Any]:
    """What there is, and in which order each partition's would be taken."""
    messages = backend.messages
    stored = [one for queue in messages.queues() for one in messages.browse(queue)]
    return {
        "payloads": sorted((one.uuid, one.queue, one.payload, one.state) for one in stored),
        "statuses": sorted((record.uuid, record.status) for record in backend.statuses.scan()),
        "letters": sorted(letter.uuid for letter in messages.dead_letters("dead")),
        "results": [backend.results.get([uuid]) for uuid in _results(backend)],
        "reports": [
            (each.uuid, each.progress, each.checkpoint, each.lines)
            for each in messages.reports(sorted(one.uuid for one in stored), lines=True)
            if each is not None
        ],
        "values": sorted((name, backend.values.get(name)) for name in backend.values.scan("*")),
        "schedules": backend.schedules.get(),
    }


def _results(backend: Backend) -> list[str]:
    return sorted(copy.key[1] for page in backend.transfer.read(CopyKind.RESULT, 100) for copy in page.copies)


def _is_empty(backend: Backend) -> bool:
    return not any(page.copies for kind in CopyKind for page in backend.transfer.read(kind, 10))


def _order(backend: Backend) -> dict[tuple[str, int], list[bytes]]:
    """The payloads of ready messages as workers take them: by queue and part of the locations."""
    order: dict[tuple[str, int], list[bytes]] = defaultdict(list)
    actor = an_actor(backend, "q0", "q1")
    while claimed := actor.step(limit=5).claimed:
        for claim in claimed:
            order[claim.queue, int(claim.uuid[-4:], 16) * _SPREAD // LOCATIONS].append(claim.payload)
    actor.retire()
    return order


@pytest.mark.parametrize(
    ("before", "after"), [(4, 8), (8, 4), (8, 3), (3, 8), (1, 8), (8, 1), (0, 4), (4, 0)]
)
def test_everything_arrives_as_it_was(store: Maker, before: int, after: int) -> None:
    """Under the same uuids, each in the partition that its uuid names there, in its order; nothing is left."""
    source, target = store(before), store(after)
    _fill(source, 5)
    expected = _found(source)
    report = Move(source, target).run()
    assert report.complete, report.left
    assert _found(target) == expected
    assert _is_empty(source)
    assert set(map(tuple, _order(target).values())) == {tuple(_PAYLOADS[0:5:2]), tuple(_PAYLOADS[1:5:2])}


@pytest.mark.parametrize(("before", "after"), [(4, 8), (8, 3)])
def test_keys_and_limits_hold_there(store: Maker, before: int, after: int) -> None:
    """A key is held, and a message that waited for a limit waits for it in the target."""
    source, target = store(before), store(after)
    _fill(source)
    Move(source, target).run()
    for eighth in range(_SPREAD):
        tag = f"{{k{eighth}}}"
        assert add(target, _keyed(tag, target.location_of(tag))) == [False]
    actor = an_actor(target, "limited")
    first = actor.step().claimed
    assert [claim.payload for claim in first] == [_PAYLOADS[0]] * _SPREAD
    second = actor.step(*map(succeeded, first)).claimed
    assert [claim.payload for claim in second] == [_PAYLOADS[1]] * _SPREAD


def _doomed(backend: Backend, calls: list[int]) -> Backend:
    """Another backend of the same store. Each call of each of its partitions counts."""
    assert isinstance(backend, RedisBackend)
    made = backend.within(2_000)
    ports: Any = made._ports
    for part in ports.parts.unchecked if backend.partitions > 1 else (ports,):
        part.transfer = DoomedPort(part.transfer, calls)
        part.messages = DoomedPort(part.messages, calls)
    return made


@pytest.mark.slow
@pytest.mark.deep
@pytest.mark.parametrize(("before", "after"), [(2, 3), (1, 2), (2, 1)])
def test_killed_after_any_call_it_goes_on(
    store: Maker, before: int, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever call of a partition was the last one of a move, the next one moves the rest: all is there, once."""
    monkeypatch.setattr("alsek.core.moving.move.BATCH", 3)
    monkeypatch.setattr("alsek.core.moving.move.LEASE_MS", 0)
    source, target = store(before), store(after)
    _fill(source, 2, step=3)
    expected = _found(source)
    calls, killed = 0, True
    while killed:
        calls += 1
        left = [calls]
        there = [_doomed(source, left), _doomed(target, left)]
        try:
            Move(*there).run()
            killed = False
        except KilledError:
            left[0] = calls % 11 + 1  # and once more, soon after it has begun again
            with pytest.raises(KilledError):
                Move(*there).run()
            assert Move(source, target).run().complete
        for backend in there:
            backend.close()
        assert _found(target) == expected, calls
        assert _is_empty(source), calls
        assert Move(target, source).run().complete  # and back, for the next one
        assert _found(source) == expected, calls
    assert calls > 50


def test_a_second_move_meets_the_first_one(store: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever partition the first one is at: it is told so, and the first one goes on undisturbed."""
    source, target, other = store(4), store(2), store(1)
    _fill(source)
    expected = _found(source)
    monkeypatch.setattr("alsek.core.moving.move.BATCH", 2)
    told: set[str] = set()

    def second(_: object) -> None:
        for to in (target, other):
            opened = source.transfer.open_source("second", to.transfer.store_name(), "there", LEASE_MS)
            assert opened.busy, "it is open for the second one"
        if not told:
            with pytest.raises(MoveError, match="another move is at work"):
                Move(source, target, sleep=lambda _: None).run()
            told.add("once")

    monkeypatch.setattr("alsek.core.moving.move.LEASE_MS", 60_000)
    seconds = count(step=100_000)
    run = Move(source, target)
    monkeypatch.setattr("alsek.core.moving.move.time", SimpleNamespace(monotonic=lambda: next(seconds)))
    run.on_progress(second)
    assert run.run().complete
    assert told
    assert _found(target) == expected


def test_a_move_elsewhere_changes_nothing(store: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a move to another target has not ended it is refused, and that one still ends as if nothing had been."""
    monkeypatch.setattr("alsek.core.moving.move.BATCH", 2)
    monkeypatch.setattr("alsek.core.moving.move.LEASE_MS", 0)
    source, target, other = store(4), store(2), store(3)
    _fill(source)
    expected = _found(source)
    with pytest.raises(KilledError):
        Move(_doomed(source, left := [60]), _doomed(target, left)).run()
    with pytest.raises(MoveError, match="has not ended"):
        Move(source, other).run()
    report = Move(source, target).run()
    assert (report.resumed, report.complete) == (True, True)
    assert _found(target) == expected
    assert _is_empty(other)


def _double(n: int) -> int:
    return 2 * n


def test_what_is_bound_stays_in_a_store_without_partitions(store: Maker) -> None:
    """Messages whose callbacks, keys or limits have other places are named and stay; all else is moved, and runs."""
    source, target = store(1), store(4)
    broker = Broker(source)
    double = task(broker, result_store=ResultStore(source))(_double)
    limited = task(broker, limits=[Concurrency(1, key="crm")], name="limited")(_double)
    unique = task(broker, unique=Unique("only"), name="unique")(_double)
    plain = double.generate(args=(1,))
    chained = double.generate(args=(2,), callback=double.generate(args=(6,), submit=False))
    watched = double.generate(args=(3,), failure_callback=double.generate(args=(4,), submit=False))
    named = double.generate(
        args=(5,), uuid="{a}-1", callback=double.generate(args=(6,), uuid="{a}-2", submit=False)
    )
    by_limit, by_key = limited.generate(args=(7,)), unique.generate(args=(8,))
    group = Group([double.generate(args=(9,), submit=False)])
    group.submit()
    stays = {chained.uuid, watched.uuid, by_limit.uuid, by_key.uuid}
    report = Move(source, target).run()
    assert {left.key for left in report.left} == {*stays, group.members[0].uuid}
    for left in report.left:
        if left.key in stays:
            assert "another partition there" in left.reason, left
    assert {stored.uuid for stored in source.messages.browse(plain.queue)} >= {chained.uuid, watched.uuid}
    assert {stored.uuid for stored in target.messages.browse(plain.queue)} == {plain.uuid, named.uuid}


def test_schedules_whose_messages_can_not_be_made_there_stay(store: Maker) -> None:
    """One whose key has another place than its name; others are moved, though their callbacks have no place yet."""
    source, target = store(1), store(4)
    broker = Broker(source)
    double = task(broker, result_store=ResultStore(source))(_double)
    nightly = CronTrigger(hour=0, timezone="UTC")
    double.schedule("good", nightly, args=(1,), callback=double.generate(args=(2,), submit=False))
    double.schedule("{a}-bad", nightly, args=(1,), unique=Unique("{{b}}"))
    report = Move(source, target).run()
    assert [left.key for left in report.left] == ["{a}-bad"]
    assert "its messages can't be made there" in report.left[0].reason
    assert [record.name for record in target.schedules.get()] == ["good"]


def test_a_payload_that_can_not_be_read_stays(store: Maker) -> None:
    """Nobody can tell where its callbacks belong. Out of a store with partitions it is moved, as they are together."""
    source, target, third = store(1), store(4), store(3)
    uuid = _uuid(3)
    source.messages.add([Submission(uuid, "q", b"\xff")], "r")
    (left,) = Move(source, target).run().left
    assert left.key == uuid
    assert "where its callbacks have their place can't be told" in left.reason
    target.messages.add([Submission(uuid, "q", b"\xff")], "r")
    assert Move(target, third).run().complete


def test_descendants_elsewhere_stay(store: Maker) -> None:
    """A result whose progenitor has another place would not be found with it: it stays, and is named."""
    source, target = store(1), store(4)
    root, first, second = _uuid(0), _uuid(0), _uuid(5)
    source.results.put(first, b"1", progenitor=root)
    source.results.put(second, b"2", progenitor=root)
    (left,) = Move(source, target).run().left
    assert left.key == second
    assert f"message {root!r}, whose descendant it is" in left.reason
    assert [record.uuid for record in target.results.descendants(root)] == [first]


@pytest.mark.parametrize(("before", "after"), [(4, 3), (16, 1), (1, 16), (2, 16)])
def test_numbers_go_on(store: Maker, before: int, after: int) -> None:
    """No partition of the target gives out a token or a fence number that one of the source has given out."""
    source, target = store(before), store(after)
    tokens = []
    for _ in range(3):
        for eighth in range(_SPREAD):
            add(source, Submission(_uuid(eighth), "q", b"p"))
        tokens += [claim.token for claim in _claims(source)]
        source.locks.acquire("a", "me", 60_000)
        source.locks.release("a", "me")
    fence = source.locks.acquire("a", "me", 1).fence
    uuid = _uuid(6)
    assert source.results.put(uuid, b"1", token=max(tokens))
    (before_it,) = source.results.get([uuid])
    Move(source, target).run()
    for eighth in range(_SPREAD):
        add(target, Submission(_uuid(eighth), "q", b"p"))
    assert min(claim.token for claim in _claims(target)) > max(tokens)
    assert all(target.locks.acquire(f"{n}", "me", 60_000).fence > fence for n in range(_SPREAD))
    (moved,) = target.results.get([uuid])
    assert moved is not None
    assert before_it is not None
    assert moved.token >= before_it.token > 0


def _claims(backend: Backend) -> list[Any]:
    actor: Actor = an_actor(backend)
    claimed = list(actor.step().claimed)
    actor.retire(*map(succeeded, claimed))
    return claimed


class _Skewed(RedisBackend):
    """A backend whose partitions have clocks of their own, as nodes of a cluster have."""

    _clock_lua = "local function now() return tonumber(redis.call('GET', 'test-clock:' .. P)) end"

    def _link_of(self, partition: int) -> Link:
        return Link(self._link.source, self._link.timeout)


@pytest.mark.parametrize("partitioned", ["source", "target"])
def test_each_partition_has_a_clock(redis_url: str, partitioned: str) -> None:
    """What is due in an hour is due in an hour, however the clocks of the nodes differ."""
    hour, now = 3_600_000, 1_700_000_000_000
    name = f"t{uuid4().hex[:12]}"
    skewed = _Skewed(redis_url, namespace=name, partitions=2)
    even = _Skewed(redis_url, namespace=f"{name}.even", partitions=2)
    admin: Any = skewed._link.client
    for backend, times in ((skewed, (now, now + 500_000)), (even, (now + 7_000, now + 7_000))):
        for part, time in enumerate(times):
            admin.set(f"test-clock:{{{backend.namespace}%p{part}}}:", time, px=60_000)
    source, target = (skewed, even) if partitioned == "source" else (even, skewed)
    for eighth in (0, 7):
        add(source, a_message(_uuid(eighth), delay=hour))
        source.values.put(f"v{eighth}", b"1", hour)
    assert Move(source, target).run().complete
    dues = {
        (copy.key[1][-4:] > "8", copy.due)  # type: ignore[union-attr]
        for part in target._ports.parts.all  # type: ignore[union-attr]
        for page in part.transfer.read(CopyKind.MESSAGE, 9)
        for copy in page.copies
    }
    late = now + 500_000 if target is skewed else now + 7_000
    first = now if target is skewed else now + 7_000
    assert dues == {(False, first + hour), (True, late + hour)}
    for backend in (skewed, even):
        backend.clear_namespace()
        backend.close()


def test_the_command_makes_the_partitions(
    redis_url: str, store: Maker, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--to-partitions`` says how many a new namespace has; afterwards the store knows it."""

    source = store(4)
    assert isinstance(source, RedisBackend)
    _fill(source)
    expected = _found(source)
    name = f"t{uuid4().hex[:12]}"
    command = ["move", "--from", redis_url, "--from-namespace", source.namespace, "--to", redis_url]
    command += ["--to-namespace", name, "--json"]
    for options in (["--to-partitions", "6"], []):
        said = CliRunner().invoke(main, [*command, *options])
        assert (said.exit_code, json.loads(said.stdout)["left"]) == (0, [])
    target = RedisBackend(redis_url, namespace=name, partitions=6)
    assert _found(target) == expected
    target.clear_namespace()
    target.close()
