"""Default lifetimes of results, statuses, dead letters and uuids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alsek import Broker, Message, ResultStore, StatusTracker, TaskStatus, task
from alsek.exceptions import MessageAlreadyExistsError
from alsek.storage.backends.abstract import Backend
from tests.contract.stores import Store
from tests.contract.workers import Actors, died, succeeded

SECOND = 1_000
DAY = 24 * 3_600 * SECOND
WEEK = 7 * DAY


# Redis counts these times itself, where a test can't move its clock: see tests/unit/redis/test_bounded_growth.py.
@pytest.mark.stores("memory", "sqlite")
def test_results_are_kept_for_a_day(backend: Backend, store: Store) -> None:
    """A result is kept for a day."""
    results, message = ResultStore(backend), Message("t")
    results.set(message, 1)
    store.advance(DAY - 1)
    assert results.get(message, keep=True) == 1
    store.advance(1)
    assert not results.exists(message)


@pytest.mark.stores("memory", "sqlite")
def test_statuses_are_kept_for_a_week(backend: Backend, store: Store) -> None:
    """A status is there for a week after it was written, and UNKNOWN then."""
    tracker, message = StatusTracker(backend), Message("t")
    tracker.set(message, TaskStatus.SUCCEEDED)
    store.advance(WEEK - 1)
    assert tracker.get(message) is TaskStatus.SUCCEEDED
    store.advance(1)
    assert tracker.get(message) is TaskStatus.UNKNOWN


@pytest.mark.stores("memory", "sqlite")
def test_dead_letters_are_kept_for_a_week(backend: Backend, store: Store) -> None:
    """A dead letter is kept for a week after the message failed."""
    broker, message = Broker(backend), Message("t")
    broker.submit(message)
    broker.fail(message)
    store.advance(WEEK - 1)
    assert broker.in_dlq(message)
    store.advance(1)
    assert not broker.in_dlq(message)


@pytest.mark.parametrize("outcome", [succeeded, died])
def test_a_uuid_is_refused_for_a_minute_after_the_end(
    backend: Backend, store: Store, actor: Actors, outcome: Callable[..., Any]
) -> None:
    """While its message waits or runs, and for 60 s after it has ended, a uuid is refused; then it is a new message."""
    made = task(Broker(backend), name="pay", queue="q")(lambda: None)
    worker = actor()
    made.generate(uuid="order-1")
    with pytest.raises(MessageAlreadyExistsError):
        made.generate(uuid="order-1")
    claimed = worker.claim_one()
    with pytest.raises(MessageAlreadyExistsError):
        made.generate(uuid="order-1")
    worker.step(outcome(claimed), limit=0)
    store.advance(60 * SECOND - 1)
    with pytest.raises(MessageAlreadyExistsError):
        made.generate(uuid="order-1")
    store.advance(2)
    made.generate(uuid="order-1")
    assert made.broker.backend.messages.get("q", "order-1") is not None
