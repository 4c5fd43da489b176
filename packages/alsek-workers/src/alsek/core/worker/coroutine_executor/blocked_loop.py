"""Notices that a coroutine blocks the event loop, and names it in the log."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from alsek.core.clock import monotonic_ms, real_time
from alsek.core.execution.guarded_hooks import log_context
from alsek.core.loggers import guarded_logger
from alsek.core.worker.coroutine_executor.event_loop import EventLoopThread
from alsek.core.worker.coroutine_executor.loop_frames import Executing, executing

log = guarded_logger(__name__)

#: A coroutine that does not await anything for so long is named.
BLOCKED_AFTER_MS: Final = 250

#: How often the loop is looked at while coroutines run.
_LOOK_EVERY_MS: Final = 50

_END_WITHIN_S: Final = 1.0

#: Of how many messages it is known that they were named.
_NAMED: Final = 1_000


class BlockedLoopWatch:
    """Looks at the loop from a thread of its own: it is blocked if it does not come to call a callback.

    The thread sleeps while there is nothing to watch.

    Args:
        loop: Returns the loop.
        is_busy: Whether coroutines run.
        look_at: Tells what the thread of a loop executes.

    Attributes:
        blocked_since: Since when the loop does not answer (monotonic ms); 0 if it does.
        asleep: The thread sleeps until :meth:`wake`.
    """

    def __init__(
        self,
        loop: Callable[[], EventLoopThread],
        is_busy: Callable[[], bool],
        look_at: Callable[[threading.Thread], Executing | None] = executing,
    ) -> None:
        self._loop = loop
        self._is_busy = is_busy
        self._look_at = look_at
        self.blocked_since = 0
        self.asleep = True
        self._named: deque[str] = deque(maxlen=_NAMED)
        self._asked: EventLoopThread | None = None
        self._asked_at = 0
        self._answered = True
        #: What the loop executed at the last look, if it had not answered then: the message, or else the place.
        self._seen = ""
        self._looked_at = 0
        self._stopped = False
        self._awake = threading.Event()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Begin to watch. In the engine's thread, when a coroutine is about to run and the thread is asleep."""
        self.asleep = False
        self._awake.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="alsek-loop-watch", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Let the thread end, and wait for that."""
        self._stopped = True
        self._awake.set()
        if self._thread is not None:
            self._thread.join(_END_WITHIN_S)

    def _watch(self) -> None:
        while not self._stopped:
            if self._is_busy():
                real_time.sleep(_LOOK_EVERY_MS / 1000)
                self.look(monotonic_ms())
            else:
                self._asked = None
                self.blocked_since = 0
                self._awake.clear()
                self.asleep = True
                if self._is_busy() or self._stopped:  # since a moment ago
                    self.asleep = False
                else:
                    self._awake.wait()

    def look(self, now: int) -> None:
        """Ask the loop to answer; if it has not answered to the last time for long, name what it executes."""
        late = now - self._looked_at > 2 * _LOOK_EVERY_MS
        self._looked_at = now
        loop = self._loop()
        if self._answered or self._asked is not loop:
            self._seen = ""
            self._ask(loop, now)
        elif late:
            # This thread had no turn either: the machine, or a task that keeps the interpreter's lock.
            self._asked_at = max(self._asked_at, now - _LOOK_EVERY_MS)
        else:
            found = self._look_at(loop.thread)
            if found is None or self._answered:
                return
            # Thousands of callbacks that are due at once hold up the answer as well, and none of them blocks.
            seen, self._seen = self._seen, found.where if found.message is None else found.message.uuid
            if now - self._asked_at > BLOCKED_AFTER_MS:
                self.blocked_since = self._asked_at
                if seen == self._seen:
                    self._name(found, now - self._asked_at)

    def _ask(self, loop: EventLoopThread, now: int) -> None:
        self.blocked_since = 0
        self._asked, self._asked_at, self._answered = loop, now, False
        try:
            loop.call_soon(self._answer)
        except RuntimeError:
            self._answered = True  # it is closed

    def _answer(self) -> None:
        self._answered = True

    def _name(self, found: Executing, ms: int) -> None:
        message = found.message
        name = "" if message is None else message.uuid
        if name in self._named:
            return
        self._named.append(name)
        log.warning(
            "%s blocks the event loop, on which all coroutines of this process run: it has awaited nothing for %d ms. "
            "It is at %s",
            "A callback" if message is None else message.summary,
            ms,
            found.where,
            extra=None if message is None else log_context(message),
        )
