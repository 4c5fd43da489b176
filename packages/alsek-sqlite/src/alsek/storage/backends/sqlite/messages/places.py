"""Where messages stand: one by its uuid alone, its place in its queue, and the first ones of queues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alsek.storage.backends.batches import in_pieces
from alsek.storage.backends.header import READABLE_VERSIONS
from alsek.storage.backends.kinds import WISHES
from alsek.storage.backends.ports.inspection import FRONT_PRIORITIES
from alsek.storage.backends.records import Located, Stored
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.statements import marks
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.lanes import LANES, lane_key
from alsek.storage.backends.sqlite.messages.queries import COLUMNS, SHOWN, stored
from alsek.storage.backends.sqlite.messages.transitions import STATE

#: Of how many queues one statement reads the first messages.
_PIECE: Final = 100

_FIND: Final = f"""
    SELECT q.name, m.wish, m.suspect, m.due, m.expiry,
        (SELECT w.name FROM claims AS c JOIN workers AS w ON w.id = c.worker WHERE c.message = m.id),
        (SELECT l.task FROM aside AS a JOIN aside_lanes AS l ON l.id = a.lane WHERE a.message = m.id),
        (SELECT w.task FROM waiting AS w WHERE w.message = m.id AND w.arrival = m.arrival),
        (SELECT l.name FROM waiting AS w JOIN lines AS n ON n.id = w.line JOIN limits AS l ON l.id = n.limit_id
         WHERE w.message = m.id AND w.arrival = m.arrival),
        {COLUMNS}
    FROM messages AS m JOIN queues AS q ON q.id = m.queue WHERE m.ns = ? AND m.uuid = ?
"""  # noqa: S608

#: Counts in each lane the entries before the message's, but no more than needed. (Of a comparison of pairs, an index
#: serves the first half alone: all entries of an equal priority would be read.)
_PLACE: Final = f"""
    SELECT {
    " + ".join(
        f"(SELECT count(*) FROM (SELECT 1 FROM ready WHERE lane = {key} AND priority < m.priority"
        f" UNION ALL SELECT 1 FROM ready WHERE lane = {key} AND priority = m.priority"
        " AND arrival < m.arrival LIMIT :most + 1))"
        for key in (lane_key("m.queue", str(code)) for code in LANES)
    )
}
    FROM messages AS m
    WHERE m.ns = :ns AND m.uuid = :uuid AND m.queue = (SELECT id FROM queues WHERE ns = :ns AND name = :queue)
    AND {STATE} = 'ready'
"""  # noqa: S608

#: Hops in each lane of each queue from priority to priority.
_FRONTS: Final = f"""
    WITH RECURSIVE
        codes (code) AS (VALUES {", ".join(f"({code})" for code in LANES)}),
        lane (name, key) AS (
            SELECT q.name, {lane_key("q.id", "codes.code")} FROM queues AS q CROSS JOIN codes
            WHERE q.ns = ? AND q.name IN ({{}})),
        front (name, key, number, priority) AS (
            SELECT name, key, 1, (SELECT min(priority) FROM ready WHERE lane = key) FROM lane
            UNION ALL
            SELECT name, key, number + 1, (SELECT min(r.priority) FROM ready AS r
                                           WHERE r.lane = front.key AND r.priority > front.priority)
            FROM front WHERE priority IS NOT NULL AND number < {FRONT_PRIORITIES})
    SELECT front.name, {SHOWN.format(state="'ready'")}
    FROM front CROSS JOIN messages AS m ON m.id = (
        SELECT r.message FROM ready AS r WHERE r.lane = front.key AND r.priority = front.priority
        ORDER BY r.arrival LIMIT 1)
    WHERE front.priority IS NOT NULL AND typeof(m.payload) = 'blob'
    AND m.version IN ({", ".join(map(str, sorted(READABLE_VERSIONS)))})
"""  # noqa: S608


def find(tx: Transaction, uuid: str) -> Located | None:
    """Return a message of any queue, and where it stands; or None."""
    row = tx.execute(_FIND, (tx.ns, uuid)).fetchone()
    if row is None:
        return None
    queue, wish, suspect, due, expiry, worker, task, later_task, limit, *columns = row
    message = stored(queue, columns)
    waits_for = ""
    if message.state == "waiting":
        due = None  # what waits behind another is not delayed before that has ended
        waits_for = limit or f"u:{message.unique.key if message.unique else ''}"
    return Located(
        message,
        WISHES[wish],
        bool(suspect),
        due,
        expiry if due is None else None,
        worker,
        task or later_task or "",
        waits_for,
    )


def place(tx: Transaction, queue: str, uuid: str, most: int) -> int | None:
    """Return how many ready messages of a queue go before this one, at most one more than `most`."""
    row = tx.execute(_PLACE, {"ns": tx.ns, "queue": queue, "uuid": uuid, "most": most}).fetchone()
    return None if row is None else min(row[0], most + 1)


def fronts(database: Database, queues: Sequence[str]) -> list[Stored]:
    """Return the first ready message of each priority in each lane of these queues."""
    first: list[Stored] = []
    for names in in_pieces(queues, _PIECE):
        statement = _FRONTS.format(marks(len(names)))
        rows = database.read(lambda tx: tx.execute(statement, (tx.ns, *names)).fetchall())  # noqa: B023 - runs at once
        first += [stored(queue, columns) for queue, *columns in rows]
    return first
