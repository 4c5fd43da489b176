"""Triggers of APScheduler as data and back, and those that can't be stored."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import AndTrigger, OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from hypothesis import given
from hypothesis import strategies as st

from alsek.core.clock import now_ms
from alsek.core.schedules.ticks import first_ticks, ticks_of
from alsek.core.schedules.trigger_data import (
    Cron,
    Date,
    Interval,
    same_trigger,
    trigger_from_json,
    trigger_to_json,
)
from alsek.core.schedules.triggers import trigger_from_data, trigger_to_data
from alsek.core.schedules.zones import zone_from_text
from alsek.exceptions import ValidationError

MOMENT = datetime(2026, 11, 29, 8, 30, tzinfo=UTC)
MOMENT_MS = 1_795_941_000_000


class Own(CronTrigger):  # type: ignore[misc]  # APScheduler has no types
    """A trigger with code of its own."""


class Nameless(tzinfo):
    """A time zone that only this program knows."""

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        return None if moment is None else timedelta(hours=moment.month)

    def dst(self, moment: datetime | None) -> timedelta | None:
        return None

    def tzname(self, moment: datetime | None) -> str | None:
        return "here"


@pytest.mark.parametrize(
    "trigger",
    [
        CronTrigger.from_crontab("0 3 * * *", timezone="Europe/Berlin"),
        CronTrigger.from_crontab("*/5 8-18/2 1,15 jan-mar mon-fri", timezone="UTC"),
        CronTrigger(day="2nd tue", hour="5/3", timezone="Asia/Tokyo", jitter=30),
        CronTrigger(day="last", week="*/2", timezone=timezone(timedelta(hours=5, minutes=30))),
        CronTrigger(year="2026-2030", second=7, timezone="UTC", start_date=MOMENT, end_date="2027-01-01"),
        IntervalTrigger(hours=6, start_date=MOMENT),
        IntervalTrigger(seconds=0.25, start_date=MOMENT, end_date=MOMENT + timedelta(days=1), jitter=1.5),
        DateTrigger(MOMENT.astimezone(ZoneInfo("America/New_York"))),
    ],
    ids=str,
)
def test_a_trigger_comes_back(trigger: BaseTrigger) -> None:
    """Through JSON, and as a trigger that says the same."""
    data = trigger_to_data(trigger, "a test")
    stored = trigger_from_json(json.loads(json.dumps(trigger_to_json(data))))
    assert stored == data
    again = trigger_from_data(stored)
    assert type(again) is type(trigger)
    assert repr(again) == repr(trigger)
    assert trigger_to_data(again, "a test") == data


def test_what_is_stored() -> None:
    """Plain data, which says all of a trigger: times are Unix milliseconds."""
    trigger = CronTrigger(hour=3, timezone="Europe/Berlin", start_date=MOMENT, jitter=2)
    assert trigger_to_json(trigger_to_data(trigger, "a test")) == {
        "kind": "cron",
        "fields": {"hour": "3"},
        "zone": "Europe/Berlin",
        "start": MOMENT_MS,
        "end": None,
        "jitter": 2_000,
    }
    assert trigger_to_data(DateTrigger(MOMENT), "a test") == Date(MOMENT_MS, "UTC")
    assert trigger_to_data(IntervalTrigger(minutes=5, start_date=MOMENT), "a test") == Interval(
        300_000_000, "UTC", MOMENT_MS, fixed=True
    )


@pytest.mark.parametrize(
    ("trigger", "text"),
    [
        (Own(hour=3, timezone="UTC"), "Own is a subclass, whose code can't be stored"),
        (
            AndTrigger([CronTrigger(hour=3, timezone="UTC")]),
            "it must be a CronTrigger, an IntervalTrigger or a Dat",
        ),
        (OrTrigger([CronTrigger(hour=3, timezone="UTC")]), "Several may be schedules of different names"),
        ("0 3 * * *", "such as CronTrigger.from_crontab('0 3 * * *'"),
        (CronTrigger, "that is a class"),
        (None, "it must be a CronTrigger"),
        (3_600, "it must be a CronTrigger"),
        (IntervalTrigger(seconds=0.0001), "its interval must be at least a millisecond"),
        (IntervalTrigger(seconds=-5), "its interval must be at least a millisecond"),
        (
            CronTrigger(hour=3, timezone="UTC", jitter=-1),
            "jitter=-1: must be None, or a number of seconds >= 0",
        ),
        (CronTrigger(hour=3, timezone=Nameless()), "has no name under which other machines find it"),
        (
            DateTrigger(datetime(2026, 1, 1, tzinfo=Nameless())),
            "has no name under which other machines find it",
        ),
    ],
)
def test_what_cannot_be_stored(trigger: Any, text: str) -> None:
    """Is refused with a sentence that says what is taken."""
    with pytest.raises(ValidationError) as caught:
        trigger_to_data(trigger, "schedule 'nightly'")
    assert str(caught.value).startswith("schedule 'nightly': ")
    assert text in str(caught.value)


def test_without_apscheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence says what to install."""
    monkeypatch.setitem(sys.modules, "apscheduler.triggers.cron", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'alsek-core\[triggers\]'"):
        trigger_to_data(object(), "a test")


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "+05:30", "-03:00", "+00:19:32"])
def test_zones_as_text(zone: str) -> None:
    """A zone that was stored can be stored again."""
    trigger = CronTrigger(hour=3, timezone=zone_from_text(zone))
    data = trigger_to_data(trigger, "a test")
    assert data.zone == zone


def test_a_zone_that_this_machine_does_not_know() -> None:
    """The error names it, and what to install."""
    with pytest.raises(
        ValueError, match="no time zone 'Mars/Olympus': install its data, say by 'pip install tzdata'"
    ):
        trigger_from_data(Cron((("hour", "3"),), "Mars/Olympus"))


def test_an_interval_without_a_start_begins_when_it_is_scheduled() -> None:
    """Its derived start is no part of it."""
    data = trigger_to_data(IntervalTrigger(hours=6), "a test")
    assert data == Interval(6 * 3_600_000_000, data.zone, None, fixed=False, wait=6 * 3_600_000)
    old = IntervalTrigger(hours=6, start_date=datetime.now(UTC).replace(microsecond=7) - timedelta(days=3))
    assert trigger_to_data(old, "a test")._replace(zone=data.zone) == data


def test_a_start_with_a_fraction_of_a_second() -> None:
    """In the near future, it is kept as the time until then; in the far future, it is a start like any other."""
    soon = (datetime.now(UTC) + timedelta(minutes=5)).replace(microsecond=7)
    data = trigger_to_data(IntervalTrigger(hours=6, start_date=soon), "a test")
    assert isinstance(data, Interval)
    assert not data.fixed
    assert 290_000 < data.wait <= 301_000
    later = (datetime.now(UTC) + timedelta(days=5)).replace(microsecond=7)
    data = trigger_to_data(IntervalTrigger(hours=6, start_date=later), "a test")
    assert isinstance(data, Interval)
    assert data.fixed
    assert data.start is not None
    assert data.start > now_ms() + 4 * 86_400_000


def test_what_counts_in_a_comparison() -> None:
    """The start of an interval only if the user has named it; the zone only if ticks depend on it."""
    began = Interval(1_000, "UTC", 7, fixed=False)
    assert same_trigger(began, began._replace(start=None, wait=5))
    assert not same_trigger(began, began._replace(length_us=2_000))
    assert not same_trigger(began, began._replace(fixed=True))
    assert not same_trigger(began._replace(fixed=True), began._replace(fixed=True, start=8))
    assert not same_trigger(Date(7, "UTC"), Cron((), "UTC"))
    assert same_trigger(began, began._replace(zone="Europe/Berlin"))
    assert same_trigger(Date(7, "UTC"), Date(7, "Europe/Berlin"))
    assert not same_trigger(Date(7, "UTC"), Date(8, "UTC"))
    assert not same_trigger(Cron((), "UTC"), Cron((), "Europe/Berlin"))


def test_a_kind_that_this_version_does_not_know() -> None:
    """Is an error that names it."""
    with pytest.raises(ValueError, match="kind 'lunar'"):
        trigger_from_json({"kind": "lunar"})


@given(st.integers(1, 10**5), st.integers(-(10**9), 10**9), st.integers(0, 10**9))
def test_ticks_of_intervals_are_those_of_apscheduler(seconds: int, start: int, after: int) -> None:
    """Whole seconds are exact in both."""
    start_date = datetime.fromtimestamp(1_700_000_000 + start, UTC)
    trigger = IntervalTrigger(seconds=seconds, start_date=start_date)
    ticks = ticks_of(trigger_to_data(trigger, "a test"))
    moment = (1_700_000_000 + after) * 1_000
    previous: Any = None
    for _ in range(20):
        expected = trigger.get_next_fire_time(previous, datetime.fromtimestamp(moment / 1_000 + 0.001, UTC))
        tick = ticks.after(moment)
        assert tick == round(expected.timestamp() * 1_000)
        moment, previous = tick, expected


@given(st.integers(1_000, 10**7), st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_the_next_tick_of_an_interval_is_always_later(length_us: int, start: int, moment: int) -> None:
    """None is left out, also if the length is no whole number of milliseconds."""
    ticks = ticks_of(Interval(length_us, "UTC", start, fixed=True))
    first = ticks.after(moment)
    assert first is not None
    assert first > moment
    assert first == start or first - moment <= -(-length_us // 1_000)
    found = first_ticks(ticks, first, first + 10**9, 50)
    assert found == [first + (found[index] - first) for index in range(50)]
    number = (first - start) * 1_000 // length_us + (0 if (first - start) * 1_000 % length_us == 0 else 1)
    assert found == [start + (number + index) * length_us // 1_000 for index in range(50)]


def test_the_end_of_an_interval_is_inclusive() -> None:
    """It may be a tick, and none is later."""
    ticks = ticks_of(Interval(1_000_000, "UTC", 0, fixed=True, end=5_000))
    assert ticks.after(4_999) == 5_000
    assert ticks.after(5_000) is None


def test_an_interval_may_be_longer_than_any_time() -> None:
    """Then it has no tick that a store could not keep."""
    ticks = ticks_of(trigger_to_data(IntervalTrigger(weeks=10**8, start_date=MOMENT), "a test"))
    assert ticks.after(MOMENT_MS - 1) == MOMENT_MS
    assert ticks.after(MOMENT_MS) is None


def test_a_date_has_one_tick() -> None:
    """Until then it is next."""
    ticks = ticks_of(Date(7, "UTC"))
    assert (ticks.after(6), ticks.after(7)) == (7, None)
