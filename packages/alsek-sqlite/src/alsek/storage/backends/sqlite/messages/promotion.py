"""Makes delayed messages ready once they are due."""

from __future__ import annotations

from typing import Final

from alsek.defaults import PROMOTION_BATCH
from alsek.storage.backends.sqlite.database.queue_names import queue_name
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.lanes import Lane
from alsek.storage.backends.sqlite.messages.transitions import leave, make_ready

_NEXT_DUE: Final = "SELECT due FROM delayed WHERE ns = ? ORDER BY due LIMIT 1"
_DUE: Final = """
    SELECT d.due, m.arrival, d.message, m.queue, m.wish FROM delayed AS d JOIN messages AS m ON m.id = d.message
    WHERE d.ns = ? AND d.due <= ? ORDER BY d.due, d.message LIMIT ?
"""


def next_due(tx: Transaction) -> int | None:
    """Return when the next delayed message of any queue is due; None if none is delayed."""
    row = tx.execute(_NEXT_DUE, (tx.ns,)).fetchone()
    return None if row is None else row[0]


def promote(tx: Transaction) -> None:
    """Make what is due ready, the first due first, but no more than a batch.

    Any worker does this for all queues, also for those that it does not serve.
    """
    rows = tx.execute(_DUE, (tx.ns, tx.now, PROMOTION_BATCH)).fetchall()
    rows.sort()  # of those due at the same moment, the one that was delayed first has the lower arrival number
    queues: dict[int, list[tuple[int, int]]] = {}
    for due, _, message, queue, wish in rows:
        queues.setdefault(queue, []).append((message, due))
        tx.wake(Lane(queue_name(tx, queue), wish))
    leave(tx, "delayed", [(tx.ns, due, message) for due, _, message, _, _ in rows])
    for queue, messages in queues.items():
        make_ready(tx, queue, messages)
