"""Copies messages that wait, and takes them out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from alsek.storage.backends.batches import in_pieces
from alsek.storage.backends.copies import (
    IN_A_GROUP,
    MessageCopy,
    Page,
    ReportCopy,
    Unreadable,
    is_in_a_group,
    page_of,
)
from alsek.storage.backends.endings import End
from alsek.storage.backends.header import LIMITED, READABLE_VERSIONS, merged, unreadable
from alsek.storage.backends.kinds import WISHES
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.statements import marks
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.lanes import LANES, lane_keys
from alsek.storage.backends.sqlite.messages import reports, unique_keys
from alsek.storage.backends.sqlite.messages.bonds import bonds_of
from alsek.storage.backends.sqlite.messages.moved_messages import Ended
from alsek.storage.backends.sqlite.messages.transitions import STATE, end, leave_any
from alsek.storage.backends.sqlite.transfer.departing_records import status_copy

_QUEUES: Final = "SELECT id FROM queues WHERE ns = ? AND messages > 0 ORDER BY name"
#: The next ones of a lane of `ready` or `aside`, and whether they have limits.
_READY: Final = f"""
    SELECT r.priority, r.arrival, r.message, instr(m.tail, '{LIMITED}') > 0
    FROM {{}} AS r JOIN messages AS m ON m.id = r.message
    WHERE r.lane = ? AND (r.priority, r.arrival) > (?, ?) ORDER BY r.priority, r.arrival LIMIT ?
"""  # noqa: S608
#: All that wait for limits.
_WAITING: Final = """
    SELECT w.priority, w.arrival, w.message FROM waiting AS w JOIN lines AS n ON n.id = w.line WHERE n.ns = ?
"""
_ASIDE_LANES: Final = "SELECT id FROM aside_lanes WHERE ns = ? AND queue = ?"
#: Of those due at the same moment, the one that was delayed first has the lower arrival number.
_DELAYED: Final = """
    SELECT page.due, page.message FROM (
        SELECT due, message FROM delayed WHERE ns = ? AND (due, message) > (?, ?) ORDER BY due, message LIMIT ?
    ) AS page JOIN messages AS m ON m.id = page.message ORDER BY page.due, m.arrival
"""
#: What no other statement finds: what waits behind the holder of its unique key, is held, or is in no state at all
#: since its worker's row was lost.
_OTHERS: Final = """
    SELECT uuid, id FROM messages WHERE ns = ? AND uuid > ? ORDER BY uuid LIMIT ?
"""
_HELD: Final = "id IN (SELECT message FROM claims)"

#: The states of messages that may have a time when they are due.
_MAY_BE_DUE: Final = ("delayed", "waiting")

_COLUMNS: Final = f"""
    m.id, m.uuid, q.name, m.request, m.priority, m.wish, m.arrival, m.due, m.ttl, m.expiry, m.status_ttl, m.losses,
    m.suspect, m.revoked, m.version, m.tail, {STATE}, m.{_HELD}
"""
_HEADS: Final = f"""
    SELECT {_COLUMNS}, CAST(m.payload AS BLOB), s.uuid, s.status, s.details, s.at, s.expiry
    FROM messages AS m JOIN queues AS q ON q.id = m.queue
    LEFT JOIN statuses AS s ON s.ns = m.ns AND s.uuid = m.uuid AND (s.expiry IS NULL OR s.expiry > ?)
    WHERE m.id IN ({{}})
"""  # noqa: S608
_HEAD: Final = f"""
    SELECT {_COLUMNS} FROM messages AS m JOIN queues AS q ON q.id = m.queue
    WHERE m.ns = ? AND m.uuid = ? AND q.name = ?
"""  # noqa: S608
_STATUS: Final = """
    SELECT uuid, status, details, at, expiry FROM statuses
    WHERE ns = ? AND uuid = ? AND (expiry IS NULL OR expiry > ?)
"""


def read(database: Database, most: int) -> Iterator[Page]:
    """Iterate over the messages that nobody holds: the ready ones of each queue without limits, those with limits that
    are ready or wait, the delayed ones, and all others.

    Those with limits are listed before the first of them leaves: whom their places go to changes nothing.
    """
    seen: set[int] = set()
    for ids in _ids(database, most):
        new = [number for number in ids if number not in seen]
        seen.update(new)
        if new:
            yield database.read(lambda tx: _page(tx, new))  # noqa: B023 - runs at once


def _ids(database: Database, most: int) -> Iterator[list[int]]:
    limited: list[tuple[int, int, int]] = []
    for (queue,) in database.read(lambda tx: tx.execute(_QUEUES, (tx.ns,)).fetchall()):
        after: tuple[int, ...] = (-1, -1)
        while rows := database.read(lambda tx: _ready(tx, queue, after, most)):  # noqa: B023 - runs at once
            after = rows[-1][:2]
            limited += [row[:3] for row in rows if row[3]]
            yield [number for _, _, number, has_limits in rows if not has_limits]
    limited += database.read(lambda tx: tx.execute(_WAITING, (tx.ns,)).fetchall())
    for piece in in_pieces(sorted(limited), most):
        yield [number for *_, number in piece]
    due = (-1, -1)
    while delayed := database.read(lambda tx: tx.execute(_DELAYED, (tx.ns, *due, most)).fetchall()):  # noqa: B023
        due = max(delayed)
        yield [number for _, number in delayed]
    uuid = ""
    while others := database.read(lambda tx: tx.execute(_OTHERS, (tx.ns, uuid, most)).fetchall()):  # noqa: B023
        uuid = others[-1][0]
        yield [number for _, number in others]


def _ready(tx: Transaction, queue: int, after: tuple[int, ...], most: int) -> list[tuple[int, int, int, int]]:
    """The next ready messages of a queue, by priority and arrival, over all of its lanes; also those set aside."""
    lanes = [("ready", lane) for lane in lane_keys(queue, LANES)]
    lanes += [("aside", lane) for (lane,) in tx.execute(_ASIDE_LANES, (tx.ns, queue)).fetchall()]
    rows = []
    for table, lane in lanes:
        rows += tx.execute(_READY.format(table), (lane, *after, most)).fetchall()
    return sorted(rows)[:most]


def _page(tx: Transaction, ids: Sequence[int]) -> Page:
    rows = {row[0]: row for row in tx.execute(_HEADS.format(marks(len(ids))), (tx.now, *ids)).fetchall()}
    return page_of(_copy(tx, rows[number]) for number in ids if number in rows)


def _copy(tx: Transaction, row: Sequence[Any]) -> MessageCopy | Unreadable | None:
    _, uuid, queue, request, priority, wish, _, due, ttl, expiry, status_ttl, losses = row[:12]
    suspect, revoked, version, tail, state, held, payload, *status = row[12:]
    if held:
        return None
    if version not in READABLE_VERSIONS:
        return Unreadable(uuid, unreadable(version))
    if is_in_a_group(tail):
        return Unreadable(uuid, IN_A_GROUP)
    status_now = None if status[0] is None else status_copy(status)
    if isinstance(status_now, Unreadable):
        return status_now
    report = reports.copy(tx, uuid, stored=True) if reports.is_reported(tail) else None
    return MessageCopy(
        uuid,
        queue,
        payload,
        priority,
        WISHES[wish],
        due if state in _MAY_BE_DUE else None,
        None if state in _MAY_BE_DUE and due is not None else expiry,
        ttl,
        status_ttl,
        losses,
        bool(suspect),
        bool(revoked),
        request,
        _without_lost_key(tx, uuid, tail) if tail else tail,
        version,
        status_now,
        _mark(row, report),
        report,
    )


def _without_lost_key(tx: Transaction, uuid: str, tail: str) -> str:
    """The tail of a message without a unique key that it held only until it was first claimed."""
    unique = bonds_of(tail).unique
    if unique is None:
        return tail
    holder = unique_keys.holder(tx, unique.key)
    keeps = holder is not None and ((holder.holds and holder.uuid == uuid) or holder.behind == uuid)
    return tail if keeps else merged(tail, ";k")


def _mark(row: Sequence[Any], report: ReportCopy | None) -> bytes:
    """What changes with anything that happens to the message."""
    told = None if report is None else (report.token, report.number)
    return repr((*row[:16], told)).encode()


def _is_same(tx: Transaction, copy: MessageCopy, row: Sequence[Any] | None) -> bool:
    """Return True if nobody holds a message, and all that was copied is as it was."""
    if row is None or row[17]:
        return False
    report = reports.copy(tx, copy.uuid, stored=True) if reports.is_reported(copy.tail) else None
    return _mark(row, report) == copy.mark and _has_status(tx, copy)


def take_out(tx: Transaction, copies: Sequence[MessageCopy]) -> list[bool]:
    """Remove messages and their statuses, if both are as they were copied and nobody holds them."""
    taken, ended = [], []
    for copy in copies:
        row = tx.execute(_HEAD, (tx.ns, copy.uuid, copy.queue)).fetchone()
        same = _is_same(tx, copy, row)
        taken.append(same)
        if same:
            leave_any(tx, row[0])
            ended.append(Ended(row[0], copy.uuid, copy.status_ttl, End.MOVED, copy.tail))
    if ended:
        end(tx, ended)
        uuids = [(tx.ns, each.uuid) for each in ended]
        tx.executemany("DELETE FROM statuses WHERE ns = ? AND uuid = ?", uuids)
    return taken


def _has_status(tx: Transaction, copy: MessageCopy) -> bool:
    row = tx.execute(_STATUS, (tx.ns, copy.uuid, tx.now)).fetchone()
    present = None if row is None else status_copy(row)
    if isinstance(present, Unreadable):
        return False
    return (present and present.mark) == (copy.status and copy.status.mark)
