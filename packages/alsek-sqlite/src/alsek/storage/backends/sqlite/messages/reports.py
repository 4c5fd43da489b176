"""Reports on messages: takes them in, and decides what is kept of them when a message ends or comes back.

There is one record a uuid. It belongs to the stored message of this uuid if the tail of its header says so; else to a
dead letter, or to a message that has ended without one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from alsek.defaults import DEFAULT_STATUS_TTL
from alsek.storage.backends.batches import in_pieces
from alsek.storage.backends.copies import ReportCopy
from alsek.storage.backends.header import REPORTED
from alsek.storage.backends.records import FOR_EVER, Report, ReportRecord
from alsek.storage.backends.sqlite.database.rows import end_of
from alsek.storage.backends.sqlite.database.statements import marks
from alsek.storage.backends.sqlite.database.transaction import Transaction

_FIND: Final = "SELECT id, token, number, last_line FROM reports WHERE ns = ? AND uuid = ?"
_DELETE: Final = "DELETE FROM reports WHERE ns = ? AND uuid = ?"
_MAKE: Final = """
    INSERT INTO reports (ns, uuid, token, number, reported_at, stored, expiry, last_line, progress)
    VALUES (:ns, :uuid, :token, :number, :reported_at, :stored, :expiry, :last_line, :progress)
"""
_TAKE_IN: Final = """
    UPDATE reports SET token = ?, number = ?, reported_at = ?, last_line = ?, progress = coalesce(?, progress)
    WHERE id = ?
"""
_SAVE: Final = "INSERT OR REPLACE INTO report_checkpoints (report, checkpoint) VALUES (?, ?)"
_LOG: Final = "INSERT INTO report_lines (report, number, line) VALUES (?, ?, ?)"
_FORGET_LINES: Final = "DELETE FROM report_lines WHERE report = ? AND number <= ?"
_FORGET_CHECKPOINT: Final = """
    DELETE FROM report_checkpoints WHERE report = (SELECT id FROM reports WHERE ns = ? AND uuid = ?)
"""
_OUTLAST: Final = "UPDATE reports SET stored = 0, expiry = ? WHERE ns = ? AND uuid = ?"
_DROP: Final = "DELETE FROM reports WHERE ns = ? AND uuid = ? AND stored = 0"
_TAKE_UP: Final = """
    UPDATE reports SET stored = 1, expiry = NULL
    WHERE ns = ? AND uuid = ? AND stored = 0 AND (expiry IS NULL OR expiry > ?)
"""
_COLUMNS: Final = """
    r.uuid, r.token, r.reported_at, r.progress, (SELECT checkpoint FROM report_checkpoints WHERE report = r.id), r.id
"""
_RECORDS: Final = f"""
    SELECT {_COLUMNS} FROM reports AS r WHERE r.ns = ? AND r.uuid IN ({{}}) AND (r.expiry IS NULL OR r.expiry > ?)
"""  # noqa: S608
_COPY: Final = f"""
    SELECT {_COLUMNS}, r.number, r.expiry FROM reports AS r
    WHERE r.ns = ? AND r.uuid = ? AND r.stored = ? AND (r.expiry IS NULL OR r.expiry > ?)
"""  # noqa: S608
_LINES: Final = "SELECT line FROM report_lines WHERE report = ? ORDER BY number"

#: How many records one statement looks up.
_PIECE: Final = 500


def is_reported(tail: str) -> bool:
    """Return True if a tail says that something is kept of reports on its message."""
    return REPORTED in tail


def take_in(tx: Transaction, report: Report, *, first: bool) -> None:
    """Keep a report of the current claim, unless a later one of the same claim was taken in before.

    If it is the `first` on this message, what is left of an earlier message of its uuid is deleted.
    """
    row = None
    if first:
        tx.execute(_DELETE, (tx.ns, report.uuid))
    else:
        row = tx.execute(_FIND, (tx.ns, report.uuid)).fetchone()
    if row is None:
        row = (_make(tx, report.uuid, ReportCopy(report.token, 0, tx.now, None, None, (), None)), 0, 0, 0)
    number, token, last, last_line = row
    if token == report.token and last >= report.number:
        return
    if report.keep:
        last_line = _log(tx, number, last_line, report.lines, report.keep)
    progress = None if report.progress is None else bytes(report.progress)
    tx.execute(_TAKE_IN, (report.token, report.number, tx.now, last_line, progress, number))
    if report.checkpoint is not None:
        tx.execute(_SAVE, (number, bytes(report.checkpoint)))


def _make(tx: Transaction, uuid: str, copied: ReportCopy, *, stored: bool = True) -> int:
    values = copied._asdict()
    del values["checkpoint"], values["lines"]
    values |= {"ns": tx.ns, "uuid": uuid, "stored": stored, "last_line": 0}
    return tx.execute(_MAKE, values).lastrowid or 0


def _log(tx: Transaction, report: int, last: int, lines: Sequence[bytes], keep: int) -> int:
    """Put lines behind those of a report, and let no more than `keep` be kept; return the number of the last one."""
    new = lines[-keep:]
    end = last + len(new)
    tx.execute(_FORGET_LINES, (report, end - keep))
    tx.executemany(_LOG, [(report, last + n, bytes(line)) for n, line in enumerate(new, 1)])
    return end


def after_end(tx: Transaction, uuid: str, dlq_ttl: int, status_ttl: int) -> None:
    """Keep the record of a message that has ended as long as what is left of it, or delete it.

    Args:
        tx: The transaction.
        uuid: The message.
        dlq_ttl: How long its dead letter is kept; 0 if there is none.
        status_ttl: How long the status with which it ended is kept; 0 if there is none.
    """
    if dlq_ttl:
        tx.execute(_OUTLAST, (end_of(tx.now, dlq_ttl), tx.ns, uuid))
    elif status_ttl:
        tx.execute(_FORGET_CHECKPOINT, (tx.ns, uuid))
        expiry = tx.now + (DEFAULT_STATUS_TTL if status_ttl == FOR_EVER else status_ttl)
        tx.execute(_OUTLAST, (expiry, tx.ns, uuid))
    else:
        tx.execute(_DELETE, (tx.ns, uuid))


def drop(tx: Transaction, uuids: Iterable[str]) -> None:
    """Delete the records of these uuids, but those that belong to a stored message."""
    tx.executemany(_DROP, [(tx.ns, uuid) for uuid in uuids])


def take_up_again(tx: Transaction, uuid: str) -> bool:
    """Let a replayed message have what is kept of its dead letter; return True if there is anything."""
    return tx.execute(_TAKE_UP, (tx.ns, uuid, tx.now)).rowcount == 1


def records(tx: Transaction, uuids: Sequence[str], lines: bool) -> list[ReportRecord | None]:
    """Return what is kept of these messages, without their lines unless they are asked for."""
    found: dict[str, ReportRecord] = {}
    for piece in in_pieces(uuids, _PIECE):
        rows = tx.execute(_RECORDS.format(marks(len(piece))), (tx.ns, *piece, tx.now)).fetchall()
        for uuid, token, reported_at, progress, checkpoint, number in rows:
            logged = _lines(tx, number) if lines else ()
            found[uuid] = ReportRecord(uuid, token, reported_at, progress, checkpoint, logged)
    return [found.get(uuid) for uuid in uuids]


def _lines(tx: Transaction, report: int) -> tuple[bytes, ...]:
    return tuple(line for (line,) in tx.execute(_LINES, (report,)).fetchall())


def copy(tx: Transaction, uuid: str, *, stored: bool) -> ReportCopy | None:
    """Copy the record of a uuid if it belongs to a stored message, or if it does not."""
    row = tx.execute(_COPY, (tx.ns, uuid, stored, tx.now)).fetchone()
    if row is None:
        return None
    _, token, reported_at, progress, checkpoint, report, number, expiry = row
    return ReportCopy(token, number, reported_at, progress, checkpoint, _lines(tx, report), expiry)


def adopt(tx: Transaction, uuid: str, copied: ReportCopy | None, *, stored: bool) -> None:
    """Keep a record of another store, of a message that is stored now or a dead letter.

    That of a dead letter is left out if there is one of its uuid.
    """
    if copied is None or (copied.expiry is not None and copied.expiry <= tx.now):
        return
    if not stored and records(tx, [uuid], lines=False) != [None]:
        return
    tx.execute(_DELETE, (tx.ns, uuid))
    report = _make(tx, uuid, copied, stored=stored)
    if copied.checkpoint is not None:
        tx.execute(_SAVE, (report, copied.checkpoint))
    if copied.lines:
        last = _log(tx, report, 0, copied.lines, len(copied.lines))
        tx.execute("UPDATE reports SET last_line = ? WHERE id = ?", (last, report))
