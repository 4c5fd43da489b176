"""Some messages of a queue that are in one state, without reading a backlog."""

from __future__ import annotations

from typing import Final

from alsek.storage.backends.ports.inspection import PEEKED
from alsek.storage.backends.records import Stored
from alsek.storage.backends.sqlite.database.transaction import QUEUE, Transaction
from alsek.storage.backends.sqlite.lanes import LANES, lane_key
from alsek.storage.backends.sqlite.messages.queries import SHOWN, stored
from alsek.storage.backends.states import MessageState

#: The first of each lane.
_IN_LANES: Final = " UNION ALL ".join(
    "SELECT * FROM (SELECT priority, arrival, message FROM ready"  # noqa: S608
    f" WHERE lane = {lane_key(':queue', str(code))} ORDER BY priority, arrival LIMIT :most)"
    for code in LANES
)
_SET_ASIDE: Final = """
    SELECT * FROM (SELECT a.priority, a.arrival, a.message FROM aside_lanes AS l JOIN aside AS a ON a.lane = l.id
                   WHERE l.queue = :queue LIMIT :peeked)
"""
#: Of each state, two numbers that say the order, and the message.
_CHOSEN: Final[dict[MessageState, str]] = {
    "ready": f"SELECT priority AS one, arrival AS two, message FROM ({_IN_LANES} UNION ALL {_SET_ASIDE})",  # noqa: S608
    "delayed": "SELECT due AS one, message AS two, message FROM delayed WHERE ns = :ns ORDER BY due LIMIT :peeked",
    "claimed": "SELECT token AS one, 0 AS two, message FROM claims WHERE queue = :queue ORDER BY token LIMIT :most",
    "waiting": "SELECT priority AS one, arrival AS two, message FROM waiting LIMIT :peeked",
}
_STATEMENTS: Final = {
    state: f"""
        SELECT {SHOWN.format(state=f"'{state}'")}
        FROM ({chosen}) AS c CROSS JOIN messages AS m ON m.id = c.message AND m.queue = :queue
        ORDER BY c.one, c.two LIMIT :most
    """  # noqa: S608
    for state, chosen in _CHOSEN.items()
}


def peek(tx: Transaction, queue: str, state: MessageState, most: int) -> list[Stored]:
    """Return up to `most` messages of a queue that are in this state, those that go first or are due first."""
    (number,) = tx.execute(f"SELECT {QUEUE}", (tx.ns, queue)).fetchone()
    if number is None:
        return []
    values = {"ns": tx.ns, "queue": number, "most": most, "peeked": PEEKED}
    return [stored(queue, row) for row in tx.execute(_STATEMENTS[state], values).fetchall()]
