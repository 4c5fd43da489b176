"""Copies what waits, and takes it out, for a move to another store."""

from __future__ import annotations

from typing import TypeAlias

from alsek.storage.backends.copies import (
    IN_A_GROUP,
    Copy,
    DeadLetterCopy,
    MessageCopy,
    ReportCopy,
    StatusCopy,
    Unreadable,
    is_in_a_group,
)
from alsek.storage.backends.endings import End
from alsek.storage.backends.header import READABLE_VERSIONS, merged, step_changes, submission_tail, unreadable
from alsek.storage.backends.memory.messages import reports
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.stored_message import StoredMessage
from alsek.storage.backends.memory.messages.transitions import end, leave
from alsek.storage.backends.records import Retried

#: What was found of one thing: None if it is gone.
Found: TypeAlias = Copy | Unreadable | None


def order(table: MessageTable) -> list[str]:
    """Return the uuids of what waits: the ready messages without limits by queue and place, those with limits by place,
    whether they are ready or wait, then the delayed ones by due time.

    Those that wait behind the holder of their key come last.
    """
    waiting = [message for message in table.messages.values() if message.holder is None]
    behind = [each for each in waiting if each.awaits_key]
    now = [each for each in waiting if each.state != "delayed" and not each.awaits_key]
    ready = sorted(
        (each for each in now if not each.submission.limits), key=lambda each: (each.queue, each.place)
    )
    limited = sorted((each for each in now if each.submission.limits), key=lambda each: each.place)
    delayed = sorted((each for each in waiting if each.state == "delayed"), key=lambda each: each.due)
    return [message.uuid for message in (*ready, *limited, *delayed, *behind)]


def message(table: MessageTable, uuid: str) -> MessageCopy | Unreadable | None:
    """Copy a message that nobody holds."""
    found = table.messages.get(uuid)
    if found is None or found.holder is not None:
        return None
    if found.version not in READABLE_VERSIONS:
        return Unreadable(uuid, unreadable(found.version))
    if is_in_a_group(found.tail):
        return Unreadable(uuid, IN_A_GROUP)
    submission = found.submission
    return MessageCopy(
        uuid,
        found.queue,
        found.payload,
        submission.priority,
        submission.wish,
        found.due[0] if found.awaits_key else found.due_at,
        None if found.awaits_key else found.expires_at,
        submission.ttl,
        submission.status_ttl,
        found.losses,
        found.suspect,
        found.revoked,
        found.request,
        _tail(table, found),
        found.version,
        status(table, uuid),
        _mark(table, found),
        _report(table, found),
    )


def _tail(table: MessageTable, found: StoredMessage) -> str:
    """The tail of a message, without a unique key that it held only until it was first claimed."""
    unique = found.submission.unique
    if unique is None or found.awaits_key:
        return found.tail
    held = table.keys.get(unique.key)
    holds = held is not None and held.live and held.holder == found.uuid
    return found.tail if holds else merged(found.tail, ";k")


def _mark(table: MessageTable, found: StoredMessage) -> bytes:
    report = _report(table, found)
    told = None if report is None else (report.token, report.number)
    return repr(
        (found.queue, found.arrival, found.due, found.losses, found.revoked, found.tail, told)
    ).encode()


def _report(table: MessageTable, found: StoredMessage) -> ReportCopy | None:
    return reports.copy(table, found.uuid) if reports.is_reported(found) else None


def status(table: MessageTable, uuid: str) -> StatusCopy | None:
    """Copy a status."""
    statuses = table.store.statuses
    found = statuses.get(uuid)
    if found is None:
        return None
    expiry = statuses.expiry(uuid)
    return StatusCopy(uuid, int(found.status), found.details, found.timestamp, expiry, found.pack())


def dead_letter(table: MessageTable, key: tuple[str, str]) -> DeadLetterCopy | None:
    """Copy a dead letter, given by queue and uuid."""
    found = table.dead.get(key)
    if found is None:
        return None
    queue, uuid = key
    attempt = Retried(uuid, queue, 0, 0, found.retries, found.updated_at, found.retry_delay)
    producers = "" if submission_tail is None else submission_tail(found)
    tail = merged(producers, step_changes(attempt))
    expiry = table.dead.expiry(key)
    mark = repr((found.died_at, found.error)).encode()
    stored = table.messages.get(uuid)
    report = reports.copy(table, uuid) if stored is None or not reports.is_reported(stored) else None
    return DeadLetterCopy(uuid, queue, found.payload, found.error, found.died_at, expiry, tail, mark, report)


def take_dead_letter(table: MessageTable, copy: DeadLetterCopy) -> bool:
    """Remove a dead letter, and what is kept of reports on it, if it is as it was copied."""
    present = dead_letter(table, copy.key)
    if present is None or present.mark != copy.mark:
        return False
    table.dead.pop(copy.key)
    reports.drop(table, copy.uuid)
    return True


def take_message(table: MessageTable, copy: MessageCopy) -> bool:
    """Remove a message and its status, if both are as they were copied and nobody holds it."""
    found, present = table.find(copy.queue, copy.uuid), status(table, copy.uuid)
    if found is None or found.holder is not None or _mark(table, found) != copy.mark:
        return False
    if (present and present.mark) != (copy.status and copy.status.mark):
        return False
    leave(table, found)
    end(table, found, End.MOVED)
    table.store.statuses.pop(copy.uuid)
    return True
