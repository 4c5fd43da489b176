"""Limits by kind of slot on Redis: what they cost, and whom they cost nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import redis

from alsek.storage.backends.kinds import SlotKind, WorkerKind
from alsek.storage.backends.records import Claimed, HistoryCounts, Step, Submission, Succeeded, Worker
from alsek.storage.backends.redis import RedisBackend
from alsek.types import Wish
from tests.command_counts import calls_of, counts_first_calls

pytestmark = pytest.mark.redis

Spent = dict[str, int]

_WISHES: tuple[Wish, ...] = ("any", "any-async", "thread-async", "thread")


class _Steps:
    """A worker and its steps.

    Args:
        backend: Where it works.
        kind: Its kind.
        queues: Those that it names; None for all.
    """

    def __init__(
        self, backend: RedisBackend, kind: WorkerKind, queues: tuple[str, ...] | None = None
    ) -> None:
        self.messages = backend.messages
        self.worker = Worker(f"worker-{kind}", kind, queues, 600_000, 60_000)
        self.messages.register(self.worker)
        self._seq = 0

    def step(self, limits: Mapping[SlotKind, int], *finished: Claimed) -> Step:
        """The next one, which reports that these have succeeded."""
        self._seq += 1
        outcomes = [Succeeded(each.uuid, each.queue, each.token) for each in finished]
        return self.messages.step(self.worker, self._seq, outcomes, limits)


@pytest.fixture
def alone(lone_redis: redis.Redis) -> Iterator[RedisBackend]:
    """A backend on a server whose commands are counted."""
    made = RedisBackend(lone_redis)
    yield made
    made.close()


@pytest.fixture
def spent(lone_redis: redis.Redis) -> Callable[[Callable[[], object]], Spent]:
    """Counts the commands that the server carries out for a call, by name."""

    def count(call: Callable[[], object]) -> Spent:
        before = calls_of(lone_redis)
        call()
        after = calls_of(lone_redis)
        names = after.keys() - {"info", "config|resetstat"}
        return {name: many for name in names if (many := after[name] - before.get(name, 0))}

    return count


def _add(backend: RedisBackend, wish: Wish, *uuids: str, queue: str = "q") -> None:
    for uuid in uuids:
        backend.messages.add([Submission(uuid, queue, b"p", wish=wish)], f"r-{uuid}")


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_messages_of_coroutines_cost_a_plain_worker_nothing(
    kind: Any, alone: RedisBackend, spent: Callable[[Callable[[], object]], Spent]
) -> None:
    """A pool without `async def` tasks sends and causes the same commands, whether or not such messages wait."""
    plain = _Steps(alone, kind)
    _add(alone, "any", *(f"a{n}" for n in range(60)))
    held: list[Claimed] = []

    def step() -> None:
        held[:] = plain.step({kind: 4}, *held).claimed
        assert len(held) == 4

    for _ in range(2):
        step()
    without = spent(step)
    _add(alone, "any-async", *(f"c{n}" for n in range(9)))
    _add(alone, "thread-async", *(f"d{n}" for n in range(9)))
    assert spent(step) == without


@counts_first_calls
def test_a_kind_without_room_is_not_looked_at(
    alone: RedisBackend, spent: Callable[[Callable[[], object]], Spent]
) -> None:
    """However many queues have messages for threads, a step with one thread free goes on to those for coroutines."""
    worker = _Steps(alone, "thread-async")
    for n in range(300):
        _add(alone, "any", f"a{n}", queue=f"q{n:03}")
    _add(alone, "any-async", "c0", "c1", queue="z")
    steps: list[Step] = []
    commands = spent(lambda: steps.append(worker.step({"thread": 1, "coroutine": 1})))
    assert [each.uuid for each in steps[0].claimed] == ["a0", "c0"]
    assert steps[0].waiting == ("thread", "coroutine")
    assert sum(commands.values()) < 50, commands


def test_limits_hold_across_priorities_and_queues(backend: RedisBackend) -> None:
    """What is passed over for want of a slot holds up nothing, in one queue and in the next."""
    worker = _Steps(backend, "thread-async", ("q", "r"))
    submissions = [
        *(
            Submission(f"q-{wish}-{n}", "q", b"p", priority=n, wish=wish)
            for n in range(3)
            for wish in _WISHES
        ),
        *(Submission(f"r-{wish}", "r", b"p", wish=wish) for wish in _WISHES),
    ]
    backend.messages.add(submissions, "r")
    step = worker.step({"thread": 2, "coroutine": 7})
    assert [each.uuid for each in step.claimed] == [
        *("q-any-0", "q-any-async-0", "q-thread-async-0", "q-thread-0"),
        *("q-any-async-1", "q-thread-async-1", "q-any-async-2", "q-thread-async-2", "r-any-async"),
    ]
    assert step.waiting == ("thread", "coroutine")


def test_tokens_for_coroutines_expire(backend: RedisBackend) -> None:
    """Those that no worker takes are gone after a minute, so that plain messages cost nothing for their removal."""
    _add(backend, "any-async", "c")
    _add(backend, "thread-async", "d", queue="r")
    prefix = f"{backend.namespace}:"
    lists = {
        name.decode().removeprefix(prefix): name for name in backend._link.call("KEYS", f"{prefix}wake*")
    }
    assert sorted(lists) == [
        *("wake:process-async:q", "wake:thread-async:q", "wake:thread-async:r"),
        *("wakes:process-async", "wakes:thread-async"),
    ]
    for name in lists.values():
        assert 0 < backend._link.call("PTTL", name) <= 60_000


def test_an_overwritten_set_stops_no_other(backend: RedisBackend) -> None:
    """The rest of the queue is handed out beside a ready set that another program has overwritten."""
    worker = _Steps(backend, "thread-async")
    _add(backend, "any", "a")
    _add(backend, "any-async", "c")
    backend._link.call("DEL", f"{backend.namespace}:ready:c:q")
    backend._link.call("SET", f"{backend.namespace}:ready:c:q", "foreign")
    step = worker.step({"thread": 1, "coroutine": 1})
    assert [each.uuid for each in step.claimed] == ["a"]
    assert [each.queue for each in step.corrupt] == ["q"]


def test_counts_travel_with_two_limits(backend: RedisBackend) -> None:
    """A worker with two kinds of slots hands over counts in the step that claims."""
    worker = _Steps(backend, "thread-async")
    _add(backend, "any", "a")
    counts = [HistoryCounts("q", "t", "s:2"), HistoryCounts("q", "u", "s:3")]
    step = worker.messages.step(worker.worker, 1, [], {"thread": 1, "coroutine": 0}, counts)
    assert [each.uuid for each in step.claimed] == ["a"]
    rows = worker.messages.history(0, 1 << 40)
    assert {(row.task, row.counts) for row in rows} == {("t", "s:2"), ("u", "s:3")}
