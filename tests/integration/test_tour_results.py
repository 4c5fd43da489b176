"""The tour's chapters on statuses, results, concurrency and consumers: one test a section, on SQLite and on Redis."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import Any

import pytest

from alsek import Broker, Consumer, Lock, TaskStatus
from alsek.exceptions import LockAlreadyHeldError, TaskFailedError, ValidationError
from alsek.tools import ResultPool, StatusTrackerIntegrityScanner, StatusTrackerIntegryScanner
from tests.integration.conftest import Project
from tests.waiting import eventually

WAIT_MS = 60_000

SUM_N = """
@task(broker, result_store=result_store, status_tracker=status_tracker)
def sum_n(n: int) -> int:
    return int(n * (n + 1) / 2)

@task(broker, result_store=result_store, status_tracker=status_tracker, max_retries=1, backoff=None)
def fails() -> None:
    raise ValueError("no")

@task(broker, result_store=result_store)
def negate(message: Message) -> int:
    return -message.previous_result

@task(broker, result_store=result_store)
def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds
"""


def test_tour_status_tracking(project: Project) -> None:
    """A message goes through its statuses in order, to either end; one that the store does not know is UNKNOWN."""
    tasks = project.write(SUM_N)
    tracker = tasks.status_tracker
    good, bad = tasks.sum_n.generate(kwargs={"n": 100}), tasks.fails.generate()
    assert tracker.get(good) is tracker.get(bad) is TaskStatus.SUBMITTED
    seen: dict[str, list[str]] = {}

    def follow(message: Any) -> None:
        seen[message.uuid] = [update.status.name for update in tracker.listen(message, timeout=WAIT_MS)]

    followers = [threading.Thread(target=follow, args=(message,)) for message in (good, bad)]
    for each in followers:
        each.start()
    project.worker("--n_processes", "1")
    for each in followers:
        each.join(60)
    for message, story in [
        (good, ["SUBMITTED", "RUNNING", "SUCCEEDED"]),
        (bad, ["SUBMITTED", "RUNNING", "RETRYING", "RUNNING", "FAILED"]),
    ]:
        told = seen[message.uuid]
        assert (told[0], told[-1]) == (story[0], story[-1])
        # Where the subscription may have missed something, the newest stands for those before it.
        rest = iter(story)
        assert all(status in rest for status in told), told
    assert tracker.wait_for(good, timeout=WAIT_MS) is TaskStatus.SUCCEEDED
    with pytest.raises(TimeoutError):
        tracker.wait_for(bad, TaskStatus.SUCCEEDED, timeout=WAIT_MS)
    assert tracker.get(tasks.sum_n.generate(args=(1,), submit=False)) is TaskStatus.UNKNOWN


def test_tour_status_tracking_scanner(project: Project) -> None:
    """The scanner makes UNKNOWN of open statuses without a message, and leaves all others; both its names work."""
    from apscheduler.triggers.interval import IntervalTrigger

    assert StatusTrackerIntegryScanner is StatusTrackerIntegrityScanner
    tasks = project.write(SUM_N)
    gone, there, ended = (tasks.sum_n.generate(kwargs={"n": 1}) for _ in range(3))
    tasks.broker.remove(gone)
    tasks.status_tracker.set(ended, TaskStatus.SUCCEEDED)
    tasks.broker.remove(ended)
    scanner = StatusTrackerIntegryScanner(
        tasks.status_tracker, tasks.broker, trigger=IntervalTrigger(seconds=0.1)
    )
    try:
        eventually(lambda: tasks.status_tracker.get(gone) is TaskStatus.UNKNOWN)
    finally:
        scanner.shutdown()
    assert tasks.status_tracker.get(there) is TaskStatus.SUBMITTED
    assert tasks.status_tracker.get(ended) is TaskStatus.SUCCEEDED


def test_tour_result_storage(project: Project) -> None:
    """A result is there until it is fetched, or longer with `keep`; a failure is raised at once."""
    tasks = project.write(SUM_N)
    store = tasks.result_store
    message = tasks.sum_n.generate(kwargs={"n": 100})
    with pytest.raises(KeyError):
        store.get(message)
    with pytest.raises(TimeoutError):
        store.get(message, timeout=10)
    project.worker("--n_processes", "1")
    assert store.get(message, timeout=WAIT_MS, keep=True) == 5050
    found = store.get(message, with_metadata=True)
    assert (found["result"], found["uuid"]) == (5050, message.uuid)
    assert found["timestamp"] >= message.created_at
    assert not store.exists(message)
    with pytest.raises(TaskFailedError, match="ValueError: no"):
        store.get(tasks.fails.generate(), timeout=WAIT_MS)


def test_tour_result_storage_triggers_result_storage(project: Project) -> None:
    """The first tick's message leads to the results of all ticks, in the order in which they were written."""
    tasks = project.write(
        """
from apscheduler.triggers.interval import IntervalTrigger

@task(broker, result_store=result_store, trigger=IntervalTrigger(seconds=0.2))
def harvest_data() -> int:
    return time.time_ns()
"""
    )
    project.worker("--n_processes", "1")
    message = tasks.harvest_data.generate()
    try:
        found = tasks.result_store.get(message, timeout=WAIT_MS, descendants=True, keep=True)
        assert len(found) >= 1
        eventually(lambda: len(tasks.result_store.get(message, descendants=True, keep=True)) >= 3)
    finally:
        tasks.harvest_data.shutdown()
    eventually(lambda: tasks.backend.count("queues:alsek_queue") == 0)
    found = tasks.result_store.get(message, descendants=True, with_metadata=True)
    results = [each["result"] for each in found]
    assert results == sorted(results)
    assert found[0]["uuid"] == message.uuid
    assert not tasks.result_store.exists(message, descendants=True)


def test_tour_result_storage_result_iteration(project: Project) -> None:
    """`istream` yields in order of completion, `stream` in that of the arguments, both with descendants if asked."""
    tasks = project.write(SUM_N)
    pool = ResultPool(tasks.result_store)
    project.worker("--n_threads", "3", "--n_processes", "1").logged("Started group")
    slow, quick = tasks.nap.generate(args=(3.0,)), tasks.nap.generate(args=(0.1,))
    assert [r for _, r in pool.istream(slow, quick, timeout=WAIT_MS, keep=True)] == [0.1, 3.0]
    assert [m for m, _ in pool.stream(slow, quick, timeout=WAIT_MS)] == [slow, quick]
    with pytest.raises(ValidationError):
        pool.istream(slow, slow)
    chained = tasks.sum_n.generate(kwargs={"n": 10}, callback=tasks.negate.defer().generate())
    plain = tasks.sum_n.generate(kwargs={"n": 100})
    found = {m.uuid: r for m, r in pool.istream(chained, plain, descendants=True, timeout=WAIT_MS)}
    assert found == {chained.uuid: [55, -55], plain.uuid: [5050]}


def test_tour_concurrency(project: Project) -> None:
    """Of many tasks at once that try for one lock, never two have it, and each one's fence number is its own."""
    tasks = project.write(
        """
from alsek import Lock

@task(broker, result_store=result_store)
def send_data() -> object:
    with Lock("send_data", backend=backend) as lock:
        if not lock.acquire(strict=False):
            return None
        began = time.monotonic_ns()
        time.sleep(0.02)
        return [began, time.monotonic_ns(), lock.fence]
"""
    )
    project.worker("--n_threads", "4", "--n_processes", "2")
    messages = [tasks.send_data.generate() for _ in range(60)]
    found = [tasks.result_store.get(message, timeout=WAIT_MS) for message in messages]
    held = sorted(each for each in found if each is not None)
    assert held
    assert all(one[1] < next_one[0] and one[2] < next_one[2] for one, next_one in pairwise(held))


def test_tour_concurrency_lock(project: Project) -> None:
    """The rules of `acquire`, `release`, `extend`, `held` and `holder`, and of leaving the `with`."""
    backend = project.write("").backend
    mine, theirs = Lock("l", backend=backend), Lock("l", backend=backend, owner_id="them")
    with mine:
        assert not mine.held  # entering does not acquire
        assert mine.acquire()
        with pytest.raises(LockAlreadyHeldError):
            mine.acquire()
        assert not mine.acquire(strict=False)
        with theirs:
            assert not theirs.acquire()
            assert not theirs.acquire(wait=30)
        assert mine.held
        assert not theirs.release()
        first = mine.fence
        assert mine.extend(60_000)
    assert mine.holder is None
    assert theirs.acquire()
    assert theirs.fence > first
    waiting = threading.Timer(0.2, theirs.release)
    waiting.start()
    assert mine.acquire(wait=60_000)
    waiting.join()
    mine.release()


def test_tour_consumers(project: Project) -> None:
    """A consumer holds what it yields until it is acknowledged; closing gives the rest back; no other one sees it."""
    tasks = project.write(SUM_N)
    broker = Broker(tasks.backend)
    messages = [tasks.sum_n.generate(kwargs={"n": n}) for n in range(3)]
    one, other = Consumer(broker), Consumer(broker)
    stream = one.stream()
    first, second = next(stream), next(stream)
    assert [first.uuid, second.uuid] == [messages[0].uuid, messages[1].uuid]
    broker.ack(first)
    assert next(other.stream()).uuid == messages[2].uuid
    one.close()
    other.close()
    with Consumer(broker) as third:
        again = third.stream()
        assert [next(again).uuid, next(again).uuid] == [messages[1].uuid, messages[2].uuid]


def test_tour_consumers_wake_up(project: Project) -> None:
    """A consumer that has found nothing, and backs off, is woken by the next message."""
    tasks = project.write(SUM_N)
    consumer = Consumer(tasks.broker)
    found: list[str] = []

    def take() -> None:
        for message in consumer.stream():
            found.append(message.uuid)
            tasks.broker.ack(message)

    taker = threading.Thread(target=take)
    taker.start()
    try:
        sent = [tasks.sum_n.generate(kwargs={"n": n}).uuid for n in range(3)]
        eventually(lambda: found == sent)
    finally:
        consumer.close()
        taker.join(60)
    assert not taker.is_alive()
