"""Takes in what another store held."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from alsek.defaults import DEDUP_WINDOW
from alsek.storage.backends.copies import (
    KEY_HELD,
    NAME_USED,
    UUID_ENDED,
    UUID_STORED,
    Copy,
    CopyKind,
    DeadLetterCopy,
    MessageCopy,
    ResultCopy,
    ScheduleCopy,
    StatusCopy,
    ValueCopy,
    kind_of,
    too_late,
)
from alsek.storage.backends.records import StatusRecord, TaskStatus, UniqueKey
from alsek.storage.backends.sqlite.database.expiry import BUCKET_MS, STATUS_CHECK_MS
from alsek.storage.backends.sqlite.database.queue_names import queue_number
from alsek.storage.backends.sqlite.database.transaction import QUEUE, Transaction
from alsek.storage.backends.sqlite.lanes import WISH_NUMBERS, Lane
from alsek.storage.backends.sqlite.messages import reports, unique_keys
from alsek.storage.backends.sqlite.messages.bonds import bonds_of
from alsek.storage.backends.sqlite.messages.moved_messages import New
from alsek.storage.backends.sqlite.messages.transitions import STATE, place_new, raise_arrivals, wake_for_due
from alsek.storage.backends.sqlite.transfer.departing_records import delete, find

#: The largest integer of SQLite.
_LARGEST: Final = 2**63 - 1

_STORED: Final = f"SELECT {STATE} FROM messages AS m WHERE m.ns = ? AND m.uuid = ?"  # noqa: S608
_ENDED: Final = """
    SELECT done FROM finished WHERE ns = ? AND bucket IN (?, ?, ?) AND uuid = ? AND at > ? ORDER BY bucket DESC LIMIT 1
"""
_MAKE_QUEUE: Final = "INSERT INTO queues (ns, name) VALUES (?, ?) ON CONFLICT (ns, name) DO NOTHING"
_INSERT: Final = f"""
    INSERT INTO messages (ns, queue, uuid, request, priority, wish, arrival, due, ttl, expiry, status_ttl, losses,
        revoked, version, tail, payload)
    SELECT ns, id, ?, ?, ?, ?, arrivals + 1, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM queues WHERE id = {QUEUE}
"""  # noqa: S608
_LETTER: Final = f"""
    INSERT OR REPLACE INTO dead (ns, queue, uuid, error, died_at, expiry, tail, payload)
    VALUES (?, {QUEUE}, ?, ?, ?, ?, ?, ?)
"""  # noqa: S608
_RESULT: Final = """
    INSERT INTO results (ns, uuid, progenitor, at, token, expiry, payload) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_STATUS: Final = """
    INSERT INTO statuses (ns, uuid, status, at, expiry, sweep, details) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_SCHEDULE: Final = """
    INSERT INTO schedules
        (ns, name, revision, definition, next_at, last_at, last_uuid, paused_by, paused_since, offer)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_VALUE: Final = "INSERT INTO vals (ns, name, expiry, value) VALUES (?, ?, ?, ?)"


def refusal(tx: Transaction, copy: Copy) -> str:
    """Return why a thing can't be taken in; empty if it can."""
    if any(isinstance(number, int) and number > _LARGEST for number in _numbers(copy)):
        return f"SQLite stores integers up to {_LARGEST}"
    if isinstance(copy, MessageCopy):
        return _message_refusal(tx, copy)
    there = find(tx, kind_of(copy), copy.key) is not None
    return NAME_USED if there else ""


def _numbers(copy: Copy) -> Iterable[object]:
    status = copy.status if isinstance(copy, MessageCopy) else None
    report = copy.report if isinstance(copy, MessageCopy | DeadLetterCopy) else None
    return (*copy, *(status or ()), *(report or ()))


def _message_refusal(tx: Transaction, copy: MessageCopy) -> str:
    refused = _uuid_refusal(tx, copy.uuid)
    if refused or not copy.tail:
        return refused
    unique = bonds_of(copy.tail).unique
    holder = None if unique is None else unique_keys.holder(tx, unique.key)
    return KEY_HELD if holder is not None and (holder.behind or not holder.holds) else ""


def _uuid_refusal(tx: Transaction, uuid: str) -> str:
    stored = tx.execute(_STORED, (tx.ns, uuid)).fetchone()
    if stored is not None:
        return f"{UUID_STORED} ({stored[0]})"
    bucket = tx.now // BUCKET_MS
    values = (tx.ns, bucket, bucket - 1, bucket - 2, uuid, tx.now - DEDUP_WINDOW)
    if tx.execute(_ENDED, values).fetchone() == (1,):
        return UUID_ENDED
    return ""


def take_in(tx: Transaction, copy: Copy) -> bool:
    """Store a thing; return False if its name is not free: then a message is a dead letter, and others are left out."""
    if isinstance(copy, MessageCopy):
        return _message(tx, copy)
    if isinstance(copy, ScheduleCopy):
        return _schedule(tx, copy)
    if copy.expiry is not None and copy.expiry <= tx.now:
        return True
    kind = kind_of(copy)
    if find(tx, kind, copy.key) is not None:
        return False
    delete(tx, kind, copy.key)  # one that has expired
    match copy:
        case DeadLetterCopy(uuid, queue, payload, error, died_at, expiry, tail):
            tx.execute(_MAKE_QUEUE, (tx.ns, queue))
            tx.execute(_LETTER, (tx.ns, tx.ns, queue, uuid, error, died_at, expiry, tail, payload))
            reports.adopt(tx, uuid, copy.report, stored=False)
        case ResultCopy(uuid, payload, timestamp, token, progenitor, expiry):
            tx.execute(_RESULT, (tx.ns, uuid, progenitor, timestamp, token, expiry, payload))
            tx.notes.append((f"results:{uuid}", b""))
        case StatusCopy():
            _status(tx, copy)
        case ValueCopy(name, value, expiry):
            tx.execute(_VALUE, (tx.ns, name, expiry, value))
    return True


def _message(tx: Transaction, copy: MessageCopy) -> bool:
    tx.execute(_MAKE_QUEUE, (tx.ns, copy.queue))
    if _message_refusal(tx, copy):
        row: tuple[Any, ...] = (copy.uuid, too_late(copy.uuid), tx.now, None, copy.tail, copy.payload)
        tx.execute(_LETTER, (tx.ns, tx.ns, copy.queue, *row))
        reports.adopt(tx, copy.uuid, copy.report, stored=False)
        return False
    wish = WISH_NUMBERS[copy.wish]
    bonds = bonds_of(copy.tail)
    by_hand = copy.suspect or bool(bonds.limits) or bonds.unique is not None
    if bonds.limits:
        raise_arrivals(tx, queue_number(tx, copy.queue), 1)
    due = -1 if by_hand else copy.due
    row = (
        *(copy.uuid, copy.request, copy.priority, wish, due, copy.ttl, copy.expiry, copy.status_ttl),
        *(copy.losses, int(copy.revoked), copy.version, copy.tail, copy.payload),
    )
    message = tx.execute(_INSERT, (*row, tx.ns, copy.queue)).lastrowid or 0
    lane = Lane(copy.queue, wish, int(copy.suspect))
    if by_hand:
        behind = bonds.unique is not None and _take_key(tx, copy.uuid, bonds.unique)
        place_new(tx, New(message, copy.due, lane, bonds.limits, behind, copy.suspect))
    elif copy.due is not None:
        wake_for_due(tx, message, lane)
    else:
        tx.wake(lane)
    reports.adopt(tx, copy.uuid, copy.report, stored=True)
    status = copy.status
    alive = status is not None and (status.expiry is None or status.expiry > tx.now)
    if status is not None and alive and find(tx, CopyKind.STATUS, status.key) is None:
        delete(tx, CopyKind.STATUS, status.key)  # one that has expired
        _status(tx, status)
    return True


def _take_key(tx: Transaction, uuid: str, unique: UniqueKey) -> bool:
    """Let a message hold its key, if nobody does; return True if it waits behind the holder instead."""
    if unique_keys.holder(tx, unique.key) is None:
        unique_keys.take(tx, uuid, unique)
        return False
    unique_keys.wait_behind(tx, uuid, unique)
    return True


def _schedule(tx: Transaction, copy: ScheduleCopy) -> bool:
    if find(tx, CopyKind.SCHEDULE, copy.key) is not None:
        return False
    offer = None if copy.paused_by else copy.next_at
    tx.execute(_SCHEDULE, (tx.ns, *copy[:8], offer))
    return True


def _status(tx: Transaction, copy: StatusCopy) -> None:
    sweep = tx.now + STATUS_CHECK_MS if copy.expiry is None else copy.expiry
    row = (tx.ns, copy.uuid, copy.status, copy.timestamp, copy.expiry, sweep, copy.details)
    tx.execute(_STATUS, row)
    record = StatusRecord(copy.uuid, TaskStatus(copy.status), copy.details, copy.timestamp)
    tx.notes.append((f"statuses:{copy.uuid}", record.pack()))
