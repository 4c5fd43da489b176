"""Makes delayed messages ready once they are due."""

from __future__ import annotations

from alsek.defaults import PROMOTION_BATCH
from alsek.storage.backends.memory.messages import admission
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.stored_message import Due
from alsek.storage.backends.memory.messages.transitions import leave, make_ready


def next_due(table: MessageTable) -> Due | None:
    """Return the place of the delayed message of any queue that is due first; None if none is delayed."""
    dues = (queue.next_due for queue in table.queues.values())
    return min((due for due in dues if due is not None), default=None)


def next_due_at(table: MessageTable) -> int | None:
    """Return when a message may become ready first because time has passed; None if none will."""
    due, limit = next_due(table), admission.next_due(table)
    dues = [each for each in (None if due is None else due[0], limit) if each is not None]
    return min(dues, default=None)


def promote(table: MessageTable) -> None:
    """Make what is due ready, the first due first, but no more than a batch; note the limits that have room again.

    Any worker does this for all queues, also for those that it does not serve.
    """
    admission.note_due(table)
    now = table.store.clock()
    for _ in range(PROMOTION_BATCH):
        due = next_due(table)
        if due is None or due[0] > now:
            return
        message = table.messages[due[2]]
        leave(table, message)
        make_ready(table, message, since=due[0])
