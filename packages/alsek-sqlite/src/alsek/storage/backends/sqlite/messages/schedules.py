"""Schedules: at which tick each stands, who may change it, and the messages of a tick.

Triggers of schedules.sql keep the time of the next offer in the row of the namespace, which each step reads anyway;
:mod:`~alsek.storage.backends.sqlite.messages.offers` makes the offers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alsek.storage.backends.batches import add_in_batches, in_pieces
from alsek.storage.backends.records import Added, ScheduleRecord, Submission
from alsek.storage.backends.sqlite.database.statements import marks
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.messages.submissions import add

_COLUMNS: Final = "name, revision, definition, next_at, last_at, last_uuid, paused_by, paused_since"
_FIND: Final = f"SELECT {_COLUMNS} FROM schedules WHERE ns = ? AND name = ?"  # noqa: S608
_ALL: Final = f"SELECT {_COLUMNS} FROM schedules WHERE ns = ? ORDER BY name"  # noqa: S608
_NAMED: Final = f"SELECT {_COLUMNS} FROM schedules WHERE ns = ? AND name IN ({{}})"  # noqa: S608
_PUT: Final = """
    INSERT INTO schedules (ns, name, definition, revision, next_at, offer)
    VALUES (:ns, :name, :definition, :revision, :next_at, :next_at)
    ON CONFLICT (ns, name) DO UPDATE
    SET definition = :definition, revision = :revision, next_at = :next_at,
        offer = CASE WHEN paused_by = '' THEN :next_at END
"""
_FIRED: Final = """
    UPDATE schedules SET next_at = :next_at, offer = :next_at, last_at = coalesce(:last_at, last_at),
        last_uuid = coalesce(:last_uuid, last_uuid)
    WHERE ns = :ns AND name = :name
"""
_PAUSE: Final = """
    UPDATE schedules SET paused_by = ?, paused_since = ?, offer = NULL WHERE ns = ? AND name = ? AND paused_by = ''
"""
_RESUME: Final = """
    UPDATE schedules SET paused_by = '', paused_since = 0, next_at = :next_at, offer = :next_at
    WHERE ns = :ns AND name = :name AND revision = :revision AND paused_by <> ''
        AND (:next_at IS NULL OR last_at IS NULL OR :next_at > last_at)
"""
_REMOVE: Final = "DELETE FROM schedules WHERE ns = ? AND name = ?"

#: How many names are looked up in one statement.
_PIECE: Final = 500


def _find(tx: Transaction, name: str) -> ScheduleRecord | None:
    row = tx.execute(_FIND, (tx.ns, name)).fetchone()
    return None if row is None else ScheduleRecord._make(row)


def get(tx: Transaction, names: Sequence[str] | None) -> list[ScheduleRecord]:
    """Return the schedules of these names that are stored, in alphabetical order; all if None."""
    if names is None:
        return [ScheduleRecord._make(row) for row in tx.execute(_ALL, (tx.ns,)).fetchall()]
    found: list[ScheduleRecord] = []
    for piece in in_pieces(list(dict.fromkeys(names)), _PIECE):
        rows = tx.execute(_NAMED.format(marks(len(piece))), (tx.ns, *piece)).fetchall()
        found += map(ScheduleRecord._make, rows)
    return sorted(found)


def put(
    tx: Transaction, name: str, definition: bytes, revision: str, next_at: int | None, expected: str
) -> ScheduleRecord | None:
    """Store or change a schedule; the arguments and the answer are those of the port."""
    present = _find(tx, name)
    if present is not None and present.revision == revision:
        return present
    if expected != ("" if present is None else present.revision):
        return None
    if present is not None and present.has_fired(next_at):
        return None
    values = {"definition": definition, "revision": revision, "next_at": next_at}
    tx.execute(_PUT, {**values, "ns": tx.ns, "name": name})
    return _find(tx, name)


def fire(
    tx: Transaction,
    name: str,
    revision: str,
    tick: int,
    submissions: Sequence[Submission],
    request: str,
    next_at: int | None,
    last_at: int | None,
) -> list[Added] | None:
    """Submit the messages of a tick; the arguments and the answer are those of the port."""
    present = _find(tx, name)
    if present is None or present.paused_by or (present.revision, present.next_at) != (revision, tick):
        return None
    added = add_in_batches(submissions, lambda batch: add(tx, batch, request))
    last_uuid = submissions[-1].uuid if submissions and last_at is not None else None
    values = {"next_at": next_at, "last_at": last_at, "last_uuid": last_uuid}
    tx.execute(_FIRED, {**values, "ns": tx.ns, "name": name})
    return added


def pause(tx: Transaction, name: str, by: str) -> bool:
    """Pause a schedule; return True if it was stored and not paused."""
    return tx.execute(_PAUSE, (by, tx.now, tx.ns, name)).rowcount == 1


def resume(tx: Transaction, name: str, revision: str, next_at: int | None) -> bool:
    """Let a schedule of this revision go on; return True if it was paused."""
    values = {"revision": revision, "next_at": next_at, "ns": tx.ns, "name": name}
    return tx.execute(_RESUME, values).rowcount == 1


def remove(tx: Transaction, name: str) -> bool:
    """Delete a schedule; return True if there was one."""
    return tx.execute(_REMOVE, (tx.ns, name)).rowcount == 1
