"""Firing: the ticks that are due become messages, each once, by whichever process tries."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from alsek.core.message import Message
from alsek.core.middleware import Middleware
from alsek.core.schedules.firing import Firing
from alsek.core.schedules.template import tick_uuid
from alsek.core.task import Task, task
from alsek.defaults import MISSED_AFTER
from alsek.exceptions import BackendError, BackendUnavailableError
from alsek.storage.backends.records import ScheduleRecord
from tests.clock import START
from tests.unit.core.schedules.conftest import Store, always

SECOND = 1_000
HOUR = 3_600_000


@pytest.fixture
def send(store: Store) -> Task[[str], None]:
    """A task with a parameter."""

    @task(store.broker, queue="mail")
    def send(to: str) -> None:
        """Does nothing."""

    return send


def test_a_tick_becomes_a_message(store: Store, send: Task[[str], None]) -> None:
    """The message has the arguments of the schedule, the uuid of its tick, and its tick as `created_at`."""
    send.schedule("hourly", IntervalTrigger(hours=1), kwargs={"to": "ada"}, priority=7)
    store.clock.advance(HOUR)
    (message,) = store.fire("hourly")
    assert (message.task_name, message.queue, message.kwargs) == ("send", "mail", {"to": "ada"})
    assert (message.uuid, message.created_at, message.priority) == (
        tick_uuid("hourly", START + HOUR),
        START + HOUR,
        7,
    )
    record = store.record("hourly")
    assert (record.next_at, record.last_at, record.last_uuid) == (
        START + 2 * HOUR,
        START + HOUR,
        message.uuid,
    )


def test_nothing_is_fired_before_its_time(store: Store, send: Task[[str], None]) -> None:
    """A schedule that is not due, is paused, or is not stored, is left alone."""
    schedule = send.schedule("hourly", IntervalTrigger(hours=1), args=("ada",))
    assert store.fire("hourly", "unknown") == []
    schedule.pause()
    store.clock.advance(HOUR)
    assert store.fire("hourly") == []


def test_a_tick_is_fired_once(store: Store, send: Task[[str], None]) -> None:
    """Of two processes that have read the same, one fires; the other finds that it has been done."""
    send.schedule("hourly", IntervalTrigger(hours=1), args=("ada",))
    store.clock.advance(HOUR)

    def fired_meanwhile(record: ScheduleRecord, definition: object) -> bool:
        Firing(store.broker).fire(["hourly"], always)
        return True

    store.firing.fire(["hourly"], fired_meanwhile)
    assert len(store.messages()) == 1


def test_a_change_meanwhile_is_seen(store: Store, send: Task[[str], None]) -> None:
    """A schedule that is changed while it is fired is fired as it is then."""
    send.schedule("hourly", IntervalTrigger(hours=1), args=("ada",))
    store.clock.advance(HOUR)
    changes = iter(["bob"])

    def changed_meanwhile(record: ScheduleRecord, definition: object) -> bool:
        for to in changes:
            send.schedule("hourly", IntervalTrigger(hours=1), args=(to,))
        return True

    store.firing.fire(["hourly"], changed_meanwhile)
    assert [message.args for message in store.messages()] == [("bob",)]


def test_who_may_not_fire_leaves_it(store: Store, send: Task[[str], None]) -> None:
    """The caller decides for each schedule that is due; what it refuses stays as it is."""
    send.schedule("hourly", IntervalTrigger(hours=1), args=("ada",))
    before = store.record("hourly")
    store.clock.advance(HOUR)
    store.firing.fire(["hourly"], lambda record, definition: definition.task != "send")
    assert store.record("hourly") == before
    assert store.messages() == []


@pytest.mark.parametrize(
    ("missed", "ticks"),
    [("latest", [30]), ("all", list(range(1, 31))), ("skip", [])],
)
def test_missed_ticks(store: Store, send: Task[[str], None], missed: str, ticks: list[int]) -> None:
    """After 30 s without pools, the policy says what is fired of 30 ticks, and then it goes on."""
    options: dict[str, object] = {"missed": missed}
    send.schedule("often", IntervalTrigger(seconds=1), args=("ada",), **options)  # type: ignore[arg-type]
    store.clock.advance(30 * SECOND + 10)
    messages = store.fire("often")
    assert [(message.created_at - START) // SECOND for message in messages] == ticks
    record = store.record("often")
    assert (record.next_at, record.last_at) == (START + 31 * SECOND, START + 30 * SECOND if ticks else None)


@pytest.mark.parametrize("missed", ["latest", "all", "skip"])
def test_what_is_only_late_is_fired(store: Store, send: Task[[str], None], missed: str) -> None:
    """Ticks that are late, but not missed, are all fired, whatever the policy."""
    options: dict[str, object] = {"missed": missed}
    send.schedule("often", IntervalTrigger(seconds=1), args=("ada",), **options)  # type: ignore[arg-type]
    store.clock.advance(SECOND + MISSED_AFTER)
    assert len(store.fire("often")) == 1 + MISSED_AFTER // SECOND


@pytest.mark.parametrize("missed", ["latest", "all", "skip"])
def test_what_waits_for_others_is_not_missed(store: Store, send: Task[[str], None], missed: str) -> None:
    """Of many that are due at once, the last ones are late, though a pool runs: each tick is fired."""
    options: dict[str, object] = {"missed": missed}
    send.schedule("often", IntervalTrigger(seconds=1), args=("ada",), **options)  # type: ignore[arg-type]
    store.clock.advance(20 * SECOND)
    store.firing.fire(["often"], lambda record, definition: True, waited=15 * SECOND)
    assert [message.created_at for message in store.messages()] == [
        START + number * SECOND for number in range(1, 21)
    ]


def test_nobody_waits_for_ever(store: Store, send: Task[[str], None]) -> None:
    """A process that was stopped for a day, and what waited in it meanwhile: that was missed."""
    send.schedule("often", IntervalTrigger(seconds=1), args=("ada",))
    store.clock.advance(24 * HOUR)
    store.firing.fire(["often"], lambda record, definition: True, waited=24 * HOUR)
    assert [message.created_at for message in store.messages()] == [START + 24 * HOUR]


def test_all_is_at_most_a_thousand(store: Store, send: Task[[str], None]) -> None:
    """Of a year of seconds the last 1,000 are fired, in order, and each once, also if it is interrupted."""
    send.schedule("often", IntervalTrigger(seconds=1), args=("ada",), missed="all")
    store.clock.advance(365 * 24 * HOUR)
    messages = store.fire("often")
    assert [message.created_at for message in messages] == [
        store.clock.now - number * SECOND for number in reversed(range(1_000))
    ]
    assert store.record("often").next_at == store.clock.now + SECOND


def test_a_date_is_fired_once(store: Store, send: Task[[str], None]) -> None:
    """After its date, a schedule stays, and has no next tick."""
    moment = datetime.fromtimestamp(START // 1000 + 60, UTC)
    send.schedule("once", DateTrigger(moment), args=("ada",))
    store.clock.advance(60 * SECOND)
    assert len(store.fire("once")) == 1
    store.clock.advance(60 * SECOND)
    assert len(store.fire("once")) == 1
    schedule = store.broker.schedule("once")
    assert schedule is not None
    assert (schedule.next_at, schedule.last) == (None, START + 60 * SECOND)


class Refusing(Middleware):
    """Raises an exception."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def submitting(self, message: Message) -> None:
        raise self.error


def test_middleware_may_refuse_a_tick(store: Store, send: Task[[str], None]) -> None:
    """Then it is left out, and the schedule goes on."""
    send.schedule("hourly", IntervalTrigger(hours=1), args=("ada",))
    store.broker.submission_middleware = (Refusing(ValueError("no")),)
    store.clock.advance(HOUR)
    assert store.fire("hourly") == []
    assert (store.record("hourly").next_at, store.record("hourly").last_at) == (START + 2 * HOUR, None)


def test_a_store_that_is_away_is_no_refusal(store: Store, send: Task[[str], None]) -> None:
    """If middleware can't reach a store, the tick stays due."""
    send.schedule("hourly", IntervalTrigger(hours=1), args=("ada",))
    store.broker.submission_middleware = (Refusing(BackendUnavailableError("away")),)
    store.clock.advance(HOUR)
    with pytest.raises(BackendError):
        store.fire("hourly")
    assert store.record("hourly").next_at == START + HOUR


def test_what_cannot_be_read_is_left_to_others(
    store: Store, send: Task[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    """A definition of a newer version is logged once, and holds up no other schedule."""
    send.schedule("b", IntervalTrigger(hours=1), args=("ada",))
    port = store.broker.backend.schedules
    port.put("a", b'{"version":2}', "r", START)
    store.clock.advance(HOUR)
    assert len(store.fire("a", "b")) == 1
    store.fire("a", "b")
    assert [entry.levelname for entry in caplog.records].count("ERROR") == 1
    assert store.record("a").next_at == START


def test_large_messages_are_fired_in_several_steps(
    store: Store, send: Task[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that no step of the store carries more than some megabytes; each tick is fired once all the same."""
    calls: list[int] = []
    port = store.broker.backend.schedules
    fire = port.fire

    def counted(*args: Any) -> Any:
        calls.append(len(args[3]))
        return fire(*args)

    monkeypatch.setattr(port, "fire", counted)
    send.schedule("often", IntervalTrigger(seconds=1), args=("x" * 3_000_000,), missed="all")
    store.clock.advance(7 * SECOND)
    assert [message.created_at for message in store.fire("often")] == [
        START + number * SECOND for number in range(1, 8)
    ]
    assert calls == [2, 2, 2, 1]
    assert store.record("often").last_at == START + 7 * SECOND
