"""The worker of tests: what a user's test sees of messages, time and failures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alsek.core.backoff import ConstantBackoff
from alsek.core.broker import Broker
from alsek.core.concurrency import Lock
from alsek.core.groups.group import Group
from alsek.core.keys.limits import Rate
from alsek.core.keys.unique import Unique
from alsek.core.message import Message
from alsek.core.middleware import Middleware
from alsek.core.status import StatusTracker, TaskStatus
from alsek.core.task import Task, task
from alsek.exceptions import (
    AlsekError,
    MessageNotUniqueError,
    NoTasksFoundError,
    TaskFailedError,
    ValidationError,
)
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.result import ResultStore
from alsek.testing import TestWorker


class Shop:
    """Some tasks on a SQLite file that must never come to be."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "shop.db"
        self.backend = backend = SQLiteBackend(self.file)
        self.results = ResultStore(backend)
        self.seen: list[str] = []
        self.ended: list[str] = []
        shop = self

        class Noting(Middleware):
            def ended(self, message: Message, ending: str) -> None:
                shop.ended.append(ending)

        self.broker = broker = Broker(backend, middleware=[Noting()], result_store=self.results)

        @task(broker, max_retries=2, backoff=ConstantBackoff(60_000))
        def send(to: str) -> str:
            shop.seen.append(to)
            return to

        @task(broker)
        async def fetch(n: int) -> int:
            return n + 1

        @task(broker, status_tracker=StatusTracker(backend))
        def tracked() -> None: ...

        @task(broker, unique=Unique("{customer}", conflict="raise"))
        def sync(customer: int) -> None: ...

        @task(broker, limits=Rate(2, 10_000, key="mails"))
        def mail(n: int) -> None:
            shop.seen.append(f"mail {n}")

        @task(broker)
        def total(message: Message) -> int:
            return sum(message.previous_result)

        self.send, self.fetch, self.tracked, self.sync, self.mail, self.total = (
            send,
            fetch,
            tracked,
            sync,
            mail,
            total,
        )
        self.tasks: list[Task[Any, Any]] = [send, fetch, tracked, sync, mail, total]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture
def worker(shop: Shop) -> Iterator[TestWorker]:
    with TestWorker(*shop.tasks) as worker:
        yield worker
    assert not shop.file.exists()


def test_what_is_submitted_runs_when_the_test_says_so(shop: Shop, worker: TestWorker) -> None:
    """Until run() nothing runs; then everything does, once, with its result."""
    message = shop.send.generate(kwargs={"to": "ada"})
    assert worker.submitted(shop.send) == [message]
    assert (shop.seen, worker.status(message), worker.outcome(message)) == ([], TaskStatus.SUBMITTED, None)
    assert worker.run() == 1
    assert (shop.seen, worker.status(message), worker.outcome(message)) == (
        ["ada"],
        TaskStatus.SUCCEEDED,
        "succeeded",
    )
    assert shop.results.get(message) == "ada"
    assert shop.ended == ["succeeded"]


def test_a_failure_that_is_asked_for_is_retried_at_its_time(shop: Shop, worker: TestWorker) -> None:
    """The backoff's delay passes on the test's clock alone."""
    message = shop.send.send("ada")
    worker.fail_next(shop.send, ConnectionError("down"))
    worker.run()
    assert worker.status(message) == TaskStatus.RETRYING
    assert worker.outcome(message) == "retrying"
    assert isinstance(worker.exception(message), ConnectionError)
    worker.advance(seconds=59)
    assert worker.outcome(message) == "retrying"
    worker.advance(seconds=1)
    assert (worker.outcome(message), shop.seen) == ("succeeded", ["ada"])


def test_failures_for_good_make_dead_letters(shop: Shop, worker: TestWorker) -> None:
    """After the last retry the message is dead, and reading its result says why."""
    message = shop.send.send("ada")
    worker.fail_next(shop.send, ValueError("bad address"), times=3)
    assert worker.advance(minutes=2) == 3
    assert (worker.status(message), worker.outcome(message)) == (TaskStatus.FAILED, "failed")
    with pytest.raises(TaskFailedError, match="bad address"):
        shop.results.get(message, timeout=60_000)
    assert shop.ended == ["retrying", "retrying", "failed"]


def test_a_redelivered_message_runs_twice(shop: Shop, worker: TestWorker) -> None:
    """The first report is lost with the worker; what was ready before runs first."""
    first, message = shop.send.send("first"), shop.send.send("ada")
    worker.redeliver(message)
    assert shop.seen == ["first", "ada", "ada"]
    assert (worker.outcome(first), worker.outcome(message)) == ("succeeded", "succeeded")
    assert shop.ended == ["succeeded", "succeeded"]


def test_reading_a_result_runs_what_is_ready(shop: Shop, worker: TestWorker) -> None:
    """Code under test reads results as always; a wait moves the test's clock, and takes no time."""
    assert shop.results.get(shop.send.send("ada")) == "ada"
    assert shop.fetch.result(shop.fetch.send(1), timeout=60_000) == 2
    begun = worker.now
    assert shop.send.result(shop.send.using(delay=30_000).send("later"), timeout=60_000) == "later"
    assert worker.now == begun + 30_000


def test_a_task_may_wait_for_another(shop: Shop, worker: TestWorker) -> None:
    """What a task submits and waits for runs within it."""

    @task(shop.broker)
    def ask() -> int:
        return shop.fetch.result(shop.fetch.send(4), timeout=1_000)

    worker.add(ask)
    assert ask.result(ask.send(), timeout=1_000) == 5


async def _on_a_loop(shop: Shop, worker: TestWorker) -> None:
    message = await shop.fetch.asend(1)
    assert await worker.arun() == 1
    assert await shop.fetch.aresult(message) == 2
    assert await shop.send.aresult(await shop.send.asend("ada"), timeout=1_000) == "ada"
    assert shop.fetch.result(shop.fetch.send(6)) == 7
    later = await shop.fetch.using(delay=1_000).asend(2)
    await worker.aadvance(seconds=1)
    assert worker.outcome(later) == "succeeded"
    with pytest.raises(AlsekError, match="arun"):
        worker.run()


def test_event_loops_await(shop: Shop, worker: TestWorker) -> None:
    """In an asynchronous test coroutines run on its loop."""
    import asyncio

    asyncio.run(_on_a_loop(shop, worker))


def test_chains_and_groups(shop: Shop, worker: TestWorker) -> None:
    """A group's callback gets the members' results in order, and is among what was submitted."""
    group = Group(
        [shop.fetch.generate(kwargs={"n": n}, submit=False) for n in (1, 2)],
        callback=shop.total.generate(submit=False),
    )
    group.submit()
    worker.run()
    (total,) = worker.submitted(shop.total)
    assert shop.total.result(total) == 5
    assert len(worker.submitted()) == 3


def test_unique_keys_and_rates_hold(shop: Shop, worker: TestWorker) -> None:
    """A duplicate is refused; of five messages two start each ten seconds of the test's clock."""
    shop.sync.send(7)
    with pytest.raises(MessageNotUniqueError):
        shop.sync.send(7)
    worker.run()
    shop.sync.send(7)
    for n in range(5):
        shop.mail.send(n)
    worker.run()
    assert len(shop.seen) == 2
    worker.advance(seconds=10)
    assert len(shop.seen) == 4
    worker.advance(seconds=10)
    assert shop.seen == [f"mail {n}" for n in range(5)]


def test_expired_and_revoked_messages_do_not_run(shop: Shop, worker: TestWorker) -> None:
    """A ttl ends on the test's clock; a revoked message ends as such."""
    expired = shop.send.using(ttl=1_000).send("late")
    revoked = shop.send.send("no")
    shop.send.revoke(revoked)
    worker._clock.move_to(worker.now + 2_000)
    worker.run()
    assert (worker.outcome(expired), worker.outcome(revoked), shop.seen) == ("expired", "revoked", [])
    assert worker.status(expired) == TaskStatus.FAILED


def test_schedules_are_fired_at_each_tick(shop: Shop, worker: TestWorker) -> None:
    """A schedule runs as often as its trigger says within the time that passes."""
    from apscheduler.triggers.interval import IntervalTrigger

    shop.send.schedule("hourly", IntervalTrigger(hours=1), kwargs={"to": "tick"})
    worker.advance(hours=24)
    assert shop.seen == ["tick"] * 24


def test_statuses_are_those_that_the_store_keeps(shop: Shop, worker: TestWorker) -> None:
    """A tracked message has its status from the store."""
    message = shop.tracked.send()
    assert worker.status(message) == TaskStatus.SUBMITTED
    worker.run()
    assert shop.tracked.status_tracker is not None
    assert shop.tracked.status_tracker.get(message) == worker.status(message) == TaskStatus.SUCCEEDED


def test_locks_and_values_are_in_memory(shop: Shop, worker: TestWorker) -> None:
    """All that goes through the backend works in memory: values, locks, channels."""
    shop.backend.set("name", 1)
    with Lock("lock", shop.backend) as lock:
        assert lock.acquire()
        assert shop.backend.get("name") == 1


def test_a_message_of_an_unknown_task_fails(shop: Shop, worker: TestWorker) -> None:
    """As in a pool whose tasks do not include it."""

    @task(shop.broker)
    def unknown() -> None: ...

    message = unknown.send()
    worker.run()
    assert worker.outcome(message) == "failed"


def test_a_message_without_end_is_reported(shop: Shop, worker: TestWorker) -> None:
    """A task that submits itself does not hang the test."""

    @task(shop.broker)
    def again() -> None:
        again.send()

    worker.add(again)
    again.send()
    with pytest.raises(ValidationError, match="more than 50 attempts"):
        worker.run(most=50)


def test_bad_calls_get_a_sentence(shop: Shop, worker: TestWorker) -> None:
    """What can't be done is said: no target, no such task, no exception, not ready, back in time."""
    delayed = shop.send.using(delay=1_000).send("later")
    with pytest.raises(ValidationError, match="no target"):
        TestWorker(3)
    with pytest.raises(NoTasksFoundError, match="nothing"):
        TestWorker()
    with pytest.raises(ValidationError, match="'other'"):
        worker.fail_next("other", ValueError())
    with pytest.raises(ValidationError, match="give an exception"):
        worker.fail_next(shop.send, "down")  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="not ready"):
        worker.redeliver(delayed)
    with pytest.raises(ValidationError, match="negative"):
        worker.advance(seconds=-1)


def test_the_backends_are_as_before_afterwards(shop: Shop) -> None:
    """After the test the same objects use their own store again, also if the test has failed."""
    kind, before = type(shop.backend), dict(vars(shop.backend))

    def fail() -> None:
        with TestWorker(*shop.tasks):
            shop.send.send("ada")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert type(shop.backend) is kind
    assert vars(shop.backend) == before
    assert shop.backend.messages.count("alsek_queue") == 0


def test_two_backends_of_one_store_share_their_memory(tmp_path: Path) -> None:
    """A result store on a backend object of its own reads what the broker's has written."""
    shop = Shop(tmp_path)
    other = ResultStore(SQLiteBackend(shop.file))

    @task(shop.broker, result_store=other)
    def give() -> int:
        return 3

    with TestWorker(give):
        assert other.get(give.send()) == 3


def test_interrupts_reach_the_user(shop: Shop, worker: TestWorker) -> None:
    """Ctrl-C in a task ends the test run; the message has failed all the same."""
    message = shop.send.send("ada")
    worker.fail_next(shop.send, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        worker.run()
    assert worker.outcome(message) == "retrying"
