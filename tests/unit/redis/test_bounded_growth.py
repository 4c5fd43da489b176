"""What goes on for ever does not grow for ever."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from alsek.storage.backends.records import Running, SetAside, Submission, Succeeded, Worker, WorkerFacts
from alsek.storage.backends.redis import RedisBackend

pytestmark = pytest.mark.redis


@pytest.fixture
def facts() -> WorkerFacts:
    """Of a worker with one task."""
    return WorkerFacts("host", 1, "1", ("t",))


def test_results_that_are_gone_leave_the_index_of_their_progenitor(backend: RedisBackend) -> None:
    """A trigger's ticks, each of whose results is fetched: the list of all ticks' results stays short."""
    for n in range(2_000):
        backend.results.put(f"r{n}", b"1", ttl=60_000, progenitor="first")
        backend.results.delete([f"r{n}"])
    backend.results.put("last", b"1", ttl=60_000, progenitor="first")
    assert [record.uuid for record in backend.results.descendants("first")] == ["last"]
    for n in range(2_000):
        backend.results.put(f"s{n}", b"1", ttl=60_000, progenitor="first")
        backend.results.delete([f"s{n}"])
    assert int(backend._link.call("ZCARD", f"{backend.namespace}:descendants:first")) < 50


def _left(backend: RedisBackend) -> list[str]:
    prefix = f"{backend.namespace}:"
    names = backend._link.call("KEYS", f"{prefix}*")
    return sorted(name.decode().removeprefix(prefix) for name in names)


def test_lists_of_dead_letters_go_with_their_letters(backend: RedisBackend) -> None:
    """Of a queue that sees no further failure nothing is left, though nobody works there any more."""
    for n in range(20):
        backend.messages.add([Submission(f"m{n}", f"customer-{n}", b"p")], f"r{n}")
        backend.messages.fail(f"customer-{n}", f"m{n}", b"{}", 30)
    assert len([name for name in _left(backend) if name.startswith("letters:")]) > 0
    deadline = time.monotonic() + 60
    while any(name.startswith(("letters:", "dead", "fading:")) for name in _left(backend)):
        assert time.monotonic() < deadline, _left(backend)
        time.sleep(0.005)
    assert backend.messages.dead_queues() == []


@pytest.mark.parametrize(("lifetimes", "left"), [((100, 60_000, 100), 60_000), ((60_000, -1, 100), -1)])
def test_lists_live_as_long_as_the_longest_lived_letter(
    backend: RedisBackend, lifetimes: tuple[int, ...], left: int
) -> None:
    """A letter that is kept for a shorter time takes nothing from the others; one that stays keeps its lists."""
    for n, lifetime in enumerate(lifetimes):
        backend.messages.add([Submission(f"m{n}", "q", b"p")], f"r{n}")
        backend.messages.fail("q", f"m{n}", b"{}", lifetime)
    for name in ("dead", "dead:q", "fading:q"):
        remaining = int(backend._link.call("PTTL", f"{backend.namespace}:{name}"))
        assert left - 10_000 < remaining <= left, name


def test_each_failure_tidies_up_after_others(backend: RedisBackend) -> None:
    """Lists that a version before left without a time to live go with what fails elsewhere."""
    for n in range(10):
        backend.messages.add([Submission(f"m{n}", f"old-{n}", b"p")], f"r{n}")
        backend.messages.fail(f"old-{n}", f"m{n}", b"{}", 60_000)
        for name in (f"dead:old-{n}", f"fading:old-{n}", "dead"):
            backend._link.call("PERSIST", f"{backend.namespace}:{name}")
        backend._link.call("ZADD", f"{backend.namespace}:fading:old-{n}", 1, f"m{n}")
    for n in range(200):
        backend.messages.add([Submission(f"n{n}", "other", b"p")], f"s{n}")
        backend.messages.fail("other", f"n{n}", b"{}", 60_000)
    assert not [name for name in _left(backend) if "old-" in name]


def test_nothing_stays_of_workers_that_are_gone(
    backend: RedisBackend, new_worker: Callable[..., Worker]
) -> None:
    """Taken over or retired, with revoked messages in hand or not: claims, calls and tokens go."""
    messages = backend.messages
    gone, retired, alive = (new_worker(lease=600_000) for _ in range(3))
    for n, worker in enumerate((gone, retired, alive)):
        messages.register(worker)
        messages.add([Submission(f"m{n}", "q", b"p")], f"r{n}")
        if worker is not alive:
            (claimed,) = messages.step(worker, 1, [], {worker.kind: 1}).claimed
            assert messages.revoke("q", claimed.uuid)
    backend._link.call("ZADD", f"{backend.namespace}:workers", 1, gone.id)
    messages.retire(retired)
    step = messages.step(alive, 1, [], {alive.kind: 8})
    assert len(step.claimed) == 3
    messages.step(alive, 2, [Succeeded(each.uuid, "q", each.token) for each in step.claimed], {alive.kind: 0})
    messages.retire(alive)
    left = [name for name in _left(backend) if not name.startswith("finished:")]
    assert set(left) <= {"counters", "wakes:thread", "wakes:process"}, left


def test_nothing_stays_of_what_workers_told(
    backend: RedisBackend, new_worker: Callable[..., Worker], facts: WorkerFacts
) -> None:
    """Facts, tasks and what ran go with the worker; that its tasks are known for a lease more ends by itself."""
    messages = backend.messages
    retired, lost, alive = (new_worker(lease=600_000) for _ in range(3))
    for worker in (retired, lost, alive):
        messages.register(worker, facts)
        messages.renew(worker, 0, [], [Running("m", 1, 1, 1)])
    messages.retire(retired)
    backend._link.call("ZADD", f"{backend.namespace}:workers", 1, lost.id)
    messages.step(alive, 1, [], {alive.kind: 0})
    messages.retire(alive)
    assert set(_left(backend)) <= {"counters", "gone"}
    assert 0 < int(backend._link.call("PTTL", f"{backend.namespace}:gone")) <= 600_000


def test_what_an_older_version_leaves_of_a_worker_goes_with_a_later_registration(
    backend: RedisBackend, new_worker: Callable[..., Worker], facts: WorkerFacts
) -> None:
    """Version 0.1.0 knows nothing of facts when it takes a worker over."""
    messages, old, new = backend.messages, new_worker(), new_worker()
    messages.register(old, facts)
    messages.renew(old, 0, [], [Running("m", 1, 1, 1)])
    backend._link.call("ZREM", f"{backend.namespace}:workers", old.id)
    for _ in range(50):
        messages.register(new, facts)
    messages.renew(new, 0, [], [])
    assert {name for name in _left(backend) if old.id in name} == {f"claims:{old.id}"}
    assert backend._link.call("HKEYS", f"{backend.namespace}:facts") == [new.id.encode()]
    assert "running" not in _left(backend)


def test_nothing_stays_of_what_was_set_aside_or_paused(
    backend: RedisBackend, new_worker: Callable[..., Worker], facts: WorkerFacts
) -> None:
    """Once the messages are claimed, or removed by hand, steps find nothing more to look for."""
    messages, other, mine = backend.messages, new_worker(), new_worker()
    messages.register(other)
    messages.register(mine, facts)
    names = [f"m{n}" for n in range(6)]
    messages.add([Submission(name, "q", b"p") for name in names], "r")
    claimed = messages.step(other, 1, [], {other.kind: 6}).claimed
    tasks = ["t", "t", "t", "u", "v", "w"]
    outcomes = [
        SetAside(each.uuid, "q", each.token, task, b"{}", 0, True)
        for each, task in zip(claimed, tasks, strict=True)
    ]
    messages.step(other, 2, outcomes, {other.kind: 0})
    messages.pause("q", "me")
    for name in names[2:]:
        assert messages.remove("q", name)
    messages.resume("q")
    held = messages.step(mine, 1, [], {mine.kind: 6}).claimed
    assert [each.uuid for each in held] == names[:2]
    messages.step(mine, 2, [Succeeded(each.uuid, "q", each.token) for each in held], {mine.kind: 0})
    for seq in range(3, 20):
        messages.step(other, seq, [], {other.kind: 1})
    assert not [
        name for name in _left(backend) if re.match("aside|suspects-aside|paused|ready|messages", name)
    ]
    assert backend._link.call("HMGET", f"{backend.namespace}:counters", "paused", "aside") == [None, None]


def test_a_purge_reaches_letters_behind_very_many_expired_ones(backend: RedisBackend) -> None:
    """All of a queue's letters are deleted, also if a whole piece of them had expired."""
    names = [f"m{n}" for n in range(1_700)]
    for begin in range(0, len(names), 200):
        backend.messages.add(
            [Submission(name, "q", b"p") for name in names[begin : begin + 200]], f"r{begin}"
        )
    for name in names:
        backend.messages.fail("q", name, b"{}", 5_000)
    backend.messages.add([Submission("last", "q", b"p")], "last")
    backend.messages.fail("q", "last", b"{}", -1)
    for name in names:
        backend._link.call("ZADD", f"{backend.namespace}:fading:q", 1, name)
    assert backend.messages.purge("q") == 1
    assert backend.messages.dead_letter("q", "last") is None
