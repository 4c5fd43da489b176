"""Lets in messages that wait for a limit, where places have become free."""

from __future__ import annotations

from alsek.storage.backends.memory.messages import admission
from alsek.storage.backends.memory.messages.limit_state import LimitState
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.promotion import next_due_at
from alsek.storage.backends.memory.messages.transitions import let_in


def settle(table: MessageTable, most: int) -> int:
    """Let in messages that wait for the limits that this operation has noted, in the order of their ids.

    Letting in frees no place, so each limit needs one look. A limit that can't be finished is postponed to the next
    step of a worker.

    Args:
        table: The table.
        most: How many messages are looked at.

    Returns:
        How many messages were looked at.
    """
    looked_at = 0
    for name in sorted(table.noted_limits):
        state = table.limits.get(name)
        while state is not None and state.waiting and state.has_room(table.store.clock()):
            if looked_at == most:
                table.postponed_limits.add(name)
                break
            let_in(table, table.messages[state.waiting[0][2]])
            looked_at += 1
    for name in table.noted_limits:
        _announce(table, name)
        admission.forget(table, name)
    table.noted_limits.clear()
    return looked_at


def _announce(table: MessageTable, name: str) -> None:
    """Wake a worker if a limit may let in messages before anything else is due, and it may not know that yet."""
    state, now = table.limits.get(name), table.store.clock()
    if state is None or not state.waiting:
        return
    due = now if name in table.postponed_limits else state.next_free(now)
    if due is not None and due != state.announced and due == next_due_at(table):
        state.announced = due
        _wake_one(table, state)


def _wake_one(table: MessageTable, state: LimitState) -> None:
    waiting = (table.messages[uuid] for *_, uuid in state.waiting)
    lane = next((message.lane for message in waiting if message.queue not in table.pauses), None)
    if lane is not None:
        table.wake(lane)
