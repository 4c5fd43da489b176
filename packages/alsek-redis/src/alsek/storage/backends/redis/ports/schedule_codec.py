"""Converts schedules to and from the records that a namespace holds of them."""

from __future__ import annotations

import re
from typing import Final

from alsek.storage.backends.records import ScheduleRecord

#: How ``scripts/shared/schedule_records.lua`` writes a record, up to the texts of these lengths.
_HEAD: Final = re.compile(rb"(-?\d*)\|(-?\d*)\|(\d+)\|(\d+)\|(\d+)\|(\d+)\|")


def schedule_from(name: str, record: bytes) -> ScheduleRecord | None:
    """The schedule of a record; None if another program has overwritten it: then it does not count as stored."""
    head = _HEAD.match(record)
    if head is None:
        return None
    next_at, last_at, since, *lengths = head.groups()
    texts, at = [], head.end()
    for length in map(int, lengths):
        texts.append(record[at : at + length].decode("utf-8", "replace"))
        at += length
    revision, last_uuid, paused_by = texts
    definition, last = record[at:], _time(last_at)
    return ScheduleRecord(name, revision, definition, _time(next_at), last, last_uuid, paused_by, int(since))


def _time(text: bytes) -> int | None:
    return int(text) if text else None


def record_of(schedule: ScheduleRecord) -> bytes:
    """The record of a schedule, as ``scripts/shared/schedule_records.lua`` writes it."""
    texts = (schedule.revision.encode(), schedule.last_uuid.encode(), schedule.paused_by.encode())
    times = (time_argument(schedule.next_at), time_argument(schedule.last_at), b"%d" % schedule.paused_since)
    return b"|".join((*times, *(b"%d" % len(text) for text in texts), b"".join(texts))) + schedule.definition


def time_argument(time: int | None) -> bytes:
    """A time as scripts take it: empty for none."""
    return b"" if time is None else b"%d" % time
