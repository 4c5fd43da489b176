"""Triggers of APScheduler 3 to data and back. APScheduler is imported here, when a trigger is handled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from alsek.core.clock import now_ms
from alsek.core.failure import class_name
from alsek.core.schedules.trigger_data import Cron, Date, Interval, TriggerData
from alsek.core.schedules.zones import zone_from_text, zone_to_text
from alsek.core.short_repr import shown
from alsek.exceptions import ValidationError

if TYPE_CHECKING:
    from apscheduler.triggers.base import BaseTrigger

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_MICROSECOND: Final = timedelta(microseconds=1)

#: An interval without a start of its own that is scheduled within this time waits for its full length.
_JUST_MADE_MS: Final = 5_000

_TAKEN: Final = "a CronTrigger, an IntervalTrigger or a DateTrigger of APScheduler 3"


def trigger_to_data(trigger: BaseTrigger, where: str) -> TriggerData:
    """Return a trigger as data.

    APScheduler gives an interval without a start one that it derives from its construction. Such a start is recognized
    by its fraction of a second, and that it is no later than one length from now.

    Args:
        trigger: A cron, interval or date trigger.
        where: What it is for, for the error.

    Raises:
        ValidationError: It is something else, or can't be stored. The text says what is taken.
        ModuleNotFoundError: APScheduler is not installed.
    """
    kinds = _kinds()
    kind: Any = type(trigger)
    if kind not in kinds:
        raise ValidationError(f"{where}: trigger={shown(trigger)}: {_why_not(trigger, kinds)}")
    if kind is kinds[0]:
        return _cron(trigger, where)
    if kind is kinds[1]:
        return _interval(trigger, where)
    given: Any = trigger
    return Date(_floor(given.run_date), zone_to_text(given.run_date.tzinfo, where))


def trigger_from_data(data: TriggerData) -> BaseTrigger:
    """Return a trigger of APScheduler that says the same.

    Raises:
        ValueError: This machine does not know its time zone, or this APScheduler one of its expressions.
        ModuleNotFoundError: APScheduler is not installed.
    """
    cron, interval, date = _kinds()
    zone = zone_from_text(data.zone)
    if isinstance(data, Date):
        return date(run_date=_moment(data.at, zone))
    bounds = {"start_date": _moment(data.start, zone), "end_date": _moment(data.end, zone), "timezone": zone}
    seconds, rest = divmod(data.jitter, 1_000)
    jitter = data.jitter / 1_000 if rest else seconds or None
    if isinstance(data, Cron):
        return cron(**dict(data.fields), **bounds, jitter=jitter)
    return interval(seconds=data.length_us / 1_000_000, **bounds, jitter=jitter)


def wall_trigger(fields: tuple[tuple[str, str], ...], last: datetime) -> BaseTrigger:
    """Return a cron trigger in UTC, which knows nothing of clocks that are put forward or back.

    Args:
        fields: Names and expressions.
        last: It has no later tick.

    Raises:
        ValueError: This APScheduler does not know one of the expressions.
        ModuleNotFoundError: APScheduler is not installed.
    """
    return _kinds()[0](**dict(fields), timezone=UTC, end_date=last)


def _kinds() -> tuple[Any, Any, Any]:
    try:
        from apscheduler.triggers.cron import CronTrigger
        from apscheduler.triggers.date import DateTrigger
        from apscheduler.triggers.interval import IntervalTrigger
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "schedules need APScheduler: pip install 'alsek-core[triggers]'", name="apscheduler"
        ) from error
    return CronTrigger, IntervalTrigger, DateTrigger


def _why_not(trigger: object, kinds: tuple[Any, ...]) -> str:
    if isinstance(trigger, kinds):
        return f"{class_name(trigger)} is a subclass, whose code can't be stored as data; it must be {_TAKEN} itself"
    if isinstance(trigger, type):
        return f"that is a class; it must be {_TAKEN}"
    if isinstance(trigger, str):
        return f"it must be {_TAKEN}, such as CronTrigger.from_crontab('0 3 * * *', timezone='Europe/Berlin')"
    return (
        f"it must be {_TAKEN}: only these can be stored as data. Several may be schedules of different names"
    )


def _cron(trigger: Any, where: str) -> Cron:
    start, end = trigger.start_date, trigger.end_date
    return Cron(
        fields=tuple((field.name, str(field)) for field in trigger.fields if not field.is_default),
        zone=zone_to_text(trigger.timezone, where),
        start=None if start is None else _ceil(start),
        end=None if end is None else _floor(end),
        jitter=_jitter(trigger, where),
    )


def _interval(trigger: Any, where: str) -> Interval:
    length_us = trigger.interval // _MICROSECOND
    if length_us < 1_000:
        raise ValidationError(
            f"{where}: trigger={shown(trigger)}: its interval must be at least a millisecond"
        )
    start, now = _floor(trigger.start_date), now_ms()
    length = length_us // 1_000
    # Negative for a start that can't have been derived, since the trigger would be made in the future.
    age = now + length - start
    fixed = trigger.start_date.microsecond == 0 or age < 0
    just_made = age <= min(_JUST_MADE_MS, length)
    return Interval(
        length_us=length_us,
        zone=zone_to_text(trigger.timezone, where),
        start=start if fixed else None,
        fixed=fixed,
        wait=0 if fixed else length if just_made or start <= now else start - now,
        end=None if trigger.end_date is None else _floor(trigger.end_date),
        jitter=_jitter(trigger, where),
    )


def _jitter(trigger: Any, where: str) -> int:
    jitter = trigger.jitter
    if jitter is None:
        return 0
    if not isinstance(jitter, int | float) or not 0 <= jitter < 10**9:
        raise ValidationError(f"{where}: jitter={shown(jitter)}: must be None, or a number of seconds >= 0")
    return round(jitter * 1000)


def _floor(moment: datetime) -> int:
    return (moment.astimezone(UTC) - _EPOCH) // _MILLISECOND


def _ceil(moment: datetime) -> int:
    return ceil((moment.astimezone(UTC) - _EPOCH) / _MILLISECOND)


def _moment(ms: int | None, zone: tzinfo) -> datetime | None:
    return None if ms is None else (_EPOCH + ms * _MILLISECOND).astimezone(zone)
