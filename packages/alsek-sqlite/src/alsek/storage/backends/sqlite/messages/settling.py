"""Lets in messages that wait for limits, where there is room."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Final

from alsek.defaults import PROMOTION_BATCH
from alsek.storage.backends.sqlite.database.queue_names import queue_name
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.lanes import Lane
from alsek.storage.backends.sqlite.messages.becoming_ready import enter_aside
from alsek.storage.backends.sqlite.messages.bonds import bonds_of
from alsek.storage.backends.sqlite.messages.limits import Known, pruned, take_places
from alsek.storage.backends.sqlite.messages.lines import First, Standing, line_of, name_of, some_of
from alsek.storage.backends.sqlite.messages.promotion import next_due
from alsek.storage.backends.sqlite.messages.transitions import enter, leave

#: Limits of which there may be something to do.
_DUE: Final = """
    SELECT id, amount, per, used, waiting, name FROM limits WHERE ns = ? AND due <= ? ORDER BY due LIMIT ?
"""
_HAS_ROOM: Final = "SELECT 1 FROM limits WHERE id = ? AND used < amount"
_FIRST_START: Final = "SELECT at FROM starts WHERE limit_id = ? ORDER BY at LIMIT 1"
_TOLD: Final = "SELECT told FROM limits WHERE id = ?"
_DONE: Final = "UPDATE limits SET due = ?, told = coalesce(?, told) WHERE id = ?"
_FORGET: Final = "DELETE FROM limits WHERE id = ?"

#: At least so many that wait are read at once: those that were removed take up no place.
_READ: Final = 16
#: Among how many lines, and messages of the first line, one is looked for whose queue is not paused.
_LOOKED_AT: Final = 16
_PAUSED: Final = "SELECT 1 FROM pauses WHERE queue = ?"


def settle(tx: Transaction) -> None:
    """Let in what waits for limits of which places may be free, and forget limits of which nothing is left.

    The limits take turns in the order of their ids, and look at one line each: its first message is let in, or the line
    moves to the limit that stops it. No more than a batch of looks are made in one transaction. What is left is due at
    once, so that the next step of a worker goes on.
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
    """Look at lines that stand at limits with room, in turn, until these have no room or no line, or a batch is over.

    A look frees no place.
    """
    alone = len(limits) == 1
    turns = [(known, Standing(tx, known.id)) for known in limits]
    looks = 0
    while turns and tx.settled < PROMOTION_BATCH:
        again = []
        for known, standing in turns:
            if tx.settled == PROMOTION_BATCH or not (
                (alone and looks < known.room) or _has_room(tx, known.id)
            ):
                continue
            first = standing.next(min(max(known.room, _READ), PROMOTION_BATCH - tx.settled))
            if first is None:
                if not looks:
                    _note_next(tx, known)
                continue
            _look_at_first(tx, standing, first)
            tx.settled += 1
            again.append((known, standing))
        turns = again
        looks += 1


def _has_room(tx: Transaction, limit: int) -> bool:
    return tx.execute(_HAS_ROOM, (limit,)).fetchone() is not None


def _look_at_first(tx: Transaction, standing: Standing, first: First) -> None:
    """Make the first message of a line ready; or let the line stand at the limit that stops it.

    One that is in another line than that of its limits goes to its own.
    """
    key, limits = (
        (standing.line, first.priority, first.arrival, first.message),
        bonds_of(first.tail or "").limits,
    )
    full = None if first.tail is None else take_places(tx, first.message, limits, waited=True)
    if full is not None and name_of(limits) == standing.name:
        standing.move(full)
        return
    leave(tx, "waiting", [key])
    if first.tail is None:
        return
    if full is not None:
        enter(tx, "waiting", [(line_of(tx, first.message, limits, full), first.task, first.message)])
        standing.read_anew()
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
    for first in some_of(tx, limit, _LOOKED_AT):
        if first.tail is not None and tx.execute(_PAUSED, (first.queue,)).fetchone() is None:
            tx.wake(_lane(tx, first))
            return


def _lane(tx: Transaction, first: First) -> Lane:
    return Lane(queue_name(tx, first.queue), first.wish, first.suspect)
