"""The interface of the supervisor's parts."""

from __future__ import annotations

from typing import Protocol


class Component(Protocol):
    """One duty of the supervisor, which its loop calls in turn. All times are monotonic ms."""

    def next_wake(self) -> int | None:
        """Return when :meth:`run` is next needed if no child and no signal wakes the loop; None for not at all."""

    def run(self, now: int) -> None:
        """Do what is due."""
