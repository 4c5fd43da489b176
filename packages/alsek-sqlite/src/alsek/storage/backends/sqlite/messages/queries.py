"""Reads messages as they are stored now. Nothing here writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from alsek.storage.backends.header import tail_values
from alsek.storage.backends.records import Stored
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.transaction import QUEUE, Transaction
from alsek.storage.backends.sqlite.messages.transitions import STATE
from alsek.storage.backends.states import MessageState

#: How many rows one read looks at: while a read lasts, the log can't be written back.
_PIECE: Final = 500

#: The columns of a message `m` from which :func:`stored` makes what is shown; `state` is an expression.
SHOWN: Final = "m.uuid, m.payload, m.priority, {state}, m.losses, m.revoked, m.tail"
COLUMNS: Final = SHOWN.format(state=STATE)

_EXISTS: Final = f"SELECT 1 FROM messages WHERE ns = ? AND uuid = ? AND queue = {QUEUE}"  # noqa: S608
_NUMBER: Final = f"SELECT {QUEUE}"
_GET: Final = f"SELECT {COLUMNS} FROM messages AS m WHERE m.ns = ? AND m.uuid = ? AND m.queue = {QUEUE}"  # noqa: S608

#: The next messages of any queue, with only the ids of those of other queues: their payloads are not read. Ids never
#: change and are given out in growing order, so each message is met once.
_BROWSE: Final = f"""
    SELECT page.id, {COLUMNS}
    FROM (SELECT id, queue FROM messages WHERE id > ? ORDER BY id LIMIT {_PIECE}) AS page
    LEFT JOIN messages AS m ON m.id = page.id AND page.queue = ? ORDER BY page.id
"""  # noqa: S608

_UUIDS: Final = f"SELECT uuid FROM messages WHERE ns = ? AND uuid > ? ORDER BY uuid LIMIT {_PIECE}"  # noqa: S608


def stored(queue: str, row: Sequence[Any]) -> Stored:
    """Return what is shown of a message of this queue, of its :data:`COLUMNS`."""
    uuid, payload, priority, state, losses, revoked, tail = row
    if not isinstance(payload, bytes):
        payload = str(payload).encode()  # overwritten by another program; it is shown all the same
    known: MessageState = state
    one = Stored(uuid, queue, payload, priority, known, losses, bool(revoked))
    return one._replace(**tail_values(Stored, tail)) if tail else one


def get(tx: Transaction, queue: str, uuid: str) -> Stored | None:
    """Return a message, or None."""
    row = tx.execute(_GET, (tx.ns, uuid, tx.ns, queue)).fetchone()
    return None if row is None else stored(queue, row)


def exists(tx: Transaction, queue: str, uuid: str) -> bool:
    """Return True if the message is stored."""
    return tx.execute(_EXISTS, (tx.ns, uuid, tx.ns, queue)).fetchone() is not None


def queues(tx: Transaction) -> list[str]:
    """Return the queues that hold messages, in alphabetical order."""
    rows = tx.execute("SELECT name FROM queues WHERE ns = ? AND messages > 0", (tx.ns,)).fetchall()
    return sorted(name for (name,) in rows)


def count(tx: Transaction, queue: str) -> int:
    """Return how many messages a queue holds."""
    row = tx.execute("SELECT messages FROM queues WHERE ns = ? AND name = ?", (tx.ns, queue)).fetchone()
    return 0 if row is None else row[0]


def _number(tx: Transaction, queue: str) -> int | None:
    """Return the id of a queue, which stays as long as anything of the queue is stored; None if it has no row."""
    (number,) = tx.execute(_NUMBER, (tx.ns, queue)).fetchone()
    return None if number is None else int(number)


def browse(database: Database, queue: str) -> Iterator[Stored]:
    """Iterate over the messages of a queue, in the order in which they were submitted."""
    number = database.read(lambda tx: _number(tx, queue))
    last = -1
    while number is not None:
        after = last
        rows = database.read(lambda tx: tx.execute(_BROWSE, (after, number)).fetchall())  # noqa: B023 - runs at once
        if not rows:
            return
        last = rows[-1][0]
        for _, *columns in rows:
            if columns[0] is not None:
                yield stored(queue, columns)


def uuids(database: Database) -> Iterator[str]:
    """Iterate over the uuids of all messages, in alphabetical order."""
    last = ""
    while True:
        after = last
        rows = database.read(lambda tx: tx.execute(_UUIDS, (tx.ns, after)).fetchall())  # noqa: B023 - runs at once
        if not rows:
            return
        last = rows[-1][0]
        yield from (uuid for (uuid,) in rows)
