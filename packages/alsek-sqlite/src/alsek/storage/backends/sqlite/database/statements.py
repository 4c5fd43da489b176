"""Parts of statements that take many values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def marks(count: int) -> str:
    """Return the placeholders of this many values."""
    return ",".join("?" * count)


def in_pieces(values: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """Iterate over values, at most this many at a time. SQLite takes 32,766 in one statement."""
    return (values[start : start + most] for start in range(0, len(values), most))
