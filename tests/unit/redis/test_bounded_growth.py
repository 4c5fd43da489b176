"""What goes on for ever does not grow for ever."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from alsek.storage.backends.records import Submission, Succeeded, Worker
from alsek.storage.backends.redis import RedisBackend

pytestmark = pytest.mark.redis


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
    deadline = time.monotonic() + 5
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
