"""The lanes of a queue: ready messages that the same workers may take."""

from __future__ import annotations

from typing import Final, NamedTuple

#: The number of each wish in the schema.
WISHES: Final[dict[str, int]] = {"any": 0, "thread": 1, "process": 2}

#: The lanes of a queue (see schema.sql) that each kind of worker may take from, suspects aside.
PLAIN_LANES: Final[dict[str, tuple[int, ...]]] = {"any": (0, 2, 4), "thread": (0, 2), "process": (0, 4)}

#: Those of the suspects.
SUSPECT_LANES: Final = {kind: tuple(lane + 1 for lane in lanes) for kind, lanes in PLAIN_LANES.items()}


class Lane(NamedTuple):
    """The ready messages of one queue that the same workers may take; so a reason to wake one of them.

    Attributes:
        queue: Its name.
        wish: As in the schema.
        suspect: 1 for the suspects among them.
    """

    queue: str
    wish: int
    suspect: int = 0
