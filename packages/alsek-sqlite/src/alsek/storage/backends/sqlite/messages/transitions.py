"""The states of a message: the only statements that put one into a state, take it out, or end it.

A message is one row of `messages`, and one small row in `ready`, `delayed` or `claims`, which is its state; or in
`aside`, which is the state "ready" for workers that have its task. Everything that moves a message goes through
:func:`enter` and one of the functions called leave, and everything that ends one through :func:`end`. (A new message
enters its first state by a trigger of schema.sql.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from alsek.storage.backends.endings import End
from alsek.storage.backends.header import step_changes
from alsek.storage.backends.records import Retried, TaskStatus
from alsek.storage.backends.sqlite.database.expiry import BUCKET_MS
from alsek.storage.backends.sqlite.database.queue_names import queue_name
from alsek.storage.backends.sqlite.database.rows import set_statuses
from alsek.storage.backends.sqlite.database.statements import marks
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.lanes import Lane, lane_key_of
from alsek.storage.backends.sqlite.messages.bonds import BOUND, EXPIRED, is_bound, tails_of
from alsek.storage.backends.sqlite.messages.task_registry import takers
from alsek.storage.backends.states import MessageState


class Ended(NamedTuple):
    """A message that has ended.

    Attributes:
        message: Its id.
        uuid: Its uuid.
        status_ttl: The lifetime of its statuses.
        how: What ended it.
        tail: The tail of its header if it has bonds, or may have; else empty.
        payload: The serialized result or error, for its group.
        revoked: It has failed because it was revoked.
    """

    message: int
    uuid: str
    status_ttl: int
    how: End
    tail: str = ""
    payload: bytes = b""
    revoked: bool = False


#: Where a message stands: in a state, or in the part of "ready" for what is set aside.
Place: TypeAlias = MessageState | Literal["aside"]

#: In a statement, the state of the message in the row `m` of `messages`.
STATE: Final = f"""
    CASE
    WHEN EXISTS (SELECT 1 FROM ready AS r WHERE r.lane = {lane_key_of("m.")}
                 AND r.priority = m.priority AND r.arrival = m.arrival AND r.message = m.id) THEN 'ready'
    WHEN m.due IS NOT NULL THEN 'delayed'
    WHEN EXISTS (SELECT 1 FROM aside AS a WHERE a.message = m.id) THEN 'ready'
    ELSE 'claimed' END
"""  # noqa: S608
_ENTER: Final[dict[Place, str]] = {
    "ready": f"""
        INSERT INTO ready (lane, priority, arrival, message)
        SELECT {lane_key_of()}, priority, arrival, id FROM messages WHERE id = ?
    """,  # noqa: S608
    "delayed": "INSERT INTO delayed (ns, due, message) VALUES (?, ?, ?)",
    "claimed": """
        INSERT INTO claims (worker, token, seq, message, queue, uuid, expired, status_ttl)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    """,
    "aside": """
        INSERT INTO aside (lane, priority, arrival, message)
        SELECT l.id, m.priority, m.arrival, m.id FROM messages AS m JOIN aside_lanes AS l
        ON l.ns = m.ns AND l.task = ? AND l.queue = m.queue AND l.code = m.wish * 2 + m.suspect WHERE m.id = ?
    """,
}
_LEAVE: Final[dict[Place, str]] = {
    "ready": "DELETE FROM ready WHERE lane = ? AND (priority, arrival) <= (?, ?)",
    "delayed": "DELETE FROM delayed WHERE ns = ? AND due = ? AND message = ?",
    "claimed": "DELETE FROM claims WHERE worker = ? AND token IN ({})",
    "aside": "DELETE FROM aside WHERE lane = ? AND (priority, arrival) <= (?, ?)",
}

_LEAVE_READY: Final = f"""
    DELETE FROM ready WHERE (lane, priority, arrival) = (
        SELECT {lane_key_of()}, priority, arrival FROM messages WHERE id = :message)
    AND message = :message
"""  # noqa: S608
_LEAVE_DELAYED: Final = """
    DELETE FROM delayed WHERE (ns, due, message) = (SELECT ns, due, id FROM messages WHERE id = ?)
"""
_LEAVE_CLAIMED: Final = "DELETE FROM claims WHERE message = ?"
_LEAVE_ASIDE: Final = "DELETE FROM aside WHERE message = ?"
_LEAVE_CLAIMS_OF: Final = (
    "DELETE FROM claims WHERE worker = ? RETURNING message, queue, uuid, status_ttl, expired"
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
#: The delayed message that is due first.
_FIRST_DUE: Final = "SELECT message FROM delayed WHERE ns = ? ORDER BY due, message LIMIT 1"
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

_REMEMBER: Final = """
    INSERT OR REPLACE INTO finished (ns, bucket, uuid, request, at, done)
    SELECT ns, ?, uuid, request, ?, ? FROM messages WHERE id IN ({})
"""
_DELETE: Final = "DELETE FROM messages WHERE id IN ({})"
_ERASE: Final = (
    f"""DELETE FROM ready WHERE (lane, priority, arrival) IN (
        SELECT {lane_key_of()}, priority, arrival FROM messages WHERE id = ?)""",  # noqa: S608
    "DELETE FROM delayed WHERE (ns, due, message) IN (SELECT ns, due, id FROM messages WHERE id = ?)",
    _LEAVE_ASIDE,
    "DELETE FROM messages WHERE id = ?",
)
_ERASE_CLAIMS: Final = "DELETE FROM claims WHERE worker IN (SELECT id FROM workers WHERE ns = ?)"
_TELLS_OF_AN_END: Final = "SELECT 1 FROM statuses WHERE ns = ? AND uuid = ? AND status IN (?, ?)"


def enter(tx: Transaction, place: Place, rows: Sequence[tuple[int | str, ...]]) -> None:
    """Put messages that are in no state into this one.

    Args:
        tx: The transaction.
        place: The state, or "aside".
        rows: For "ready" the message's id; for "delayed" the namespace, when it is due, and its id; for "claimed" the
            columns of `claims`; for "aside" the task and the message's id.
    """
    tx.executemany(_ENTER[place], rows)


def leave(tx: Transaction, place: Place, keys: Sequence[tuple[int, ...]]) -> None:
    """Take messages out of a state.

    Args:
        tx: The transaction.
        place: The state that they are in, or "aside".
        keys: For "ready" and "aside" lane, priority and arrival: of that lane all messages up to that place. For
            "delayed" the namespace, when it is due, and the message's id. For "claimed" the worker and tokens of it.
            All of the same length.
    """
    if keys:
        tx.executemany(_LEAVE[place].format(marks(len(keys[0]) - 1)), keys)


def leave_any(tx: Transaction, message: int) -> None:
    """Take one message out of the state that it is in."""
    if tx.execute(_LEAVE_READY, {"message": message}).rowcount == 1:
        return
    if tx.execute(_LEAVE_DELAYED, (message,)).rowcount == 1:
        return
    if tx.execute(_LEAVE_CLAIMED, (message,)).rowcount == 1:
        return
    tx.execute(_LEAVE_ASIDE, (message,))


def end(tx: Transaction, ended: Iterable[Ended]) -> None:
    """Delete messages that are in no state, write their last status, and publish that they have ended.

    Its dead letter is written before this, since it is copied from the message.
    """
    groups: dict[bool | None, list[int]] = {}
    tracked: dict[TaskStatus, list[tuple[str, int]]] = {}
    bound: list[Ended] = []
    for each in ended:
        message, uuid, status_ttl, how, tail = each[:5]
        groups.setdefault(how.uuid_taken, []).append(message)
        if tail and is_bound(tail):
            bound.append(each)
        if how.status is None:
            continue
        if status_ttl and not (how is End.REMOVED and _tells_of_an_end(tx, uuid)):
            tracked.setdefault(how.status, []).append((uuid, status_ttl))
        if how is not End.SUCCEEDED:
            tx.notes.append((f"results:{uuid}", b""))
    for taken, messages in groups.items():
        placeholders = marks(len(messages))
        if taken is not None:
            tx.execute(_REMEMBER.format(placeholders), (tx.now // BUCKET_MS, tx.now, taken, *messages))
            tx.finished_count += len(messages)
        tx.execute(_DELETE.format(placeholders), messages)
    for status, group in tracked.items():
        set_statuses(tx, group, status)
    tx.bound_ends += bound


def _tells_of_an_end(tx: Transaction, uuid: str) -> bool:
    values = (tx.ns, uuid, TaskStatus.FAILED, TaskStatus.SUCCEEDED)
    return tx.execute(_TELLS_OF_AN_END, values).fetchone() is not None


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
    tx.execute(_MAKE_ASIDE_LANE, (task, message))
    enter(tx, "aside", [(task, message)])
    wish, is_suspect = tx.execute(_WISH_AND_SUSPECT, (message,)).fetchone()
    name = queue_name(tx, queue)
    tx.wake(Lane(name, wish, is_suspect, takers(tx, task, name)))


def give_back_all(tx: Transaction, worker: int, status: TaskStatus, *, losses: int = 0) -> int:
    """Make all messages that a worker holds ready at their old places; return how many they are."""
    rows = tx.execute(_LEAVE_CLAIMS_OF, (worker,)).fetchall()
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
    if due is None:
        make_ready(tx, queue, [(message, tx.now)])
        tx.wake(lane)
    else:
        # Of those due at the same moment, the one that was delayed first has the lower arrival number.
        ((arrival,),) = tx.execute(_ARRIVALS, (1, queue)).fetchall()
        tx.execute(_ARRIVED, (arrival, message))
        enter(tx, "delayed", [(tx.ns, due, message)])
        wake_for_due(tx, message, lane)


def make_suspect(tx: Transaction, message: int) -> None:
    """Put a message that has just become ready into the lane of suspects."""
    leave_any(tx, message)
    tx.execute("UPDATE messages SET suspect = 1 WHERE id = ?", (message,))
    enter(tx, "ready", [(message,)])


def make_ready(tx: Transaction, queue: int, messages: list[tuple[int, int]]) -> None:
    """Make messages of one queue that are in no state ready, behind all that are.

    Args:
        tx: The transaction.
        queue: The queue's id.
        messages: The id of each, and since when it counts as ready.
    """
    ((last,),) = tx.execute(_ARRIVALS, (len(messages), queue)).fetchall()
    first = last - len(messages) + 1
    tx.executemany(_MADE_READY, [(first + n, since, message) for n, (message, since) in enumerate(messages)])
    enter(tx, "ready", [(message,) for message, _ in messages])


def wake_for_due(tx: Transaction, message: int, lane: Lane) -> None:
    """Wake a worker of this lane if this message is now the first of all that are delayed.

    All sleeping workers have set their timers by a later one.
    """
    (first,) = tx.execute(_FIRST_DUE, (tx.ns,)).fetchone()
    if first == message:
        tx.wake(lane)


def erase(tx: Transaction, messages: Sequence[tuple[int]]) -> None:
    """Delete messages that are not claimed, by their ids, as if they had never been: to clear a namespace."""
    for statement in _ERASE:
        tx.executemany(statement, messages)


def erase_claims(tx: Transaction) -> None:
    """Delete all claims of the namespace: to clear it."""
    tx.execute(_ERASE_CLAIMS, (tx.ns,))
