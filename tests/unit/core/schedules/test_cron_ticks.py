"""When cron triggers fire: on wall time, by a table worked out by hand, and else as APScheduler does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from apscheduler.triggers.cron import CronTrigger
from hypothesis import given
from hypothesis import strategies as st

from alsek.core.schedules.ticks import Ticks, first_ticks, last_ticks, ticks_of
from alsek.core.schedules.trigger_data import Cron
from alsek.core.schedules.triggers import trigger_to_data
from tests.unit.core.schedules.clock_changes import CASES, Case

DAY_MS = 86_400_000
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC", "+05:45")


def ms(moment: datetime) -> int:
    """Unix milliseconds."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def cron(text: str, zone: str) -> Cron:
    """A trigger of five fields; `last-sun` stands for `last sun`, which has a space."""
    fields = [field.replace("last-sun", "last sun") for field in text.split()]
    minute, hour, day, month, day_of_week = fields
    trigger = CronTrigger(
        minute=minute, hour=hour, day=day, month=month, day_of_week=day_of_week, timezone=zone
    )
    data = trigger_to_data(trigger, "a test")
    assert isinstance(data, Cron)
    return data


@pytest.mark.parametrize("case", CASES, ids=[f"{case.zone} {case.cron}: {case.why}" for case in CASES])
def test_when_clocks_change(case: Case) -> None:
    """The next ticks are those that were worked out by hand."""
    ticks = ticks_of(cron(case.cron, case.zone))
    after = ms(datetime.fromisoformat(case.after))
    found: list[int] = []
    for _ in case.ticks:
        tick = ticks.after(found[-1] if found else after)
        assert tick is not None
        found.append(tick)
    assert found == [ms(datetime.fromisoformat(tick)) for tick in case.ticks]


def values(least: int, most: int) -> st.SearchStrategy[str]:
    """An expression for a field: all, a list, a range, or steps."""
    number = st.integers(least, most)
    span = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    steps = st.integers(1, most - least).map(lambda step: f"*/{step}")
    return st.one_of(
        st.just("*"), number.map(str), st.lists(number, min_size=1, max_size=4).map(_listed), span, steps
    )


def _listed(numbers: list[int]) -> str:
    return ",".join(map(str, numbers))


@st.composite
def cron_fields(draw: st.DrawFn) -> dict[str, str]:
    """Some fields of a cron trigger; one at least."""
    ranges = {"month": (1, 12), "day": (1, 28), "day_of_week": (0, 6), "hour": (0, 23), "minute": (0, 59)}
    ranges["second"] = (0, 59)
    names = draw(st.sets(st.sampled_from(sorted(ranges)), min_size=1))
    return {name: draw(values(*ranges[name])) for name in sorted(names)}


moments = st.integers(ms(datetime(2020, 1, 1, tzinfo=UTC)), ms(datetime(2040, 1, 1, tzinfo=UTC)))


def ticks_from(fields: dict[str, str], zone: str) -> Ticks:
    """Those of a trigger with these fields."""
    options: dict[str, Any] = fields
    return ticks_of(Cron(tuple(options.items()), zone))


@given(cron_fields(), moments, st.sampled_from(["UTC", "Asia/Kolkata", "America/Phoenix", "Etc/GMT-7"]))
def test_without_changes_of_clocks_ticks_are_those_of_apscheduler(
    fields: dict[str, str], moment: int, zone: str
) -> None:
    """In a zone whose clocks are never changed, the next 50 ticks are the same."""
    ticks = ticks_from(fields, zone)
    options: dict[str, Any] = fields
    trigger = CronTrigger(**options, timezone=zone)
    previous: Any = None
    now = datetime.fromtimestamp((moment + 1) / 1000, UTC).astimezone(trigger.timezone)
    for _ in range(50):
        expected = trigger.get_next_fire_time(previous, now)
        tick = ticks.after(moment)
        assert tick == (None if expected is None else ms(expected))
        if tick is None:
            return
        moment, previous, now = tick, expected, expected


@given(cron_fields(), st.sampled_from([("Europe/Berlin", 4, 10), ("America/New_York", 4, 10)]), st.data())
def test_between_changes_of_clocks_ticks_are_those_of_apscheduler(
    fields: dict[str, str], summer: tuple[str, int, int], data: st.DataObject
) -> None:
    """From April to October, the ticks of a summer are the same, in any of 30 years."""
    zone, first, last = summer
    year = data.draw(st.integers(2010, 2039))
    begin, end = ms(datetime(year, first, 1, 12, tzinfo=UTC)), ms(datetime(year, last, 24, 12, tzinfo=UTC))
    options: dict[str, Any] = fields
    trigger = CronTrigger(**options, timezone=zone)
    ticks = ticks_from(fields, zone)
    moment = data.draw(st.integers(begin, end))
    for _ in range(30):
        now = datetime.fromtimestamp((moment + 1) / 1000, UTC).astimezone(trigger.timezone)
        expected = trigger.get_next_fire_time(None, now)
        tick = ticks.after(moment)
        if expected is None or tick is None or tick > end:
            assert expected is None or ms(expected) > end
            return
        assert tick == ms(expected)
        moment = tick


@pytest.mark.parametrize(
    ("zone", "years", "fields"),
    [
        ("Europe/Berlin", 6, {"hour": "3", "minute": "30"}),
        ("Europe/Berlin", 1, {"hour": "*/3", "minute": "17,18"}),
        ("Europe/Berlin", 1, {"day_of_week": "sat,sun", "minute": "*/30"}),
        ("America/New_York", 10, {"day": "last", "hour": "*/5", "minute": "1,59"}),
        ("America/New_York", 2, {"day_of_week": "mon-fri", "hour": "8-18/2", "minute": "0"}),
        ("Australia/Lord_Howe", 3, {"week": "*/2", "day_of_week": "1", "hour": "0-12/3", "second": "5"}),
    ],
)
def test_years_of_ticks_are_those_of_apscheduler(zone: str, years: int, fields: dict[str, str]) -> None:
    """But for the days on which clocks change, and those beside them."""
    begin, end = ms(datetime(2026, 1, 1, tzinfo=UTC)), ms(datetime(2026 + years, 1, 1, tzinfo=UTC))
    options: dict[str, Any] = fields
    trigger = CronTrigger(**options, timezone=zone)
    expected: list[int] = []
    found: list[int] = []
    moment = begin
    while moment < end:
        now = datetime.fromtimestamp(moment / 1_000 + 1, UTC).astimezone(trigger.timezone)
        moment = max(ms(trigger.get_next_fire_time(None, now)), moment + 1_000)
        expected.append(moment)
    moment = begin
    ticks = ticks_from(fields, zone)
    while moment < end:
        following = ticks.after(moment)
        assert following is not None
        moment = following
        found.append(moment)

    def is_plain(tick: int) -> bool:
        around = [
            datetime.fromtimestamp((tick + days * DAY_MS) / 1_000, trigger.timezone) for days in (-2, 2)
        ]
        return around[0].utcoffset() == around[1].utcoffset()

    assert [*filter(is_plain, found)] == [*filter(is_plain, expected)]
    assert len(found) > 300


@given(cron_fields(), moments, st.sampled_from(ZONES))
def test_the_next_tick_is_always_later(fields: dict[str, str], moment: int, zone: str) -> None:
    """And there is none between: it is also the next one after each moment before it."""
    ticks = ticks_from(fields, zone)
    for _ in range(20):
        tick = ticks.after(moment)
        if tick is None:
            return
        assert tick > moment
        assert ticks.after((moment + tick) // 2) == tick
        assert ticks.after(tick - 1) == tick
        moment = tick


@given(cron_fields(), moments, st.sampled_from(ZONES), st.integers(0, 40 * DAY_MS), st.integers(1, 60))
def test_the_last_ticks_are_those_of_going_on_one_by_one(
    fields: dict[str, str], moment: int, zone: str, length: int, most: int
) -> None:
    """Of all ticks up to a moment, the last ones; found without visiting all."""
    ticks = ticks_from(fields, zone)
    first = ticks.after(moment)
    if first is None:
        return
    every = first_ticks(ticks, first, first + length, 2_000)
    until = first + length if len(every) < 2_000 else every[-1]
    assert all(earlier < later for earlier, later in pairwise(every))
    assert last_ticks(ticks, first, until, most) == every[-most:]


class Counting(Ticks):
    """Counts how often it is asked."""

    def __init__(self, ticks: Ticks) -> None:
        self.ticks = ticks
        self.asked = 0

    def after(self, moment: int) -> int | None:
        self.asked += 1
        return self.ticks.after(moment)


@pytest.mark.parametrize(
    ("fields", "most", "asked"),
    [
        ({"second": "*"}, 1, 60),
        ({"second": "*"}, 1_000, 5_000),
        ({"month": "1", "hour": "3", "second": "*"}, 1_000, 5_000),
        ({"minute": "*/5"}, 1_000, 5_000),
        ({"hour": "*/7", "minute": "3,17"}, 1_000, 15_000),
    ],
)
def test_a_year_without_pools_takes_bounded_work(fields: dict[str, str], most: int, asked: int) -> None:
    """The last ticks of ten years are found with a few questions for each, however many there were."""
    ticks = Counting(ticks_from(fields, "Europe/Berlin"))
    now = ms(datetime(2026, 11, 29, tzinfo=UTC))
    first = ticks.after(now - 3_650 * DAY_MS)
    assert first is not None
    assert len(last_ticks(ticks, first, now, most)) == most
    assert ticks.asked <= asked


@pytest.mark.parametrize(
    "fields",
    [{"year": "2020"}, {"month": "2", "day": "30"}, {"month": "6", "week": "1"}, {"year": "2501-2600"}],
)
def test_a_trigger_may_have_no_tick(fields: dict[str, str]) -> None:
    """A date in the past, one that does not exist, or one too far away."""
    assert ticks_from(fields, "Europe/Berlin").after(ms(datetime(2026, 1, 1, tzinfo=UTC))) is None


def test_start_and_end_are_inclusive() -> None:
    """No tick is before the start or after the end; both may be ticks."""
    start, end = ms(datetime(2026, 6, 1, 12, tzinfo=UTC)), ms(datetime(2026, 6, 1, 13, tzinfo=UTC))
    ticks = ticks_of(Cron((("minute", "*/30"),), "UTC", start=start, end=end))
    assert first_ticks(ticks, start, end, 10) == [start, start + 1_800_000, end]
    assert ticks.after(0) == start
    assert ticks.after(end - 1) == end
    assert ticks.after(end) is None
