"""Gives back what workers hold whose lease has ended."""

from __future__ import annotations

from alsek.storage.backends.memory.messages.leases import forget
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.registered_worker import RegisteredWorker
from alsek.storage.backends.memory.messages.transitions import give_back_all
from alsek.storage.backends.records import TakenOver, TaskStatus


def take_over(table: MessageTable, asking: RegisteredWorker) -> list[TakenOver]:
    """Make ready, with one loss more, what workers hold whose lease has ended, and forget those workers.

    Args:
        table: The table.
        asking: The worker that asks. It is never lost itself.
    """
    now = table.store.clock()
    lost = [
        registered
        for registered in table.workers.values()
        if registered.lease_end <= now and registered is not asking
    ]
    lost.sort(key=lambda registered: (registered.lease_end, registered.worker.id))
    taken_over: list[TakenOver] = []
    for registered in lost:
        messages = give_back_all(table, registered, TaskStatus.RETRYING, losses=1)
        forget(table, registered)
        facts = registered.facts
        where = ("", 0) if facts is None else (facts.host, facts.pid)
        taken_over.append(TakenOver(registered.worker.id, messages, *where))
    return taken_over
