"""Claims from queues in which something is set aside for the worker: in its place among what is simply ready."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from alsek.storage.backends.batches import in_pieces
from alsek.storage.backends.records import Worker
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.lanes import lane_keys
from alsek.storage.backends.sqlite.messages.aside_lanes import AsideLane
from alsek.storage.backends.sqlite.messages.claims import COLUMNS, Claiming, Ready, place
from alsek.storage.backends.sqlite.messages.transitions import leave

#: How many lanes one statement takes.
_PIECE: Final = 16

#: What is added to the id of a lane of `aside`, so that it is no key of `ready`.
_ASIDE: Final = 1 << 62

#: 0.1.0 may have removed a message and left its entry behind; the id may be that of another one since.
_BEST: Final = {
    lanes: f"""
    SELECT r.lane + {_ASIDE}, {COLUMNS}
    FROM ({
        " UNION ALL ".join(["SELECT lane, priority, arrival, message FROM aside WHERE lane = ?"] * lanes)
    } ORDER BY priority, arrival LIMIT ?) AS r LEFT JOIN messages AS m
    ON m.id = r.message AND m.priority = r.priority AND m.arrival = r.arrival
    AND m.queue = (SELECT queue FROM aside_lanes WHERE id = r.lane)
    """  # noqa: S608 - the same text repeated
    for lanes in range(1, _PIECE + 1)
}


class AsideClaiming(Claiming):
    """The claims of a step for whose worker something is set aside.

    Below, the key of a lane of `aside` is its id and :data:`_ASIDE`.

    Args:
        tx: The transaction.
        where: Names the store in the log.
        worker: The worker that claims.
        number: The worker's id.
        seq: The step's number.
        token: The last token given out so far.
        lanes: What is set aside for the worker.
    """

    def __init__(
        self,
        tx: Transaction,
        where: str,
        worker: Worker,
        number: int,
        seq: int,
        token: int,
        lanes: Sequence[AsideLane],
    ) -> None:
        super().__init__(tx, where, worker, number, seq, token)
        self._aside: dict[int, list[AsideLane]] = {}
        for lane in lanes:
            self._aside.setdefault(lane.queue, []).append(lane)
        own = worker.queues
        self._foreign = {lane.queue for lane in lanes if own is not None and lane.name not in own}

    def _lanes(self, queue: int, lanes: Collection[int]) -> list[int]:
        ready = [] if queue in self._foreign else lane_keys(queue, lanes)
        return ready + [_ASIDE + lane.id for lane in self._aside.get(queue, ()) if lane.code in lanes]

    def _best(self, lanes: Sequence[int], limit: int) -> list[Ready]:
        ready = [lane for lane in lanes if lane < _ASIDE]
        rows = super()._best(ready, limit) if ready else []
        for piece in in_pieces([lane - _ASIDE for lane in lanes if lane >= _ASIDE], _PIECE):
            rows += self._tx.execute(_BEST[len(piece)], (*piece, limit)).fetchall()
        rows.sort(key=place)
        return rows[:limit]

    def _leave(self, rows: Sequence[Ready]) -> None:
        super()._leave([row for row in rows if row[0] < _ASIDE])
        last: dict[int, tuple[Any, ...]] = {
            row[0]: (row[0] - _ASIDE, *row[1:3]) for row in rows if row[0] >= _ASIDE
        }
        leave(self._tx, "aside", list(last.values()))
