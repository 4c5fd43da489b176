"""Deletes everything that a namespace holds."""

from __future__ import annotations

from typing import Final

from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.expiry import PLACES
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.messages.pauses import end_pauses
from alsek.storage.backends.sqlite.messages.transitions import erase, erase_claims, erase_waiting

#: How many rows one transaction deletes: other transactions get their turn in between.
_PIECE: Final = 2_000

_MESSAGES: Final = "SELECT id FROM messages WHERE ns = ? LIMIT ?"

#: The tables whose rows are counted as entries. Counters stay, so that no number is given out twice.
_ENTRIES: Final = (
    "DELETE FROM dead WHERE id IN (SELECT id FROM dead WHERE ns = ? LIMIT ?)",
    "DELETE FROM results WHERE id IN (SELECT id FROM results WHERE ns = ? LIMIT ?)",
    "DELETE FROM statuses WHERE (ns, uuid) IN (SELECT ns, uuid FROM statuses WHERE ns = ? LIMIT ?)",
    "DELETE FROM locks WHERE (ns, name) IN (SELECT ns, name FROM locks WHERE ns = ? LIMIT ?)",
    "DELETE FROM vals WHERE (ns, name) IN (SELECT ns, name FROM vals WHERE ns = ? LIMIT ?)",
    "DELETE FROM failed_parents WHERE (ns, uuid) IN (SELECT ns, uuid FROM failed_parents WHERE ns = ? LIMIT ?)",
)

_GROUPS: Final = "SELECT id FROM message_groups WHERE ns = ? LIMIT ?"
_DELETE_GROUP: Final = (
    "DELETE FROM group_callbacks WHERE id = ?",
    "DELETE FROM message_groups WHERE id = ?",
)
_DELETE_MEMBERS: Final = """
    DELETE FROM group_members WHERE place IN (SELECT place FROM group_members WHERE place BETWEEN ? AND ? LIMIT ?)
"""

#: These rows are not counted.
_UNIQUE_KEYS: Final = """
    DELETE FROM unique_keys WHERE (ns, key) IN (SELECT ns, key FROM unique_keys WHERE ns = ? LIMIT ?)
"""
_ADMITTED: Final = """
    DELETE FROM admitted WHERE (limit_id, message) IN (
        SELECT a.limit_id, a.message FROM limits AS l CROSS JOIN admitted AS a ON a.limit_id = l.id
        WHERE l.ns = ? LIMIT ?)
"""
_STARTS: Final = """
    DELETE FROM starts WHERE (limit_id, at) IN (
        SELECT s.limit_id, s.at FROM limits AS l CROSS JOIN starts AS s ON s.limit_id = l.id WHERE l.ns = ? LIMIT ?)
"""
_LIMITS: Final = "DELETE FROM limits WHERE id IN (SELECT id FROM limits WHERE ns = ? LIMIT ?)"
_HISTORY: Final = """
    DELETE FROM history WHERE (minute, ns, queue, task) IN (
        SELECT minute, ns, queue, task FROM history WHERE ns = ? LIMIT ?)
"""
_SCHEDULES: Final = "DELETE FROM schedules WHERE id IN (SELECT id FROM schedules WHERE ns = ? LIMIT ?)"
#: Each may have hundreds of lines.
_REPORTS: Final = "DELETE FROM reports WHERE id IN (SELECT id FROM reports WHERE ns = ? LIMIT ? / 20)"
_FINISHED: Final = """
    DELETE FROM finished WHERE (ns, bucket, uuid) IN (SELECT ns, bucket, uuid FROM finished WHERE ns = ? LIMIT ?)
"""


def clear(database: Database) -> int:
    """Delete everything in the namespace, in pieces; return how many entries that were."""
    deleted = 0
    # Workers first: one that still reports or claims is refused, and must register again.
    database.write(_forget_workers)
    while piece := database.write(_delete_messages):
        deleted += piece
    for statement in _ENTRIES:
        deleted += _drain(database, statement)
    groups = database.write(_delete_groups)
    while groups is not None:
        deleted += groups
        groups = database.write(_delete_groups)
    _drain(database, _FINISHED)
    _drain(database, _HISTORY)
    database.write(erase_waiting)
    for statement in (_UNIQUE_KEYS, _ADMITTED, _STARTS, _LIMITS, _SCHEDULES, _REPORTS):
        _drain(database, statement)
    database.write(end_pauses)
    return deleted


def _forget_workers(tx: Transaction) -> None:
    erase_claims(tx)
    tx.execute("DELETE FROM workers WHERE ns = ?", (tx.ns,))
    tx.execute("DELETE FROM gone_tasks WHERE ns = ?", (tx.ns,))
    tx.execute("DELETE FROM moves WHERE ns = ?", (tx.ns,))


def _delete_messages(tx: Transaction) -> int:
    rows = tx.execute(_MESSAGES, (tx.ns, _PIECE)).fetchall()
    erase(tx, rows)
    return len(rows)


def _delete_groups(tx: Transaction) -> int | None:
    """Delete some groups with how their members ended; return how many. None if none was left."""
    rows = tx.execute(_GROUPS, (tx.ns, _PIECE)).fetchall()
    left = _PIECE
    for n, (group,) in enumerate(rows):
        first = group * PLACES
        left -= 1 + tx.execute(_DELETE_MEMBERS, (first, first + PLACES - 1, left)).rowcount
        if left <= 0:
            return n
        for statement in _DELETE_GROUP:
            tx.execute(statement, (group,))
    return len(rows) or None


def _drain(database: Database, statement: str) -> int:
    deleted = 0
    while piece := database.write(lambda tx: tx.execute(statement, (tx.ns, _PIECE)).rowcount):
        deleted += piece
    return deleted
