"""Groups as they are stored: made, found, read. What members' ends do to them is in ``member_ends.py``."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from alsek.exceptions import ValidationError
from alsek.storage.backends.header import submission_tail, tail_values
from alsek.storage.backends.records import (
    FOR_EVER,
    GroupMember,
    GroupPlace,
    GroupRecord,
    GroupSubmission,
    Submission,
)
from alsek.storage.backends.sqlite.database.expiry import PLACES
from alsek.storage.backends.sqlite.database.transaction import Transaction

_COLUMNS: Final = """
    id, name, request, total, succeeded, failed, revoked, state, stop, failure, ttl, parent, number, within,
    callback, ended, expiry
"""
_FIND: Final = f"SELECT {_COLUMNS} FROM message_groups WHERE ns = ? AND name = ?"  # noqa: S608
_FIND_BY_ID: Final = f"SELECT {_COLUMNS} FROM message_groups WHERE id = ?"  # noqa: S608
_MAKE: Final = """
    INSERT INTO message_groups (ns, name, request, total, stop, ttl, parent, number, within, callback)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_MAKE_CALLBACK: Final = "INSERT INTO group_callbacks (id, unreachable, header, payload) VALUES (?, ?, ?, ?)"
_TAKE_CALLBACK: Final = "SELECT unreachable, header, payload FROM group_callbacks WHERE id = ?"
_DELETE_CALLBACK: Final = "DELETE FROM group_callbacks WHERE id = ?"
#: One that has expired makes room for another of its name. A sweep deletes it.
_GIVE_WAY: Final = "UPDATE message_groups SET name = name || char(10) || id WHERE id = ?"
_HOLD: Final = "UPDATE message_groups SET ended = NULL, expiry = NULL WHERE id = ?"
_MEMBERS: Final = """
    SELECT place, uuid, how, payload FROM group_members WHERE place BETWEEN ? AND ? ORDER BY place
"""
_RELEASE: Final = """
    UPDATE message_groups SET ended = ?, expiry = CASE WHEN within IS NULL AND ttl >= 0 THEN ? + ttl END WHERE id = ?
"""


class GroupRow(NamedTuple):
    """A row of `message_groups`."""

    id: int
    name: str
    request: str
    total: int
    succeeded: int
    failed: int
    revoked: int
    state: Any
    stop: int
    failure: int | None
    ttl: int
    parent: str | None
    number: int | None
    within: int | None
    callback: str
    ended: int | None
    expiry: int | None

    @property
    def place(self) -> GroupPlace | None:
        """Its own place in another group."""
        return None if self.parent is None else GroupPlace(self.parent, self.number or 0)


def find(tx: Transaction, name: str) -> GroupRow | None:
    """Return a group; None if it is not stored, or has expired."""
    return _unless_expired(tx, _row(tx, name))


def _unless_expired(tx: Transaction, row: GroupRow | None) -> GroupRow | None:
    if row is None or row.ended is None:
        return row
    end = _end(tx, row)
    return row if end is None or end > tx.now else None


def _row(tx: Transaction, name: str) -> GroupRow | None:
    row = tx.execute(_FIND, (tx.ns, name)).fetchone()
    return None if row is None else GroupRow._make(row)


def _above(tx: Transaction, row: GroupRow) -> GroupRow | None:
    """Return the group within which this one is, as long as that has a row."""
    found = None if row.within is None else tx.execute(_FIND_BY_ID, (row.within,)).fetchone()
    return None if found is None else GroupRow._make(found)


def _end(tx: Transaction, row: GroupRow) -> int | None:
    """Return when a group that has ended expires; None if that is not known yet, or never.

    It is kept for its ttl from when the groups within which it is have ended too, and as long as these.
    """
    line = [row]
    while (above := _above(tx, line[-1])) is not None:
        line.append(above)
    top = line.pop()
    ended, end = top.ended, top.expiry
    for below in reversed(line):
        if end is None or ended is None or below.ended is None or below.ttl == FOR_EVER:
            return None
        ended = max(ended, below.ended)
        end = max(ended + below.ttl, end)
    return end


def make(tx: Transaction, group: GroupSubmission, request: str) -> bool:
    """Store a new group.

    Returns:
        False if there is one of this name, or if its parent is not stored.

    Raises:
        ValidationError: It has too many members.
    """
    if not 0 <= group.total < PLACES:
        raise ValidationError(f"total {group.total} of group {group.id}: must be from 0 to {PLACES - 1}")
    parent, number, above = None, None, None
    if group.parent is not None:
        parent, number = group.parent
        above = find(tx, parent)
        if above is None:
            return False
    callback = group.callback
    row = _row(tx, group.id)
    if row is not None:
        if _unless_expired(tx, row) is not None:
            return False
        tx.execute(_GIVE_WAY, (row.id,))
    uuid = "" if callback is None else callback.uuid
    place = (parent, number, None if above is None else above.id)
    values = (tx.ns, group.id, request, group.total, int(group.stop), group.ttl, *place, uuid)
    made = tx.execute(_MAKE, values).lastrowid or 0
    if callback is not None or group.unreachable:
        unreachable = json.dumps(group.unreachable)
        header = None if callback is None else _header(callback)
        payload = None if callback is None else bytes(callback.payload)
        tx.execute(_MAKE_CALLBACK, (made, unreachable, header, payload))
    return True


def _header(callback: Submission) -> str:
    _, queue, _, priority, wish, delay, ttl, status_ttl, named = callback[:9]
    tail = "" if submission_tail is None else submission_tail(callback)
    return json.dumps([queue, priority, wish, delay, ttl, status_ttl, named, tail])


class Sequel(NamedTuple):
    """What was to follow when a group has ended: its callback, and what is unreachable if it does not join."""

    callback: Submission | None = None
    unreachable: tuple[str, ...] = ()


def take_sequel(tx: Transaction, row: GroupRow) -> Sequel:
    """Return what was to follow when a group has ended, which it has now, and delete it."""
    found = tx.execute(_TAKE_CALLBACK, (row.id,)).fetchone()
    if found is None:
        return Sequel()
    tx.execute(_DELETE_CALLBACK, (row.id,))
    unreachable, header, payload = found
    callback = None
    if header is not None:
        queue, priority, wish, delay, ttl, status_ttl, named, tail = json.loads(header)
        values = tail_values(Submission, tail)
        callback = Submission(
            row.callback, queue, payload, priority, wish, delay, ttl, status_ttl, named, **values
        )
    return Sequel(callback, tuple(json.loads(unreachable)))


def release(tx: Transaction, row: GroupRow) -> None:
    """Let a group expire of which nothing follows any more, or if it is within another, once that one does."""
    tx.execute(_RELEASE, (tx.now, tx.now, row.id))


def hold(tx: Transaction, name: str) -> None:
    """Keep a group, and those within it, because its callback is submitted again."""
    row = find(tx, name)
    if row is not None and row.ended is not None:
        tx.execute(_HOLD, (row.id,))


def get(tx: Transaction, name: str) -> GroupRecord | None:
    """Return a group as it is now; None if it is not stored."""
    row = find(tx, name)
    if row is None:
        return None
    failure = None if row.failure is None else next(iter(_members(tx, row, row.failure, 1)), None)
    return GroupRecord(
        row.name,
        row.total,
        row.succeeded,
        row.failed,
        row.revoked,
        row.state,
        bool(row.stop),
        row.callback,
        failure,
        row.place,
    )


def members(tx: Transaction, name: str, first: int, count: int) -> list[GroupMember]:
    """Return how members ended, of `count` numbers from `first` on."""
    row = find(tx, name)
    return [] if row is None else _members(tx, row, first, count)


def _members(tx: Transaction, row: GroupRow, first: int, count: int) -> list[GroupMember]:
    first, last = max(first, 0), min(first + count, row.total) - 1
    start = row.id * PLACES
    rows = tx.execute(_MEMBERS, (start + first, start + last)).fetchall() if first <= last else []
    return [GroupMember(place - start, uuid, how, payload) for place, uuid, how, payload in rows]


def awaits(tx: Transaction, name: str, *, although_failed: bool = False) -> bool:
    """Return True if a group awaits its members: neither it nor one within which it is has failed, or is gone.

    Args:
        tx: The transaction.
        name: The group.
        although_failed: A group that has failed still awaits its members; one that was revoked does not.
    """
    row = find(tx, name)
    while row is not None and row.state != "revoked" and (although_failed or row.state != "failed"):
        if row.parent is None:
            return True
        row = _unless_expired(tx, _above(tx, row))
    return False
