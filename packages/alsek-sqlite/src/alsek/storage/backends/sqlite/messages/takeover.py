"""Gives back what workers hold whose lease has ended."""

from __future__ import annotations

import json
from typing import Final

from alsek.storage.backends.records import TakenOver, TaskStatus
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.messages.becoming_ready import give_back_all
from alsek.storage.backends.sqlite.messages.leases import forget

_LOST: Final = """
    SELECT w.lease_end, w.name, w.id, f.facts
    FROM workers AS w LEFT JOIN worker_facts AS f ON f.worker = w.id
    WHERE w.ns = ? AND w.lease_end <= ? AND w.id <> ?
"""


def take_over(tx: Transaction, asking: int) -> list[TakenOver]:
    """Make ready, with one loss more, what workers hold whose lease has ended, and forget those workers.

    Args:
        tx: The transaction.
        asking: The id of the worker that asks. It is never lost itself.
    """
    taken_over: list[TakenOver] = []
    for _, name, worker, told in sorted(tx.execute(_LOST, (tx.ns, tx.now, asking)).fetchall()):
        messages = give_back_all(tx, worker, TaskStatus.RETRYING, losses=1)
        forget(tx, worker)
        facts = {} if told is None else json.loads(told)
        taken_over.append(TakenOver(name, messages, facts.get("host", ""), facts.get("pid", 0)))
    return taken_over
