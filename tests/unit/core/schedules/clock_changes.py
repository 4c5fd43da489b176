"""Cases worked out by hand: what a cron trigger does when clocks are put forward or back, and at the ends of months.

Clocks of these zones, in 2026 and 2027:

- Europe/Berlin: 2026-03-29 02:00 +01:00 becomes 03:00 +02:00; 2026-10-25 03:00 +02:00 becomes 02:00 +01:00.
- America/New_York: 2026-03-08 02:00 -05:00 becomes 03:00 -04:00; 2026-11-01 02:00 -04:00 becomes 01:00 -05:00.
- Australia/Lord_Howe, by half an hour: 2026-04-05 02:00 +11:00 becomes 01:30 +10:30; 2026-10-04 02:00 +10:30 becomes
  02:30 +11:00.
"""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """A cron trigger, a moment, and the ticks that follow it.

    Attributes:
        why: What the case is about.
        zone: The time zone.
        cron: Minute, hour, day, month and weekday, as APScheduler reads them (0 is Monday).
        after: The moment.
        ticks: The next ticks, in order; all as ISO 8601 text.
    """

    why: str
    zone: str
    cron: str
    after: str
    ticks: tuple[str, ...]


BERLIN = (
    Case(
        "02:30 does not exist on March 29th: it fires at the end of the gap, and the day after at 02:30 again",
        "Europe/Berlin",
        "30 2 * * *",
        "2026-03-28T12:00:00+01:00",
        ("2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"),
    ),
    Case(
        "four times in the gap make one tick",
        "Europe/Berlin",
        "*/15 2 * * *",
        "2026-03-29T00:00:00+01:00",
        ("2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"),
    ),
    Case(
        "a time in the gap and one at its end make one tick",
        "Europe/Berlin",
        "0 2,3 * * *",
        "2026-03-29T00:00:00+01:00",
        ("2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00", "2026-03-30T03:00:00+02:00"),
    ),
    Case(
        "times beside the gap are as ever: an hour passes, though clocks show two",
        "Europe/Berlin",
        "59 1,3 * * *",
        "2026-03-29T00:00:00+01:00",
        ("2026-03-29T01:59:00+01:00", "2026-03-29T03:59:00+02:00"),
    ),
    Case(
        "02:30 exists twice on October 25th: it fires the first time",
        "Europe/Berlin",
        "30 2 * * *",
        "2026-10-24T12:00:00+02:00",
        ("2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"),
    ),
    Case(
        "whoever looks during the second 02:15 is told of the next day",
        "Europe/Berlin",
        "30 2 * * *",
        "2026-10-25T02:15:00+01:00",
        ("2026-10-26T02:30:00+01:00",),
    ),
    Case(
        "with hours that are named, all of the hour that exists twice has its ticks once",
        "Europe/Berlin",
        "*/30 1-3 * * *",
        "2026-10-25T01:30:00+02:00",
        (
            "2026-10-25T02:00:00+02:00",
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T03:00:00+01:00",
            "2026-10-25T03:30:00+01:00",
        ),
    ),
    Case(
        "the hour `*` is every real hour: the one that exists twice has its tick twice",
        "Europe/Berlin",
        "30 * * * *",
        "2026-10-25T01:00:00+02:00",
        (
            "2026-10-25T01:30:00+02:00",
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T02:30:00+01:00",
            "2026-10-25T03:30:00+01:00",
        ),
    ),
    Case(
        "the hour `*` is every real hour: one that does not exist has none",
        "Europe/Berlin",
        "30 * * * *",
        "2026-03-29T01:00:00+01:00",
        ("2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"),
    ),
    Case(
        "the hour `*` on one day only, which is the day of the change",
        "Europe/Berlin",
        "0 * 25 10 *",
        "2026-10-25T01:30:00+02:00",
        ("2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"),
    ),
    Case(
        "a month without a 31st is left out",
        "Europe/Berlin",
        "0 9 31 * *",
        "2026-08-31T09:00:00+02:00",
        ("2026-10-31T09:00:00+01:00", "2026-12-31T09:00:00+01:00", "2027-01-31T09:00:00+01:00"),
    ),
    Case(
        "the last day of each month",
        "Europe/Berlin",
        "0 0 last * *",
        "2027-01-31T12:00:00+01:00",
        ("2027-02-28T00:00:00+01:00", "2027-03-31T00:00:00+02:00", "2027-04-30T00:00:00+02:00"),
    ),
    Case(
        "February 29th waits for the next leap year",
        "Europe/Berlin",
        "0 0 29 2 *",
        "2026-03-01T00:00:00+01:00",
        ("2028-02-29T00:00:00+01:00", "2032-02-29T00:00:00+01:00"),
    ),
    Case(
        "the last Sunday of March at 02:30 never exists in years to come",
        "Europe/Berlin",
        "30 2 last-sun 3 *",
        "2026-03-01T00:00:00+01:00",
        ("2026-03-29T03:00:00+02:00", "2027-03-28T03:00:00+02:00", "2028-03-26T03:00:00+02:00"),
    ),
)

NEW_YORK = (
    Case(
        "02:00 itself is the first time that does not exist",
        "America/New_York",
        "0 2 * * *",
        "2026-03-07T12:00:00-05:00",
        ("2026-03-08T03:00:00-04:00", "2026-03-09T02:00:00-04:00"),
    ),
    Case(
        "the change is on a Sunday: a job of weekdays does not notice",
        "America/New_York",
        "30 2 * * mon-fri",
        "2026-03-06T12:00:00-05:00",
        ("2026-03-09T02:30:00-04:00",),
    ),
    Case(
        "01:00 exists twice on November 1st, which is also the first of a month",
        "America/New_York",
        "0 1 1 * *",
        "2026-10-15T00:00:00-04:00",
        ("2026-11-01T01:00:00-04:00", "2026-12-01T01:00:00-05:00"),
    ),
    Case(
        "02:00 exists once on that day: after the second 01:59",
        "America/New_York",
        "0 2 * * *",
        "2026-11-01T01:30:00-04:00",
        ("2026-11-01T02:00:00-05:00",),
    ),
    Case(
        "midnight to midnight of that day is 25 hours",
        "America/New_York",
        "0 0 * * *",
        "2026-10-31T12:00:00-04:00",
        ("2026-11-01T00:00:00-04:00", "2026-11-02T00:00:00-05:00"),
    ),
    Case(
        "every quarter of an hour, really: the second hour from one to two has its own",
        "America/New_York",
        "*/15 * * * *",
        "2026-11-01T01:30:00-04:00",
        (
            "2026-11-01T01:45:00-04:00",
            "2026-11-01T01:00:00-05:00",
            "2026-11-01T01:15:00-05:00",
            "2026-11-01T01:30:00-05:00",
            "2026-11-01T01:45:00-05:00",
            "2026-11-01T02:00:00-05:00",
        ),
    ),
    Case(
        "every other hour is by the clock on the wall: three hours pass once",
        "America/New_York",
        "0 */2 * * *",
        "2026-10-31T22:30:00-04:00",
        ("2026-11-01T00:00:00-04:00", "2026-11-01T02:00:00-05:00", "2026-11-01T04:00:00-05:00"),
    ),
    Case(
        "the 30th of February's neighbours",
        "America/New_York",
        "0 12 30 1-3 *",
        "2027-01-30T12:00:00-05:00",
        ("2027-03-30T12:00:00-04:00", "2028-01-30T12:00:00-05:00"),
    ),
)

LORD_HOWE = (
    Case(
        "02:15 is within the half hour that does not exist on October 4th",
        "Australia/Lord_Howe",
        "15 2 * * *",
        "2026-10-03T12:00:00+10:30",
        ("2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"),
    ),
    Case(
        "02:45 exists on that day",
        "Australia/Lord_Howe",
        "45 2 * * *",
        "2026-10-03T12:00:00+10:30",
        ("2026-10-04T02:45:00+11:00",),
    ),
    Case(
        "01:45 exists twice on April 5th, 01:15 once",
        "Australia/Lord_Howe",
        "15,45 1 * * *",
        "2026-04-05T00:00:00+11:00",
        ("2026-04-05T01:15:00+11:00", "2026-04-05T01:45:00+11:00", "2026-04-06T01:15:00+10:30"),
    ),
    Case(
        "a quarter to each real hour: half an hour after the first 01:45 comes the second one",
        "Australia/Lord_Howe",
        "45 * * * *",
        "2026-04-05T01:00:00+11:00",
        ("2026-04-05T01:45:00+11:00", "2026-04-05T01:45:00+10:30", "2026-04-05T02:45:00+10:30"),
    ),
    Case(
        "the full hour of 02:00 does not exist on October 4th: the hour `*` has no tick then",
        "Australia/Lord_Howe",
        "0 * * * *",
        "2026-10-04T00:30:00+10:30",
        ("2026-10-04T01:00:00+10:30", "2026-10-04T03:00:00+11:00"),
    ),
)

CASES = (*BERLIN, *NEW_YORK, *LORD_HOWE)
