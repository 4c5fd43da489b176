"""Looking on: messages and dead letters as they are stored now. Nothing here writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from alsek.storage.backends.header import tail_values
from alsek.storage.backends.records import Stored
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.transaction import QUEUE, Transaction
from alsek.storage.backends.sqlite.messages.transitions import STATE
from alsek.storage.backends.states import MessageState

#: Rows that one read looks at: a long one would keep the log from being written back.
_PIECE: Final = 500

#: The state of the message in the row ``m``.
_COLUMNS: Final = f"m.uuid, m.payload, m.priority, {STATE}, m.losses, m.revoked, m.tail"
_EXISTS: Final = f"SELECT 1 FROM messages WHERE ns = ? AND uuid = ? AND queue = {QUEUE}"  # noqa: S608
_NUMBER: Final = f"SELECT {QUEUE}"
_GET: Final = f"SELECT {_COLUMNS} FROM messages AS m WHERE m.ns = ? AND m.uuid = ? AND m.queue = {QUEUE}"  # noqa: S608

#: Ids never change and are given out in growing order, so going up by id meets each message once.
_BROWSE: Final = f"""
    SELECT m.id, m.queue, {_COLUMNS} FROM messages AS m WHERE m.id > ? ORDER BY m.id LIMIT {_PIECE}
"""  # noqa: S608

_UUIDS: Final = f"SELECT uuid FROM messages WHERE ns = ? AND uuid > ? ORDER BY uuid LIMIT {_PIECE}"  # noqa: S608


def _stored(queue: str, row: tuple[Any, ...]) -> Stored:
    uuid, payload, priority, state, losses, revoked, tail = row
    if not isinstance(payload, bytes):
        payload = str(payload).encode()  # spoilt: whoever looks should see it all the same
    known: MessageState = state
    return Stored(uuid, queue, payload, priority, known, losses, bool(revoked), **tail_values(Stored, tail))


def get(tx: Transaction, queue: str, uuid: str) -> Stored | None:
    """A message, or None."""
    row = tx.execute(_GET, (tx.ns, uuid, tx.ns, queue)).fetchone()
    return None if row is None else _stored(queue, row)


def exists(tx: Transaction, queue: str, uuid: str) -> bool:
    """Whether the message is stored."""
    return tx.execute(_EXISTS, (tx.ns, uuid, tx.ns, queue)).fetchone() is not None


def queues(tx: Transaction) -> list[str]:
    """The queues that hold messages, in alphabetical order."""
    rows = tx.execute("SELECT name FROM queues WHERE ns = ? AND messages > 0", (tx.ns,)).fetchall()
    return sorted(name for (name,) in rows)


def count(tx: Transaction, queue: str) -> int:
    """How many messages a queue holds."""
    row = tx.execute("SELECT messages FROM queues WHERE ns = ? AND name = ?", (tx.ns, queue)).fetchone()
    return 0 if row is None else row[0]


def _number(tx: Transaction, queue: str) -> int | None:
    """The number of a queue, which stays as long as anything of the queue is stored; None if there is no such queue."""
    (number,) = tx.execute(_NUMBER, (tx.ns, queue)).fetchone()
    return None if number is None else int(number)


def browse(database: Database, queue: str) -> Iterator[Stored]:
    """The messages of a queue, in the order in which they were submitted."""
    number = database.read(lambda tx: _number(tx, queue))
    last = -1
    while number is not None:
        after = last
        rows = database.read(lambda tx: tx.execute(_BROWSE, (after,)).fetchall())  # noqa: B023 - runs at once
        if not rows:
            return
        last = rows[-1][0]
        for row in rows:
            if row[1] == number:
                yield _stored(queue, row[2:])


def uuids(database: Database) -> Iterator[str]:
    """The uuids of all messages, in alphabetical order."""
    last = ""
    while True:
        after = last
        rows = database.read(lambda tx: tx.execute(_UUIDS, (tx.ns, after)).fetchall())  # noqa: B023 - runs at once
        if not rows:
            return
        last = rows[-1][0]
        yield from (uuid for (uuid,) in rows)
