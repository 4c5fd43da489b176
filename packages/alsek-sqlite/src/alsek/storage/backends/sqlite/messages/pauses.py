"""Pauses of queues: while a queue is paused, the table of lanes with something ready has no row of it."""

from __future__ import annotations

from typing import Final

from alsek.storage.backends.records import Pause
from alsek.storage.backends.sqlite.database.transaction import QUEUE, Transaction
from alsek.storage.backends.sqlite.lanes import LANES, Lane, lane_key
from alsek.storage.backends.sqlite.messages.aside_lanes import wake_for_queue
from alsek.storage.backends.sqlite.messages.new_rows import make_queue

_PAUSE: Final = f"""
    INSERT INTO pauses (queue, who, since) VALUES ({QUEUE}, ?, ?) ON CONFLICT (queue) DO NOTHING
"""  # noqa: S608
_EMPTY_LANES: Final = (
    f"DELETE FROM lanes WHERE ns = ? AND code IN ({', '.join(map(str, LANES))}) AND name = ?"  # noqa: S608
)
_RESUME: Final = f"DELETE FROM pauses WHERE queue = {QUEUE} RETURNING queue"  # noqa: S608
_FILL_LANES: Final = f"""
    INSERT INTO lanes (ns, code, name, queue)
    WITH codes (code) AS (VALUES {", ".join(f"({code})" for code in LANES)})
    SELECT q.ns, codes.code, q.name, q.id FROM queues AS q JOIN codes
    WHERE q.id = ? AND EXISTS (SELECT 1 FROM ready WHERE lane = {lane_key("q.id", "codes.code")})
    RETURNING code
"""  # noqa: S608
_ALL: Final = """
    SELECT q.name, p.who, p.since FROM pauses AS p JOIN queues AS q ON q.id = p.queue WHERE q.ns = ? ORDER BY q.name
"""


def pause(tx: Transaction, queue: str, by: str) -> bool:
    """Pause a queue; return True if it was not paused."""
    make_queue(tx, queue)
    if tx.execute(_PAUSE, (tx.ns, queue, by, tx.now)).rowcount != 1:
        return False
    tx.execute(_EMPTY_LANES, (tx.ns, queue))
    return True


def resume(tx: Transaction, queue: str) -> bool:
    """Resume a queue, and wake workers for what is ready in it; return True if it was paused."""
    rows = tx.execute(_RESUME, (tx.ns, queue)).fetchall()
    if not rows:
        return False
    ((number,),) = rows
    for (code,) in tx.execute(_FILL_LANES, (number,)).fetchall():
        tx.wake(Lane(queue, code // 2, code % 2))
    wake_for_queue(tx, number, queue)
    return True


def end_pauses(tx: Transaction) -> None:
    """Resume all queues of the namespace."""
    for each in pauses(tx):
        resume(tx, each.queue)


def pauses(tx: Transaction) -> list[Pause]:
    """Return the paused queues, in alphabetical order."""
    return [Pause(*row) for row in tx.execute(_ALL, (tx.ns,)).fetchall()]
