"""Wall time of zones whose clocks are put forward and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alsek.core.schedules.wall_time import DAY_S, WallClock

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia")
EPOCH = datetime(1970, 1, 1)


def seconds(text: str) -> int:
    """The instant of ISO 8601 text; for text without an offset, the wall time."""
    moment = datetime.fromisoformat(text)
    epoch = EPOCH if moment.tzinfo is None else EPOCH.replace(tzinfo=UTC)
    return (moment - epoch) // timedelta(seconds=1)


@pytest.mark.parametrize(
    ("zone", "wall", "instant"),
    [
        ("Europe/Berlin", "2026-03-29T01:59:59", "2026-03-29T01:59:59+01:00"),
        ("Europe/Berlin", "2026-03-29T02:00:00", "2026-03-29T03:00:00+02:00"),
        ("Europe/Berlin", "2026-03-29T02:59:59", "2026-03-29T03:00:00+02:00"),
        ("Europe/Berlin", "2026-03-29T03:00:00", "2026-03-29T03:00:00+02:00"),
        ("Europe/Berlin", "2026-10-25T01:59:59", "2026-10-25T01:59:59+02:00"),
        ("Europe/Berlin", "2026-10-25T02:00:00", "2026-10-25T02:00:00+02:00"),
        ("Europe/Berlin", "2026-10-25T02:59:59", "2026-10-25T02:59:59+02:00"),
        ("Europe/Berlin", "2026-10-25T03:00:00", "2026-10-25T03:00:00+01:00"),
        ("Australia/Lord_Howe", "2026-10-04T02:29:59", "2026-10-04T02:30:00+11:00"),
        ("Australia/Lord_Howe", "2026-04-05T01:45:00", "2026-04-05T01:45:00+11:00"),
        ("Pacific/Apia", "2011-12-30T12:00:00", "2011-12-31T00:00:00+14:00"),
    ],
)
def test_when_a_wall_time_is_shown(zone: str, wall: str, instant: str) -> None:
    """The first time that it is; at the end of the gap, if it is skipped. Samoa once skipped a whole day."""
    assert WallClock(ZoneInfo(zone)).instant(seconds(wall)) == seconds(instant)


walls = st.integers(seconds("2010-01-01"), seconds("2037-01-01"))


@given(walls, st.integers(0, 2 * DAY_S), st.sampled_from(ZONES))
def test_a_later_wall_time_is_never_earlier(wall: int, more: int, zone: str) -> None:
    """Wall times are in the order of their instants."""
    clock = WallClock(ZoneInfo(zone))
    assert clock.instant(wall) <= clock.instant(wall + more)


@given(walls, st.sampled_from(ZONES))
def test_an_instant_shows_its_wall_time(wall: int, zone: str) -> None:
    """But if it is skipped, the clock shows a later one, and a second before an earlier one."""
    clock = WallClock(ZoneInfo(zone))
    instant = clock.instant(wall)
    shown = clock.wall(instant)
    assert shown == wall or clock.wall(instant - 1) < wall < shown


@given(walls, st.sampled_from(ZONES))
def test_the_first_wall_time_after_an_instant(instant: int, zone: str) -> None:
    """It has a later instant, and the one a second before it has not."""
    clock = WallClock(ZoneInfo(zone))
    wall = clock.first_wall_after(instant)
    assert clock.instant(wall) > instant >= clock.instant(wall - 1)


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-5)), timezone(timedelta(minutes=345))])
def test_a_fixed_offset_has_no_changes(zone: tzinfo) -> None:
    """Each wall time is shown once."""
    clock = WallClock(zone)
    wall = seconds("2026-03-29T02:30:00")
    assert clock.wall(clock.instant(wall)) == wall
    assert clock.first_wall_after(clock.instant(wall)) == wall + 1
