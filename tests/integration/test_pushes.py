"""An idle pool on Redis is pushed what is submitted: its message starts without a step that claims it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from alsek import TaskStatus
from tests.integration.conftest import Project, made_project
from tests.waiting import eventually

TASKS = """
@task(broker, result_store=result_store, status_tracker=status_tracker)
def double(number: int) -> int:
    return 2 * number

@task(broker)
def hold(name: str) -> None:
    (HERE / f"{name}.started").touch()
    while not (HERE / f"{name}.go").exists():
        time.sleep(0.01)
"""

ASYNC_TASKS = """
@task(broker, result_store=result_store, status_tracker=status_tracker)
async def double_in_a_coroutine(number: int) -> int:
    return 2 * number
"""

#: The pools, each with one group that has room for more than one message.
POOLS = [
    ("thread-pool", "--n_processes", "1", "--n_threads", "4"),
    ("process-pool", "--n_processes", "2"),
    ("process-pool", "--n_processes", "2", "--tasks_per_process", "1000"),
]

pytestmark = pytest.mark.redis


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Project]:
    """A project on Redis."""
    yield from made_project(request, tmp_path, "redis")


class Worker:
    """The only worker of a namespace, as its keys tell of it."""

    def __init__(self, tasks: Any, url: str) -> None:
        self._tasks = tasks
        self._server = redis.Redis.from_url(url)
        self._prefix = f"{tasks.backend.namespace}:"

    @property
    def id(self) -> str:
        """Its id."""
        (record,) = self._tasks.backend.messages.workers()
        return str(record.id)

    @property
    def sleeps(self) -> bool:
        """Whether it may be pushed messages."""
        return self._server.hlen(f"{self._prefix}sleeping") == 1

    @property
    def steps(self) -> int:
        """How many steps it has made."""
        line: Any = self._server.hget(f"{self._prefix}claims:{self.id}", "")
        return int(line.split(b" ")[0])

    def was_pushed(self, uuid: str) -> bool:
        """Whether a claim that it holds belongs to a step that it has not made yet."""
        held: Any = self._server.hgetall(f"{self._prefix}claims:{self.id}")
        return int(held[uuid.encode()].split(b"|")[1]) > int(held[b""].split(b" ")[0])


@pytest.mark.parametrize("pool", POOLS, ids=" ".join)
def test_an_idle_pool_starts_a_message_without_claiming_it(
    project: Project, redis_url: str, pool: tuple[str, ...]
) -> None:
    """While the task runs, its claim is of the step that is still to come; unless the worker has just looked."""
    tasks = project.write(TASKS)
    project.worker(*pool[1:], pool=pool[0])
    eventually(lambda: tasks.backend.messages.workers())
    worker = Worker(tasks, redis_url)
    for name in "abcdefghijklmno":
        eventually(lambda: worker.sleeps)
        message = tasks.hold.generate(args=(name,))
        eventually((project.folder / f"{name}.started").exists)
        was_pushed = worker.was_pushed(message.uuid)
        (project.folder / f"{name}.go").touch()
        eventually(lambda: tasks.backend.count("queues:alsek_queue") == 0)
        if was_pushed:
            return
    pytest.fail("none of fifteen was pushed")


def undisturbed(worker: Worker, ask: Callable[[int], None]) -> None:
    """Ask five times in a row, again and again, until that costs five steps, or at most two more.

    Now and then the worker looks, or hands over what it has counted; where it waits for a processor, it may be about to
    sleep when it should.
    """
    counted = []
    for _ in range(30):
        before = worker.steps
        for number in range(5):
            ask(number)
        counted.append(worker.steps - before)
        if counted[-1] <= 7:
            return
    pytest.fail(f"steps for five messages: {counted}")


@pytest.mark.parametrize("pool", POOLS, ids=" ".join)
def test_a_message_costs_an_idle_pool_one_step(
    project: Project, redis_url: str, pool: tuple[str, ...]
) -> None:
    """One by one, each result is there after one step; claiming each would take two."""
    tasks = project.write(TASKS)
    project.worker(*pool[1:], pool=pool[0])
    eventually(lambda: tasks.backend.messages.workers())
    worker = Worker(tasks, redis_url)
    eventually(lambda: worker.sleeps)

    def ask(number: int) -> None:
        message = tasks.double.generate(args=(number,))
        assert tasks.result_store.get(message, timeout=60_000) == 2 * number
        eventually(lambda: worker.sleeps)
        assert tasks.status_tracker.get(message) is TaskStatus.SUCCEEDED

    undisturbed(worker, ask)


def test_a_pool_with_coroutines_is_pushed_messages_for_both(project: Project, redis_url: str) -> None:
    """One by one, messages for threads and for coroutines cost one step each."""
    tasks = project.write(TASKS + ASYNC_TASKS)
    project.worker("--n_processes", "1", "--n_threads", "4")
    eventually(lambda: tasks.backend.messages.workers())
    worker = Worker(tasks, redis_url)
    eventually(lambda: worker.sleeps)

    def ask(number: int) -> None:
        message = (tasks.double, tasks.double_in_a_coroutine)[number % 2].generate(args=(number,))
        assert tasks.result_store.get(message, timeout=60_000) == 2 * number
        eventually(lambda: worker.sleeps)

    undisturbed(worker, ask)
