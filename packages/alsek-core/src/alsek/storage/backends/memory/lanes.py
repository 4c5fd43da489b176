"""The lanes of a queue: ready messages that the same workers may take."""

from __future__ import annotations

from typing import NamedTuple

from alsek.types import Wish


class Lane(NamedTuple):
    """The ready messages of one queue that the same workers may take, and so a reason to wake one of them.

    Attributes:
        queue: The queue's name.
        wish: The kind of pool that the messages ask for.
        suspect: True for the suspects among them.
        task: The task for which they are set aside; empty for others.
    """

    queue: str
    wish: Wish
    suspect: bool
    task: str = ""
