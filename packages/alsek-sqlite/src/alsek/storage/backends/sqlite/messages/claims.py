"""Handing messages out: which a worker may take, in which order, and what it is told of each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from alsek.core.loggers import guarded_logger
from alsek.storage.backends.header import READABLE_VERSIONS, unreadable
from alsek.storage.backends.records import Claimed, Corrupt, TaskStatus, Worker
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.rows import add_dead_letter, set_status, set_statuses
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.lanes import SUSPECT_LANES

log = guarded_logger(__name__)

#: The best ready messages of some lanes. Each lane is read in the order of its key, and the streams are merged, so
#: this looks at no more rows than it returns, however many wait.
_BEST: Final = {
    lanes: f"""
    SELECT r.lane, r.priority, r.arrival, r.message, m.uuid, m.payload, m.losses, m.revoked, m.expiry, m.suspect,
           m.status_ttl, m.version
    FROM ({
        " UNION ALL ".join(["SELECT lane, priority, arrival, message FROM ready WHERE lane = ?"] * lanes)
    } ORDER BY priority, arrival LIMIT ?) AS r LEFT JOIN messages AS m ON m.id = r.message
    """  # noqa: S608 - the same text repeated
    for lanes in range(1, 7)
}

_TAKE: Final = "DELETE FROM ready WHERE lane = ? AND (priority, arrival) <= (?, ?)"
_TAKE_ONE: Final = "DELETE FROM ready WHERE lane = ? AND priority = ? AND arrival = ?"
_CLAIM: Final = """
    INSERT INTO claims (worker, token, seq, message, queue, uuid, expired, status_ttl) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""

_HELD: Final = """
    SELECT c.uuid, q.name, m.payload, c.token, m.losses, m.revoked, c.expired, m.suspect
    FROM claims AS c JOIN messages AS m ON m.id = c.message JOIN queues AS q ON q.id = c.queue
    WHERE c.worker = ? AND c.seq BETWEEN ? AND ? ORDER BY c.token
"""


class _Ready(NamedTuple):
    """A row of :data:`_BEST`."""

    lane: int
    priority: int
    arrival: int
    message: int
    uuid: str | None
    payload: Any
    losses: int
    revoked: int
    expiry: int | None
    suspect: int
    status_ttl: int
    version: int


class Claiming:
    """One step's claiming.

    Args:
        database: Knows the queues by number.
        tx: Within this transaction.
        worker: Who claims.
        number: Its number.
        seq: Of the step.
        token: The last token given out so far.
    """

    def __init__(
        self, database: Database, tx: Transaction, worker: Worker, number: int, seq: int, token: int
    ) -> None:
        self._database = database
        self._tx = tx
        self._worker = worker
        self._number = number
        self._seq = seq
        self.token = token
        self.claimed: list[Claimed] = []
        self.corrupt: list[Corrupt] = []

    def run(
        self, queues: Iterable[tuple[int, str]], limit: int, plain: Sequence[int], suspects: bool
    ) -> None:
        """Claim up to `limit` messages of these queues (number and name), in this order.

        Args:
            queues: Those with something ready in these lanes, or with a suspect if one may be taken.
            limit: How many at most.
            plain: The lanes it may freely take from.
            suspects: A suspect may be taken, if it comes first; then only that one.
        """
        for number, name in queues:
            base = number * 8
            self._tx.names[number] = name
            if suspects and not self.claimed and self._claim_suspect(base, name, plain):
                return
            lanes = [base + lane for lane in plain]
            while lanes and (wanted := limit - len(self.claimed)) > 0:
                rows = self._best(lanes, wanted)
                self._take(rows)
                if self._hand_out(rows, number, name) == len(rows):
                    break  # nothing was set aside, so there is nothing to make up for
            if len(self.claimed) >= limit:
                return

    def _best(self, lanes: Sequence[int], limit: int) -> list[_Ready]:
        rows = self._tx.execute(_BEST[len(lanes)], (*lanes, limit)).fetchall()
        rows.sort(key=_place)
        return rows

    def _claim_suspect(self, base: int, name: str, plain: Sequence[int]) -> bool:
        suspect = [base + lane for lane in SUSPECT_LANES[self._worker.kind]]
        candidates = [base + lane for lane in plain] + suspect
        while True:
            rows = self._best(candidates, 1)
            if not rows or rows[0][0] not in suspect:
                return False
            lane, priority, arrival = rows[0][:3]
            self._tx.execute(_TAKE_ONE, (lane, priority, arrival))
            if self._hand_out(rows, base // 8, name):
                return True

    def _take(self, rows: Sequence[_Ready]) -> None:
        """Take the rows out of `ready`: of each lane they are the first, so one range of it."""
        last = {row[0]: row for row in rows}
        for lane, row in last.items():
            self._tx.execute(_TAKE, (lane, row[1], row[2]))

    def _hand_out(self, rows: Sequence[_Ready], queue: int, name: str) -> int:
        """Give the rows to the worker, but for those that can't be read; how many it was."""
        tx, now, number, seq, token = self._tx, self._tx.now, self._number, self._seq, self.token
        claims = []
        tracked = []
        for row in rows:
            _, _, _, message, uuid, payload, losses, revoked, expiry, suspect, status_ttl, version = row
            if version not in READABLE_VERSIONS or type(payload) is not bytes or uuid is None:
                self._set_aside(_Ready._make(row), name)
                continue
            token += 1
            expired = expiry is not None and now > expiry
            claims.append((number, token, seq, message, queue, uuid, expired, status_ttl))
            self.claimed.append(
                Claimed(uuid, name, payload, token, losses, bool(revoked), expired, bool(suspect))
            )
            if status_ttl:
                tracked.append((uuid, status_ttl))
        self.token = token
        tx.executemany(_CLAIM, claims)
        if tracked:
            set_statuses(tx, tracked, TaskStatus.RUNNING)
        return len(claims)

    def _set_aside(self, row: _Ready, name: str) -> None:
        """Move a record that can't be read to the dead letters."""
        tx = self._tx
        if row.uuid is None:
            log.error("%s: a ready entry of queue %r had no message; dropped", self._database.where, name)
            return
        if row.version not in READABLE_VERSIONS:
            reason = unreadable(row.version)
        else:
            reason = f"its payload is no bytes but {type(row.payload).__name__}"
        details = {"name": "CorruptMessageError", "text": reason, "traceback": None}
        add_dead_letter(tx, row.message, json.dumps(details).encode(), self._worker.dlq_ttl)
        # Not remembered in `finished`: of a record that can't be read the request can't be trusted.
        tx.execute("DELETE FROM messages WHERE id = ?", (row.message,))
        if row.status_ttl:
            set_status(tx, row.uuid, TaskStatus.FAILED, row.status_ttl)
        tx.notes.append((f"results:{row.uuid}", b""))
        self.corrupt.append(Corrupt(row.uuid, name, reason))


def _place(row: tuple[Any, ...]) -> tuple[int, int]:
    return row[1], row[2]


def held(tx: Transaction, number: int, seq: int | None = None) -> list[Claimed]:
    """What a worker holds, oldest claim first; with `seq` only what that step brought."""
    first, last = (-_ANY_SEQ, _ANY_SEQ) if seq is None else (seq, seq)
    return [
        Claimed(uuid, queue, payload, token, losses, bool(revoked), bool(expired), bool(suspect))
        for uuid, queue, payload, token, losses, revoked, expired, suspect in tx.execute(
            _HELD, (number, first, last)
        ).fetchall()
    ]


def tokens_of(tx: Transaction, number: int) -> set[int]:
    """The tokens of all claims of a worker."""
    return {
        token for (token,) in tx.execute("SELECT token FROM claims WHERE worker = ?", (number,)).fetchall()
    }


_ANY_SEQ: Final = 2**63 - 1
