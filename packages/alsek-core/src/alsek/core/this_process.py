"""The number of this process, without a system call."""

from __future__ import annotations

import os
from typing import Final


class _ThisProcess:
    """Where it is kept: a fork sets it in the child before any other code of Alsek runs there."""

    __slots__ = ("pid",)

    def __init__(self) -> None:
        self.pid = os.getpid()

    def update(self) -> None:
        """Look it up again."""
        self.pid = os.getpid()


this_process: Final = _ThisProcess()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=this_process.update)
