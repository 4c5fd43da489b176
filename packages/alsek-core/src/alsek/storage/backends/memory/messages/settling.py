"""Lets in messages that wait for a limit, where places have become free."""

from __future__ import annotations

from alsek.storage.backends.memory.messages import admission
from alsek.storage.backends.memory.messages.limit_state import LimitState
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.promotion import next_due_at
from alsek.storage.backends.memory.messages.stored_message import StoredMessage
from alsek.storage.backends.memory.messages.transitions import let_in


def settle(table: MessageTable, most: int) -> int:
    """Let in messages that wait for the limits that this operation has noted.

    The limits that have room take turns in the order of their ids, one message each. Letting in frees no place, so one
    that has none has no further turn. A limit that can't be finished is postponed to the next step of a worker.

    Args:
        table: The table.
        most: How many messages are looked at.

    Returns:
        How many messages were looked at.
    """
    looked_at, turns = 0, sorted(table.noted_limits)
    while turns := [name for name in turns if _first_to_let_in(table, name) is not None]:
        if looked_at == most:
            table.postponed_limits.update(turns)
            break
        for name in turns:
            first = _first_to_let_in(table, name)  # those before it may have taken up the last place
            if first is not None and looked_at < most:
                let_in(table, first)
                looked_at += 1
    for name in table.noted_limits:
        _announce(table, name)
        admission.forget(table, name)
    table.noted_limits.clear()
    return looked_at


def _first_to_let_in(table: MessageTable, name: str) -> StoredMessage | None:
    """Return the first message that waits for a limit; None if it has no room, or nothing waits."""
    state = table.limits.get(name)
    if state is None or not state.waiting or not state.has_room(table.store.clock()):
        return None
    return table.messages[state.waiting[0][2]]


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
