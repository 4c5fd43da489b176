"""Limits: which messages take up their places, and what has started within the window of a rate.

Nothing here moves a message. Triggers of limits.sql count, and mark a limit as due at once when a place of it is given
back or a message begins to wait for it; :mod:`~alsek.storage.backends.sqlite.messages.settling` does the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from alsek.storage.backends.batches import in_pieces
from alsek.storage.backends.records import Limit, LimitRecord
from alsek.storage.backends.sqlite.database.starts import prune_starts
from alsek.storage.backends.sqlite.database.statements import marks
from alsek.storage.backends.sqlite.database.transaction import Transaction

#: How many messages one statement looks up.
_PIECE: Final = 500

#: How many admitted messages a record names.
_MOST_SHOWN: Final = 100

#: The numbers of the last submission hold.
_SUBMITTED: Final = """
    UPDATE limits SET amount = :amount, per = :per, due = CASE WHEN waiting > 0 THEN 0 ELSE due END
    WHERE ns = :ns AND name = :name AND (amount <> :amount OR per <> :per)
"""
_MAKE: Final = """
    INSERT INTO limits (ns, name, amount, per, due) VALUES (?, ?, ?, ?, 0) ON CONFLICT (ns, name) DO NOTHING
"""
_FIND: Final = "SELECT id, amount, per, used, waiting FROM limits WHERE ns = ? AND name = ?"
_BY_ID: Final = "SELECT id, amount, per, used, waiting FROM limits WHERE id = ?"
_ADMIT: Final = (
    "INSERT OR IGNORE INTO admitted (limit_id, message, uuid) SELECT ?, id, uuid FROM messages WHERE id = ?"
)
_ADMIT_ROW: Final = "INSERT OR IGNORE INTO admitted (limit_id, message, uuid) VALUES (?, ?, ?)"
_GIVE_UP: Final = "DELETE FROM admitted WHERE message IN ({})"
_STARTED: Final = """
    INSERT INTO starts (limit_id, at, messages) SELECT id, ?, 1 FROM limits WHERE ns = ? AND name = ?
    ON CONFLICT (limit_id, at) DO UPDATE SET messages = messages + 1
"""
_START_LEAVES: Final = """
    DELETE FROM admitted WHERE limit_id = (SELECT id FROM limits WHERE ns = ? AND name = ?) AND message = ?
"""
#: The rest is computed without a write: what has left the window is not counted.
_RECORDS: Final = """
    SELECT l.id, l.name, l.amount, l.per, l.waiting,
        l.used - coalesce((SELECT sum(messages) FROM starts AS s WHERE s.limit_id = l.id AND s.at <= :now - l.per), 0),
        (SELECT s.at FROM starts AS s WHERE s.limit_id = l.id AND s.at > :now - l.per ORDER BY s.at LIMIT 1)
    FROM limits AS l WHERE l.ns = :ns
"""
_ALL: Final = f"{_RECORDS} ORDER BY l.name"
_NAMED: Final = f"{_RECORDS} AND l.name = :name"
_ADMITTED: Final = f"SELECT uuid FROM admitted WHERE limit_id = ? ORDER BY message LIMIT {_MOST_SHOWN}"  # noqa: S608 - a number


class Known(NamedTuple):
    """A limit as it is stored: its id, its numbers, how many places are taken up, and how many messages wait."""

    id: int
    amount: int
    per: int
    used: int
    waiting: int

    @property
    def room(self) -> int:
        """How many places are free; below 0 if the amount was lowered."""
        return self.amount - self.used


def note_numbers(tx: Transaction, limits: Iterable[Limit]) -> None:
    """Let the numbers of a new message hold for limits that are known."""
    for limit in limits:
        values = {"ns": tx.ns, "name": limit.id, "amount": limit.amount, "per": limit.per}
        tx.execute(_SUBMITTED, values)
    tx.unsettled = True


def take_places(tx: Transaction, message: int, limits: Iterable[Limit], *, waited: bool) -> int | None:
    """Take a place of each of these limits for a message; if one has none, take none.

    Args:
        tx: The transaction.
        message: The id of the message.
        limits: Its limits, in the order of their ids.
        waited: It has waited for its turn. Otherwise it goes behind those that wait.

    Returns:
        None if it has all places; else the id of the limit that stops it.
    """
    tx.unsettled = True
    free: list[int] = []
    for limit in limits:
        known = _known(tx, limit)
        if known.room <= 0 and known.per:
            known = pruned(tx, known)
        if known.room <= 0 or (known.waiting and not waited):
            return known.id
        free.append(known.id)
    tx.executemany(_ADMIT, [(number, message) for number in free])
    return None


def free_places(tx: Transaction, limit: Limit) -> tuple[int, int]:
    """Return the id of a limit, and how many places of it a new message may take up at once.

    There are none if it is not known, if it has other numbers, or if messages wait for it.
    """
    known = _found(tx, limit)
    if known is None:
        return 0, 0
    same = known.amount == limit.amount and known.per == limit.per
    return known.id, known.room if same and not known.waiting else 0


def admit(tx: Transaction, limit: int, messages: Iterable[tuple[int, str]]) -> None:
    """Let messages, by id and uuid, take up a place of a limit, by its id, that has room for them."""
    tx.executemany(_ADMIT_ROW, [(limit, message, uuid) for message, uuid in messages])


def _known(tx: Transaction, limit: Limit) -> Known:
    known = _found(tx, limit)
    if known is None:
        tx.execute(_MAKE, (tx.ns, limit.id, limit.amount, limit.per))
        known = _found(tx, limit)
        assert known is not None
    return known


def _found(tx: Transaction, limit: Limit) -> Known | None:
    row = tx.execute(_FIND, (tx.ns, limit.id)).fetchone()
    return None if row is None else Known._make(row)


def pruned(tx: Transaction, known: Known) -> Known:
    """Forget the oldest starts that have left the window of a rate; return it as it is then."""
    if not prune_starts(tx, known.id, tx.now - known.per):
        return known
    return Known._make(tx.execute(_BY_ID, (known.id,)).fetchone())


def give_up_places(tx: Transaction, messages: Sequence[int]) -> None:
    """Give back all places that messages, by their ids, take up."""
    for piece in in_pieces(messages, _PIECE):
        tx.execute(_GIVE_UP.format(marks(len(piece))), piece)
        tx.unsettled = True


def start(tx: Transaction, message: int, limits: Sequence[Limit], *, runs: bool) -> None:
    """Turn the places of rates that a message takes up into starts: it is claimed. If it does not run, free them."""
    for limit in limits:
        if limit.per:
            if runs:
                tx.execute(_STARTED, (tx.now, tx.ns, limit.id))
            tx.execute(_START_LEAVES, (tx.ns, limit.id, message))
            tx.unsettled = True


def records(tx: Transaction, ids: Sequence[str] | None) -> list[LimitRecord]:
    """Return the limits of these ids that are known; all if None."""
    if ids is None:
        rows = tx.execute(_ALL, {"ns": tx.ns, "now": tx.now}).fetchall()
    else:
        rows = []
        for name in ids:
            rows += tx.execute(_NAMED, {"ns": tx.ns, "now": tx.now, "name": name}).fetchall()
    return [
        _record(tx, number, name, amount, per, waiting, used, first)
        for number, name, amount, per, waiting, used, first in rows
        if used > 0 or waiting > 0
    ]


def _record(
    tx: Transaction, number: int, name: str, amount: int, per: int, waiting: int, used: int, first: int | None
) -> LimitRecord:
    admitted = tuple(uuid for (uuid,) in tx.execute(_ADMITTED, (number,)).fetchall())
    next_free = first + per if per and used >= amount and first is not None else None
    return LimitRecord(name, amount, per, admitted, used, waiting, next_free)
