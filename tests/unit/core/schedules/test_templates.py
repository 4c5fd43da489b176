"""The message of each tick: all that the task said when it was scheduled, and nothing that another message has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from apscheduler.triggers.interval import IntervalTrigger

from alsek.core.backoff import ConstantBackoff
from alsek.core.broker import Broker
from alsek.core.groups.group import Group
from alsek.core.keys.limits import Concurrency
from alsek.core.keys.unique import Unique
from alsek.core.message import Message
from alsek.core.middleware import Middleware
from alsek.core.schedules.firing import Firing
from alsek.core.schedules.template import tick_delay, tick_uuid
from alsek.core.status import StatusTracker
from alsek.core.task import Task, task
from alsek.exceptions import ArgumentsError, PayloadTooLargeError, SerializationError, ValidationError
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.serialization import Serializer
from tests.clock import START
from tests.unit.core.schedules.conftest import Store, always

HOUR = 3_600_000


def hourly(**options: Any) -> IntervalTrigger:
    """Each hour."""
    return IntervalTrigger(hours=1, **options)


@pytest.fixture
def send(store: Store) -> Task[..., None]:
    """A task with options of its own."""

    @task(
        store.broker,
        queue="mail",
        timeout=5_000,
        backoff=ConstantBackoff(7),
        mechanism="thread",
        status_tracker=StatusTracker(store.broker.backend, ttl=9_000),
        unique=Unique("{to}"),
        limits=[Concurrency(2, key="smtp")],
    )
    def send(to: str, when: object = None) -> None:
        """Does nothing."""

    return send


def two_ticks(store: Store, *names: str) -> list[Message]:
    """The messages of the next two hours."""
    store.clock.advance(HOUR)
    store.fire(*names)
    store.clock.advance(HOUR)
    return store.fire(*names)


def test_a_message_is_as_one_that_the_task_generates(store: Store, send: Task[..., None]) -> None:
    """It has the same fields as one that was generated with the same options, but for its name and its times."""
    options: dict[str, Any] = {
        "kwargs": {"to": "ada"},
        "priority": 3,
        "metadata": {"x": 1},
        "result_ttl": 60_000,
        "timeout_override": timedelta(seconds=9),
        "queue": "urgent",
        "ttl": 90_000,
    }
    send.schedule("a", hourly(), **options)
    expected = send.generate(**options, submit=False)
    store.clock.advance(HOUR)
    (message,) = store.fire("a")
    own = ("uuid", "created_at", "updated_at")
    assert {**message.data, **dict.fromkeys(own)} == {**expected.data, **dict.fromkeys(own)}
    assert message.status_ttl == 9_000


def test_the_task_need_not_be_known_where_it_is_fired(store: Store, send: Task[..., None]) -> None:
    """Another broker of the store fires it, with the backend's serializer alone."""
    send.schedule("a", hourly(), args=("ada",))
    store.clock.advance(HOUR)
    Firing(Broker(store.broker.backend)).fire(["a"], always)
    assert [message.task_name for message in store.messages()] == ["send"]


def test_values_come_back_as_they_were(store: Store, send: Task[..., None]) -> None:
    """What JSON has no form for, as in any message."""
    value = {"cost": Decimal("9.90"), "since": timedelta(hours=1), 7: {1, 2}}
    send.schedule("a", hourly(), args=("ada", [value]))
    store.clock.advance(HOUR)
    (message,) = store.fire("a")
    assert message.args[1] == [{"cost": Decimal("9.90"), "since": timedelta(hours=1), "7": {1, 2}}]


def test_callbacks_are_new_for_each_tick(store: Store, send: Task[..., None]) -> None:
    """Those of a chain, of a group in it and of a failure: two ticks share no uuid, and else they are equal."""

    @task(store.broker)
    def note(n: int = 0) -> None:
        """Does nothing."""

    def made(n: int) -> Message:
        return note.defer().generate((n,))

    inner = Group([made(5)], callback=made(6))
    group = Group([made(3), made(4), inner], callback=made(7), on_failure="continue")
    first = note.defer().generate((1,), callback=made(2), failure_callback=made(9))
    send.schedule(
        "a", hourly(), args=("ada",), callback=(first, group), failure_callback=made(8), unique=False
    )
    one, two = two_ticks(store, "a")
    assert not named(one.data) & named(two.data)
    assert len(named(one.data)) == 12
    assert without_names(one.data) == without_names(two.data)
    assert one.descendant_uuids is not None
    callback = one.callback()
    assert callback is not None
    assert (callback.task_name, callback.args, callback.named) == ("note", (1,), False)


def named(data: Any) -> set[str]:
    """All uuids of messages and ids of groups in it."""
    if isinstance(data, dict):
        here = {data[name] for name in ("uuid", "id") if name in data}
        return here.union(*(named(value) for value in data.values()))
    if isinstance(data, list | tuple):
        return set().union(*(named(value) for value in data))
    return set()


def without_names(data: Any) -> Any:
    """The rest of it, without times."""
    if isinstance(data, dict):
        left_out = ("uuid", "id", "created_at", "updated_at")
        return {name: without_names(value) for name, value in data.items() if name not in left_out}
    return [without_names(value) for value in data] if isinstance(data, list | tuple) else data


def test_uuids_of_ticks() -> None:
    """They are the same wherever they are made, and differ by schedule and tick."""
    assert tick_uuid("a", 1) == tick_uuid("a", 1)
    assert len({tick_uuid(name, tick) for name in ("a", "a\n1", "b") for tick in (1, 11, 2)}) == 9
    assert str(UUID(tick_uuid("a", 1))) == tick_uuid("a", 1)


def test_jitter_delays_messages(store: Store, send: Task[..., None]) -> None:
    """By a time up to it, which is the same wherever the tick is fired; the ticks stay as they are."""
    send.schedule("a", hourly(jitter=60), args=("ada",), unique=False)
    messages = two_ticks(store, "a")
    assert [message.delay for message in messages] == [
        tick_delay(tick_uuid("a", START + number * HOUR), 60_000) for number in (1, 2)
    ]
    delays = {tick_delay(tick_uuid("a", number), 60_000) for number in range(500)}
    assert 0 <= min(delays) < 5_000
    assert 55_000 < max(delays) <= 60_000
    assert store.record("a").next_at == START + 3 * HOUR


def test_a_unique_key_leaves_out_a_tick(store: Store, send: Task[..., None]) -> None:
    """While the message of the tick before holds it."""
    send.schedule("a", hourly(), args=("ada",))
    assert len(two_ticks(store, "a")) == 1
    assert store.record("a").next_at == START + 3 * HOUR


class Stamping(Middleware):
    """Changes what is in a message."""

    def submitting(self, message: Message) -> None:
        message.kwargs["trail"].append(message.created_at)


def test_middleware_changes_one_message(store: Store) -> None:
    """What it puts into the message of one tick is in no other one."""
    store.broker.submission_middleware = (Stamping(),)

    @task(store.broker)
    def track(trail: list[int]) -> None:
        """Does nothing."""

    track.schedule("a", IntervalTrigger(seconds=1), kwargs={"trail": []})
    store.clock.advance(3_000)
    messages = store.fire("a")
    assert [message.kwargs["trail"] for message in messages] == [[message.created_at] for message in messages]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({}, ArgumentsError, "task 'send': "),
        ({"args": ("ada", 1, 2)}, ArgumentsError, "task 'send': "),
        ({"kwargs": {"too": "ada"}}, ArgumentsError, "task 'send': "),
        ({"args": ("ada", object())}, SerializationError, "send"),
        ({"args": ("ada",), "missed": "never"}, ValidationError, "must be 'latest', 'all' or 'skip'"),
        ({"args": ("ada",), "priorty": 1}, ArgumentsError, "does not take 'priorty'.*priority"),
        ({"args": ("ada",), "delay": 1_000}, ArgumentsError, "does not take 'delay'"),
        ({"args": ("ada",), "uuid": "x"}, ArgumentsError, "does not take 'uuid'"),
        ({"args": ("ada",), "priority": -1}, ValidationError, "priority=-1"),
        ({"args": ("ada",), "callback": "x"}, ValidationError, "must be a message or a group"),
    ],
)
def test_what_is_refused_when_it_is_scheduled(
    store: Store, send: Task[..., None], options: dict[str, Any], error: type[Exception], text: str
) -> None:
    """As when a message is generated; nothing is stored."""
    with pytest.raises(error, match=text):
        send.schedule("a", hourly(), **options)
    assert store.broker.schedules() == []


@pytest.mark.parametrize("name", ["", "a\nb", None, 7])
def test_names(store: Store, send: Task[..., None], name: Any) -> None:
    """The name of a schedule is text that can be shown."""
    with pytest.raises(ValidationError, match="name of a schedule"):
        send.schedule(name, hourly(), args=("ada",))


def test_a_message_that_is_too_large(store: Store) -> None:
    """It is refused when it is scheduled, not at each tick."""
    store.broker = Broker(MemoryBackend(clock=store.clock, max_payload=500))

    @task(store.broker)
    def send(to: str) -> None:
        """Does nothing."""

    with pytest.raises(PayloadTooLargeError):
        send.schedule("a", hourly(), args=("x" * 500,))
    assert store.broker.schedules() == []


@dataclass
class Secret(Serializer):
    """Writes something else each time, as encryption does."""

    made: int = 0

    def forward(self, obj: Any) -> bytes:
        self.made += 1
        return f"{self.made}:{obj!r}".encode()

    def reverse(self, obj: bytes) -> Any:
        return eval(obj.partition(b":")[2], {})


def test_a_serializer_of_its_own(store: Store) -> None:
    """Nothing of the message is stored in another form, and equal definitions are known though their bytes differ."""
    backend = MemoryBackend(serializer=Secret(), clock=store.clock)
    store.broker = Broker(backend)
    store.firing = Firing(store.broker)

    @task(store.broker)
    def send(to: str) -> None:
        """Does nothing."""

    trigger = hourly()
    send.schedule("a", trigger, args=("ada",))
    before = store.record("a")
    assert b"ada" not in before.definition
    send.schedule("a", trigger, args=("ada",))
    assert store.record("a") == before
    send.schedule("a", trigger, args=("bob",))
    assert store.record("a") != before
    store.clock.advance(HOUR)
    assert [message.args for message in store.fire("a")] == [("bob",)]


def test_another_serializer_cannot_read_it(
    store: Store, send: Task[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """Then it is left to others, which is logged; and another definition takes its place."""
    send.schedule("a", hourly(), args=("ada",))
    store.clock.advance(HOUR)
    store.broker.backend.serializer = Secret()
    store.fire("a")
    assert "can't be read by Secret" in caplog.text
    assert store.record("a").next_at == START + HOUR
    send.schedule("a", hourly(), args=("ada",))
    assert len(store.fire("a")) == 1
