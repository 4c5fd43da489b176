"""Durations that no clock counts in: ``sys.maxsize``, say, which users write for "for ever"."""

from __future__ import annotations

import sys

import pytest

from alsek import Broker, Lock, Message, ResultStore, StatusTracker, TaskStatus
from alsek.core.consumer import Consumer
from alsek.exceptions import ValidationError
from alsek.storage.backends.abstract import Backend

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
    """Such a number would be lost or changed in the store: the producer gets an error."""
    broker = Broker(backend)
    broker.submit(Message("task", queue="q", priority=2**53 - 1))
    with pytest.raises(ValidationError, match="priority"):
        broker.submit(Message("task", queue="q", priority=10**400))
    with pytest.raises(ValidationError, match="priority"):
        broker.submit_many([Message("task", queue="q", priority=2**53)])
    assert backend.messages.count("q") == 1
