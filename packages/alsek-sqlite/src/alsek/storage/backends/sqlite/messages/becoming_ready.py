"""What makes a stored message ready again, or delayed, for whatever reason; or lets it wait for a limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alsek.storage.backends.header import step_changes
from alsek.storage.backends.records import Retried, TaskStatus
from alsek.storage.backends.sqlite.database.queue_names import queue_name
from alsek.storage.backends.sqlite.database.rows import set_statuses
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.lanes import Lane
from alsek.storage.backends.sqlite.messages.bonds import BOUND, EXPIRED, tails_of
from alsek.storage.backends.sqlite.messages.limits import give_up_places
from alsek.storage.backends.sqlite.messages.task_registry import takers
from alsek.storage.backends.sqlite.messages.transitions import (
    BEHIND,
    enter,
    has_places,
    leave_claims_of,
    raise_arrivals,
    waits_behind,
    wake_for_due,
)

#: A new lifetime begins, unless the last one was over.
_GIVEN_BACK: Final = """
    UPDATE messages SET losses = losses + :losses, suspect = max(suspect, :suspect),
        expiry = CASE WHEN ttl > 0 AND NOT :expired THEN :now + ttl ELSE expiry END
    WHERE id = :message AND (:losses OR :suspect OR ttl > 0)
"""

_MAKE_ASIDE_LANE: Final = """
    INSERT INTO aside_lanes (ns, task, queue, code) SELECT ns, ?, queue, wish * 2 + suspect FROM messages WHERE id = ?
    ON CONFLICT (ns, task, queue, code) DO NOTHING
"""

_WISH_AND_SUSPECT: Final = "SELECT wish, suspect FROM messages WHERE id = ?"

_REQUEUED: Final = """
    UPDATE messages SET payload = coalesce(?, payload), tail = merge_tail(tail, ?), due = ?,
        suspect = 0, ttl = 0, expiry = NULL WHERE id = ? RETURNING wish
"""

_ARRIVALS: Final = "UPDATE queues SET arrivals = arrivals + ? WHERE id = ? RETURNING arrivals"

_ARRIVED: Final = "UPDATE messages SET arrival = ? WHERE id = ?"

_MADE_READY: Final = """
    UPDATE messages SET arrival = ?, due = NULL, expiry = CASE WHEN ttl > 0 THEN ? + ttl END WHERE id = ?
"""


def give_back(
    tx: Transaction,
    message: int,
    queue: int,
    *,
    expired: bool,
    losses: int = 0,
    suspect: bool = False,
    tail: str = "",
) -> None:
    """Make a message that is in no state ready at its old place, for a new lifetime.

    One that had `expired` when it was claimed remains so. Here and below, `tail` is the tail of its header if it has
    bonds; else empty.
    """
    values = {"losses": losses, "suspect": int(suspect), "expired": int(expired), "now": tx.now}
    tx.execute(_GIVEN_BACK, {**values, "message": message})
    if tail and not has_places(tx, message, tail):
        return
    enter(tx, "ready", [(message,)])
    wish, is_suspect = tx.execute(_WISH_AND_SUSPECT, (message,)).fetchone()
    tx.wake(Lane(queue_name(tx, queue), wish, is_suspect))


def set_aside(tx: Transaction, message: int, queue: int, task: str, *, expired: bool, tail: str = "") -> None:
    """Make a message that is in no state ready at its old place, for a new lifetime, for workers that have its task.

    One that had `expired` when it was claimed remains so.
    """
    tx.execute(
        _GIVEN_BACK, {"losses": 0, "suspect": 0, "expired": int(expired), "now": tx.now, "message": message}
    )
    if not tail or has_places(tx, message, tail, task):
        enter_aside(tx, message, queue, task)


def enter_aside(tx: Transaction, message: int, queue: int, task: str) -> None:
    """Set a message aside that is in no state, and has the places of its limits; wake who may take it."""
    tx.execute(_MAKE_ASIDE_LANE, (task, message))
    enter(tx, "aside", [(task, message)])
    wish, is_suspect = tx.execute(_WISH_AND_SUSPECT, (message,)).fetchone()
    name = queue_name(tx, queue)
    tx.wake(Lane(name, wish, is_suspect, takers(tx, task, name)))


def give_back_all(tx: Transaction, worker: int, status: TaskStatus, *, losses: int = 0) -> int:
    """Make all messages that a worker holds ready at their old places; return how many they are."""
    rows = leave_claims_of(tx, worker)
    tails = tails_of(tx, [row[0] for row in rows if row[4] & BOUND])
    for message, queue, _, _, flags in rows:
        tail = tails.get(message, "")
        give_back(tx, message, queue, expired=bool(flags & EXPIRED), losses=losses, tail=tail)
    set_statuses(tx, [(uuid, ttl) for _, _, uuid, ttl, _ in rows], status)
    return len(rows)


def requeue(tx: Transaction, message: int, queue: int, retried: Retried, tail: str = "") -> None:
    """Delay a message that is in no state, for another attempt; without a delay it becomes ready."""
    due = tx.now + retried.delay if retried.delay > 0 else None
    values = (retried.payload, step_changes(retried), due, message)
    ((wish,),) = tx.execute(_REQUEUED, values).fetchall()
    lane = Lane(queue_name(tx, queue), wish)
    if tail:
        give_up_places(tx, [message])
        if waits_behind(tx, message, tail):
            enter(tx, "waiting", [(BEHIND, "", message)])
            return
    if due is None:
        if not make_ready(tx, queue, [(message, tx.now)], {message: tail} if tail else {}):
            tx.wake(lane)
    else:
        # Of those due at the same moment, the one that was delayed first has the lower arrival number.
        if tail:
            raise_arrivals(tx, queue, 1)
        ((arrival,),) = tx.execute(_ARRIVALS, (1, queue)).fetchall()
        tx.execute(_ARRIVED, (arrival, message))
        enter(tx, "delayed", [(tx.ns, due, message)])
        wake_for_due(tx, message, lane)


def make_ready(
    tx: Transaction, queue: int, messages: list[tuple[int, int]], tails: Mapping[int, str] | None = None
) -> set[int]:
    """Make messages of one queue that are in no state ready, behind all that are.

    Args:
        tx: The transaction.
        queue: The queue's id.
        messages: The id of each, and since when it counts as ready.
        tails: The tails of those that have one.

    Returns:
        The ids of those that wait for a limit instead.
    """
    if tails:
        raise_arrivals(tx, queue, len(messages))
    ((last,),) = tx.execute(_ARRIVALS, (len(messages), queue)).fetchall()
    first = last - len(messages) + 1
    tx.executemany(_MADE_READY, [(first + n, since, message) for n, (message, since) in enumerate(messages)])
    waiting: set[int] = set()
    if tails:
        waiting = {
            message
            for message, _ in messages
            if message in tails and not has_places(tx, message, tails[message])
        }
    enter(tx, "ready", [(message,) for message, _ in messages if message not in waiting])
    return waiting
