"""Reports on messages: takes them in, and decides what is kept of them when a message ends or comes back.

There is one record a uuid. It belongs to the stored message of this uuid if the tail of its header says so; else to a
dead letter, or to a message that has ended without one.
"""

from __future__ import annotations

from collections.abc import Sequence

from alsek.defaults import DEFAULT_STATUS_TTL
from alsek.storage.backends.copies import ReportCopy
from alsek.storage.backends.endings import End
from alsek.storage.backends.header import REPORTED, merged
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.stored_message import StoredMessage
from alsek.storage.backends.memory.messages.stored_report import StoredReport
from alsek.storage.backends.records import FOR_EVER, Report, ReportRecord, Worker


def report(table: MessageTable, worker: Worker, reports: Sequence[Report]) -> list[str]:
    """Take in reports of a worker; return the uuids of those that are refused."""
    registered = table.workers.get(worker.id)
    refused: list[str] = []
    for each in reports:
        message = None if registered is None else registered.claims.get(each.uuid)
        if message is None or message.token != each.token:
            refused.append(each.uuid)
        else:
            take_in(table, message, each)
    return refused


def take_in(table: MessageTable, message: StoredMessage, report: Report) -> None:
    """Keep a report of the current claim on a message. The first one begins a new record."""
    kept = table.reports.get(message.uuid) if is_reported(message) else None
    if kept is None:
        kept = StoredReport(ReportRecord(message.uuid, report.token, 0))
        _mark(message)
        table.reports.put(message.uuid, kept, FOR_EVER)
    kept.take_in(report, table.store.clock())


def records(table: MessageTable, uuids: Sequence[str], lines: bool) -> list[ReportRecord | None]:
    """Return what is kept of these messages, without their lines unless they are asked for."""
    found = [table.reports.get(uuid) for uuid in uuids]
    shown = [None if kept is None else kept.record for kept in found]
    return shown if lines else [None if one is None else one._replace(lines=()) for one in shown]


def after_end(table: MessageTable, message: StoredMessage, how: End, dlq_ttl: int) -> None:
    """Keep the record of a message that has ended as long as what is left of it, or delete it.

    The tail of a record that can't be read says nothing, so there may be one in any case.
    """
    uuid = message.uuid
    kept = table.reports.get(uuid) if is_reported(message) or how is End.CORRUPT else None
    if kept is None:
        return
    status_ttl = message.submission.status_ttl
    if dlq_ttl:
        table.reports.put(uuid, kept, dlq_ttl)
    elif status_ttl and how.status is not None:
        kept.record = kept.record._replace(checkpoint=None)
        table.reports.put(uuid, kept, DEFAULT_STATUS_TTL if status_ttl == FOR_EVER else status_ttl)
    else:
        table.reports.pop(uuid)


def take_up_again(table: MessageTable, message: StoredMessage) -> None:
    """Let a replayed message have what is kept of its dead letter."""
    kept = table.reports.get(message.uuid)
    if kept is not None:
        _mark(message)
        table.reports.put(message.uuid, kept, FOR_EVER)


def drop(table: MessageTable, uuid: str) -> None:
    """Delete the record of a uuid, unless it belongs to a stored message."""
    message = table.messages.get(uuid)
    if message is None or not is_reported(message):
        table.reports.pop(uuid)


def copy(table: MessageTable, uuid: str) -> ReportCopy | None:
    """Copy the record of a uuid."""
    kept = table.reports.get(uuid)
    if kept is None:
        return None
    _, token, reported_at, progress, checkpoint, lines = kept.record
    expiry = table.reports.expiry(uuid)
    return ReportCopy(token, kept.number, reported_at, progress, checkpoint, lines, expiry)


def adopt(table: MessageTable, uuid: str, copied: ReportCopy | None) -> None:
    """Keep a record of another store, unless there is one of this uuid."""
    if copied is not None:
        token, number, reported_at, progress, checkpoint, lines, expiry = copied
        record = ReportRecord(uuid, token, reported_at, progress, checkpoint, tuple(lines))
        table.reports.adopt(uuid, StoredReport(record, number), expiry)


def is_reported(message: StoredMessage) -> bool:
    """Return True if something is kept of reports on a stored message."""
    return REPORTED in message.tail


def _mark(message: StoredMessage) -> None:
    message.tail = merged(message.tail, REPORTED)
