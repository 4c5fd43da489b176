"""Lets in messages that wait for limits, where there is room."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from alsek.defaults import PROMOTION_BATCH
from alsek.storage.backends.sqlite.database.queue_names import queue_name
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.lanes import Lane
from alsek.storage.backends.sqlite.messages.becoming_ready import enter_aside
from alsek.storage.backends.sqlite.messages.bonds import bonds_of
from alsek.storage.backends.sqlite.messages.limits import Known, pruned, take_places
from alsek.storage.backends.sqlite.messages.promotion import next_due
from alsek.storage.backends.sqlite.messages.transitions import enter, leave

#: Limits of which there may be something to do.
_DUE: Final = """
    SELECT id, amount, per, used, waiting, name FROM limits WHERE ns = ? AND due <= ? ORDER BY due LIMIT ?
"""
#: 0.1.0 may have removed a message and left its entry behind; the id may be that of another one since.
_FIRST: Final = """
    SELECT w.priority, w.arrival, w.message, w.queue, w.task, m.tail, m.wish, m.suspect
    FROM waiting AS w LEFT JOIN messages AS m
    ON m.id = w.message AND m.priority = w.priority AND m.arrival = w.arrival AND m.queue = w.queue
    WHERE w.limit_id = ? ORDER BY w.priority, w.arrival, w.message LIMIT ?
"""
_HAS_ROOM: Final = "SELECT 1 FROM limits WHERE id = ? AND used < amount"
_FIRST_START: Final = "SELECT at FROM starts WHERE limit_id = ? ORDER BY at LIMIT 1"
_TOLD: Final = "SELECT told FROM limits WHERE id = ?"
_DONE: Final = "UPDATE limits SET due = ?, told = coalesce(?, told) WHERE id = ?"
_FORGET: Final = "DELETE FROM limits WHERE id = ?"

#: At least so many that wait are read at once: those that must wait for another limit take up no place.
_READ: Final = 16
#: Among how many of those that wait first one is looked for whose queue is not paused.
_LOOKED_AT: Final = 16
_PAUSED: Final = "SELECT 1 FROM pauses WHERE queue = ?"


class _First(NamedTuple):
    """A message that waits: its place, and what is needed to let it in. Without a tail, it is gone."""

    priority: int
    arrival: int
    message: int
    queue: int
    task: str
    tail: str | None
    wish: int
    suspect: int


def settle(tx: Transaction) -> None:
    """Let in what waits for limits of which places may be free, and forget limits of which nothing is left.

    The limits take turns in the order of their ids, one message each. No more messages than a batch are looked at in
    one transaction. What is left is due at once, so that the next step of a worker goes on.
    """
    tx.unsettled = False
    while due := tx.execute(_DUE, (tx.ns, tx.now, PROMOTION_BATCH)).fetchall():
        if tx.settled >= PROMOTION_BATCH:
            waited_for = next((number for number, _, _, _, waiting, _ in due if waiting), None)
            if waited_for is not None:
                _wake_one(tx, waited_for)
            return
        due.sort(key=itemgetter(5))
        looked_at = [_look_at(tx, Known._make(row)) for *row, _ in due]
        _take_turns(tx, [known for known in looked_at if known is not None])


def _look_at(tx: Transaction, known: Known) -> Known | None:
    """Return a limit as it is now, if it has room for a message that waits. If not, note when to look again."""
    if known.per:
        known = pruned(tx, known)
    if not known.waiting and not known.used:
        tx.execute(_FORGET, (known.id,))
        return None
    if known.waiting and known.room > 0:
        return known
    _note_next(tx, known)
    return None


def _take_turns(tx: Transaction, limits: Sequence[Known]) -> None:
    """Let in messages that wait for limits with room, in turn: of each as many at most as its share of the batch.

    Letting in frees no place, and while a limit has room, nothing else begins to wait for it. So what waits for each is
    read once.
    """
    if not limits:
        return
    share = max(1, (PROMOTION_BATCH - tx.settled) // len(limits))
    lines = []
    for known in limits:
        line = tx.execute(_FIRST, (known.id, min(max(known.room, _READ), share))).fetchall()
        if not line:
            _note_next(tx, known)
        lines.append((known, line))
    for turn in range(max(len(line) for _, line in lines)):
        for known, line in lines:
            if turn >= len(line) or tx.settled == PROMOTION_BATCH:
                continue
            if (len(lines) == 1 and turn < known.room) or _has_room(tx, known.id):
                _let_in(tx, known.id, _First._make(line[turn]))
                tx.settled += 1


def _has_room(tx: Transaction, limit: int) -> bool:
    return tx.execute(_HAS_ROOM, (limit,)).fetchone() is not None


def _let_in(tx: Transaction, limit: int, first: _First) -> None:
    """Make a message ready that has waited for this limit; or let it wait for another one that has no room."""
    leave(tx, "waiting", [(limit, first.priority, first.arrival, first.message)])
    if first.tail is None:
        return
    waits_for = take_places(tx, first.message, bonds_of(first.tail).limits, waited=True)
    if waits_for is not None:
        enter(tx, "waiting", [(waits_for, first.task, first.message)])
    elif first.task:
        enter_aside(tx, first.message, first.queue, first.task)
    else:
        enter(tx, "ready", [(first.message,)])
        tx.wake(_lane(tx, first))


def _note_next(tx: Transaction, known: Known) -> None:
    """Note when a start leaves the window of a rate for which messages wait; wake a worker that does not know it."""
    due = None
    if known.per and known.waiting:
        start = tx.execute(_FIRST_START, (known.id,)).fetchone()
        due = None if start is None else start[0] + known.per
    (told,) = tx.execute(_TOLD, (known.id,)).fetchone()
    tx.execute(_DONE, (due, due, known.id))
    if due is not None and due != told and due == next_due(tx):
        _wake_one(tx, known.id)


def _wake_one(tx: Transaction, limit: int) -> None:
    """Wake a worker that may take one of the first messages that wait for a limit."""
    for row in tx.execute(_FIRST, (limit, _LOOKED_AT)).fetchall():
        first = _First._make(row)
        if first.tail is not None and tx.execute(_PAUSED, (first.queue,)).fetchone() is None:
            tx.wake(_lane(tx, first))
            return


def _lane(tx: Transaction, first: _First) -> Lane:
    return Lane(queue_name(tx, first.queue), first.wish, first.suspect)
