"""Limits: which of them admit a message, who takes up their places, and which lines stand at them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence

from alsek.storage.backends.memory.messages.limit_state import LimitState
from alsek.storage.backends.memory.messages.lines import Line, Place
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.stored_message import StoredMessage
from alsek.storage.backends.records import FOR_EVER, Limit, LimitRecord


def declare(table: MessageTable, limits: tuple[Limit, ...]) -> None:
    """Let the numbers of a new submission hold for all, where a limit is in use."""
    for limit in limits:
        state = table.limits.get(limit.id)
        if state is not None and state.limit != limit:
            state.limit = limit
            _changed(table, state)
            table.noted_limits.add(limit.id)


def full_for(table: MessageTable, message: StoredMessage, *, passes: bool) -> str:
    """Return the first limit, by id, that does not admit a message; empty if all do.

    Args:
        table: The table.
        message: It takes up no place.
        passes: It is the first of a line whose turn it is, so it goes before others that wait.
    """
    now = table.store.clock()
    for limit in _in_order(message):
        state = table.limits.get(limit.id)
        if state is not None and (not state.has_room(now) or (state.waiting and not passes)):
            return limit.id
    return ""


def take_places(table: MessageTable, message: StoredMessage) -> None:
    """Take up a place of each limit of a message that becomes ready."""
    for limit in message.submission.limits:
        state = _state(table, limit)
        state.admitted[message.uuid] = None
        _changed(table, state)


def give_back_places(table: MessageTable, message: StoredMessage) -> None:
    """Give back the places that a message takes up; starts stay."""
    for limit in message.submission.limits:
        state = table.limits.get(limit.id)
        if state is not None and message.uuid in state.admitted:
            del state.admitted[message.uuid]
            _changed(table, state)
            table.noted_limits.add(limit.id)


def start(table: MessageTable, message: StoredMessage) -> None:
    """Turn the places of rates that a message takes up into starts: it is claimed.

    One that was revoked or has expired does not run: it gives them back.
    """
    runs = not (message.revoked or message.expired)
    for limit in message.submission.limits:
        if limit.per:
            state = _state(table, limit)
            state.admitted.pop(message.uuid, None)
            if runs:
                state.starts.append(table.store.clock())
            _changed(table, state)
            table.noted_limits.add(limit.id)


def line_of(table: MessageTable, message: StoredMessage, full: str) -> Line:
    """Return the line of a message; if there is none, a new one, which will stand at the limit `full`."""
    ids = tuple(limit.id for limit in _in_order(message))
    return table.lines.get(ids) or Line(ids, full)


def join(table: MessageTable, line: Line, place: Place) -> None:
    """Let a message wait in its line."""
    if line.places:
        _leave_limit(table, line)
    insort(line.places, place)
    table.lines[line.ids] = line
    _stand_at(table, line, line.at)


def leave_line(table: MessageTable, line: Line, place: Place) -> None:
    """Let it wait no longer; a line without messages is gone."""
    _leave_limit(table, line)
    del line.places[bisect_left(line.places, place)]
    if line.places:
        _stand_at(table, line, line.at)
    else:
        del table.lines[line.ids]


def move_line(table: MessageTable, line: Line, full: str) -> None:
    """Let a line stand at another one of its limits, `full`."""
    _leave_limit(table, line)
    _stand_at(table, line, full)


def _leave_limit(table: MessageTable, line: Line) -> None:
    state = table.limits.get(line.at)
    assert state is not None
    state.waiting.remove(line)
    _changed(table, state)


def _stand_at(table: MessageTable, line: Line, name: str) -> None:
    state = table.limits.get(name)
    assert state is not None
    line.at = name
    state.waiting.insert(line)
    _changed(table, state)
    table.noted_limits.add(name)


def next_due(table: MessageTable) -> int | None:
    """When a start leaves the window of a rate for which messages wait, first of all; None if none will.

    If messages could be let in that no step has looked at yet, this is now.
    """
    now = table.store.clock()
    if table.postponed_limits:
        return now
    waited_for = (state for _, state in table.limits.items() if state.waiting)
    dues = (now if state.has_room(now) else state.next_free(now) for state in waited_for)
    return min((due for due in dues if due is not None), default=None)


def note_due(table: MessageTable) -> None:
    """Note the limits for which messages wait, and that have had room since no step has looked at them."""
    now = table.store.clock()
    table.noted_limits |= table.postponed_limits
    table.postponed_limits.clear()
    table.noted_limits |= {
        name for name, state in table.limits.items() if state.waiting and state.has_room(now)
    }


def records(table: MessageTable, ids: Sequence[str] | None) -> list[LimitRecord]:
    """Return these limits, those that are known; all, in the order of id, if None."""
    now = table.store.clock()
    known = {name: state for name, state in table.limits.items() if state.used(now) or state.waiting}
    return [known[name].record(now) for name in (sorted(known) if ids is None else ids) if name in known]


def _in_order(message: StoredMessage) -> list[Limit]:
    return sorted(message.submission.limits, key=lambda limit: limit.id)


def _state(table: MessageTable, limit: Limit) -> LimitState:
    """What is known of a limit; without that, its numbers are those of the message."""
    return table.limits.get(limit.id) or LimitState(limit)


def _changed(table: MessageTable, state: LimitState) -> None:
    """Keep a limit as long as something is left of it; if nothing is, until the end of the operation."""
    name, now = state.limit.id, table.store.clock()
    if state.admitted or state.waiting:
        table.limits.put(name, state, FOR_EVER)
    elif state.used(now):
        table.limits.put(name, state, state.starts[-1] + state.limit.per - now)
    else:
        table.limits.put(name, state, FOR_EVER)
        table.noted_limits.add(name)


def forget(table: MessageTable, name: str) -> None:
    """Forget a limit if nothing is left of it. Whoever takes up a place later brings its numbers again."""
    state = table.limits.get(name)
    if state is not None and not state.waiting and not state.used(table.store.clock()):
        table.limits.pop(name)
