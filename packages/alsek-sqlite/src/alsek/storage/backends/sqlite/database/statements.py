"""Parts of statements that take many values."""

from __future__ import annotations


def marks(count: int) -> str:
    """Return the placeholders of this many values: SQLite takes 32,766 in one statement."""
    return ",".join("?" * count)
