"""Lets in messages that wait for a limit, where places have become free."""

from __future__ import annotations

from alsek.storage.backends.memory.messages import admission
from alsek.storage.backends.memory.messages.limit_state import LimitState
from alsek.storage.backends.memory.messages.lines import Line
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.promotion import next_due_at
from alsek.storage.backends.memory.messages.transitions import let_in


def settle(table: MessageTable, most: int) -> int:
    """Let in messages that wait for the limits that this operation has noted.

    The limits that have room take turns in the order of their ids, and look at one line each: its first message is let
    in, or the line moves to the limit that stops it. Neither frees a place, so a limit that has none has no further
    turn. A limit that can't be finished is postponed to the next step of a worker.

    Args:
        table: The table.
        most: How many lines are looked at, each as often as it is.

    Returns:
        How often a line was looked at.
    """
    looked_at, turns = 0, sorted(table.noted_limits)
    while turns := [name for name in turns if _first_line(table, name) is not None]:
        if looked_at == most:
            table.postponed_limits.update(turns)
            break
        for name in turns:
            line = _first_line(table, name)  # those before it may have taken up the last place
            if line is not None and looked_at < most:
                _look_at(table, line)
                looked_at += 1
    for name in table.noted_limits:
        _announce(table, name)
        admission.forget(table, name)
    table.noted_limits.clear()
    return looked_at


def _first_line(table: MessageTable, name: str) -> Line | None:
    """Return the first line that stands at a limit; None if it has no room, or there is none."""
    state = table.limits.get(name)
    if state is None or not state.waiting or not state.has_room(table.store.clock()):
        return None
    return state.waiting.first


def _look_at(table: MessageTable, line: Line) -> None:
    """Let in the first message of a line; or let the line stand at the limit that stops it."""
    *_, uuid = line.place
    message = table.messages[uuid]
    full = admission.full_for(table, message, passes=True)
    if full:
        admission.move_line(table, line, full)
    else:
        let_in(table, message)


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
    waiting = (table.messages[uuid] for line in state.waiting.in_order() for *_, uuid in line.places)
    lane = next((message.lane for message in waiting if message.queue not in table.pauses), None)
    if lane is not None:
        table.wake(lane)
