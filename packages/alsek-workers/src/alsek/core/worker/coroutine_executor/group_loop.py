"""The event loop of a worker group as the rest of the group sees it: made when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from alsek.core.worker.coroutine_executor.event_loop import EventLoopThread

T = TypeVar("T")


class GroupLoop:
    """Has the event loop of a worker group, on which everything asynchronous of the group runs.

    Its tasks, the start and stop hooks, the hooks of the other tasks. It is made at the first use, and another one when
    it was given up, or user code has broken it. Thread-safe.
    """

    def __init__(self) -> None:
        self._current: EventLoopThread | None = None
        self._lock = threading.Lock()
        self._made = 0

    def current(self) -> EventLoopThread:
        """Return the loop that serves what comes next."""
        current = self._current
        if current is None or current.broken:
            from alsek.core.worker.coroutine_executor.event_loop import EventLoopThread  # it imports asyncio

            with self._lock:
                if self._current is None or self._current.broken:
                    self._made += 1
                    self._current = EventLoopThread(
                        "alsek-loop" if self._made == 1 else f"alsek-loop-{self._made}"
                    )
                current = self._current
        return current

    def give_up(self, loop: EventLoopThread) -> None:
        """Use another loop from now on, because this one does not go on."""
        with self._lock:
            if self._current is loop:
                self._current = None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run the coroutine on the loop, wait for its end in the calling thread, and return its result."""
        return self.current().run(coroutine)

    def shut_down(self) -> None:
        """End the loop, if there is one: cancel what is left on it, and wait for that a moment at most."""
        current, self._current = self._current, None
        if current is not None:
            current.shut_down()
