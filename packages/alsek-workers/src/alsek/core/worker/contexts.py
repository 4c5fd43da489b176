"""Context variables: each message has a context of its own, so that no message sees what another has set.

A context begins as a copy of what the start hooks have set. The trackers, the hooks and the task of one message share
it. Copies share their values. Only one value of the standard library is changed in place: the context of ``decimal``.
Therefore it is copied, too.
"""

from __future__ import annotations

import contextvars
import sys
from collections.abc import Callable
from typing import Any


class Contexts:
    """Makes contexts for messages. Created once in a process, after its start hooks, in the thread that ran them."""

    def __init__(self) -> None:
        self._base = contextvars.copy_context()
        decimal: Any = sys.modules.get("decimal")
        # Mostly it is empty: then nothing is looked up, since a new process copies the pages of what it looks up.
        used = (
            len(self._base) > 0
            and decimal is not None
            and any(isinstance(each, decimal.Context) for each in self._base.values())
        )
        #: Makes a context for one message.
        self.fresh: Callable[[], contextvars.Context] = self._with_own_decimal if used else self._base.copy

    def _with_own_decimal(self) -> contextvars.Context:
        context = self._base.copy()
        context.run(_copy_decimal)
        return context


def _copy_decimal() -> None:
    import decimal  # it is imported already

    decimal.setcontext(decimal.getcontext().copy())
