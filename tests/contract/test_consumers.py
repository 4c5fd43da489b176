"""Consumers beside other workers: a wake-up goes to a worker that can use it."""

from __future__ import annotations

import gc
import os
import threading
import time
import traceback
from collections.abc import Callable

import pytest

from alsek import Broker, Message, StatusTracker, TaskStatus, task
from alsek.core.backoff import LinearBackoff
from alsek.core.consumer import Consumer
from alsek.exceptions import ValidationError
from tests.contract.workers import Actors
from tests.waiting import rings


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
    """`ack` of what a consumer yielded writes SUCCEEDED; without a claim, UNKNOWN."""
    tracker = StatusTracker(broker.backend)
    tracked = task(broker, name="tracked", queue="q", status_tracker=tracker)(lambda: None)
    first, second = tracked.generate(), tracked.generate()
    with Consumer(broker, ["q"]) as consumer:
        broker.ack(next(consumer.stream()))
    broker.ack(second)
    assert tracker.get(first) is TaskStatus.SUCCEEDED
    assert tracker.get(second) is TaskStatus.UNKNOWN
    assert broker.backend.count("queues:q") == 0


def in_a_child(work: Callable[[], object]) -> None:
    """Run `work` in a forked child, which must succeed, and collect what it has copies of."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            gc.collect()
            code = 0
        except BaseException:  # noqa: BLE001
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_child_does_not_settle_what_its_parent_holds(broker: Broker) -> None:
    """It says so, whatever it tries; the parent's own acknowledgement counts, and what it still holds it gives back."""
    messages = [Message("task", queue="q") for _ in range(3)]
    broker.submit_many(messages)
    consumer = Consumer(broker, ["q"])
    stream = consumer.stream()
    first, second, third = (next(stream) for _ in range(3))

    def settle() -> None:
        for refused in (
            lambda: broker.ack(first),
            lambda: broker.retry(first),
            lambda: broker.fail(first),
            lambda: next(stream),
        ):
            with pytest.raises(ValidationError, match=f"process {os.getppid()}"):
                refused()
        stream.close()
        consumer.close()

    in_a_child(settle)
    broker.ack(second)
    assert [broker.exists(each) for each in (first, second, third)] == [True, False, True]
    broker.ack(first)
    consumer.close()
    assert [broker.exists(each) for each in (first, second, third)] == [False, False, True]
    with Consumer(broker, ["q"]) as other:
        assert next(other.stream()).uuid == third.uuid


@pytest.mark.stores("sqlite", "redis")
def test_a_child_streams_messages_of_its_own(broker: Broker) -> None:
    """A consumer registers again in a forked child; the child settles its own claims, the parent is unaffected."""
    held, childs, later = (Message("task", queue="q") for _ in range(3))
    broker.submit_many([held, childs])
    with Consumer(broker, ["q"]) as consumer:
        stream = consumer.stream()
        mine = next(stream)
        assert mine.uuid == held.uuid

        def consume() -> None:
            with consumer:
                message = next(consumer.stream())
                assert message.uuid == childs.uuid
                broker.ack(message)

        in_a_child(consume)
        assert not broker.exists(childs)
        broker.ack(mine)
        broker.submit(later)
        assert next(stream).uuid == later.uuid


@pytest.mark.stores("sqlite", "redis")
def test_a_child_takes_no_wake_up_of_its_parents(broker: Broker) -> None:
    """Whatever becomes of its copy of a stream that sleeps, the parent is woken by the next message, and by `close`."""
    with Consumer(broker, ["q"], LinearBackoff(30_000, floor=30_000, ceiling=60_000)) as consumer:
        stream = consumer.stream()
        got: list[Message] = []

        def take() -> None:
            for message in stream:
                got.append(message)
                broker.ack(message)

        thread = threading.Thread(target=take)
        thread.start()
        time.sleep(0.3)  # it sleeps now
        in_a_child(consumer.close)
        broker.submit(Message("task", queue="q"))
        deadline = time.monotonic() + 60
        while not got and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(got) == 1
        before = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - before < 0.4  # it does not spin
        consumer.close()
        thread.join(60)
        assert not thread.is_alive()
