"""Unique keys and limits as users meet them: tasks, brokers, hooks and trackers on every store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from alsek import (
    Broker,
    Concurrency,
    Inspector,
    Message,
    Middleware,
    ResultStore,
    StatusTracker,
    Task,
    TaskStatus,
    Unique,
    task,
)
from alsek.core.inspection.messages import MessageInfo
from alsek.core.submission.calls import Call
from alsek.exceptions import MessageAlreadyExistsError, MessageNotUniqueError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort
from tests.contract.stores import START, Store
from tests.contract.workers import Actors, died, succeeded


class Noting(Task[..., Any]):
    """Notes the messages for which its hook is called."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.seen: list[str] = []

    def on_submit(self, message: Message) -> None:
        """Called in the producer."""
        self.seen.append(message.uuid)


class Counting(Middleware):
    """Counts submissions."""

    def __init__(self) -> None:
        self.count = 0

    def submitting(self, message: Message) -> None:
        """Called in the producer."""
        self.count += 1


@pytest.fixture
def tracker(backend: Backend) -> StatusTracker:
    """A tracker that the store serves itself."""
    return StatusTracker(backend)


def sync_task(broker: Broker, unique: Unique, **options: Any) -> Noting:
    """A task with a unique key."""
    return Noting(lambda customer_id, force=False: None, broker, name="sync", unique=unique, **options)


def test_one_at_a_time(broker: Broker, tracker: StatusTracker, actor: Actors) -> None:
    """A second message of the key is the first one; the store, hooks and trackers have one message."""
    made = sync_task(broker, Unique("{customer_id}"), status_tracker=tracker)
    first = made.generate(kwargs={"customer_id": 7})
    again = made.generate(kwargs={"customer_id": 7, "force": True})
    assert again.uuid == first.uuid
    assert (again.duplicate, first.duplicate) == (True, False)
    assert not made.generate(kwargs={"customer_id": 8}).duplicate
    assert broker.backend.count("queues:alsek_queue") == 2
    assert len(made.seen) == 2
    assert tracker.get(again) is TaskStatus.SUBMITTED
    worker = actor()
    worker.step(*(succeeded(each) for each in worker.claim()), limit=0)
    third = made.generate(kwargs={"customer_id": 7})
    assert (third.duplicate, third.uuid == first.uuid) == (False, False)


def test_whoever_submits(broker: Broker) -> None:
    """From an event loop, typed, through the broker, or many at once: the key is one."""
    made = sync_task(broker, Unique("{customer_id}"))
    first = made.send(7)
    by_hand = made.generate(args=(7,), submit=False)
    broker.submit(by_hand)
    duplicates = [
        by_hand,
        made.send(7, force=True),
        made.using(delay=5_000).send(7),
        asyncio.run(made.agenerate(args=(7,))),
        asyncio.run(made.asend(7)),
        *made.generate_many([(7,), {"customer_id": 7}]),
        *asyncio.run(made.agenerate_many([Call((7,), queue="elsewhere")])),
    ]
    assert [message.duplicate for message in duplicates] == [True] * len(duplicates)
    assert {message.uuid for message in duplicates} == {first.uuid}
    assert all(broker.exists(message) for message in duplicates)
    assert made.seen == [first.uuid]


def test_many_with_one_key(broker: Broker) -> None:
    """The first of a call takes the key, the others are its duplicates; each has its place."""
    made = sync_task(broker, Unique("{customer_id}"))
    for whole in (True, False):
        calls = [(7 + whole,), (9 + whole,), (7 + whole,)]
        generated = made.generate_many(calls if whole else iter(calls))
        assert [message.args for message in generated] == calls
        assert (
            [message.duplicate for message in generated] == [False, False, True]
            if whole
            else [True, False, True]
        )
        made.broker.remove(generated[0])
        made.broker.remove(generated[1])
        assert generated.existing == []


def test_raise(broker: Broker) -> None:
    """The error names key and holder, and nothing was submitted."""
    made = sync_task(broker, Unique("{customer_id}", conflict="raise"))
    first = made.send(7)
    message = made.generate(args=(7,), submit=False)
    with pytest.raises(MessageNotUniqueError) as caught:
        broker.submit(message)
    assert (caught.value.key, caught.value.holder) == ("sync:7", first.uuid)
    broker.remove(first)
    broker.submit(message)
    assert broker.exists(message)


def test_replace(broker: Broker, store: Store, actor: Actors, tracker: StatusTracker) -> None:
    """The message that waits gets the new arguments, and its delay begins anew; one that runs is waited for."""
    made = sync_task(broker, Unique("{customer_id}", conflict="replace"), status_tracker=tracker)
    first = made.generate(args=(7, 1), delay=10_000)
    store.advance(8_000)
    second = made.generate(args=(7, 2), delay=10_000)
    assert (second.uuid, second.duplicate, second.replaced) == (first.uuid, True, True)
    assert made.seen == [first.uuid] * 2
    worker = actor()
    store.advance(8_000)
    assert worker.claim() == []
    store.advance(2_000)
    claim = worker.claim_one()
    assert Message.unpack(claim.uuid, claim.queue, claim.payload, broker.backend.serializer).args == (7, 2)
    behind = made.send(7, True)
    assert (behind.duplicate, behind.uuid == first.uuid) == (False, False)
    assert made.send(7).uuid == behind.uuid
    assert worker.claim() == []
    assert [each.uuid for each in worker.step(succeeded(claim)).claimed] == [behind.uuid]


def test_a_window_outlasts_the_message(broker: Broker, store: Store, actor: Actors) -> None:
    """For so long from submission a second one is a duplicate; then it is not."""
    made = sync_task(broker, Unique("{customer_id}", window=60_000))
    first = made.send(7)
    worker = actor()
    worker.step(succeeded(worker.claim_one()), limit=0)
    store.advance(59_999)
    again = made.send(7)
    assert (again.duplicate, again.uuid) == (True, first.uuid)
    store.advance(1)
    assert not made.send(7).duplicate


def test_until_started(broker: Broker, actor: Actors) -> None:
    """One may wait while one runs."""
    made = sync_task(broker, Unique("", until="started"))
    first = made.send(7)
    assert made.send(8).uuid == first.uuid
    actor().claim_one()
    second = made.send(8)
    assert not second.duplicate
    assert made.send(9).uuid == second.uuid


def test_a_chosen_uuid_and_a_key(broker: Broker, backend: Backend) -> None:
    """A uuid that exists is an error as ever; a key that is held goes before a new uuid, which then is not used."""
    made = sync_task(broker, Unique("{customer_id}"))
    results = ResultStore(backend)
    backend.results.put("mine", b"1")
    first = made.generate(args=(7,), uuid="first")
    assert made.generate(args=(7,), uuid="mine").uuid == "first"
    assert results.exists("mine"), "a refused submission removes nothing"
    with pytest.raises(MessageAlreadyExistsError):
        made.generate(args=(8,), uuid="first")
    broker.remove(first)
    assert made.generate(args=(7,), uuid="first").uuid == "first"


def test_without(broker: Broker) -> None:
    """`unique=False` takes no key and meets none; `limits=False` waits for none."""
    made = sync_task(broker, Unique(""), limits=Concurrency(1))
    first = made.send(7)
    free = made.generate(args=(7,), unique=False, limits=False)
    assert not free.duplicate
    assert broker.backend.messages.tallies()[0].ready == 2
    waits = made.generate(args=(7,), unique=False)
    found = broker.backend.messages.find(waits.uuid)
    assert found is not None
    assert found.waits_for == "c:task:sync"
    broker.remove(first)
    assert made.send(7).duplicate is False


def test_a_replay_takes_the_key_again(broker: Broker, actor: Actors, messages: MessagePort) -> None:
    """While another message holds it, the dead letter stays and the error says whose it is."""
    made = sync_task(broker, Unique("{customer_id}"), limits=Concurrency(1))
    first, worker = made.send(7), actor()
    worker.step(died(worker.claim_one()), limit=0)
    second = made.send(7)
    assert not second.duplicate
    for given in (first, first.uuid):
        with pytest.raises(MessageNotUniqueError, match=f"'{second.uuid}' holds its unique key 'sync:7'"):
            broker.replay(given)
    assert broker.in_dlq(first)
    broker.remove(second)
    broker.replay(first)
    assert made.send(7).uuid == first.uuid
    assert messages.limits()[0].admitted == (first.uuid,)


def test_middleware_is_called_before_the_store_decides(backend: Backend) -> None:
    """So it sees duplicates, too, as it sees a message that is refused for its uuid."""
    counting = Counting()
    made = sync_task(Broker(backend, middleware=[counting]), Unique(""))
    made.send(7)
    made.send(7)
    assert counting.count == 2


def test_all_arguments(broker: Broker) -> None:
    """By default all of them are the key: by position or by name, and with the defaults."""
    made = sync_task(broker, Unique())
    first = made.send(7)
    assert made.generate(kwargs={"force": False, "customer_id": 7}).uuid == first.uuid
    assert not made.send(7, force=True).duplicate


def test_two_tasks_share_a_limit_and_no_key(broker: Broker, messages: MessagePort) -> None:
    """Keys are of a task; limits are of the namespace, and the numbers of the last submission hold."""
    one = task(broker, name="one", unique=Unique("{n}"), limits=Concurrency(1, key="{n}"))(lambda n: None)
    two = task(broker, name="two", unique=Unique("{n}"), limits=Concurrency(2, key="{n}"))(lambda n: None)
    first = one.send("x")
    assert messages.limits(["c:x"])[0].amount == 1
    second = two.send("x")
    assert not second.duplicate
    assert set(messages.limits(["c:x"])[0].admitted) == {first.uuid, second.uuid}
    assert messages.now() >= START


@pytest.mark.parametrize(
    "text", ["50%, all; a|b", "x\ny\x00\x7f", "\\x2C", "c:u:r:", "é 🙂", "\ud800", "", "long " * 100]
)
def test_any_text_in_a_key(broker: Broker, messages: MessagePort, text: str) -> None:
    """It is held, shown as it was given, waited for, and free in the end, whatever a store's records are like."""
    made = sync_task(broker, Unique("{customer_id}"), limits=Concurrency(1, key="{customer_id}"))
    first, again = made.send(text), made.send(text)
    assert (again.uuid, again.duplicate) == (first.uuid, True)
    second = made.generate(args=(text,), unique=False)
    inspector = Inspector(broker)
    (limit,) = inspector.limits()
    assert (limit.used, limit.waiting, limit.held_by) == (1, 1, (first.uuid,))
    info = inspector.find(first)
    assert isinstance(info, MessageInfo)
    if len(text) < 100:
        assert (limit.key, info.unique) == (text, f"sync:{text}")
    assert inspector.why(second).facts["limit"] == limit.id
    broker.remove(first)
    assert inspector.why(second).code == "no_worker"
    assert not made.send(text).duplicate
