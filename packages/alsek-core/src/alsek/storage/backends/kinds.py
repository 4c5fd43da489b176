"""Kinds of pools, wishes of messages and policies for suspects: which worker may take which message.

The ready messages of a queue wait in *lanes*: one for each wish, and one more for the suspects of each wish. All
messages of a lane may be taken by the same workers. A new kind of pool is declared in :data:`alsek.types.Mechanism` and
:data:`alsek.types.Wish`; everything here, the numbers of the lanes in SQLite's tables and the letters in Redis' records
follow from it. So a new kind goes to the end: the numbers and letters of the others are stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from alsek.types import Mechanism, Wish

#: The kind of a worker: that of its pool, or ``"any"`` for a consumer, which takes messages of every wish.
WorkerKind: TypeAlias = Wish

#: The kinds of pools.
POOL_KINDS: Final[tuple[Mechanism, ...]] = get_args(Mechanism)

#: The wishes of messages.
WISHES: Final[tuple[Wish, ...]] = get_args(Wish)

#: The letter of each wish in Redis.
WISH_LETTERS: Final[Mapping[Wish, str]] = {wish: wish[0] for wish in WISHES}

#: The wishes of the messages that a worker of each kind may take.
WISHES_OF: Final[Mapping[WorkerKind, tuple[Wish, ...]]] = {
    "any": WISHES,
    **{kind: ("any", kind) for kind in POOL_KINDS},
}

#: The kinds of pools that may take a message of each wish; and those as which a worker of each kind is woken.
POOL_KINDS_OF: Final[Mapping[Wish, tuple[Mechanism, ...]]] = {
    "any": POOL_KINDS,
    **{kind: (kind,) for kind in POOL_KINDS},
}

#: How a worker takes suspects: see :class:`~alsek.storage.backends.records.Worker`.
SuspectPolicy: TypeAlias = Literal["alone", "freely", "only"]


class SuspectRule(NamedTuple):
    """What a policy for suspects allows.

    Attributes:
        plain: The worker takes messages that are no suspects, unless it holds a suspect alone.
        freely: It takes suspects like other messages. Else it takes one while it holds nothing, and nothing more until
            that one is finished.
    """

    plain: bool
    freely: bool


SUSPECT_RULES: Final[Mapping[SuspectPolicy, SuspectRule]] = {
    "alone": SuspectRule(plain=True, freely=False),
    "freely": SuspectRule(plain=True, freely=True),
    "only": SuspectRule(plain=False, freely=False),
}
