"""Makes delayed messages ready once they are due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from alsek.defaults import PROMOTION_BATCH
from alsek.storage.backends.sqlite.database.queue_names import queue_name
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.lanes import Lane
from alsek.storage.backends.sqlite.messages.becoming_ready import make_ready
from alsek.storage.backends.sqlite.messages.bonds import is_bound
from alsek.storage.backends.sqlite.messages.transitions import leave

_NEXT_DELAYED: Final = "SELECT due FROM delayed WHERE ns = ? ORDER BY due LIMIT 1"
_NEXT_DUE: Final = """
    SELECT (SELECT due FROM delayed WHERE ns = n.id ORDER BY due LIMIT 1), limit_due, schedule_due
    FROM namespaces AS n WHERE id = ?
"""
_DUE: Final = """
    SELECT d.due, m.arrival, d.message, m.queue, m.wish, m.tail FROM delayed AS d JOIN messages AS m ON m.id = d.message
    WHERE d.ns = ? AND d.due <= ? ORDER BY d.due, d.message LIMIT ?
"""


def next_delayed(tx: Transaction) -> int | None:
    """Return when the next delayed message of any queue is due; None if none is delayed."""
    row = tx.execute(_NEXT_DELAYED, (tx.ns,)).fetchone()
    return None if row is None else row[0]


def next_due(tx: Transaction) -> int | None:
    """Return when the next delayed message is due, or a limit for which messages wait; None if nothing is."""
    due, _ = next_dues(tx)
    return due


def next_dues(tx: Transaction) -> tuple[int | None, int | None]:
    """Return :func:`next_due`, and when the next schedule is to be offered; None if none is."""
    delayed, limit, schedule = tx.execute(_NEXT_DUE, (tx.ns,)).fetchone()
    return earliest(delayed, limit), schedule


def earliest(first: int | None, second: int | None) -> int | None:
    """Return the earlier one of two times; None is never."""
    if first is None or second is None:
        return second if first is None else first
    return min(first, second)


def promote(tx: Transaction) -> None:
    """Make what is due ready, the first due first, but no more than a batch.

    Any worker does this for all queues, also for those that it does not serve.
    """
    rows = tx.execute(_DUE, (tx.ns, tx.now, PROMOTION_BATCH)).fetchall()
    rows.sort()  # of those due at the same moment, the one that was delayed first has the lower arrival number
    tails = {message: tail for _, _, message, _, _, tail in rows if tail and is_bound(tail)}
    leave(tx, "delayed", [(tx.ns, due, message) for due, _, message, *_ in rows])
    waiting: set[int] = set()
    for queue, messages in _by_queue(rows, tails):
        waiting |= make_ready(tx, queue, messages, tails)
    for _, _, message, queue, wish, _ in rows:
        if message not in waiting:
            tx.wake(Lane(queue_name(tx, queue), wish))


def _by_queue(rows: Sequence[Any], tails: Mapping[int, str]) -> list[tuple[int, list[tuple[int, int]]]]:
    """Return the messages of each queue, with their due times. If some share limits, all stay in their order."""
    if not tails:
        rows = sorted(rows, key=itemgetter(3))
    return [(queue, [(row[2], row[0]) for row in each]) for queue, each in groupby(rows, itemgetter(3))]
