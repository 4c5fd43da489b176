"""The states of a message: the only statements that put one into a state, take it out, or end it.

A message is one row of `messages`, and one small row in `ready`, `delayed`, `claims` or `waiting`: its state. (A row in
`aside` is the state "ready" for workers that have its task.) What moves one goes through :func:`enter` and a function
called leave; what ends one, through :func:`end`. A new message without limits or key enters a state by a trigger.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, TypeAlias

from alsek.storage.backends.endings import End
from alsek.storage.backends.header import REPORTED
from alsek.storage.backends.records import Limit, TaskStatus, UniqueKey
from alsek.storage.backends.sqlite.database.expiry import BUCKET_MS
from alsek.storage.backends.sqlite.database.queue_names import queue_name
from alsek.storage.backends.sqlite.database.rows import set_statuses
from alsek.storage.backends.sqlite.database.statements import marks
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.lanes import Lane, lane_key_of
from alsek.storage.backends.sqlite.messages import reports, unique_keys
from alsek.storage.backends.sqlite.messages.bonds import HAS_REPORTS, bonds_of, is_bound
from alsek.storage.backends.sqlite.messages.limits import give_up_places, start, take_places
from alsek.storage.backends.sqlite.messages.lines import line_of
from alsek.storage.backends.sqlite.messages.moved_messages import Ended, New
from alsek.storage.backends.states import MessageState

#: Where a message stands: in a state, or in the part of "ready" for what is set aside.
Place: TypeAlias = MessageState | Literal["aside"]

#: In a statement, the state of the message in the row `m` of `messages`.
STATE: Final = f"""
    CASE
    WHEN EXISTS (SELECT 1 FROM ready AS r WHERE r.lane = {lane_key_of("m.")}
                 AND r.priority = m.priority AND r.arrival = m.arrival AND r.message = m.id) THEN 'ready'
    WHEN EXISTS (SELECT 1 FROM waiting AS w WHERE w.message = m.id AND w.arrival = m.arrival) THEN 'waiting'
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
    "waiting": """
        INSERT INTO waiting (line, queue, priority, arrival, message, task)
        SELECT ?, queue, priority, arrival, id, ? FROM messages WHERE id = ?
    """,
}
_LEAVE: Final[dict[Place, str]] = {
    "ready": "DELETE FROM ready WHERE lane = ? AND (priority, arrival) <= (?, ?)",
    "delayed": "DELETE FROM delayed WHERE ns = ? AND due = ? AND message = ?",
    "claimed": "DELETE FROM claims WHERE worker = ? AND token IN ({})",
    "aside": "DELETE FROM aside WHERE lane = ? AND (priority, arrival) <= (?, ?)",
    "waiting": "DELETE FROM waiting WHERE line = ? AND priority = ? AND arrival = ? AND message = ?",
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
_LEAVE_CLAIMS_OF: Final = (
    "DELETE FROM claims WHERE worker = ? RETURNING message, queue, uuid, status_ttl, expired"
)
_LEAVE_ASIDE: Final = "DELETE FROM aside WHERE message = ?"
_LEAVE_WAITING: Final = "DELETE FROM waiting WHERE message = ?"

#: The delayed message that is due first.
_FIRST_DUE: Final = "SELECT message FROM delayed WHERE ns = ? ORDER BY due, message LIMIT 1"

#: Sets the last arrival number of messages with limits, and returns it.
_RAISE_ARRIVALS: Final = """
    UPDATE namespaces SET arrivals = max(arrivals, (SELECT arrivals FROM queues WHERE id = ?)) + ? WHERE id = ?
    RETURNING arrivals
"""
#: One that waits behind another is told when it will expire, as if it were ready at once or when it is due.
_PLACED: Final = """
    UPDATE messages SET due = :due, suspect = :suspect,
        expiry = CASE WHEN :behind AND :due IS NOT NULL AND ttl > 0 THEN :due + ttl ELSE expiry END
    WHERE id = :message
"""
_COUNTED: Final = """
    UPDATE queues SET messages = queues.messages + 1, arrivals = m.arrival FROM messages AS m
    WHERE m.id = ? AND queues.id = m.queue
"""
_BEHIND: Final = "SELECT id, queue, due, wish, suspect, tail FROM messages WHERE ns = ? AND uuid = ?"
#: It is behind all others of its queue now. While it is delayed it does not expire.
_IN_TURN: Final = """
    UPDATE messages SET due = :due, expiry = CASE WHEN :due IS NULL THEN expiry END,
        arrival = (SELECT arrivals + 1 FROM queues WHERE id = messages.queue) WHERE id = :message
"""
_ARRIVED: Final = "UPDATE queues SET arrivals = arrivals + 1 WHERE id = ?"
#: In place of a line's id: it waits behind the holder of its unique key.
BEHIND: Final = 0

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
    _LEAVE_WAITING,
    "DELETE FROM messages WHERE id = ?",
)
_MARK_REPORTED: Final = "UPDATE messages SET tail = merge_tail(tail, ?) WHERE ns = ? AND uuid = ?"
_MARK_CLAIM: Final = "UPDATE claims SET expired = expired | ? WHERE worker = ? AND token = ?"
_TELLS_OF_AN_END: Final = "SELECT 1 FROM statuses WHERE ns = ? AND uuid = ? AND status IN (?, ?)"


def enter(tx: Transaction, place: Place, rows: Sequence[tuple[int | str, ...]]) -> None:
    """Put messages that are in no state into this one.

    Args:
        tx: The transaction.
        place: The state, or "aside".
        rows: For "ready" the message's id; for "delayed" the namespace, when it is due, and its id; for "claimed" the
            columns of `claims`; for "aside" the task and the message's id; for "waiting" the line's id, or 0 if it
            waits for its unique key, the task for which it is to be set aside, or an empty text, and the message's id.
    """
    tx.executemany(_ENTER[place], rows)


def leave(tx: Transaction, place: Place, keys: Sequence[tuple[int, ...]]) -> None:
    """Take messages out of a state.

    Args:
        tx: The transaction.
        place: The state that they are in, or "aside".
        keys: For "ready" and "aside" lane, priority and arrival: of that lane all messages up to that place. For
            "delayed" the namespace, when it is due, and the message's id. For "claimed" the worker and tokens of it.
            For "waiting" the line's id or 0, priority, arrival, and the message's id. All of the same length.
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
    if tx.execute(_LEAVE_ASIDE, (message,)).rowcount == 1:
        return
    tx.execute(_LEAVE_WAITING, (message,))


def leave_claims_of(tx: Transaction, worker: int) -> list[tuple[int, int, str, int, int]]:
    """Take all messages that a worker holds, by its id, out of their state.

    Returns:
        Of each the id, the queue's id, the uuid, the lifetime of its statuses, and the bits of its claim.
    """
    return tx.execute(_LEAVE_CLAIMS_OF, (worker,)).fetchall()


def end(tx: Transaction, ended: Iterable[Ended]) -> None:
    """Delete messages that are in no state, write their last status, and publish that they have ended.

    What they hold goes to others: the places that they take up of limits, and their unique keys. A dead letter is
    written before this, since it is copied from the message.
    """
    groups: dict[bool | None, list[int]] = {}
    tracked: dict[TaskStatus, list[tuple[str, int]]] = {}
    bound: list[Ended] = []
    reported: list[Ended] = []
    for each in ended:
        message, uuid, status_ttl, how, tail = each[:5]
        groups.setdefault(how.uuid_taken, []).append(message)
        if tail and is_bound(tail):
            bound.append(each)
        if how is End.CORRUPT or (tail and reports.is_reported(tail)):
            reported.append(each)  # the tail of a record that can't be read says nothing
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
    for each in reported:
        reports.after_end(tx, each.uuid, each.dlq_ttl, 0 if each.how.status is None else each.status_ttl)
    leaving: list[int] = []
    for each in bound:
        bonds = bonds_of(each.tail)
        if bonds.limits:
            leaving.append(each.message)
        if bonds.unique is not None and each.how is not End.REPLACED:
            give_up_places(tx, leaving)
            leaving = []
            free_key(tx, each.uuid, bonds.unique)
    give_up_places(tx, leaving)
    tx.bound_ends += bound


def replace(tx: Transaction, message: int, uuid: str, tail: str) -> None:
    """Delete a message that nobody holds, and in whose place another one is stored now, under its uuid."""
    leave_any(tx, message)
    end(tx, [Ended(message, uuid, 0, End.REPLACED, tail)])


def _tells_of_an_end(tx: Transaction, uuid: str) -> bool:
    values = (tx.ns, uuid, TaskStatus.FAILED, TaskStatus.SUCCEEDED)
    return tx.execute(_TELLS_OF_AN_END, values).fetchone() is not None


def raise_arrivals(tx: Transaction, queue: int, count: int) -> None:
    """Let the next arrival numbers of a queue be higher than all that messages with limits have, of any queue."""
    ((last,),) = tx.execute(_RAISE_ARRIVALS, (queue, count, tx.ns)).fetchall()
    tx.execute("UPDATE queues SET arrivals = ? WHERE id = ?", (last - count, queue))


def place_new(tx: Transaction, new: New) -> None:
    """Let a message, whose row was added with -1 for when it is due, enter its first state."""
    message, due, lane, limits, behind, suspect = new
    tx.execute(_PLACED, {"due": due, "suspect": suspect, "behind": behind, "message": message})
    tx.execute(_COUNTED, (message,))
    if behind:
        enter(tx, "waiting", [(BEHIND, "", message)])
    elif due is not None:
        enter(tx, "delayed", [(tx.ns, due, message)])
        wake_for_due(tx, message, lane)
    elif _take_or_wait(tx, message, limits):
        enter(tx, "ready", [(message,)])
        tx.wake(lane)


def has_places(tx: Transaction, message: int, tail: str, task: str = "") -> bool:
    """Return True if a message that is in no state takes up a place of each of its limits now; else let it wait.

    Places that it took up before are given back first. If it waits, it will be set aside for `task`, if that is given.
    """
    limits = bonds_of(tail).limits
    if limits:
        give_up_places(tx, [message])
    return _take_or_wait(tx, message, limits, task)


def _take_or_wait(tx: Transaction, message: int, limits: Sequence[Limit], task: str = "") -> bool:
    if not limits:
        return True
    waits_for = take_places(tx, message, limits, waited=False)
    if waits_for is not None:
        enter(tx, "waiting", [(line_of(tx, message, limits, waits_for), task, message)])
    return waits_for is None


def note_start(tx: Transaction, message: int, uuid: str, tail: str, *, runs: bool) -> None:
    """Do what the claim of a message with bonds does: its places of rates become starts, a key may be free.

    One that was revoked or has expired is claimed as well, but does not run: it starts nothing.
    """
    bonds = bonds_of(tail)
    start(tx, message, bonds.limits, runs=runs)
    if bonds.unique is not None and bonds.unique.until == "started":
        free_key(tx, uuid, bonds.unique)


def free_key(tx: Transaction, uuid: str, unique: UniqueKey) -> None:
    """Take a message from its key. The one that waits behind it holds the key now, and becomes ready or delayed."""
    behind = unique_keys.let_go(tx, uuid, unique)
    if not behind:
        return
    message, queue, due, wish, suspect, tail = tx.execute(_BEHIND, (tx.ns, behind)).fetchone()
    tx.execute(_LEAVE_WAITING, (message,))
    lane = Lane(queue_name(tx, queue), wish, suspect)
    due = due if due is not None and due > tx.now else None
    raise_arrivals(tx, queue, 1)
    tx.execute(_IN_TURN, {"due": due, "message": message})
    tx.execute(_ARRIVED, (queue,))
    if due is not None:
        enter(tx, "delayed", [(tx.ns, due, message)])
        wake_for_due(tx, message, lane)
    elif has_places(tx, message, tail):
        enter(tx, "ready", [(message,)])
        tx.wake(lane)


def mark_reported(tx: Transaction, uuid: str, worker: int = 0, token: int = 0) -> None:
    """Write into the header of a stored message, and into this claim on it, that something is kept of reports on it."""
    tx.execute(_MARK_REPORTED, (REPORTED, tx.ns, uuid))
    if token:
        tx.execute(_MARK_CLAIM, (HAS_REPORTS, worker, token))


def waits_behind(tx: Transaction, message: int, tail: str) -> bool:
    unique = bonds_of(tail).unique
    if unique is None:
        return False
    (uuid,) = tx.execute("SELECT uuid FROM messages WHERE id = ?", (message,)).fetchone()
    return unique_keys.is_behind(tx, uuid, unique)


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


def erase_waiting(tx: Transaction) -> None:
    """Delete what processes of 0.1.0 have left behind of messages that waited for limits: to clear the namespace."""
    tx.execute("DELETE FROM waiting WHERE line IN (SELECT id FROM lines WHERE ns = ?)", (tx.ns,))
    tx.execute("DELETE FROM lines WHERE ns = ?", (tx.ns,))


def erase_claims(tx: Transaction) -> None:
    """Delete all claims of the namespace: to clear it."""
    tx.execute("DELETE FROM claims WHERE worker IN (SELECT id FROM workers WHERE ns = ?)", (tx.ns,))
