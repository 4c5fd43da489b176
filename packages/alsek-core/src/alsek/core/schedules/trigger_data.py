"""Triggers as plain data. Times are Unix milliseconds, durations milliseconds, unless a name says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias

#: The fields of a cron trigger, as APScheduler 3 names them.
CRON_FIELDS: Final = ("year", "month", "day", "week", "day_of_week", "hour", "minute", "second")


class Cron(NamedTuple):
    """Fires at all wall times that match.

    Attributes:
        fields: Names and expressions of the fields that were given. Of the others, those before the last of these
            match anything, and those after it only their least value.
        zone: The time zone, as text.
        start: It fires at this time or later; None for no bound.
        end: It fires at this time or earlier; likewise.
        jitter: The longest delay of a tick's message.
    """

    fields: tuple[tuple[str, str], ...]
    zone: str
    start: int | None = None
    end: int | None = None
    jitter: int = 0


class Interval(NamedTuple):
    """Fires again and again after the same time.

    Attributes:
        length_us: The time between two ticks, in microseconds.
        zone: The time zone in which times are shown, as text.
        start: The first tick. None before it is known: only for one that is not `fixed`.
        fixed: The user has named the start. If not, it begins when it is scheduled.
        wait: How long after it is scheduled the first tick is, if it is not `fixed`. It is not stored.
        end: As of a :class:`Cron`.
        jitter: Likewise.
    """

    length_us: int
    zone: str
    start: int | None
    fixed: bool
    wait: int = 0
    end: int | None = None
    jitter: int = 0


class Date(NamedTuple):
    """Fires once.

    Attributes:
        at: When.
        zone: The time zone in which that is shown, as text.
    """

    at: int
    zone: str

    @property
    def jitter(self) -> int:
        """None: a date has no delay."""
        return 0


TriggerData: TypeAlias = Cron | Interval | Date

_KINDS: Final[dict[str, type[Cron | Interval | Date]]] = {"cron": Cron, "interval": Interval, "date": Date}
#: No time, and no duration, is so far from zero: the longest one that Python knows has 8.64e22 microseconds.
_TOO_FAR: Final = 10**23


def trigger_to_json(trigger: TriggerData) -> dict[str, Any]:
    """Return a trigger as a dict for JSON."""
    if isinstance(trigger, Cron):
        return {"kind": "cron", **trigger._asdict(), "fields": dict(trigger.fields)}
    if isinstance(trigger, Interval):
        told = {"kind": "interval", **trigger._asdict()}
        del told["wait"]
        return told
    return {"kind": "date", **trigger._asdict()}


def trigger_from_json(told: Mapping[str, Any]) -> TriggerData:
    """Return the trigger of which :func:`trigger_to_json` made this.

    Raises:
        ValueError, TypeError, KeyError: It is something else.
    """
    rest: dict[str, Any] = dict(told)
    kind = rest.pop("kind")
    if kind == "cron":
        rest["fields"] = tuple(rest["fields"].items())
    if kind not in _KINDS:
        raise ValueError(f"a trigger of the kind {kind!r}, which this version of Alsek does not know")
    trigger = _KINDS[kind](**rest)
    if not _is_sound(trigger):
        raise ValueError(f"{trigger!r:.200}: no such trigger was ever made")
    return trigger


def _is_sound(trigger: TriggerData) -> bool:
    """Return True if all is of its type, so that whoever reads a damaged trigger learns of it here."""
    numbers: list[object] = [trigger.jitter]
    if isinstance(trigger, Date):
        numbers.append(trigger.at)
    else:
        numbers += [moment for moment in (trigger.start, trigger.end) if moment is not None]
    texts: list[object] = [trigger.zone]
    if isinstance(trigger, Cron):
        texts += [text for field in trigger.fields for text in field]
    if isinstance(trigger, Interval):
        numbers.append(trigger.length_us)
        flags: list[object] = [trigger.fixed]
        if not all(type(flag) is bool for flag in flags):
            return False
    return (
        all(type(number) is int and abs(number) < _TOO_FAR for number in numbers)
        and all(type(text) is str for text in texts)
        and trigger.jitter >= 0
        and (not isinstance(trigger, Interval) or trigger.length_us > 0)
    )


def same_trigger(one: TriggerData, other: TriggerData) -> bool:
    """Return True if two triggers say the same.

    The start of an interval counts only if the user has named it. The zone counts only if ticks depend on it: without
    one of its own, a trigger has that of the machine on which it was made.
    """
    return _comparable(one) == _comparable(other)


def _comparable(trigger: TriggerData) -> tuple[object, ...]:
    if isinstance(trigger, Interval) and not trigger.fixed:
        trigger = trigger._replace(start=None, wait=0)
    if not isinstance(trigger, Cron):
        trigger = trigger._replace(zone="")
    return (type(trigger).__name__, *trigger)
