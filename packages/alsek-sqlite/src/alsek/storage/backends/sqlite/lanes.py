"""The lanes of a queue: ready messages that the same workers may take."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from alsek.storage.backends.kinds import MECHANISM_WISHES, WISHES_OF

#: The number of each wish in the schema.
WISH_NUMBERS: Final[Mapping[str, int]] = {wish: number for number, wish in enumerate(MECHANISM_WISHES)}

#: The numbers of all lanes of a queue.
LANES: Final = range(2 * len(WISH_NUMBERS))

#: The numbers of the lanes (wish * 2 + suspect, see schema.sql) from which each kind of worker may take messages that
#: are no suspects.
PLAIN_LANES: Final = {
    kind: tuple(WISH_NUMBERS[wish] * 2 for wish in wishes if wish in WISH_NUMBERS)
    for kind, wishes in WISHES_OF.items()
}

#: Those from which it may take suspects.
SUSPECT_LANES: Final = {kind: tuple(lane + 1 for lane in lanes) for kind, lanes in PLAIN_LANES.items()}


def lane_key(prefix: str = "") -> str:
    """Return the expression for a message's lane as the key of `ready` has it.

    Args:
        prefix: What the columns of `messages` begin with in the statement, such as ``m.``.
    """
    return f"{prefix}queue * 8 + {prefix}wish * 2 + {prefix}suspect"


def lane_keys(queue: int, lanes: Collection[int]) -> list[int]:
    """Return the keys of these lanes of a queue, as :func:`lane_key` computes them."""
    return [queue * 8 + lane for lane in lanes]


class Lane(NamedTuple):
    """The ready messages of one queue that the same workers may take, and so a reason to wake one of them.

    Attributes:
        queue: The queue's name.
        wish: The kind of pool that the messages ask for, by its number.
        suspect: 1 for the suspects among them, 0 for the others.
        takers: Of messages that are set aside, the names of the workers that may take them, whatever queues those
            serve. None for all others: the workers that serve the queue.
    """

    queue: str
    wish: int
    suspect: int = 0
    takers: frozenset[str] | None = None
