"""Offers: a worker's step names the schedules that are due, if it fires schedules.

Nobody else is offered them for a while after that, so a worker that dies delays a tick by no more.
"""

from __future__ import annotations

from typing import Final

from alsek.defaults import PROMOTION_BATCH, SCHEDULE_OFFER
from alsek.storage.backends.sqlite.database.transaction import Transaction

_FIRES: Final = "SELECT fires FROM worker_facts WHERE worker = ?"
_OFFER: Final = """
    UPDATE schedules SET offer = ? WHERE id IN (
        SELECT id FROM schedules WHERE ns = ? AND offer <= ? ORDER BY offer, name LIMIT ?)
    RETURNING name
"""
_NEXT: Final = "SELECT schedule_due FROM namespaces WHERE id = ?"
_NEXT_AFTER: Final = "SELECT offer FROM schedules WHERE ns = ? AND offer > ? ORDER BY offer LIMIT 1"

#: After how long a worker that fires no schedules looks again for whether one is due.
_LOOK_AGAIN_MS: Final = 1_000


def next_offer(tx: Transaction) -> int | None:
    """Return when the next schedule is to be offered; None if none is."""
    (due,) = tx.execute(_NEXT, (tx.ns,)).fetchone()
    return None if due is None else int(due)


def due_for(tx: Transaction, worker: int, due: int | None) -> int | None:
    """Return when a worker, by its id, is to make a step because of a schedule; None for never.

    Whether it fires schedules is looked up only if one is due now. If it does not, it leaves that one to others.

    Args:
        tx: The transaction.
        worker: The id of the worker.
        due: When the next schedule is to be offered; None if none is.
    """
    if due is None or due > tx.now or _fires(tx, worker):
        return due
    later = tx.execute(_NEXT_AFTER, (tx.ns, tx.now)).fetchone()
    again = tx.now + _LOOK_AGAIN_MS
    return again if later is None else min(again, later[0])


def _fires(tx: Transaction, worker: int) -> bool:
    row = tx.execute(_FIRES, (worker,)).fetchone()
    return row is not None and bool(row[0])


def make_offers(tx: Transaction) -> tuple[str, ...]:
    """Offer schedules that are due, the first due first, but no more than a batch.

    Returns:
        Their names, in order. They are offered to whoever makes this step, and to nobody else for a while.
    """
    rows = tx.execute(_OFFER, (tx.now + SCHEDULE_OFFER, tx.ns, tx.now, PROMOTION_BATCH)).fetchall()
    return tuple(sorted(name for (name,) in rows))
