"""Gives back what workers hold whose lease has ended."""

from __future__ import annotations

from typing import Final

from alsek.storage.backends.records import TakenOver, TaskStatus
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.messages.leases import forget
from alsek.storage.backends.sqlite.messages.transitions import give_back_all

_LOST: Final = "SELECT lease_end, name, id FROM workers WHERE ns = ? AND lease_end <= ? AND id <> ?"


def take_over(tx: Transaction, asking: int) -> list[TakenOver]:
    """Make ready, with one loss more, what workers hold whose lease has ended, and forget those workers.

    Args:
        tx: The transaction.
        asking: The id of the worker that asks. It is never lost itself.
    """
    taken_over: list[TakenOver] = []
    for _, name, worker in sorted(tx.execute(_LOST, (tx.ns, tx.now, asking)).fetchall()):
        messages = give_back_all(tx, worker, TaskStatus.RETRYING, losses=1)
        forget(tx, worker)
        taken_over.append(TakenOver(name, messages))
    return taken_over
