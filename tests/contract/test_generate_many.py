"""generate_many: all messages of one call are submitted in order, and each refusal is reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.core.status import StatusTracker
from alsek.core.submission.calls import Call
from alsek.core.task import task
from alsek.exceptions import SerializationError, ValidationError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import Claimed, TaskStatus
from tests.contract.stores import Store
from tests.contract.workers import Actors, state_of, status_of, succeeded, uuids


def _message(backend: Backend, claimed: Claimed) -> Message:
    return Message.unpack(claimed.uuid, claimed.queue, claimed.payload, backend.serializer)


@pytest.mark.parametrize("size", [0, 1, 200, 450])
@pytest.mark.parametrize("make", [list, iter], ids=["list", "iterator"])
def test_all_are_there_in_order(broker: Broker, actor: Actors, size: int, make: Callable[[Any], Any]) -> None:
    """Each call's message is in the store, in the order given, whether they come as a list or one by one."""
    made = task(broker, name="add", queue="q")(lambda a, b: a + b)
    messages = made.generate_many(make([(n, n + 1) for n in range(size)]))
    assert [message.args for message in messages] == [(n, n + 1) for n in range(size)]
    assert messages.existing == []
    assert broker.backend.count("queues:q") == size
    claimed = actor().claim(limit=500)
    assert uuids(claimed) == uuids(messages)
    assert [_message(broker.backend, each).args for each in claimed] == [(n, n + 1) for n in range(size)]


def test_each_has_what_is_said_for_all_unless_it_says_otherwise(broker: Broker, store: Store) -> None:
    """Arguments are a tuple, a list, a dict or a `Call`; the options of a call go before those of all."""
    made = task(broker, name="add", queue="q", timeout=1_000)(lambda a, b: a + b)
    special = Call(
        (4,), {"b": 5}, priority=1, uuid="special", delay=0, timeout_override=9, metadata="own", queue="p"
    )
    messages = made.generate_many(
        [(0, 1), [2, 3], {"a": 6, "b": 7}, special],
        priority=7,
        delay=50,
        metadata={"for": "all"},
        result_ttl=3,
        ttl=8,
    )
    stored = [broker.sync_from_backend(message) for message in messages]
    assert [(each.args, each.kwargs) for each in stored] == [
        ((0, 1), {}),
        ((2, 3), {}),
        ((), {"a": 6, "b": 7}),
        ((4,), {"b": 5}),
    ]
    assert [(each.queue, each.priority, each.delay, each.timeout, each.metadata) for each in stored] == [
        *[("q", 7, 50, 1_000, {"for": "all"})] * 3,
        ("p", 1, 0, 9, "own"),
    ]
    assert {(each.result_ttl, each.ttl) for each in stored} == {(3, 8)}
    assert stored[3].uuid == "special"
    assert [state_of(broker.backend, each.uuid, each.queue) for each in stored] == ["delayed"] * 3 + ["ready"]


@pytest.mark.parametrize("make", [list, iter], ids=["list", "iterator"])
def test_what_exists_is_told_one_by_one(broker: Broker, make: Callable[[Any], Any]) -> None:
    """A message whose uuid exists, or is that of an earlier call, is not submitted but listed in `existing`."""
    made = task(broker, name="add", queue="q")(lambda n: n)
    made.generate(args=("old",), uuid="u7")
    made.generate(args=("old",), uuid="u230")
    calls = [Call((n,), uuid=f"u{n}") for n in range(250)]
    calls += [Call(("again",), uuid="u249"), Call(("again",), uuid="u0"), Call(("last",), uuid="last")]
    messages = made.generate_many(make(calls))
    assert uuids(messages) == [f"u{n}" for n in range(250) if n not in (7, 230)] + ["last"]
    assert [(each.uuid, each.args) for each in messages.existing] == [
        ("u7", (7,)),
        ("u230", (230,)),
        ("u249", ("again",)),
        ("u0", ("again",)),
    ]
    assert broker.backend.count("queues:q") == 251
    for uuid, expected in (("u7", "old"), ("u249", 249), ("u0", 0)):
        assert broker.sync_from_backend(Message("add", queue="q", uuid=uuid)).args == (expected,)


def test_submit_many_tells_the_same(broker: Broker) -> None:
    """`Broker.submit_many` answers what `generate_many` has in `existing`, in the order given too."""
    made = task(broker, name="add", queue="q")(lambda n: n)
    calls = [Call((n % 200,), uuid=f"u{n % 200}") for n in range(210)]
    made.generate(args=(0,), uuid="u205")
    made.generate(args=(0,), uuid="u100")
    existing = made.generate_many(calls, queue="q").existing
    assert uuids(existing) == ["u100", *(f"u{n}" for n in range(10))]
    broker.backend.clear_namespace()
    made.generate(args=(0,), uuid="u100")
    messages = [made.generate(args=call.args, uuid=call.uuid, submit=False) for call in calls]
    assert uuids(broker.submit_many(messages)) == uuids(existing)


def test_of_a_list_all_or_none(broker: Broker) -> None:
    """If one can't be serialized nothing is submitted; the error names call, task and value."""
    made = task(broker, name="pay", queue="q")(lambda n=0, amount=0: n)
    calls: list[Any] = [(n,) for n in range(300)]
    calls[250] = {"amount": object()}
    with pytest.raises(
        SerializationError, match=r"call 250 of pay.generate_many\(\): task 'pay': kwargs\['amount'\]"
    ):
        made.generate_many(calls)
    calls[250] = Call((250,), delay=-1)
    with pytest.raises(ValidationError, match=r"call 250 of .*delay=-1 .*Nothing was submitted"):
        made.generate_many(calls)
    assert broker.backend.messages.queues() == []


@pytest.mark.parametrize("bad", [0, 3, 199, 200, 250])
def test_of_an_iterator_all_before_a_refused_one(broker: Broker, actor: Actors, bad: int) -> None:
    """A refusal half-way leaves exactly the calls before it submitted, as a loop would, and says so."""
    made = task(broker, name="pay", queue="q")(lambda n=0, amount=0: n)
    taken: list[int] = []

    def calls() -> Iterator[tuple[Any]]:
        for n in range(300):
            taken.append(n)
            yield (object(),) if n == bad else (n,)

    with pytest.raises(
        SerializationError, match=rf"call {bad} of .*Submitted were the calls before it \({bad}\)"
    ):
        made.generate_many(calls())
    assert taken[-1] == bad
    claimed = actor().claim(limit=500)
    assert [_message(broker.backend, each).args[0] for each in claimed] == list(range(bad))


def test_an_error_of_the_iterator_itself(broker: Broker) -> None:
    """What the iterator raises comes out as it is, and all that it had yielded before is submitted."""
    made = task(broker, name="pay", queue="q")(lambda n=0, amount=0: n)

    def calls() -> Iterator[tuple[int]]:
        yield from ((n,) for n in range(205))
        raise LookupError("the cursor is closed")

    with pytest.raises(LookupError, match="cursor"):
        made.generate_many(calls())
    assert broker.backend.count("queues:q") == 205


def test_an_iterator_is_taken_in_pieces(broker: Broker) -> None:
    """The first pieces are in the store before the next calls are asked for: a long iterator fits in little memory."""
    made = task(broker, name="add", queue="q")(lambda n: n)
    in_store: list[int] = []

    def calls() -> Iterator[tuple[int]]:
        for n in range(1_000):
            if n % 100 == 0:
                in_store.append(broker.backend.count("queues:q"))
            yield (n,)

    assert len(made.generate_many(calls())) == 1_000
    assert in_store == [0, 0, 200, 200, 400, 400, 600, 600, 800, 800]


def test_the_store_writes_each_status(broker: Broker, backend: Backend) -> None:
    """With the stock tracker on the broker's store each is SUBMITTED, and what exists keeps its status."""
    tracker = StatusTracker(backend)
    made = task(broker, name="add", queue="q", status_tracker=tracker)(lambda n: n)
    tracker.set(made.generate(args=(0,), uuid="u1"), TaskStatus.RUNNING)
    messages = made.generate_many(Call((n,), uuid=f"u{n}") for n in range(3))
    assert uuids(messages) == ["u0", "u2"]
    assert [status_of(backend, f"u{n}") for n in range(3)] == [
        TaskStatus.SUBMITTED,
        TaskStatus.RUNNING,
        TaskStatus.SUBMITTED,
    ]


@pytest.mark.parametrize("elsewhere", [True, False], ids=["on another store", "with a set of its own"])
def test_a_tracker_is_told_of_each(broker: Broker, store: Store, elsewhere: bool) -> None:
    """A tracker in another store gets a status for each message that was submitted, and for no other."""
    told: list[tuple[str, TaskStatus]] = []

    class Telling(StatusTracker):
        """Records the call."""

        def set(self, message: Message, status: TaskStatus, details: Any = None) -> None:
            told.append((message.uuid, status))
            assert broker.exists(message)
            super().set(message, status, details)

    other = store.open("another")
    tracker = StatusTracker(other) if elsewhere else Telling(store.backend)
    made = task(broker, name="add", queue="q", status_tracker=tracker)(lambda n: n)
    made.generate(args=(0,), uuid="u1", submit=False)
    broker.submit(Message("add", queue="q", uuid="u1"))
    messages = made.generate_many([Call((n,), uuid=f"u{n}") for n in range(205)])
    assert len(messages) == 204
    assert all(tracker.get(message) is TaskStatus.SUBMITTED for message in messages)
    assert tracker.get(messages.existing[0]) is TaskStatus.UNKNOWN
    if not elsewhere:
        assert told == [(message.uuid, TaskStatus.SUBMITTED) for message in messages]


def test_each_may_have_a_callback_of_its_own(broker: Broker, actor: Actors) -> None:
    """A call's callback follows its message, and belongs to no other."""
    made = task(broker, name="add", queue="q")(lambda n: n)
    after = task(broker, name="after", queue="q")(lambda: None)
    messages = made.generate_many(
        Call((n,), callback=after.generate(uuid=f"after-{n}", submit=False)) for n in range(3)
    )
    worker = actor()
    for each in worker.claim(limit=3):
        callback = Message(**(_message(broker.backend, each).callback_message_data or {}))
        worker.step(succeeded(each, callback=callback.submission(broker.backend.serializer)), limit=0)
    assert len(messages) == 3
    assert uuids(worker.claim()) == ["after-0", "after-1", "after-2"]
