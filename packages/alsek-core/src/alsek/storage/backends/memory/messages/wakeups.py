"""Which sleeping workers are woken for what, and what a worker that is about to sleep would miss."""

from __future__ import annotations

from collections.abc import Collection

from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.memory.lanes import Lane
from alsek.storage.backends.memory.messages import schedules
from alsek.storage.backends.memory.messages.claims import claimable, may_take
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.promotion import next_due_at
from alsek.storage.backends.memory.messages.registered_worker import RegisteredWorker
from alsek.storage.backends.records import Worker


def wake_for_leftovers(table: MessageTable) -> None:
    """Wake sleeping workers for everything that is ready."""
    for queue in table.queues.values():
        for lane in queue.lanes:
            table.wake(lane)


def can_use(table: MessageTable, lane: Lane, worker: Worker, slots: Collection[SlotKind]) -> bool:
    """Return True if a worker may take something of this lane now, into such slots."""
    return may_take(table, worker, lane, table.held_by(worker), slots)


def next_due_for(table: MessageTable, registered: RegisteredWorker | None) -> int | None:
    """When a worker must step next because something is due, a message or a schedule; None if nothing will be."""
    dues = (next_due_at(table), schedules.next_offer(table, registered))
    return min((due for due in dues if due is not None), default=None)


def fires(table: MessageTable, worker: Worker) -> bool:
    """Return True if a worker fires schedules."""
    registered = table.workers.get(worker.id)
    return registered is not None and registered.fires


def would_miss(table: MessageTable, worker: Worker, slots: Collection[SlotKind]) -> bool:
    """Return True if a worker must not sleep: something is ready for such slots, due, or due before it expects it."""
    if any(True for _ in claimable(table, worker, slots)):
        return True
    registered = table.workers.get(worker.id)
    due = next_due_for(table, registered)
    if due is None or registered is None:
        return due is not None
    expected = registered.next_due_at
    return expected is None or due < expected or due <= table.store.clock()
