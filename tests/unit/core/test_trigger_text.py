"""Triggers as people read them."""

from __future__ import annotations

import pytest

from alsek.core.inspection.trigger_text import trigger_text
from alsek.core.schedules.trigger_data import Cron, Date, Interval, TriggerData

_CRONTAB = (("minute", "0"), ("hour", "3"), ("day", "*"), ("month", "*"), ("day_of_week", "mon-fri"))


@pytest.mark.parametrize(
    ("trigger", "text"),
    [
        (Cron(_CRONTAB, "Europe/Berlin"), "cron 0 3 * * mon-fri Europe/Berlin"),
        (Cron((("hour", "*/2"), ("second", "5")), "UTC"), "cron hour=*/2 second=5 UTC"),
        (
            Cron((("hour", "3"),), "UTC", 1_700_000_000_000, 1_800_000_000_000, 1_500),
            "cron hour=3 UTC, from 2023-11-14 22:13:20 UTC, until 2027-01-15 08:00:00 UTC, up to 1 s later",
        ),
        (Interval(6 * 3_600_000_000, "UTC", 1_700_000_000_000, False), "every 6 h"),
        (
            Interval(86_400_000_000 + 60_000_000, "UTC", 1_700_000_000_000, True),
            "every 1 d 1 min, from 2023-11-14 22:13:20 UTC",
        ),
        (Interval(1_500_000, "UTC", None, False), "every 1.5 s"),
        (Interval(2_000, "UTC", None, False), "every 0.002 s"),
        (Interval(100_000_000, "UTC", None, False), "every 1 min 40 s"),
        (Date(1_700_000_000_000, "UTC"), "once, 2023-11-14 22:13:20 UTC"),
    ],
    ids=str,
)
def test_a_trigger_is_told_in_full(trigger: TriggerData, text: str) -> None:
    """What is left out is what says nothing: bounds and delays that are not there."""
    assert trigger_text(trigger) == text
