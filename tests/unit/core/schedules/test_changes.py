"""Where a schedule stands once it is stored, changed or resumed: no tick is lost, and none is fired twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from hypothesis import given
from hypothesis import strategies as st

from alsek.core.schedules.ticks import ticks_of
from alsek.core.schedules.triggers import trigger_to_data
from alsek.core.task import Task, task
from alsek.defaults import MISSED_AFTER
from tests.clock import START
from tests.unit.core.schedules.conftest import Store

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
#: The next full hour and the next full minute after the start: 22:13:20 UTC.
FULL_HOUR = START // HOUR * HOUR + HOUR
FULL_MINUTE = START // MINUTE * MINUTE + MINUTE


@pytest.fixture
def send(store: Store) -> Task[..., None]:
    """A task."""

    @task(store.broker)
    def send(to: str = "") -> None:
        """Does nothing."""

    return send


def hourly(minute: int = 0) -> BaseTrigger:
    """Each hour at this minute."""
    return CronTrigger(minute=minute, timezone="UTC")


def at(moment: int) -> BaseTrigger:
    """Once."""
    return DateTrigger(datetime.fromtimestamp(moment / 1_000, UTC))


def test_a_new_schedule_stands_at_its_first_tick(store: Store, send: Task[..., None]) -> None:
    """The first one from now on, by the store's clock."""
    assert send.schedule("a", hourly()).next_at == FULL_HOUR
    assert send.schedule("b", IntervalTrigger(hours=6)).next_at == START + 6 * HOUR
    begins = datetime.fromtimestamp((START - 90 * MINUTE) / 1_000, UTC)
    assert send.schedule("c", IntervalTrigger(hours=1, start_date=begins)).next_at == START + 30 * MINUTE
    assert send.schedule("d", at(START + 7)).next_at == START + 7


def test_a_date_that_has_just_passed_is_fired(store: Store, send: Task[..., None]) -> None:
    """Clocks differ a little: 'now' is a date, too. One that is longer ago has no tick."""
    assert send.schedule("now", at(START - 20)).next_at == START - 20
    assert len(store.fire("now")) == 1
    assert send.schedule("past", at(START - MISSED_AFTER - 1)).next_at is None


def test_the_same_again_changes_nothing(store: Store, send: Task[..., None]) -> None:
    """Neither where it stands, nor a pause, nor the revision: a restart does not begin an interval anew."""
    for name, trigger in (("a", hourly), ("b", lambda: IntervalTrigger(hours=6))):
        schedule = send.schedule(name, trigger(), args=("ada",), metadata={"x": (1, 2)})
        schedule.pause()
        before = store.record(name)
        store.clock.advance(5 * SECOND)
        send.schedule(name, trigger(), args=("ada",), metadata={"x": [1, 2]})
        assert store.record(name) == before


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1.0, 1),
        ({"deep": [0]}, {"deep": [False]}),
        (Decimal("9.9"), Decimal("9.90")),
        (0.0, -0.0),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))),
    ],
)
def test_what_is_equal_but_not_the_same_is_a_change(
    store: Store, send: Task[..., None], one: Any, other: Any
) -> None:
    """A task can tell such values from each other, so the new one is what it is sent."""
    assert one == other
    for value in (one, other):
        send.schedule("a", hourly(), args=("ada",), metadata=value)
    store.clock.advance(HOUR)
    (message,) = store.fire("a")
    assert repr(message.metadata) == repr(other)
    before = store.record("a")
    send.schedule("a", hourly(), args=("ada",), metadata=other)
    assert store.record("a") == before


def test_other_arguments_do_not_move_it(store: Store, send: Task[..., None]) -> None:
    """With the same trigger it stands where it stood, also if that tick was missed: a deploy loses no tick."""
    send.schedule("a", hourly(), args=("ada",))
    send.schedule("b", IntervalTrigger(hours=6), args=("ada",))
    store.clock.advance(7 * HOUR)
    assert send.schedule("a", hourly(), args=("bob",)).next_at == FULL_HOUR
    assert send.schedule("b", IntervalTrigger(hours=6), args=("bob",)).next_at == START + 6 * HOUR
    assert {message.args for message in store.fire("a", "b")} == {("bob",)}
    assert store.record("b").next_at == START + 12 * HOUR


def test_another_trigger_counts_from_now(store: Store, send: Task[..., None]) -> None:
    """The ticks of the old one that are still to come are gone; those that were missed, too."""
    send.schedule("a", hourly())
    assert send.schedule("a", hourly(30)).next_at == START // HOUR * HOUR + 30 * MINUTE
    store.clock.advance(3 * HOUR)
    assert send.schedule("a", hourly(45)).next_at == START // HOUR * HOUR + 3 * HOUR + 45 * MINUTE


@pytest.mark.parametrize("fired", [True, False])
def test_a_tick_that_both_triggers_have_is_fired_once(
    store: Store, send: Task[..., None], fired: bool
) -> None:
    """Whether a pool has just fired it, or not yet."""
    send.schedule("a", hourly())
    store.clock.now = FULL_HOUR + 100
    if fired:
        store.fire("a")
    send.schedule("a", CronTrigger(minute="*/30", timezone="UTC"))
    store.fire("a")
    assert [message.created_at for message in store.messages()] == [FULL_HOUR]
    assert store.record("a").next_at == FULL_HOUR + 30 * MINUTE


def test_another_length_counts_from_the_last_tick(store: Store, send: Task[..., None]) -> None:
    """So a schedule fires that is changed again and again, more often than its interval is long."""
    send.schedule("a", IntervalTrigger(minutes=10))
    store.clock.advance(10 * MINUTE)
    assert len(store.fire("a")) == 1
    for number in range(12):
        store.clock.advance(MINUTE)
        store.fire("a")
        send.schedule("a", IntervalTrigger(minutes=10 + number % 2))
    assert len(store.messages()) == 2


def test_a_new_length_before_the_first_tick(store: Store, send: Task[..., None]) -> None:
    """It counts from when the schedule was first stored, likewise."""
    send.schedule("a", IntervalTrigger(minutes=10))
    for number in range(12):
        store.clock.advance(MINUTE)
        store.fire("a")
        send.schedule("a", IntervalTrigger(minutes=10 + number % 2))
    assert len(store.messages()) == 1


def test_a_pause_outlasts_a_change(store: Store, send: Task[..., None]) -> None:
    """What is paused stays so, with whatever trigger."""
    send.schedule("a", hourly()).pause("ada")
    changed = send.schedule("a", hourly(30))
    assert (changed.paused, changed.paused_by) == (True, "ada")
    store.clock.advance(2 * HOUR)
    assert store.fire("a") == []


@pytest.mark.parametrize("missed", ["latest", "all", "skip"])
def test_what_a_pause_has_left_out(store: Store, send: Task[..., None], missed: str) -> None:
    """It goes on with the first tick after it is resumed, whatever the policy."""
    options: dict[str, object] = {"missed": missed}
    schedule = send.schedule("a", IntervalTrigger(hours=1), **options)  # type: ignore[arg-type]
    schedule.pause()
    store.clock.advance(3 * HOUR + 1)
    assert schedule.resume()
    assert schedule.next_at == START + 4 * HOUR
    assert store.fire("a") == []


def test_a_pause_between_two_ticks(store: Store, send: Task[..., None]) -> None:
    """Changes nothing."""
    schedule = send.schedule("a", IntervalTrigger(hours=1))
    schedule.pause()
    store.clock.advance(MINUTE)
    schedule.resume()
    assert schedule.next_at == START + HOUR


def test_a_date_that_was_fired_can_be_moved(store: Store, send: Task[..., None]) -> None:
    """The same date again is not fired again, a later one is."""
    send.schedule("a", at(START + SECOND))
    store.clock.advance(SECOND)
    store.fire("a")
    assert send.schedule("a", at(START + SECOND)).next_at is None
    assert send.schedule("a", at(START + HOUR)).next_at == START + HOUR


def test_a_date_that_another_trigger_has_fired(store: Store, send: Task[..., None]) -> None:
    """Though it has just passed, it is not fired again."""
    send.schedule("a", IntervalTrigger(minutes=1))
    store.clock.advance(MINUTE)
    store.fire("a")
    store.clock.advance(SECOND)
    assert send.schedule("a", at(START + MINUTE)).next_at is None


def test_a_definition_that_cannot_be_read_is_replaced(store: Store, send: Task[..., None]) -> None:
    """One of a newer version: the schedule counts from now, and fires no tick again."""
    store.broker.backend.schedules.put("a", b'{"version":2}', "r", START - HOUR)
    assert send.schedule("a", hourly()).next_at == FULL_HOUR


def test_clocks_of_hosts_do_not_count(store: Store, send: Task[..., None]) -> None:
    """The store's clock, which is in 2023, says what is next; the test runs later."""
    assert send.schedule("a", IntervalTrigger(seconds=1)).next_at == START + SECOND
    assert send.schedule("b", CronTrigger(second=0, timezone="UTC")).next_at == FULL_MINUTE


crons = st.sampled_from([7, 10, 20, 30]).map(lambda step: CronTrigger(second=f"*/{step}", timezone="UTC"))
intervals = st.integers(3, 25).map(
    lambda length: IntervalTrigger(seconds=length, start_date=datetime(2023, 1, 1, tzinfo=UTC))
)


@given(st.lists(st.tuples(st.integers(0, 60_000), crons | intervals), min_size=1, max_size=12))
def test_between_changes_each_tick_is_fired(periods: list[tuple[int, BaseTrigger]]) -> None:
    """Whatever the triggers, and whenever they change: those of a trigger from its change to the next one."""
    store = Store()

    @task(store.broker)
    def send() -> None:
        """Does nothing."""

    expected: list[int] = []
    for length, trigger in periods:
        send.schedule("a", trigger)
        begin = store.clock.now
        while store.clock.now < begin + length:
            store.clock.advance(min(MISSED_AFTER, begin + length - store.clock.now))
            store.fire("a")
        ticks = ticks_of(trigger_to_data(trigger, "a test"))
        tick = ticks.after(begin)
        while tick is not None and tick <= store.clock.now:
            expected.append(tick)
            tick = ticks.after(tick)
    assert [message.created_at for message in store.messages()] == expected


@given(st.lists(st.tuples(st.integers(0, 4_000), crons | intervals | st.none()), min_size=1, max_size=30))
def test_no_tick_is_fired_twice(moves: list[tuple[int, BaseTrigger | None]]) -> None:
    """Also if a schedule is changed while a tick is due, and nobody fires between two changes."""
    store = Store()

    @task(store.broker)
    def send() -> None:
        """Does nothing."""

    fired: list[int] = []
    for length, trigger in moves:
        store.clock.advance(length)
        if trigger is None:
            fired = [message.created_at for message in store.fire("a")]
        else:
            send.schedule("a", trigger)
        assert len(set(fired)) == len(fired)
        assert all(tick <= store.clock.now for tick in fired)
        if store.broker.schedules():
            record = store.record("a")
            assert record.next_at is not None
            assert record.next_at > max([*fired, START])
