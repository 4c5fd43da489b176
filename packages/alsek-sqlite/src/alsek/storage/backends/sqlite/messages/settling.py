"""Lets in messages that wait for limits, where there is room."""

from __future__ import annotations

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

#: A limit of which there may be something to do, by its id.
_DUE: Final = """
    SELECT id, amount, per, used, waiting FROM limits WHERE ns = ? AND due <= ? ORDER BY due LIMIT 1
"""
#: 0.1.0 may have removed a message and left its entry behind; the id may be that of another one since.
_FIRST: Final = """
    SELECT w.priority, w.arrival, w.message, w.queue, w.task, m.tail, m.wish, m.suspect
    FROM waiting AS w LEFT JOIN messages AS m
    ON m.id = w.message AND m.priority = w.priority AND m.arrival = w.arrival AND m.queue = w.queue
    WHERE w.limit_id = ? ORDER BY w.priority, w.arrival, w.message LIMIT ?
"""
_FIRST_START: Final = "SELECT at FROM starts WHERE limit_id = ? ORDER BY at LIMIT 1"
_TOLD: Final = "SELECT told FROM limits WHERE id = ?"
_DONE: Final = "UPDATE limits SET due = ?, told = coalesce(?, told) WHERE id = ?"
_LATER: Final = "UPDATE limits SET due = ? WHERE id = ?"
_FORGET: Final = "DELETE FROM limits WHERE id = ?"

#: How many messages that wait for one limit are looked at before other limits that are due have their turn.
_PIECE: Final = 50
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

    No more messages than a batch are looked at in one transaction. What is left is due at once, so that the next step
    of a worker goes on.
    """
    tx.unsettled = False
    while tx.settled < PROMOTION_BATCH:
        row = tx.execute(_DUE, (tx.ns, tx.now)).fetchone()
        if row is None:
            return
        _settle_one(tx, Known._make(row))
    row = tx.execute(_DUE, (tx.ns, tx.now)).fetchone()
    if row is not None:
        _wake_one(tx, row[0])


def _settle_one(tx: Transaction, known: Known) -> None:
    if known.per:
        known = pruned(tx, known)
    if not known.waiting and not known.used:
        tx.execute(_FORGET, (known.id,))
        return
    if known.waiting and known.room > 0:
        most = min(known.room, _PIECE, PROMOTION_BATCH - tx.settled)
        rows = [_First._make(row) for row in tx.execute(_FIRST, (known.id, most)).fetchall()]
        for first in rows:
            _let_in(tx, known.id, first)
        tx.settled += len(rows)
        if rows:
            tx.execute(_LATER, (tx.now, known.id))  # it is still due, but behind others that are
            return
    _note_next(tx, known)


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
