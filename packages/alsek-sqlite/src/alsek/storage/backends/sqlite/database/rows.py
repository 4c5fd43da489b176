"""Writes statuses and results, within a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from alsek.storage.backends.records import FOR_EVER, StatusRecord, Succeeded, TaskStatus
from alsek.storage.backends.sqlite.database.expiry import STATUS_CHECK_MS
from alsek.storage.backends.sqlite.database.transaction import QUEUE, Transaction

#: In a row that exists `sweep` stays as it is: see schema.sql.
_SET_STATUS: Final = """
    INSERT INTO statuses (ns, uuid, status, at, expiry, sweep, details) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (ns, uuid) DO UPDATE
    SET status = excluded.status, at = excluded.at, expiry = excluded.expiry, details = excluded.details
"""

#: The row is replaced and not updated, so that its id, and its place among the descendants, is that of the last write.
_WRITE_RESULT: Final = """
    INSERT OR REPLACE INTO results (ns, uuid, progenitor, at, token, expiry, payload) VALUES (?, ?, ?, ?, ?, ?, ?)
"""

_SET_RESULT: Final = """
    INSERT OR REPLACE INTO results (ns, uuid, progenitor, at, token, expiry, payload)
    SELECT ?, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS (
        SELECT 1 FROM results
        WHERE ns = ? AND uuid = ? AND token > ? AND (expiry IS NULL OR expiry > ?))
"""

_DELETE_DEAD_LETTER: Final = f"DELETE FROM dead WHERE queue = {QUEUE} AND uuid = ?"  # noqa: S608


def end_of(now: int, ttl: int) -> int | None:
    """Return when something that is written now for `ttl` ms expires; None for never."""
    return None if ttl == FOR_EVER else now + ttl


def set_status(
    tx: Transaction, uuid: str, status: TaskStatus, ttl: int, details: bytes | None = None
) -> None:
    """Write and publish a status."""
    expiry = end_of(tx.now, ttl)
    sweep = tx.now + STATUS_CHECK_MS if expiry is None else expiry
    tx.execute(_SET_STATUS, (tx.ns, uuid, int(status), tx.now, expiry, sweep, details))
    tx.notes.append((f"statuses:{uuid}", StatusRecord(uuid, status, details, tx.now).pack()))


def set_statuses(tx: Transaction, tracked: Iterable[tuple[str, int]], status: TaskStatus) -> None:
    """Write and publish one status for many messages, given as (uuid, status_ttl); those with 0 are not tracked."""
    now, ns = tx.now, tx.ns
    rows = []
    for uuid, ttl in tracked:
        if ttl:
            end = None if ttl == FOR_EVER else now + ttl
            rows.append(
                (ns, uuid, int(status), now, end, now + STATUS_CHECK_MS if end is None else end, None)
            )
    if rows:
        tx.executemany(_SET_STATUS, rows)
        packed = StatusRecord("", status, None, now).pack()
        tx.notes.extend((f"statuses:{row[1]}", packed) for row in rows)


def set_result(
    tx: Transaction, uuid: str, payload: bytes, ttl: int, token: int, progenitor: str | None
) -> bool:
    """Write and publish a result, unless there is one of a newer claim; return True if it was written."""
    row = (*_result_row(tx, uuid, payload, ttl, token, progenitor), tx.ns, uuid, token, tx.now)
    if tx.execute(_SET_RESULT, row).rowcount != 1:
        return False
    tx.notes.append((f"results:{uuid}", b""))
    return True


def set_results(tx: Transaction, succeeded: Sequence[Succeeded]) -> None:
    """Write and publish the results of accepted outcomes. They replace any other: each claim is the current one."""
    rows = [_result_row(tx, s.uuid, s.result, s.result_ttl, s.token, s.progenitor) for s in succeeded]
    tx.executemany(_WRITE_RESULT, rows)
    tx.notes.extend((f"results:{s.uuid}", b"") for s in succeeded)


def _result_row(
    tx: Transaction, uuid: str, payload: bytes | None, ttl: int, token: int, progenitor: str | None
) -> tuple[int | str | bytes | None, ...]:
    return tx.ns, uuid, progenitor, tx.now, token, end_of(tx.now, ttl), payload


def clear_traces(tx: Transaction, uuid: str, queue: str) -> None:
    """Delete what is left of an earlier message of this uuid: result, status, notes, reports, dead letter."""
    tx.execute("DELETE FROM results WHERE ns = ? AND uuid = ?", (tx.ns, uuid))
    tx.execute("UPDATE results SET progenitor = NULL WHERE ns = ? AND progenitor = ?", (tx.ns, uuid))
    tx.execute("DELETE FROM statuses WHERE ns = ? AND uuid = ?", (tx.ns, uuid))
    tx.execute("DELETE FROM failed_parents WHERE ns = ? AND uuid = ?", (tx.ns, uuid))
    tx.execute("DELETE FROM reports WHERE ns = ? AND uuid = ?", (tx.ns, uuid))
    tx.execute(_DELETE_DEAD_LETTER, (tx.ns, queue, uuid))
