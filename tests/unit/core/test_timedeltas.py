"""A timedelta will do wherever a duration is asked for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alsek import (
    Broker,
    Call,
    Lock,
    MemoryBackend,
    Message,
    ResultPool,
    ResultStore,
    Retry,
    StatusTracker,
    TaskStatus,
    task,
)
from alsek.core.bounds import milliseconds
from alsek.exceptions import ValidationError

backend = MemoryBackend()
result_store = ResultStore(backend, ttl=timedelta(days=2))
status_tracker = StatusTracker(backend, ttl=timedelta(days=3))
broker = Broker(backend, dlq_ttl=timedelta(days=1), result_store=result_store)


@task(broker, timeout=timedelta(minutes=2))
def work() -> int:
    """A task."""
    return 1


def test_settings_are_kept_as_milliseconds() -> None:
    """Of tasks, brokers, stores and locks."""
    assert work.timeout == 120_000
    assert broker.dlq_ttl == 86_400_000
    assert result_store.ttl == 2 * 86_400_000
    assert status_tracker.ttl == 3 * 86_400_000
    assert Lock("x", backend, ttl=timedelta(seconds=90)).ttl == 90_000
    assert milliseconds(timedelta(microseconds=2_900)) == 2


def test_messages_have_milliseconds() -> None:
    """However they are made, one by one or many."""
    five = timedelta(seconds=5)
    message = work.generate(delay=five, timeout_override=five, result_ttl=five, ttl=five)
    assert (message.delay, message.timeout, message.result_ttl, message.ttl) == (5_000,) * 4
    assert broker.sync_from_backend(message).delay == 5_000
    (many,) = work.generate_many([Call(delay=five)], ttl=five)
    assert (many.delay, many.ttl) == (5_000, 5_000)
    deferred = work.defer().generate(ttl=five)
    assert deferred.ttl == 5_000
    assert work.using(delay=five).send().delay == 5_000
    by_hand = Message("t", timeout=five, retry_delay=five)
    assert (by_hand.timeout, by_hand.retry_delay) == (5_000, 5_000)
    broker.submit(by_hand, ttl=five)
    assert by_hand.ttl == 5_000


def test_waits_take_them() -> None:
    """For results, statuses, locks and pools of results."""
    message = work.generate()
    result_store.set(message, 7)
    status_tracker.set(message, TaskStatus.SUCCEEDED)
    second = timedelta(seconds=1)
    assert result_store.get(message, timeout=second, keep=True) == 7
    assert work.result(message, timeout=second, keep=True) == 7
    assert status_tracker.wait_for(message, timeout=second) is TaskStatus.SUCCEEDED
    assert len(list(status_tracker.listen(message, timeout=second))) == 1
    assert [
        result for _, result in ResultPool(result_store).stream(message, wait=second, timeout=second)
    ] == [7]
    with Lock("y", backend) as lock:
        assert lock.acquire(wait=timedelta(milliseconds=1))
        assert lock.extend(second)
    assert Retry(delay=second).delay == second


@pytest.mark.parametrize("wrong", [timedelta(0), timedelta(days=-1), timedelta(microseconds=1)])
def test_bounds_hold_for_them_too(wrong: timedelta) -> None:
    """What is less than a millisecond, where that is not allowed."""
    with pytest.raises(ValidationError):
        work.generate(timeout_override=wrong)
    with pytest.raises(ValidationError):
        ResultStore(backend, ttl=wrong)
    with pytest.raises(ValidationError):
        result_store.get("x", timeout=timedelta(days=-1))
