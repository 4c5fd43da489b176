"""What a move has done."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from alsek.storage.backends.copies import CopyKind

#: So many things that were left are kept with their reasons; all are counted.
MOST_NAMED: Final = 1_000


class Left(NamedTuple):
    """Something that was not moved, or not as it was.

    Attributes:
        kind: What it is.
        key: Its uuid or name.
        reason: Why.
    """

    kind: CopyKind
    key: str
    reason: str


@dataclass(slots=True)
class MoveReport:
    """What a move has done.

    Attributes:
        moved: How many things of each kind were moved, without those of earlier runs.
        resumed: An earlier run had not ended.
        left: What stayed in the source, or came too late for its name; at most :data:`MOST_NAMED`.
        left_count: How many that were.
        held: How many messages a worker held at the end, so that they stayed.
    """

    moved: Counter[CopyKind] = field(default_factory=Counter)
    resumed: bool = False
    left: list[Left] = field(default_factory=list)
    left_count: int = 0
    held: int = 0

    @property
    def complete(self) -> bool:
        """Whether nothing was left."""
        return not (self.left_count or self.held)

    def note_left(self, left: Left) -> None:
        """Note that something was left."""
        self.left_count += 1
        if len(self.left) < MOST_NAMED:
            self.left.append(left)
