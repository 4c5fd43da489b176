"""Consumers beside other workers: a wake-up goes to one that can use it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alsek import Broker, Message, StatusTracker, TaskStatus, task
from alsek.core.backoff import LinearBackoff
from alsek.core.consumer import Consumer
from alsek.storage.backends.abstract import Backend
from tests.contract.actors import Actor, rings

Actors = Callable[..., Actor]


@pytest.fixture
def broker(backend: Backend) -> Broker:
    """A broker on the store."""
    return Broker(backend)


class SubmitsInstead(LinearBackoff):
    """Asked how long to sleep, it submits a message."""

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self._broker = broker

    def get(self, incidents: int) -> int:
        """A while; but there is something to wake for."""
        self._broker.submit(Message("task", queue="q"))
        return 10_000


def test_a_consumer_at_work_takes_no_wake_up(broker: Broker, actor: Actors) -> None:
    """A consumer that was woken has its message; the next message wakes a worker that sleeps, and not the consumer."""
    with Consumer(broker, ["q"], SubmitsInstead(broker)) as consumer:
        stream = consumer.stream()
        held = next(stream)
        waiter = actor("q").waiter()
        waiter.arm()
        broker.submit(Message("task", queue="q"))
        assert rings(waiter)
        waiter.close()
        broker.ack(held)
        stream.close()


def test_a_message_that_a_consumer_acknowledged_has_succeeded(broker: Broker) -> None:
    """`ack` of what a consumer yielded writes SUCCEEDED; of a message without a claim it removes it, and no more."""
    tracker = StatusTracker(broker.backend)
    tracked = task(broker, name="tracked", queue="q", status_tracker=tracker)(lambda: None)
    first, second = tracked.generate(), tracked.generate()
    with Consumer(broker, ["q"]) as consumer:
        broker.ack(next(consumer.stream()))
    broker.ack(second)
    assert tracker.get(first) is TaskStatus.SUCCEEDED
    assert tracker.get(second) is TaskStatus.SUBMITTED
    assert broker.backend.count("queues:q") == 0
