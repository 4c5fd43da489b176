"""Lines: the messages with the same set of limits that wait, in their order. A line stands at one of these limits.

:mod:`~alsek.storage.backends.memory.messages.admission` says which limit has room, and
:mod:`~alsek.storage.backends.memory.messages.settling` lets in what waits.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import TypeAlias

#: The place of a ready message in its lane, or of one that waits in its line: (priority, arrival, uuid).
Place: TypeAlias = tuple[int, int, str]

#: The ids of limits, in order.
LimitIds: TypeAlias = tuple[str, ...]


@dataclass(eq=False, slots=True)
class Line:
    """A line of messages that wait.

    Attributes:
        ids: The limits of each of its messages.
        at: The id of the limit at which it stands.
        places: The places of its messages, in order. A line without messages is not kept.
    """

    ids: LimitIds
    at: str
    places: list[Place] = field(default_factory=list)

    @property
    def place(self) -> Place:
        """The place of its first message: that of the line at its limit."""
        return self.places[0]


@dataclass(eq=False, slots=True)
class LinesAtLimit:
    """The lines that stand at a limit, in order."""

    _entries: list[tuple[Place, LimitIds]] = field(default_factory=list)
    _lines: dict[LimitIds, Line] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._entries)

    def __len__(self) -> int:
        """How many messages wait in these lines."""
        return sum(len(line.places) for line in self._lines.values())

    @property
    def first(self) -> Line:
        """The line whose first message comes before those of the others."""
        return self._lines[self._entries[0][1]]

    def in_order(self) -> list[Line]:
        """Return all of them, the first one first."""
        return [self._lines[ids] for _, ids in self._entries]

    def insert(self, line: Line) -> None:
        """Let a line stand here, at its place."""
        insort(self._entries, (line.place, line.ids))
        self._lines[line.ids] = line

    def remove(self, line: Line) -> None:
        """Let it stand here no longer; its place must not have changed since."""
        del self._entries[bisect_left(self._entries, (line.place, line.ids))]
        del self._lines[line.ids]
