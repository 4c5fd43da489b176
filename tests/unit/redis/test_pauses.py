"""What pauses, and messages that are set aside, cost and wake on Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis

from alsek.storage.backends.records import SetAside, Submission, Succeeded, Worker, WorkerFacts
from alsek.storage.backends.redis import RedisBackend
from tests.command_counts import calls_of, counts_first_calls
from tests.contract.workers import who_rings

pytestmark = pytest.mark.redis


@pytest.fixture
def alone(lone_redis: redis.Redis) -> Iterator[RedisBackend]:
    """A backend on it."""
    made = RedisBackend(lone_redis)
    yield made
    made.close()


def _commands(server: redis.Redis) -> int:
    """How many commands were called so far."""
    return sum(count for name, count in calls_of(server).items() if name != "info")


def test_what_waits_in_paused_queues_costs_nothing(
    lone_redis: redis.Redis, alone: RedisBackend, new_worker: Callable[..., Worker]
) -> None:
    """However many queues are paused and however much is in them, a step soon passes over all with a few commands."""
    messages, worker = alone.messages, new_worker()
    messages.register(worker)
    names = [f"queue-{n:03}" for n in range(700)]
    for name in names:
        assert messages.pause(name, "me")
    messages.add([Submission(f"{name}-{n}", name, b"p") for name in names for n in range(3)], "r")
    messages.add([Submission("open", "z", b"p")], "r2")
    step = messages.step(worker, 1, [], {worker.kind: 1})
    assert (step.claimed, step.waiting) == (
        [],
        ("thread",),
    )  # 500 have been passed over; the next step goes on
    (claimed,) = messages.step(worker, 2, [], {worker.kind: 1}).claimed
    assert claimed.uuid == "open"
    before = _commands(lone_redis)
    step = messages.step(worker, 3, [Succeeded("open", "z", claimed.token)], {worker.kind: 8})
    assert (step.claimed, step.waiting) == ([], ())
    assert _commands(lone_redis) - before <= 50


def test_a_resumed_queue_wakes_who_has_the_task_of_what_is_set_aside_there(
    backend: RedisBackend, new_worker: Callable[..., Worker]
) -> None:
    """Though that worker does not serve the queue."""
    messages, other, mine = backend.messages, new_worker(), new_worker(queues=("own",))
    messages.register(other)
    messages.register(mine, WorkerFacts("host", 1, "1", ("t",)))
    messages.add([Submission("a", "q", b"p")], "r")
    (claimed,) = messages.step(other, 1, [], {other.kind: 1}).claimed
    messages.pause("q", "me")
    messages.step(other, 2, [SetAside("a", "q", claimed.token, "t", b"{}", 0)], {other.kind: 0})
    assert messages.step(mine, 1, [], {mine.kind: 1}).claimed == []
    waiter = messages.waiter(mine)
    try:
        waiter.arm()
        while who_rings([waiter], at_least=0):  # setting it aside has called the worker once
            waiter.arm()
        messages.resume("q")
        assert who_rings([waiter]) == [0]
        assert [each.uuid for each in messages.step(mine, 2, [], {mine.kind: 1}).claimed] == ["a"]
    finally:
        waiter.close()


@counts_first_calls
def test_workers_with_many_tasks_are_forgotten_in_few_commands(
    lone_redis: redis.Redis, alone: RedisBackend, new_worker: Callable[..., Worker]
) -> None:
    """Their tasks are remembered in pieces: a step takes over up to 20 workers, and all others wait for it."""
    messages = alone.messages
    tasks = tuple(f"t{n}" for n in range(2_001))
    workers = [new_worker() for _ in range(3)]
    for worker in workers:
        messages.register(worker, WorkerFacts("host", 17, "1", tasks, 4))
    before = _commands(lone_redis)
    for worker in workers:
        messages.retire(worker)
    assert _commands(lone_redis) - before < 100
    assert lone_redis.zcard(f"{alone.namespace}:gone") == len(tasks)
