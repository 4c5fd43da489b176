"""Context variables: each message has a context of its own, so that none sees what another has set.

It begins as a copy of what the start hooks left. The trackers, the hooks and the task of one message share it, and with
them it is gone. A copy shares its values: the one of Python's own that is changed in place, the context of ``decimal``,
is therefore copied, too.
"""

from __future__ import annotations

import contextvars
import sys
from collections.abc import Callable
from typing import Any


class Contexts:
    """Makes them. Created once in a process, after its start hooks and in the thread that ran them."""

    def __init__(self) -> None:
        self._base = contextvars.copy_context()
        decimal: Any = sys.modules.get("decimal")
        used = decimal is not None and any(isinstance(each, decimal.Context) for each in self._base.values())
        #: Makes a context for one message.
        self.fresh: Callable[[], contextvars.Context] = self._parted if used else self._base.copy

    def _parted(self) -> contextvars.Context:
        context = self._base.copy()
        context.run(_part_decimal)
        return context


def _part_decimal() -> None:
    import decimal  # it is imported already

    decimal.setcontext(decimal.getcontext().copy())
