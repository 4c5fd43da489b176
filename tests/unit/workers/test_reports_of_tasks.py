"""What running tasks tell of their messages, in threads, coroutines and processes."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.execution.log_capture import capture_logs
from alsek.core.message import Message
from alsek.core.reporting.progress import Progress, progress_from_wire
from alsek.core.task import task
from alsek.core.worker.process_executor.outcome_codec import report_from_wire
from alsek.exceptions import MessageRevokedError, Retry
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Report, Retried, Succeeded
from tests.clock import Clock
from tests.unit.core.fakes import LossyBackend
from tests.unit.workers.coroutine_harness import Coroutines
from tests.unit.workers.engine_harness import Running
from tests.unit.workers.fakes import PATIENCE
from tests.unit.workers.process_executor_harness import ProcessExecutorHarness


@pytest.fixture
def lossy(clock: Clock) -> LossyBackend:
    """A store whose calls the test sees."""
    return LossyBackend(clock)


@pytest.fixture
def clock() -> Clock:
    """The store's time."""
    return Clock()


def told(backend: MemoryBackend, uuid: str) -> tuple[Progress | None, bytes | None, tuple[bytes, ...]]:
    """Progress, checkpoint and lines that the store has of a message."""
    (record,) = backend.messages.reports([uuid], lines=True)
    if record is None:
        return None, None, ()
    progress = None if record.progress is None else progress_from_wire(record.progress)
    return progress, record.checkpoint, record.lines


def test_a_plain_message_makes_no_reporter(lossy: LossyBackend) -> None:
    """Who tells nothing pays for nothing: no reporter, no thread, no call."""

    @task(Broker(lossy))
    def plain(message: Message) -> None:
        assert message.checkpoint is None
        assert not message.stopping

    plain.generate()
    running = Running(lossy, plain).start()
    while running.left:
        threading.Event().wait(0.005)
    running.stop()
    assert running.session.reporter is None
    assert lossy.lossy.sent_reports == []


def test_many_writes_are_few_commands(lossy: LossyBackend) -> None:
    """Ten thousand of a thread's task are no more calls than there were quarters of a second; the last one arrives."""
    began = threading.Event()

    @task(Broker(lossy), status_tracker=None)
    def load(message: Message) -> None:
        began.set()
        for number in range(10_000):
            message.progress(number, 10_000, "rows")
        raise Retry(delay=60_000, uncounted=True)

    uuid = load.generate().uuid
    running = Running(lossy, load).start()
    assert began.wait(PATIENCE)
    while running.executor.in_flight:
        threading.Event().wait(0.005)
    running.stop()
    assert told(lossy, uuid)[0] == Progress(9_999, 10_000, "rows")
    # However slow the machine is, the pauses between two calls are a quarter of a second.
    numbers = [report.number for call in lossy.lossy.sent_reports for report in call]
    assert numbers == sorted(numbers)
    assert len(numbers) < 1_000


@pytest.mark.parametrize("how", ["draining", "stopping"])
def test_a_thread_is_told_to_stop(lossy: LossyBackend, how: str) -> None:
    """Once its group claims no more; what it saves and asks for then counts as nothing."""
    began = threading.Event()

    @task(Broker(lossy), max_retries=0)
    def load(message: Message) -> None:
        began.set()
        while not message.stopping:
            threading.Event().wait(0.001)
        message.save("here")
        raise Retry(delay=60_000, uncounted=True)

    uuid = load.generate().uuid
    running = Running(lossy, load)
    running.session.is_stopping = lambda: bool(running.state.draining or running.state.stopping)
    running.start()
    assert began.wait(PATIENCE)
    if how == "stopping":
        running.state.stopping = 1
    running.stop()
    assert told(lossy, uuid)[1] == b'"here"'
    stored = lossy.messages.get("alsek_queue", uuid)
    assert stored is not None
    assert (stored.state, stored.retries, stored.losses) == ("delayed", 0, 0)


def test_a_revoked_message_is_told_to_stop(lossy: LossyBackend) -> None:
    """Also if its task has caught the exception that says so."""
    began, seen = threading.Event(), []

    @task(Broker(lossy))
    def stubborn(message: Message) -> None:
        try:
            began.set()
            while True:
                threading.Event().wait(0.001)
        except MessageRevokedError:
            seen.append(message.stopping)

    uuid = stubborn.generate().uuid
    running = Running(lossy, stubborn).start()
    assert began.wait(PATIENCE)
    running.executor.revoke(uuid)
    while not seen:
        threading.Event().wait(0.001)
    running.stop()
    assert seen == [True]


def test_coroutines_tell_as_threads_do(lossy: LossyBackend) -> None:
    """Progress, checkpoint and lines, each of its own message; the last of them with the outcome."""
    broker = Broker(lossy, keep_logs=10)
    log = logging.getLogger("shop.coroutines")

    @task(broker)
    async def load(number: int, message: Message) -> None:
        message.progress(number, 2)
        await message.asave({"number": number})
        await asyncio.sleep(0)
        log.error("it is %d", number)
        assert message.checkpoint == {"number": number}
        raise Retry(delay=60_000, uncounted=True)

    capture = capture_logs({load.name: load})
    coroutines = Coroutines(broker, load)
    try:
        messages = [load.generate(args=(number,), submit=False) for number in range(2)]
        coroutines.start(*messages)
        outcomes = [job.outcome for job in coroutines.collect(2)]
        coroutines.session.step([outcome for outcome in outcomes if outcome is not None], {})
    finally:
        coroutines.executor.shut_down()
        coroutines.loop.shut_down()
        if capture is not None:
            logging.root.removeHandler(capture)
    for number, message in enumerate(messages):
        progress, checkpoint, lines = told(lossy, message.uuid)
        assert progress == Progress(number, 2)
        assert checkpoint == b'{"number":%d}' % number
        assert [b"it is" in line for line in lines if b"shop.coroutines" in line] == [True]
        assert b"it is %d" % number in b"\n".join(lines)


@pytest.fixture
def processes(broker: Broker) -> Iterator[list[ProcessExecutorHarness]]:
    """Executors of processes, which end with the test."""
    made: list[ProcessExecutorHarness] = []
    yield made
    for harness in reversed(made):
        harness.close()


@pytest.mark.parametrize("tasks_per_process", [1, 5])
def test_the_last_report_of_a_process_travels_with_its_answer(
    broker: Broker, processes: list[ProcessExecutorHarness], tasks_per_process: int
) -> None:
    """The engine gives it to the store with the outcome; a later job of the process has none of it."""

    @task(broker)
    def load(number: int, message: Message) -> None:
        if message.checkpoint is not None:
            number += message.checkpoint
        if number:
            message.progress(number, 10, f"in {os.getpid()}")

    harness = ProcessExecutorHarness(broker, load, size=1, tasks_per_process=tasks_per_process)
    processes.append(harness)
    jobs = []
    for number, claim in ((3, {}), (0, {}), (4, {"checkpoint": b"2", "reported": True})):
        job = harness.job(load.generate(args=(number,), submit=False), **claim)
        harness.session.held.add(job.claimed.token)
        harness.executor.start(job)
        harness.until(lambda job=job: job in harness.finished)  # type: ignore[misc]
        jobs.append(job)
    session = harness.session
    assert session.reporter is not None
    outcomes = session.reporter.with_last([job.outcome for job in jobs if job.outcome is not None])
    assert [type(each) for each in outcomes] == [Report, Succeeded, Succeeded, Report, Succeeded]
    said = [progress_from_wire(each.progress or b"") for each in outcomes if isinstance(each, Report)]
    assert [(each.current, each.total) for each in said if each is not None] == [(3, 10), (6, 10)]
    numbers = [each.number for each in outcomes if isinstance(each, Report)]
    assert numbers == [1, 1]


@pytest.mark.parametrize("why", ["stopping", "lost"])
def test_a_process_is_told_to_stop(broker: Broker, processes: list[ProcessExecutorHarness], why: str) -> None:
    """By the memory that it shares with its group; also if the lease of the group has run out meanwhile."""

    @task(broker)
    def load(message: Message) -> None:
        message.progress(1)
        while not message.stopping:
            threading.Event().wait(0.001)
        raise Retry(delay=5, uncounted=True)

    harness = ProcessExecutorHarness(broker, load, size=1)
    processes.append(harness)
    job = harness.start(load)
    harness.until(lambda: harness.executor.running())
    if why == "stopping":
        harness.state.stopping = 1
    else:
        harness.state.set_worker("1" * 32)
    harness.until(lambda: job in harness.finished)
    assert isinstance(job.outcome, Retried)
    assert (job.outcome.retries, job.outcome.delay) == (0, 5)


@pytest.mark.parametrize(
    "wire",
    [
        ("u", "q", 1),
        ("u", "q", "1", 1, None, None, (), 0),
        ("u", "q", 1, 1, "text", None, (), 0),
        ("u", "q", 1, 1, None, None, ("text",), 0),
        ("u", "q", 1, 1, None, None, 3, 0),
    ],
)
def test_what_is_no_report_is_refused(wire: tuple[Any, ...]) -> None:
    """A task that writes to its process's socket must not make a step fail for ever."""
    with pytest.raises(TypeError):
        report_from_wire(wire)
    good = Report("u", "q", 1, 1, b"{}", None, (b"line",), 5)
    assert report_from_wire(tuple(good)) == good
