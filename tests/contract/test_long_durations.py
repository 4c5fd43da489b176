"""Durations that no clock counts in: ``sys.maxsize``, say, which users write for "for ever"."""

from __future__ import annotations

import sys

import pytest

from alsek import Broker, Lock, Message, ResultStore, StatusTracker, TaskStatus
from alsek.core.consumer import Consumer
from alsek.exceptions import ValidationError
from alsek.storage.backends.abstract import Backend
from tests.contract.stores import Store

ENDLESS = sys.maxsize


@pytest.mark.parametrize("ttl", [ENDLESS, 10**30])
def test_a_dead_letter_kept_for_ever_is_kept(backend: Backend, ttl: int) -> None:
    """A message that is failed is among the dead letters, however long they are to be kept, and not in the queue."""
    broker = Broker(backend, dlq_ttl=ttl)
    message = Message("task", queue="q")
    broker.submit(message)
    broker.fail(message, ValueError("no"))
    assert broker.in_dlq(message)
    assert not broker.exists(message)


def test_a_held_message_fails_into_dead_letters_kept_for_ever(backend: Backend) -> None:
    """The same under a claim: the outcome is one that the store can take."""
    broker = Broker(backend, dlq_ttl=ENDLESS)
    broker.submit(Message("task", queue="q"))
    with Consumer(broker, ["q"]) as consumer:
        message = next(consumer.stream())
        broker.fail(message, ValueError("no"))
    assert broker.in_dlq(message)
    assert backend.messages.count("q") == 0


@pytest.mark.parametrize("duration", [ENDLESS, 10**30])
def test_a_message_with_endless_durations_can_be_claimed(
    store: Store, backend: Backend, duration: int
) -> None:
    """A `ttl` and a `status_ttl` without end leave the message as good as any; a `delay` without end delays it."""
    broker = Broker(backend)
    broker.submit(Message("task", queue="q", status_ttl=duration), ttl=duration)
    broker.submit(Message("task", queue="later", delay=duration))
    store.advance(1_000)
    with Consumer(broker, ["q"]) as consumer:
        broker.ack(next(consumer.stream()))
    assert [message.state for message in backend.messages.browse("later")] == ["delayed"]
    assert not list(broker.dead_letters("q"))


def test_results_statuses_and_locks_kept_for_ever_are_kept(backend: Backend) -> None:
    """What users hold themselves may be kept without end as well."""
    message = Message("task", queue="q")
    ResultStore(backend, ttl=ENDLESS).set(message, 1)
    assert ResultStore(backend).get(message) == 1
    StatusTracker(backend, ttl=ENDLESS).set(message, TaskStatus.RUNNING)
    assert StatusTracker(backend).get(message) is TaskStatus.RUNNING
    lock = Lock("name", backend, ttl=ENDLESS)
    assert lock.acquire()
    assert lock.extend()
    assert lock.held
    lock.release()


def test_a_priority_that_no_store_keeps_is_refused(backend: Backend) -> None:
    """It would be lost in the store, or stand at some other place: the producer hears of it."""
    broker = Broker(backend)
    broker.submit(Message("task", queue="q", priority=2**63 - 1))
    with pytest.raises(ValidationError, match="priority"):
        broker.submit(Message("task", queue="q", priority=10**400))
    with pytest.raises(ValidationError, match="priority"):
        broker.submit_many([Message("task", queue="q", priority=2**63)])
    assert backend.messages.count("q") == 1
