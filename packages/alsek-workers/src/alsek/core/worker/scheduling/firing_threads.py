"""The threads of a worker that fire schedules: none until one is offered, then one, and more only if user code hangs.

To fire a schedule takes a few requests to the store and the user's submission middleware, and the first time an import
of APScheduler. The engine waits for none of that. A schedule that is not fired, for whatever reason, is offered again a
second later, to this worker or another; so nothing is kept here that must not be lost.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

from alsek.core.clock import monotonic_ms
from alsek.core.loggers import guarded_logger
from alsek.core.worker.scheduling.firing_thread import QUIET_MS, FailureLog, Fire, FiringThread
from alsek.defaults import SCHEDULE_OFFER

log = guarded_logger(__name__)

#: A thread that has been firing one schedule for so long holds up no others: they get another thread.
STUCK_AFTER_MS: Final = SCHEDULE_OFFER
#: The most threads. One for which user code hangs never ends.
MOST_THREADS: Final = 8
#: A pool with `burst` waits so long for what it fires before it ends.
_BURST_WAITS_MS: Final = 10_000


class FiringThreads:
    """Fires what the engine was offered. All methods return at once, and are called in the engine's thread.

    Args:
        make_fire: Makes what fires a schedule, in the thread that does; imports what that takes.
        wake: Wakes the engine.
        clock: Returns monotonic ms.
        declare: Stores the declared schedules that the store has lost; None if there are none to lose.
    """

    def __init__(
        self,
        make_fire: Callable[[], Fire],
        wake: Callable[[], object],
        clock: Callable[[], int] = monotonic_ms,
        declare: Callable[[], object] | None = None,
    ) -> None:
        self._declare = declare
        self._declaring: threading.Thread | None = None
        self._make_fire = make_fire
        self._wake = wake
        self._clock = clock
        self._failures = FailureLog(clock)
        self._threads: list[FiringThread] = []  # the last one serves; the others hang
        self._fired = False
        self._ended = False
        self._quiet_until = 0

    def offer(self, names: Sequence[str]) -> None:
        """Have these schedules fired. Those that a thread hangs at are left to other workers."""
        now = self._clock()
        self._threads = [thread for thread in self._threads if thread.alive]
        stuck = {name for each in self._threads if (name := each.stuck_at(now, STUCK_AFTER_MS)) is not None}
        left = [name for name in names if name not in stuck]
        if not left:
            return
        serving = self._threads[-1] if self._threads else None
        if serving is None or serving.stuck_at(now, STUCK_AFTER_MS) is not None:
            if len(self._threads) >= MOST_THREADS:
                self._complain(stuck, now)
                return
            if serving is not None:
                serving.end()
            serving = FiringThread(self._make_fire, self._on_done, self._failures, self._clock)
            self._threads.append(serving)
        serving.add(left)

    def declare_again(self) -> None:
        """Bring back what this pool declares, if the store has lost it as it has lost this worker."""
        if self._declare is None or (self._declaring is not None and self._declaring.is_alive()):
            return
        self._declaring = threading.Thread(target=self._declare, name="alsek-declares", daemon=True)
        self._declaring.start()

    def _complain(self, stuck: set[str], now: int) -> None:
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET_MS
            log.error(
                "Firing these schedules does not come to an end, so this worker fires no others: %s. Submission "
                "middleware may be what hangs.",
                ", ".join(sorted(stuck)),
            )

    def take_fired(self) -> bool:
        """Return True if schedules were fired since the last call: the next step tells when the next one is due."""
        # Set in another thread before it wakes the engine. If that sets it again here, the next step sees it all too.
        if not self._fired:
            return False
        self._fired = False
        return True

    def hold_up_end(self, now: int) -> bool:
        """Return True while a pool that ends by itself is to wait for what is fired (`now`: monotonic ms)."""
        return any(each.busy and each.stuck_at(now, _BURST_WAITS_MS) is None for each in self._threads)

    def _on_done(self) -> None:
        if not self._ended:
            self._fired = True
            self._wake()

    def end(self) -> None:
        """Let the threads end. What they do now may go on until the process ends; the engine is woken no more."""
        self._ended = True
        for thread in self._threads:
            thread.end()
