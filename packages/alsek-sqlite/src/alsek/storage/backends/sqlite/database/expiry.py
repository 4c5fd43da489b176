"""Deletes what has expired: a little in every few transactions, so that no step takes long.

What has expired is never answered, whether or not it is deleted; this only keeps the file from growing.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import randrange
from typing import Final

from alsek.defaults import DEDUP_WINDOW
from alsek.storage.backends.sqlite.database.connection import LASTING_QUEUES
from alsek.storage.backends.sqlite.database.starts import prune_starts
from alsek.storage.backends.sqlite.database.transaction import Transaction

#: The width of a bucket of `finished`. A uuid is remembered for DEDUP_WINDOW, and its row kept up to a bucket longer.
BUCKET_MS: Final = DEDUP_WINDOW // 2

#: How many transactions there are from one sweep to the next, and how many rows of a table one sweep deletes at most.
_SWEEP_ONCE_IN: Final = 32
_PIECE: Final = 256

_FINISHED: Final = """
    DELETE FROM finished WHERE (ns, bucket, uuid) IN (
        SELECT ns, bucket, uuid FROM finished WHERE ns = ? AND bucket < ? LIMIT ?)
"""

#: Deletes rows of all namespaces: some may have no process any more.
_EXPIRED: Final = (
    "DELETE FROM results WHERE id IN (SELECT id FROM results WHERE expiry <= ? LIMIT ?)",
    "DELETE FROM dead WHERE id IN (SELECT id FROM dead WHERE expiry <= ? LIMIT ?)",
    "DELETE FROM vals WHERE (ns, name) IN (SELECT ns, name FROM vals WHERE expiry <= ? LIMIT ?)",
    "DELETE FROM locks WHERE (ns, name) IN (SELECT ns, name FROM locks WHERE expiry <= ? LIMIT ?)",
    """DELETE FROM failed_parents WHERE (ns, uuid) IN (
        SELECT ns, uuid FROM failed_parents WHERE expiry <= ? LIMIT ?)""",
    """DELETE FROM unique_keys WHERE (ns, key) IN (
        SELECT ns, key FROM unique_keys WHERE held = 0 AND until <= ? LIMIT ?)""",
    # Without an index: the oldest are the first.
    "DELETE FROM spool WHERE expiry <= ? AND id IN (SELECT id FROM spool ORDER BY id LIMIT ?)",
)

#: How many things are swept in turn: these, statuses, groups, queues, limits, reports.
_TURNS: Final = len(_EXPIRED) + 5

#: Within so many transactions each of them is swept once, if no sweep finds more than a piece.
ROUND: Final = _SWEEP_ONCE_IN * _TURNS

#: Places of messages that 0.1.0 has ended, and limits of which only starts are left, are looked for a few at a time.
_PLACES: Final = """
    SELECT a.limit_id, a.message, m.id IS NULL FROM admitted AS a LEFT JOIN messages AS m
    ON m.id = a.message AND m.uuid = a.uuid WHERE (a.limit_id, a.message) > (?, ?)
    ORDER BY a.limit_id, a.message LIMIT ?
"""
_DELETE_PLACE: Final = "DELETE FROM admitted WHERE limit_id = ? AND message = ?"
_LIMITS: Final = """
    SELECT id, per, EXISTS (SELECT 1 FROM starts WHERE limit_id = limits.id AND at <= ? - per)
    FROM limits WHERE id > ? ORDER BY id LIMIT ?
"""
_DELETE_LIMIT: Final = "DELETE FROM limits WHERE id = ? AND used = 0 AND waiting = 0"

#: How many reports one sweep deletes at most: each may have hundreds of lines.
_MOST_REPORTS: Final = 32
#: Those on messages that 0.1.0 has ended are looked for a few at a time.
_REPORTS: Final = """
    SELECT r.id, r.stored = 1 AND m.id IS NULL FROM reports AS r LEFT JOIN messages AS m
    ON m.ns = r.ns AND m.uuid = r.uuid WHERE r.id > ? ORDER BY r.id LIMIT ?
"""
_EXPIRED_REPORTS: Final = "DELETE FROM reports WHERE id IN (SELECT id FROM reports WHERE expiry <= ? LIMIT ?)"
_DELETE_REPORT: Final = "DELETE FROM reports WHERE id = ?"

_NEXT_NAMESPACE: Final = "SELECT id FROM namespaces WHERE id > ? ORDER BY id LIMIT 1"

#: How many groups one sweep looks at.
_GROUPS: Final = 32
_EXPIRED_GROUPS: Final = "SELECT id, ended, expiry FROM message_groups WHERE expiry <= ? LIMIT ?"
#: What is within a group that is deleted is kept for its ttl from when both have ended, and as long as that was.
_RELEASE_WITHIN: Final = """
    UPDATE message_groups SET within = NULL, ended = max(ended, :ended),
        expiry = CASE WHEN ttl >= 0 THEN max(max(ended, :ended) + ttl, :expiry) END
    WHERE id IN (SELECT id FROM message_groups WHERE within = :id LIMIT :piece)
"""
_DELETE_MEMBERS: Final = """
    DELETE FROM group_members WHERE place IN (SELECT place FROM group_members WHERE place BETWEEN ? AND ? LIMIT ?)
"""
_DELETE_GROUP: Final = "DELETE FROM message_groups WHERE id = ?"

_STATUSES_TO_CHECK: Final = "SELECT ns, uuid, expiry FROM statuses WHERE sweep <= ? LIMIT ?"
_DELETE_STATUS: Final = "DELETE FROM statuses WHERE ns = ? AND uuid = ?"
_CHECK_STATUS_LATER: Final = "UPDATE statuses SET sweep = ? WHERE ns = ? AND uuid = ?"

#: The queues are read by id, a few at a time: an index of the empty ones would cost time for each message.
_QUEUES: Final = "SELECT id, messages FROM queues WHERE id > ? ORDER BY id LIMIT ?"
_DELETE_QUEUE: Final = """
    DELETE FROM queues WHERE id = ? AND messages = 0 AND id < (SELECT max(id) FROM queues)
    AND NOT EXISTS (SELECT 1 FROM dead WHERE dead.queue = queues.id)
    AND NOT EXISTS (SELECT 1 FROM pauses WHERE pauses.queue = queues.id)
"""

#: The places of a group in `group_members` are its id times this, and the number of the member.
PLACES: Final = 2**32

#: When to check a status again that stays for ever: it may have been given an end since.
STATUS_CHECK_MS: Final = 7 * 24 * 3_600_000


class Sweeper:
    """Counts the transactions of a process, and sweeps in every 32nd of them.

    Each time it sweeps `finished`, to which every message adds a row, and one other part: the next in turn, or the same
    again if there was more of it than a piece. The first time it sweeps all. It starts counting at a random number: of
    many processes that make few transactions each, some sweep as well.
    """

    __slots__ = ("_finished", "_limit", "_namespace", "_place", "_queue", "_report", "_transactions", "_turn")

    def __init__(self) -> None:
        self._transactions = randrange(_SWEEP_ONCE_IN)
        self._turn = -1  # the part that is next; -1 for all
        self._finished = 0
        self._namespace = 0  # the last namespace that was swept
        self._queue = 0  # the last queue that was looked at
        self._limit = 0  # the last limit that was looked at
        self._place = (0, 0)  # and the last place of one
        self._report = 0  # the last report that was looked at

    def sweep_sometimes(self, tx: Transaction) -> bool:
        """Count a transaction that writes, and sweep if it is time; called at its end, within it.

        Returns:
            True if it has swept.
        """
        self._transactions += 1
        self._finished += tx.finished_count
        if self._transactions >= _SWEEP_ONCE_IN:
            self._transactions = 0
            turns = self._turns()
            more = sum(self._sweep(tx, turn) for turn in turns) > 0
            if not more:
                self._turn = (turns[-1] + 1) % _TURNS
            more |= self._sweep_finished(tx)
            if more:
                self._transactions = _SWEEP_ONCE_IN - 1
            return True
        return False

    def _turns(self) -> Sequence[int]:
        """Return which parts to sweep now."""
        return range(_TURNS) if self._turn < 0 else (self._turn,)

    def _sweep(self, tx: Transaction, turn: int) -> bool:
        """Sweep one part; return True if there is more of it."""
        if turn < len(_EXPIRED):
            return tx.execute(_EXPIRED[turn], (tx.now, _PIECE)).rowcount == _PIECE
        match turn - len(_EXPIRED):
            case 0:
                return _sweep_statuses(tx)
            case 1:
                return _sweep_groups(tx)
            case 2:
                return self._sweep_queues(tx)
            case 3:
                return self._sweep_limits(tx)
            case _:
                return self._sweep_reports(tx)

    def _sweep_finished(self, tx: Transaction) -> bool:
        # Twice as many as were added since the last sweep, and some: the table doesn't grow beyond its window.
        piece = _PIECE + 2 * self._finished
        oldest_kept = (tx.now - DEDUP_WINDOW) // BUCKET_MS
        self._finished = 0
        # And those of one other namespace, which may have no process any more.
        row = tx.execute(_NEXT_NAMESPACE, (self._namespace,)).fetchone()
        self._namespace = 0 if row is None else row[0]
        if self._namespace not in (0, tx.ns):
            tx.execute(_FINISHED, (self._namespace, oldest_kept, _PIECE))
        return tx.execute(_FINISHED, (tx.ns, oldest_kept, piece)).rowcount == piece

    def _sweep_queues(self, tx: Transaction) -> bool:
        """Delete the rows of queues with neither messages nor dead letters that are not paused."""
        rows = tx.execute(_QUEUES, (self._queue, _PIECE)).fetchall()
        self._queue = rows[-1][0] if len(rows) == _PIECE else 0
        empty = [(number,) for number, messages in rows if not messages]
        if not empty or tx.execute("PRAGMA user_version").fetchone() == (LASTING_QUEUES,):
            return False
        return tx.executemany(_DELETE_QUEUE, empty).rowcount > _PIECE // 8

    def _sweep_limits(self, tx: Transaction) -> bool:
        """Forget starts that have left their windows, limits of which nothing is left, and places of lost messages."""
        limits = tx.execute(_LIMITS, (tx.now, self._limit, _PIECE)).fetchall()
        self._limit = limits[-1][0] if len(limits) == _PIECE else 0
        old = [(number, per) for number, per, has_old_starts in limits if has_old_starts]
        for number, per in old:
            prune_starts(tx, number, tx.now - per)
            tx.execute(_DELETE_LIMIT, (number,))
        places = tx.execute(_PLACES, (*self._place, _PIECE)).fetchall() if limits else []
        self._place = places[-1][:2] if len(places) == _PIECE else (0, 0)
        tx.executemany(_DELETE_PLACE, [(limit, message) for limit, message, lost in places if lost])
        return len(old) > _PIECE // 8

    def _sweep_reports(self, tx: Transaction) -> bool:
        """Delete what is kept of reports until now, or on messages that were lost."""
        expired = tx.execute(_EXPIRED_REPORTS, (tx.now, _MOST_REPORTS)).rowcount
        rows = tx.execute(_REPORTS, (self._report, _PIECE)).fetchall()
        self._report = rows[-1][0] if len(rows) == _PIECE else 0
        tx.executemany(_DELETE_REPORT, [(number,) for number, lost in rows if lost])
        return expired == _MOST_REPORTS


def _sweep_statuses(tx: Transaction) -> bool:
    rows = tx.execute(_STATUSES_TO_CHECK, (tx.now, _PIECE)).fetchall()
    if rows:
        over = [(ns, uuid) for ns, uuid, expiry in rows if expiry is not None and expiry <= tx.now]
        later = [
            (tx.now + STATUS_CHECK_MS if expiry is None else expiry, ns, uuid)
            for ns, uuid, expiry in rows
            if expiry is None or expiry > tx.now
        ]
        tx.executemany(_DELETE_STATUS, over)
        tx.executemany(_CHECK_STATUS_LATER, later)
    return len(rows) == _PIECE


def _sweep_groups(tx: Transaction) -> bool:
    """Delete groups with how their members ended; return True if more is left."""
    rows = tx.execute(_EXPIRED_GROUPS, (tx.now, _GROUPS)).fetchall()
    left = _PIECE
    for group, ended, expiry in rows:
        values = {"ended": ended, "expiry": expiry, "id": group, "piece": left}
        left -= tx.execute(_RELEASE_WITHIN, values).rowcount
        if left > 0:
            first = group * PLACES
            left -= tx.execute(_DELETE_MEMBERS, (first, first + PLACES - 1, left)).rowcount
        if left <= 0:
            return True
        tx.execute(_DELETE_GROUP, (group,))
    return len(rows) == _GROUPS
