"""The lanes of a queue: ready messages that the same workers may take.

A lane has a *number* within its queue, and a *key* in the table `ready`, which also says of which queue it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from alsek.storage.backends.kinds import (
    LOOKED_AT,
    WISHES,
    WISHES_BY_SLOT,
    SlotKind,
    WorkerKind,
    is_async,
)
from alsek.types import Wish

#: The number of each wish in the schema.
WISH_NUMBERS: Final[Mapping[Wish, int]] = {wish: number for number, wish in enumerate(WISHES)}

#: Of those that only messages of ``async def`` tasks have.
ASYNC_WISH_NUMBERS: Final = frozenset(number for wish, number in WISH_NUMBERS.items() if is_async(wish))

#: The numbers of all lanes of a queue: wish * 2 + suspect.
LANES: Final = range(2 * len(WISHES))

#: How many of them 0.1.0 left room for in the keys. Those behind have keys of their own: see async_lanes.sql.
_IN_A_ROW: Final = 8


class SlotLanes(NamedTuple):
    """The lanes of a queue whose messages take up one slot kind in a worker.

    Attributes:
        slot: The slot kind.
        plain: The numbers of the lanes of messages that are no suspects.
        suspects: Those of suspects.
    """

    slot: SlotKind
    plain: tuple[int, ...]
    suspects: tuple[int, ...]


def _slot_lanes(slot: SlotKind, wishes: Collection[Wish]) -> SlotLanes:
    plain = tuple(WISH_NUMBERS[wish] * 2 for wish in wishes)
    return SlotLanes(slot, plain, tuple(lane + 1 for lane in plain))


_LANES_OF: Final[Mapping[WorkerKind, tuple[SlotLanes, ...]]] = {
    kind: tuple(_slot_lanes(slot, wishes) for slot, wishes in slots.items())
    for kind, slots in WISHES_BY_SLOT.items()
}
_LANES_SOUGHT: Final[Mapping[WorkerKind, tuple[SlotLanes, ...]]] = {
    kind: (*_LANES_OF[kind], _slot_lanes("coroutine", wishes)) for kind, wishes in LOOKED_AT.items()
}


def lanes_in_step(kind: WorkerKind, limits: Collection[SlotKind]) -> tuple[SlotLanes, ...]:
    """Return the lanes from which a worker may take messages in a step with these limits, by slot kinds."""
    if "coroutine" in limits:
        return _LANES_SOUGHT.get(kind) or _LANES_OF[kind]
    return _LANES_OF[kind]


def lanes_of_waiter(kind: WorkerKind, slot: SlotKind | None) -> tuple[SlotLanes, ...]:
    """Return the lanes for whose messages a worker's waiter is woken: those of this slot kind, or all."""
    return tuple(lanes for lanes in _LANES_OF[kind] if slot in (None, lanes.slot))


def lane_key(queue: str, lane: str) -> str:
    """Return the expression for the key of a lane, of those for the id of the queue and the number of the lane."""
    return (
        f"CASE WHEN {lane} < {_IN_A_ROW} THEN {queue} * {_IN_A_ROW} + {lane} "
        f"ELSE {_IN_A_ROW - 1} - {queue} * 2 - ({lane}) END"
    )


def lane_key_of(prefix: str = "") -> str:
    """Return the expression for the key of a message's lane.

    Args:
        prefix: What the columns of `messages` begin with in the statement, such as ``m.``.
    """
    return lane_key(f"{prefix}queue", f"{prefix}wish * 2 + {prefix}suspect")


def lane_keys(queue: int, lanes: Collection[int]) -> list[int]:
    """Return the keys of these lanes of a queue, as :func:`lane_key` computes them."""
    return [
        queue * _IN_A_ROW + lane if lane < _IN_A_ROW else _IN_A_ROW - 1 - queue * 2 - lane for lane in lanes
    ]


class Lane(NamedTuple):
    """The ready messages of one queue that the same workers may take, and so a reason to wake one of them.

    Attributes:
        queue: The queue's name.
        wish: The wish of the messages, by its number.
        suspect: 1 for the suspects among them, 0 for the others.
        takers: Of messages that are set aside, the names of the workers that may take them, whatever queues those
            serve. None for all others: the workers that serve the queue.
    """

    queue: str
    wish: int
    suspect: int = 0
    takers: frozenset[str] | None = None
