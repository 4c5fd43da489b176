"""Counts the messages of queues by state, without a look at them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from alsek.storage.backends.batches import in_pieces
from alsek.storage.backends.records import Pause, QueueTally
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.statements import marks
from alsek.storage.backends.sqlite.database.transaction import Transaction

#: How many queues one statement counts.
_PIECE: Final = 500

#: All messages and the delayed ones are counted by triggers, claims are few, and dead letters are counted over an
#: index, less those that have expired and are not yet deleted.
_TALLIES: Final = """
    WITH
        held (queue, messages) AS MATERIALIZED (SELECT queue, count(*) FROM claims GROUP BY queue),
        expired (queue, letters) AS MATERIALIZED (SELECT queue, count(*) FROM dead WHERE expiry <= ? GROUP BY +queue)
    SELECT q.name, q.messages, q.delayed, q.waiting,
        coalesce((SELECT messages FROM held WHERE held.queue = q.id), 0),
        (SELECT count(*) FROM dead WHERE dead.queue = q.id)
            - coalesce((SELECT letters FROM expired WHERE expired.queue = q.id), 0),
        p.who, p.since
    FROM queues AS q LEFT JOIN pauses AS p ON p.queue = q.id WHERE q.ns = ?
"""
_ALL: Final = f"{_TALLIES} ORDER BY q.name"
_NAMED: Final = _TALLIES + " AND q.name IN ({})"


def tallies(database: Database, queues: Sequence[str] | None) -> list[QueueTally]:
    """Return how many messages queues hold, by state; of all that hold anything or are paused if None."""
    if queues is None:
        counted = database.read(lambda tx: _tallies(tx, _ALL, ()))
        return [tally for tally in counted if any(tally[1:])]
    found: dict[str, QueueTally] = {}
    for names in in_pieces(queues, _PIECE):
        statement = _NAMED.format(marks(len(names)))
        counted = database.read(lambda tx: _tallies(tx, statement, names))  # noqa: B023 - runs at once
        found.update((tally.queue, tally) for tally in counted)
    return [found.get(name) or QueueTally(name, 0, 0, 0, 0) for name in queues]


def _tallies(tx: Transaction, statement: str, names: Sequence[str]) -> list[QueueTally]:
    return [_tally(*row) for row in tx.execute(statement, (tx.now, tx.ns, *names)).fetchall()]


def _tally(
    name: str,
    messages: int,
    delayed: int,
    waiting: int,
    claimed: int,
    dead: int,
    who: Any,
    since: int | None,
) -> QueueTally:
    pause = None if since is None else Pause(name, who, since)
    ready = max(messages - delayed - claimed - waiting, 0)
    return QueueTally(name, ready, delayed, claimed, dead, pause, waiting)
