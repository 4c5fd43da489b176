"""Where a schedule stands once it is stored, changed or resumed: the tick that is fired next."""

from __future__ import annotations

from typing import NamedTuple

from alsek.core.schedules.definition import Definition
from alsek.core.schedules.ticks import ticks_of
from alsek.core.schedules.trigger_data import Date, Interval, TriggerData, same_trigger
from alsek.defaults import MISSED_AFTER
from alsek.storage.backends.records import ScheduleRecord


class Present(NamedTuple):
    """A schedule as it is stored.

    Attributes:
        record: The record.
        trigger: Its trigger; None if it can't be read.
    """

    record: ScheduleRecord
    trigger: TriggerData | None


def begun(trigger: TriggerData, now: int, present: Present | None) -> TriggerData:
    """Return a trigger with its start: an interval that names none goes on with the present one, or begins now.

    Args:
        trigger: A new trigger.
        now: The time on the store's clock.
        present: What it replaces; None if there is nothing yet.
    """
    if not isinstance(trigger, Interval) or trigger.fixed:
        return trigger
    old = None if present is None else present.trigger
    length = trigger.length_us // 1_000
    start = now + trigger.wait
    if present is not None and isinstance(old, Interval) and not old.fixed and old.start is not None:
        if old.length_us == trigger.length_us:
            start = old.start
        else:  # from the last tick, so that even a schedule that is changed again and again fires
            last = present.record.last_at
            start = (old.start - old.length_us // 1_000 if last is None else last) + length
    return trigger._replace(start=start, wait=0)


def next_tick(trigger: TriggerData, now: int, present: Present | None) -> int | None:
    """Return where a schedule stands with a new definition: no tick of it is lost, and none is fired twice.

    With the trigger that it has already, that is where it stands. Else it is the first tick of the new trigger after
    now, and after the last one that was fired. But if the schedule stands at a tick that has just become due, it is the
    first one that is not before that. A date that has just passed counts, too.

    Args:
        trigger: The new trigger, with its start.
        now: The time on the store's clock.
        present: What is replaced; None if there is nothing yet.

    Raises:
        ValueError, ModuleNotFoundError: As :func:`~alsek.core.schedules.ticks.ticks_of`.
    """
    after = now - MISSED_AFTER - 1 if isinstance(trigger, Date) else now
    if present is not None:
        record = present.record
        same = present.trigger is not None and same_trigger(present.trigger, trigger)
        if same and not record.has_fired(record.next_at):
            return record.next_at
        if record.next_at is not None and not record.paused_by and record.next_at >= now - MISSED_AFTER:
            after = min(after, record.next_at - 1)
        if record.last_at is not None:
            after = max(after, record.last_at)
    return ticks_of(trigger).after(after)


def tick_after_pause(definition: Definition, record: ScheduleRecord, now: int) -> int | None:
    """Return where a schedule stands that is resumed. What would have been fired while it was paused is left out.

    Raises:
        ValueError, ModuleNotFoundError: As :func:`~alsek.core.schedules.ticks.ticks_of`.
    """
    if record.next_at is None or (record.next_at > now and not record.has_fired(record.next_at)):
        return record.next_at
    return ticks_of(definition.trigger).after(now if record.last_at is None else max(now, record.last_at))
