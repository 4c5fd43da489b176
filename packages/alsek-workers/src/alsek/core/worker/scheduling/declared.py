"""Which of the schedules that tasks declare may be fired: those that a living worker declares."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from alsek.core.clock import monotonic_ms
from alsek.core.schedules.declaring_workers import names_declared
from alsek.storage.backends.ports import MessagePort

#: For how long the answer of the store counts.
_KEPT_MS: Final = 1_000


class DeclaredNames:
    """Knows which schedules are declared, by this worker or another that lives.

    A declared schedule that is not is *orphaned*: the code that has its task may be gone, or a deploy may be under way.
    It stays in the store, and goes on when a worker declares it again.

    Args:
        own: The names that this worker declares.
        messages: Knows the other workers; asked only about a schedule that this one does not declare.
        clock: Returns monotonic ms.
    """

    def __init__(
        self, own: Collection[str], messages: MessagePort, clock: Callable[[], int] = monotonic_ms
    ) -> None:
        self._own = frozenset(own)
        self._messages = messages
        self._clock = clock
        self._of_all: frozenset[str] = frozenset()
        self._asked_at: int | None = None

    def __contains__(self, name: str) -> bool:
        """Return True if a living worker declares it.

        Raises:
            BackendError: The store can't say now.
        """
        if name in self._own:
            return True
        now = self._clock()
        if self._asked_at is None or now - self._asked_at >= _KEPT_MS:
            self._of_all = names_declared(self._messages.workers(), self._messages.now())
            self._asked_at = now
        return name in self._of_all
