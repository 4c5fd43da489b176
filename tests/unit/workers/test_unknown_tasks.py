"""Messages whose task a pool does not have: left to the worker that has it, or failed if none has."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.execution.session import WorkerSession
from alsek.core.message import Message
from alsek.core.middleware import Middleware
from alsek.core.task import task
from alsek.core.worker.engine.outcome_checks import validate_outcome
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.unknown_tasks import QUIET_MS, UnknownTasks
from alsek.exceptions import ValidationError
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Claimed, Failed, SetAside, Worker, WorkerFacts
from tests.unit.core.fakes import LossyBackend
from tests.unit.workers.engine_harness import Running
from tests.unit.workers.fakes import FakeClock
from tests.waiting import eventually


@pytest.fixture(autouse=True)
def _info(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.INFO, "alsek"):
        yield


class Endings(Middleware):
    """Notes how messages end."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def ended(self, message: Message, outcome: str) -> None:
        """Note it."""
        self.seen.append((message.uuid, outcome))


class Pool(Running):
    """An engine with one task, `known`, and a middleware that notes endings."""

    def __init__(self, backend: LossyBackend, *, wait: bool = False) -> None:
        self.endings = Endings()
        broker = Broker(backend, middleware=[self.endings])
        known = task(broker, name="known")(lambda: None)
        super().__init__(backend, known)
        self.executor._broker = broker
        self.executor._unknown_tasks_wait = wait
        self.start()

    def submit(self, name: str) -> Message:
        """Submit a message for a task of this name."""
        message = Message(name)
        self.broker.submit(message)
        return message


def other_worker(backend: LossyBackend) -> WorkerSession:
    """A worker that has the task `stranger`, of a queue that it shares with nobody."""
    facts = WorkerFacts("host", 1, "1.0", ("stranger",), 1)
    session = WorkerSession(backend, Worker("", "thread", ("its own",), 15_000, 60_000), facts)
    session.register()
    return session


def records_of(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What was logged of the stranger."""
    return [record for record in caplog.records if "stranger" in record.getMessage()]


def test_a_message_for_a_task_that_nobody_has_fails(
    backend: LossyBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """At once, with an error that names the task; middleware hears of it; the engine goes on."""
    pool = Pool(backend)
    message = pool.submit("stranger")
    eventually(lambda: pool.broker.in_dlq(message))
    eventually(lambda: pool.endings.seen == [(message.uuid, "failed")])
    pool.submit("known")
    eventually(lambda: pool.left == 0)
    pool.stop()
    (record,) = records_of(caplog)
    assert record.levelname == "ERROR"
    assert (
        "failed for good: UnknownTaskError: no task is named 'stranger' in this pool" in record.getMessage()
    )
    fields = record.__dict__
    assert (fields["event"], fields["uuid"], fields["task"]) == ("failed", message.uuid, "stranger")
    assert (fields["queue"], fields["attempt"]) == (message.queue, 1)


def test_a_message_for_a_task_of_another_worker_is_left_to_it(
    backend: LossyBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever that worker's queues are; nothing has ended, and one line says so for many messages."""
    other = other_worker(backend)
    pool = Pool(backend)
    messages = [pool.submit("stranger") for _ in range(5)]
    taken: set[str] = set()

    def all_taken() -> bool:
        taken.update(claimed.uuid for claimed in other.step((), {"thread": 5}).claimed)
        return taken == {message.uuid for message in messages}

    eventually(all_taken)
    pool.stop()
    assert pool.endings.seen == []
    assert not any(pool.broker.in_dlq(message) for message in messages)
    (record,) = records_of(caplog)
    assert record.levelname == "INFO"
    assert record.__dict__["task"] == "stranger"


def test_messages_wait_for_a_worker_that_is_yet_to_come(backend: LossyBackend) -> None:
    """With `wait`: nothing fails, however long no worker has the task."""
    pool = Pool(backend, wait=True)
    message = pool.submit("stranger")
    last = pool.submit("known")
    eventually(lambda: not pool.broker.exists(last))
    other = other_worker(backend)
    eventually(lambda: [claimed.uuid for claimed in other.step((), {"thread": 1}).claimed] == [message.uuid])
    pool.stop()
    assert not pool.broker.in_dlq(message)
    assert pool.endings.seen == [(last.uuid, "succeeded")]


def test_a_lost_reply_changes_nothing(backend: LossyBackend, caplog: pytest.LogCaptureFixture) -> None:
    """The repeated step says which messages have failed."""
    pool = Pool(backend)
    backend.plan += 6 * ["reply", "ok"]
    messages = [pool.submit("stranger") for _ in range(3)]
    eventually(lambda: all(pool.broker.in_dlq(message) for message in messages))
    eventually(lambda: len(pool.endings.seen) == 3)
    pool.stop()
    assert [record.levelname for record in records_of(caplog)] == 3 * ["ERROR"]


def test_one_line_a_minute_says_that_messages_are_left_to_others(caplog: pytest.LogCaptureFixture) -> None:
    """For each task; an error is logged each time."""
    clock = FakeClock()
    log = UnknownTasks(clock)
    claimed = Claimed("u", "q", b"", 1)

    def tell(task_name: str, *, failed: bool = False) -> int:
        before = len(caplog.records)
        error = b'{"name": "UnknownTaskError", "text": "no such task", "traceback": null}'
        log.log(claimed, SetAside("u", "q", 1, task_name, error, 0), failed=failed)
        return len(caplog.records) - before

    assert [tell("a"), tell("a"), tell("b"), tell("a", failed=True), tell("a", failed=True)] == [
        1,
        0,
        1,
        1,
        1,
    ]
    clock.now += QUIET_MS - 1
    assert tell("a") == 0
    clock.now += 1
    assert tell("a") == 1
    for number in range(5_000):
        tell(str(number))
    assert len(log._logged_at) <= 1_000


def test_a_name_that_no_store_can_write_fails(caplog: pytest.LogCaptureFixture) -> None:
    """It would make each step fail that has it."""
    outcome = validate_outcome(SetAside("u", "q", 1, "\ud800", b"{}", 60_000), 60_000)
    assert isinstance(outcome, Failed)
    assert b"SerializationError" in outcome.error
    good = SetAside("u", "q", 1, "\u00e9", b"{}", 60_000)
    assert validate_outcome(good, 60_000) is good


def test_the_policy_is_one_of_two(broker: Broker) -> None:
    """Anything else is refused, and named."""
    known = task(broker, name="known")(lambda: None)
    with pytest.raises(ValidationError, match="unknown_tasks='drop' of the pool: must be 'fail' or 'wait'"):
        PoolOptions(tasks={"known": known}, broker=broker, unknown_tasks="drop")  # type: ignore[arg-type]


def test_a_pool_tells_only_of_tasks_that_it_can_run() -> None:
    """A message that names another mechanism would wait for it for ever."""
    broker = Broker(MemoryBackend())

    def function() -> None: ...

    named: dict[str, Any] = {"any": None, "threads": "thread", "processes": "process"}
    tasks: dict[str, Any] = {
        name: task(broker, name=name, mechanism=mechanism)(function) for name, mechanism in named.items()
    }
    options = PoolOptions(tasks=tasks, broker=broker)
    assert options.facts("thread", 1).tasks == ("any", "threads")
    assert options.facts("process", 1).tasks == ("any", "processes")
