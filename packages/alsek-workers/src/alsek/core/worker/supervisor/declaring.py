"""The process that brings declared schedules into the store, as the supervisor sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from alsek.core.loggers import guarded_logger
from alsek.core.worker.child_process import ChildProcess
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.scheduling.declaration import Declaration
from alsek.core.worker.signals import StopSignals
from alsek.core.worker.supervisor.groups import Fork
from alsek.core.worker.supervisor.restart_delay import RestartDelay

log = guarded_logger(__name__)

#: A pool with `burst` waits so long for it before it ends.
_BURST_WAITS_MS: Final = 10_000
#: A process that is killed is gone at once, unless the machine is in trouble.
_GONE_WITHIN_MS: Final = 1_000


class Declaring:
    """Starts that process once, when the pool starts; again only if it died before it was done.

    The pool that started last decides what a declared schedule is. So groups that are started later put nothing: they
    may be of a pool that another one is about to replace.

    Args:
        pool: The pool's options.
        fork: Forks a child.
        inherited: Returns the supervisor's file descriptors that a child must close.
        signals: The signals so far.
    """

    def __init__(
        self,
        pool: PoolOptions,
        fork: Fork,
        inherited: Callable[[], Sequence[int]],
        signals: StopSignals,
    ) -> None:
        self._fork = fork
        self._inherited = inherited
        self._signals = signals
        self._declaration = Declaration(pool) if Declaration.is_needed(pool) else None
        self._child: ChildProcess | None = None
        self._waited_for_until: int | None = None
        self._restart_delay = RestartDelay()

    @property
    def children(self) -> list[ChildProcess]:
        """The process, if it runs."""
        return [] if self._child is None else [self._child]

    @property
    def holds_up_end(self) -> bool:
        """True while a pool that ends by itself is to wait for it."""
        return self._child is not None and self._waited_for_until is not None

    def next_wake(self) -> int | None:
        """When the process is to be started again, or is waited for no longer."""
        if self._child is not None:
            return self._waited_for_until
        idle = self._declaration is None or self._signals.stopping
        return None if idle else self._restart_delay.until

    def run(self, now: int) -> None:
        """Start the process if it has not done its work, and none runs."""
        if self._child is not None and self._child.reap():
            self._on_end(self._child, now)
        if self._waited_for_until is not None and now >= self._waited_for_until:
            self._waited_for_until = None
        if self._declaration is None or self._child is not None or self._signals.stopping:
            return
        if now >= self._restart_delay.until:
            self._start(self._declaration, now)

    def _on_end(self, child: ChildProcess, now: int) -> None:
        child.close()
        self._child = None
        if self._declaration is None or self._declaration.completed:
            self._declaration = None
            return
        pause = self._restart_delay.on_failed_start(now)
        log.error(
            "The process that stores the declared schedules %s: trying again in %.0f s.",
            child.exit_description,
            pause / 1000,
        )

    def _start(self, declaration: Declaration, now: int) -> None:
        try:
            self._child = self._fork(declaration.main, tuple(self._inherited()))
        except OSError as error:
            self._restart_delay.on_fork_failed(now)
            log.error("The declared schedules can't be stored now: %s", error)
            return
        self._waited_for_until = now + _BURST_WAITS_MS

    def close(self) -> None:
        """End the process: the pool has ended."""
        if self._child is not None:
            self._child.signal(9)
            self._child.wait(_GONE_WITHIN_MS)
            self._child.close()
            self._child = None
