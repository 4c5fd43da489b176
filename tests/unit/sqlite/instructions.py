"""Counts what SQLite does, so that a cost can be compared without a clock."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any


class Instructions:
    """How many instructions of its virtual machine SQLite runs, on connections that are opened from now on."""

    def __init__(self) -> None:
        self.run = 0

    def connect(self, *arguments: Any, **options: Any) -> sqlite3.Connection:
        """As ``sqlite3.connect``."""
        made = sqlite3.connect(*arguments, **options)
        made.set_progress_handler(self._count, 1)
        return made

    def _count(self) -> int:
        self.run += 1
        return 0

    def of(self, work: Callable[[], object]) -> int:
        """How many `work` takes."""
        before = self.run
        work()
        return self.run - before
