"""Claims messages for a worker: which ones it may take, in which order, and what it holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from alsek.core.loggers import guarded_logger
from alsek.storage.backends.header import READABLE_VERSIONS, tail_values, unreadable
from alsek.storage.backends.kinds import SUSPECT_RULES, SlotKind
from alsek.storage.backends.records import Claimed, Corrupt, TaskStatus, Worker
from alsek.storage.backends.sqlite.database.rows import set_statuses
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.lanes import ASYNC_WISH_NUMBERS, LANES, SlotLanes, lane_keys
from alsek.storage.backends.sqlite.messages import dead_letters, groups
from alsek.storage.backends.sqlite.messages.bonds import (
    BOUND,
    EXPIRED,
    HAS_REPORTS,
    bonds_of,
    has_start,
    is_bound,
)
from alsek.storage.backends.sqlite.messages.reports import is_reported
from alsek.storage.backends.sqlite.messages.transitions import enter, leave, note_start

log = guarded_logger(__name__)

#: The columns of :class:`Ready` after the lane, for a ready message `r` and its row `m` of `messages`.
COLUMNS: Final = """
    r.priority, r.arrival, r.message, m.uuid, m.payload, m.losses, m.revoked, m.expiry, m.suspect,
    m.status_ttl, m.version, m.tail, m.wish
"""

#: The best ready messages of some lanes. Each lane is read in the order of its key, and the streams are merged, so
#: this looks at no more rows than it returns, however many wait.
_BEST: Final = {
    lanes: f"""
    SELECT r.lane, {COLUMNS}
    FROM ({
        " UNION ALL ".join(["SELECT lane, priority, arrival, message FROM ready WHERE lane = ?"] * lanes)
    } ORDER BY priority, arrival LIMIT ?) AS r LEFT JOIN messages AS m ON m.id = r.message
    """  # noqa: S608 - the same text repeated
    for lanes in range(1, len(LANES) + 1)
}

_MARK_REVOKED: Final = "UPDATE messages SET revoked = 1 WHERE id = ?"
_HOLDING: Final = """
    SELECT count(*), coalesce(sum(m.suspect), 0) FROM claims AS c JOIN messages AS m ON m.id = c.message
    WHERE c.worker = ?
"""
_HELD: Final = """
    SELECT c.uuid, q.name, m.payload, c.token, m.losses, m.revoked, c.expired, m.suspect, m.tail, m.wish
    FROM claims AS c JOIN messages AS m ON m.id = c.message JOIN queues AS q ON q.id = c.queue
    WHERE c.worker = ? AND c.seq BETWEEN ? AND ? ORDER BY c.token
"""


class Allowed(NamedTuple):
    """Which messages a worker may take, given what it holds.

    Attributes:
        plain: Those that are no suspects.
        freely: Suspects in their place among the others.
        alone: A suspect, if that comes first, and then nothing else.
    """

    plain: bool
    freely: bool = False
    alone: bool = False


def allowed(tx: Transaction, worker: Worker, number: int, suspects: int) -> Allowed:
    """Return what a worker, by its id, may take now; `suspects` is 0 if there are none at all."""
    rule = SUSPECT_RULES[worker.suspects]
    if not suspects:
        return Allowed(rule.plain)
    if rule.freely:
        return Allowed(rule.plain, freely=True)
    holding, held_suspects = tx.execute(_HOLDING, (number,)).fetchone()
    return Allowed(plain=False) if held_suspects else Allowed(rule.plain, alone=not holding)


@dataclass(slots=True)
class Room:
    """How many more messages a step may claim that take up one slot kind.

    Attributes:
        slot: The slot kind.
        left: How many.
        plain: The numbers of the lanes that the worker freely takes them from.
        suspects: Those of suspects, one of which it may take if that comes first, and then nothing else.
    """

    slot: SlotKind
    left: int
    plain: tuple[int, ...]
    suspects: tuple[int, ...]

    @property
    def codes(self) -> tuple[int, ...]:
        """The numbers of all these lanes."""
        return self.plain + self.suspects


def rooms(lanes: Iterable[SlotLanes], limits: Mapping[SlotKind, int], may: Allowed) -> list[Room]:
    """Return how many messages a worker may take, by slot kinds; without those of which it may take none."""
    return [
        Room(
            slot,
            limits[slot],
            (plain if may.plain else ()) + (suspects if may.freely else ()),
            suspects if may.alone else (),
        )
        for slot, plain, suspects in lanes
        if limits.get(slot, 0) > 0
    ]


class Ready(NamedTuple):
    """A ready message: where it stands, and what a claim needs of it."""

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
    tail: str
    wish: int


class _Tail(NamedTuple):
    """What a tail says of a message that is claimed.

    Attributes:
        flags: The bits of the claim for it.
        fields: What its worker is told.
        starts: The claim does something to its key or a limit.
    """

    flags: int
    fields: Mapping[str, Any]
    starts: bool


@lru_cache(maxsize=256)
def _read_tail(tail: str) -> _Tail:
    """Read a tail, which is not empty. Messages of one task often have the same."""
    flags = BOUND * is_bound(tail) + HAS_REPORTS * is_reported(tail)
    return _Tail(flags, tail_values(Claimed, tail), bool(flags & BOUND) and has_start(bonds_of(tail)))


class Claiming:
    """The claims of one step.

    Args:
        tx: The transaction.
        where: Names the store in the log.
        worker: The worker that claims.
        number: The worker's id.
        seq: The step's number.
        token: The last token given out so far.

    Attributes:
        token: The last token given out now.
        claimed: The messages that were claimed.
        corrupt: The records that could not be read, and became dead letters.
    """

    def __init__(
        self, tx: Transaction, where: str, worker: Worker, number: int, seq: int, token: int
    ) -> None:
        self._tx = tx
        self._where = where
        self._worker = worker
        self._number = number
        self._seq = seq
        self.token = token
        self.claimed: list[Claimed] = []
        self.corrupt: list[Corrupt] = []
        self._awaited: dict[str, bool] = {}

    def run(self, queues: Iterator[tuple[int, str]], rooms: list[Room], codes: list[int]) -> None:
        """Claim messages of these queues (id and name), in this order, until there is no room left.

        Args:
            queues: The queues with something ready in these lanes.
            rooms: How many of each slot kind. It is emptied as they fill up.
            codes: The numbers of all these lanes. Those of a room that is full are taken out.
        """
        alone = any(room.suspects for room in rooms)
        for queue, name in queues:
            self._tx.read_names[queue] = name
            if alone and not self.claimed and self._claim_suspect(queue, name, rooms):
                return
            while not self._claim_plain(queue, name, rooms):
                pass  # others are to be claimed in place of what was rejected
            for full in [room for room in rooms if room.left <= 0]:
                rooms.remove(full)
                codes[:] = [code for code in codes if code not in full.codes]
            if not rooms:
                return

    def _claim_plain(self, queue: int, name: str, rooms: Sequence[Room]) -> bool:
        """Claim of a queue what there is room for; return False if some records were rejected instead."""
        found: list[tuple[Room, list[Ready]]] = []
        for room in rooms:
            lanes = self._lanes(queue, room.plain)
            if lanes and room.left > 0:
                found.append((room, self._best(lanes, room.left)))
        rows = [row for _, some in found for row in some]
        if len(found) > 1:
            rows.sort(key=place)
        if not rows:
            return True
        self._leave(rows)
        rejected = self._enter_claimed(rows, queue, name)
        for room, some in found:
            room.left -= len(some)
            if rejected:
                room.left += sum(row[3] in rejected for row in some)
        return not rejected

    #: The keys of the lanes with these numbers of a queue.
    _lanes = staticmethod(lane_keys)

    def _best(self, lanes: Sequence[int], limit: int) -> list[Ready]:
        rows = self._tx.execute(_BEST[len(lanes)], (*lanes, limit)).fetchall()
        rows.sort(key=place)
        return rows

    def _claim_suspect(self, queue: int, name: str, rooms: Sequence[Room]) -> bool:
        suspect = self._lanes(queue, [code for room in rooms for code in room.suspects])
        candidates = self._lanes(queue, [code for room in rooms for code in room.plain]) + suspect
        while True:
            rows = self._best(candidates, 1)
            if not rows or rows[0][0] not in suspect:
                return False
            self._leave(rows)
            if not self._enter_claimed(rows, queue, name):
                return True

    def _leave(self, rows: Sequence[Ready]) -> None:
        last = {row[0]: row[:3] for row in rows}  # the rows are the first ones of each lane
        leave(self._tx, "ready", list(last.values()))

    def _enter_claimed(self, rows: Sequence[Ready], queue: int, name: str) -> list[int]:
        """Claim the rows, reject those that can't be read, and return the ids of these."""
        tx, now, number, seq, token = self._tx, self._tx.now, self._number, self._seq, self.token
        claims = []
        tracked = []
        rejected = []
        bound = []
        for row in rows:
            message, uuid, payload, losses, revoked, expiry, suspect, status_ttl, version, tail, wish = row[
                3:
            ]
            if version not in READABLE_VERSIONS or type(payload) is not bytes or uuid is None:
                self._reject(Ready._make(row), name)
                rejected.append(message)
                continue
            token += 1
            expired = expiry is not None and now > expiry
            flags = int(expired)
            one = Claimed(uuid, name, payload, token, losses, bool(revoked), expired, bool(suspect))
            if tail:
                of_tail, fields, starts = _read_tail(tail)
                flags += of_tail
                if fields:
                    one = one._replace(**fields)
                if one.group is not None and not revoked and not self._is_awaited(one.group.group):
                    tx.execute(_MARK_REVOKED, (message,))
                    one = one._replace(revoked=True)
                if starts:
                    bound.append((message, uuid, tail, not (one.revoked or expired)))
            claims.append((number, token, seq, message, queue, uuid, flags, status_ttl))
            if wish in ASYNC_WISH_NUMBERS:
                one = one._replace(is_async=True)
            self.claimed.append(one)
            if status_ttl:
                tracked.append((uuid, status_ttl))
        self.token = token
        enter(tx, "claimed", claims)
        for message, uuid, tail, runs in bound:
            note_start(tx, message, uuid, tail, runs=runs)
        if tracked:
            set_statuses(tx, tracked, TaskStatus.RUNNING)
        return rejected

    def _is_awaited(self, group: str) -> bool:
        """Return True if a group still awaits its members."""
        if group not in self._awaited:
            self._awaited[group] = groups.awaits(self._tx, group)
        return self._awaited[group]

    def _reject(self, row: Ready, name: str) -> None:
        if row.uuid is None:
            log.error("%s: a ready entry of queue %r had no message; dropped", self._where, name)
            return
        if row.version not in READABLE_VERSIONS:
            reason = unreadable(row.version)
        else:
            reason = f"its payload is no bytes but {type(row.payload).__name__}"
        corrupt = Corrupt(row.uuid, name, reason)
        dead_letters.reject(self._tx, row.message, row.status_ttl, corrupt, self._worker.dlq_ttl, row.tail)
        self.corrupt.append(corrupt)


def place(row: tuple[Any, ...]) -> tuple[int, int]:
    """Return the place of a :class:`Ready` in its queue."""
    return row[1], row[2]


def held(tx: Transaction, number: int, seq: int | None = None) -> list[Claimed]:
    """Return what a worker, by its id, holds, oldest claim first; with `seq` only what that step claimed."""
    first, last = (-_ANY_SEQ, _ANY_SEQ) if seq is None else (seq, seq)
    return [
        Claimed(
            uuid,
            queue,
            payload,
            token,
            losses,
            bool(revoked),
            bool(expired & EXPIRED),
            bool(suspect),
            **tail_values(Claimed, tail),
            is_async=wish in ASYNC_WISH_NUMBERS,
        )
        for uuid, queue, payload, token, losses, revoked, expired, suspect, tail, wish in tx.execute(
            _HELD, (number, first, last)
        ).fetchall()
    ]


def tokens_of(tx: Transaction, number: int) -> set[int]:
    """Return the tokens of all claims of a worker, by its id."""
    return {
        token for (token,) in tx.execute("SELECT token FROM claims WHERE worker = ?", (number,)).fetchall()
    }


_ANY_SEQ: Final = 2**63 - 1
