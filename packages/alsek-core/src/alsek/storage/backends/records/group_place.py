"""Where a message stands in a group."""

from __future__ import annotations

from typing import NamedTuple


class GroupPlace(NamedTuple):
    """The place of a message, or of a group, in a group: the group's id, and its number from 0 on."""

    group: str
    number: int

    def text(self) -> str:
        """Return it as it stands in the tail of a header: ``<group>:<number>``."""
        return f"{self.group}:{self.number}"

    @classmethod
    def of_text(cls, text: str) -> GroupPlace:
        """Read what :meth:`text` made.

        Raises:
            ValueError: It is no such text.
        """
        group, _, number = text.rpartition(":")
        return cls(group, int(number))
