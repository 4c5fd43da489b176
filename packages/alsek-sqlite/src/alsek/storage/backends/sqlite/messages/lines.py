"""Lines: messages with the same set of limits wait together, and stand at one of these limits.

Triggers of lines.sql count the messages of a line, and keep it at the place of its first message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from alsek.storage.backends.records import Limit
from alsek.storage.backends.sqlite.database.transaction import Transaction

_FIND: Final = "SELECT id FROM lines WHERE ns = ? AND name = ?"
_MAKE: Final = """
    INSERT INTO lines (ns, name, limit_id, priority, arrival)
    SELECT ?, ?, ?, priority, arrival FROM messages WHERE id = ?
"""
_MOVE: Final = "UPDATE lines SET limit_id = ? WHERE id = ?"
#: The first two lines that stand at a limit.
_FIRST_LINES: Final = """
    SELECT id, name, priority, arrival FROM lines WHERE limit_id = ? ORDER BY priority, arrival, id LIMIT 2
"""
#: 0.1.0 may have removed a message and left its entry behind; the id may be that of another one since.
_FIRST: Final = """
    SELECT w.priority, w.arrival, w.message, w.queue, w.task, m.tail, m.wish, m.suspect
    FROM waiting AS w LEFT JOIN messages AS m
    ON m.id = w.message AND m.priority = w.priority AND m.arrival = w.arrival AND m.queue = w.queue
    WHERE w.line = ? AND (w.priority, w.arrival) <= (?, ?) ORDER BY w.priority, w.arrival, w.message LIMIT ?
"""
#: The first messages of the first lines.
_HEADS: Final = """
    SELECT w.priority, w.arrival, w.message, w.queue, w.task, m.tail, m.wish, m.suspect
    FROM lines AS n CROSS JOIN waiting AS w ON w.line = n.id AND w.priority = n.priority AND w.arrival = n.arrival
    CROSS JOIN messages AS m ON m.id = w.message WHERE n.limit_id = ? ORDER BY n.priority, n.arrival LIMIT ?
"""
#: Behind all places.
_LAST: Final = (2**63 - 1, 2**63 - 1)


class First(NamedTuple):
    """A message that waits: its place, and what is needed to let it in. Without a tail, it is gone."""

    priority: int
    arrival: int
    message: int
    queue: int
    task: str
    tail: str | None
    wish: int
    suspect: int


def name_of(limits: Iterable[Limit]) -> str:
    """Return the name of the line of messages with these limits, which are in the order of their ids."""
    return ",".join(limit.id for limit in limits)


def line_of(tx: Transaction, message: int, limits: Iterable[Limit], full: int) -> int:
    """Return the id of the line of a message; if there is none, one is made, which stands at the limit `full`."""
    name = name_of(limits)
    row = tx.execute(_FIND, (tx.ns, name)).fetchone()
    line: int | None = tx.execute(_MAKE, (tx.ns, name, full, message)).lastrowid if row is None else row[0]
    assert line is not None
    return line


def some_of(tx: Transaction, limit: int, most: int) -> list[First]:
    """Return the first message of each of so many lines that stand at a limit, and as many of the first line."""
    heads = tx.execute(_HEADS, (limit, most)).fetchall()
    row = tx.execute(_FIRST_LINES, (limit,)).fetchone()
    rows = [] if row is None else tx.execute(_FIRST, (row[0], *_LAST, most)).fetchall()
    return [First._make(each) for each in (*heads, *rows)]


class Standing:
    """The lines that stand at a limit, as a settling looks at them: one message after the other, in order.

    While the limit has room, no line begins to stand at it. So some of the messages of its first line are read at once:
    those that come before its second line.

    Args:
        tx: The transaction.
        limit: The id of the limit.

    Attributes:
        line: The id of the line of the message that was answered last.
        name: The name of this line.
    """

    def __init__(self, tx: Transaction, limit: int) -> None:
        self._tx = tx
        self._limit = limit
        self._ahead: deque[First] = deque()
        self.line = 0
        self.name = ""

    def next(self, most: int) -> First | None:
        """Return the next message; None if there is none. At most so many are read at once."""
        if not self._ahead:
            lines = self._tx.execute(_FIRST_LINES, (self._limit,)).fetchall()
            if not lines:
                return None
            most = most if lines[0][0] == self.line else 1  # the line may have to move on at once
            self.line, self.name, *_ = lines[0]
            until = _LAST if len(lines) == 1 else lines[1][2:]
            rows = self._tx.execute(_FIRST, (self.line, *until, most)).fetchall()
            self._ahead.extend(map(First._make, rows))
        return self._ahead.popleft() if self._ahead else None

    def move(self, full: int) -> None:
        """Let the line of the message that was answered last stand at the limit `full`."""
        self._tx.execute(_MOVE, (full, self.line))
        self.read_anew()

    def read_anew(self) -> None:
        """Forget what was read: what stands at the limit has changed otherwise than by what was answered."""
        self._ahead.clear()
