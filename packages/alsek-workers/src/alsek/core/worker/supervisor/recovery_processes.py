"""Recovery processes: one child for each group that died, with a limit to the time that it may take.

:mod:`~alsek.core.worker.supervisor.recovery` is what runs in them. The first child of a death calls the user's hooks.
If they hang or end it, a second one goes without them; if that fails too, the messages wait for the end of the lease.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from alsek.core.loggers import guarded_logger
from alsek.core.worker.child_process import ChildProcess
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.supervisor.groups import Fork
from alsek.core.worker.supervisor.lease_renewal import LeaseRenewal
from alsek.core.worker.supervisor.recovery import DeathReport, Recovery

log = guarded_logger(__name__)

#: The longest that the user's hooks may take in a recovery process.
HOOKS_MS: Final = 5_000
#: The same, and the longest that a recovery process may run, from when a stopping pool has killed its groups.
_HOOKS_AFTER_KILL_MS: Final = 700
_LONGEST_AFTER_KILL_MS: Final = 1_500


class _RecoveryProcess:
    """A running recovery process.

    Attributes:
        child: The process.
        recovery: What runs in it.
        death: What it handles.
        hooks_until: It is killed then (monotonic ms), and another goes without hooks; None if it calls none.
        until: It is killed then (monotonic ms), and no other follows.
    """

    def __init__(
        self,
        child: ChildProcess,
        recovery: Recovery,
        death: DeathReport,
        hooks_until: int | None,
        until: int,
    ) -> None:
        self.child = child
        self.recovery = recovery
        self.death = death
        self.hooks_until = hooks_until
        self.until = until


class RecoveryProcesses:
    """Starts a recovery process for each death, and limits its time.

    Args:
        pool: The pool's options.
        fork: Forks a child.
        inherited: Returns the supervisor's file descriptors that a child must close.
        leases: Knows whether the store can be reached.

    Attributes:
        left_until: When the leases end (monotonic ms) of messages that could not be recovered.
    """

    def __init__(
        self,
        pool: PoolOptions,
        fork: Fork,
        inherited: Callable[[], Sequence[int]],
        leases: LeaseRenewal,
    ) -> None:
        self.left_until = 0
        self._pool = pool
        self._fork = fork
        self._inherited = inherited
        self._leases = leases
        self._running: list[_RecoveryProcess] = []
        self._without_hooks: set[str] = set()  # ids of the workers whose messages are recovered without hooks
        self._killed_at: int | None = None

    @property
    def children(self) -> list[ChildProcess]:
        """The processes that run now."""
        return [process.child for process in self._running]

    def next_wake(self) -> int | None:
        """When the time of a process is over."""
        hooks = [process.hooks_until for process in self._running if process.hooks_until is not None]
        return min((*hooks, *(process.until for process in self._running)), default=None)

    def start(self, death: DeathReport, now: int, *, with_hooks: bool = True) -> None:
        """Start a recovery process for a death."""
        recovery = Recovery(self._pool, death, with_hooks=with_hooks)
        try:
            child = self._fork(recovery.main, tuple(self._inherited()))
        except OSError as error:
            log.error("The messages of worker %s wait for the end of its lease: %s", death.worker.id, error)
            self.left_until = now + self._pool.lease
            return
        # It gives up by itself after two leases; this limit is for one that hangs.
        until = now + 2 * self._pool.lease + 2 * HOOKS_MS
        process = _RecoveryProcess(child, recovery, death, now + HOOKS_MS if with_hooks else None, until)
        self._running.append(process)
        self._apply_kill(process)

    def run(self, now: int) -> None:
        """Handle processes that have ended, and kill those whose time is over."""
        for process in list(self._running):
            if process.child.reap():
                self._running.remove(process)
                process.child.close()
                if not process.recovery.completed:
                    self._on_failure(process, now)
            elif now > process.until:
                process.child.signal(9)
            elif process.hooks_until is not None and now > process.hooks_until:
                if self._leases.store_unreachable and self._killed_at is None:
                    process.hooks_until = now + HOOKS_MS  # it may be the store that it waits for
                else:
                    process.hooks_until = None
                    process.child.signal(9)

    def shorten(self, killed_at: int) -> None:
        """Limit all processes, running and future ones, to a moment after `killed_at`: the pool stops at once."""
        self._killed_at = killed_at
        for process in self._running:
            self._apply_kill(process)

    def _apply_kill(self, process: _RecoveryProcess) -> None:
        if self._killed_at is None:
            return
        process.until = min(process.until, self._killed_at + _LONGEST_AFTER_KILL_MS)
        if process.hooks_until is not None:
            process.hooks_until = min(process.hooks_until, self._killed_at + _HOOKS_AFTER_KILL_MS)

    def _on_failure(self, process: _RecoveryProcess, now: int) -> None:
        """Start a second process without hooks after the first; after that, leave the messages to their lease."""
        worker_id = process.death.worker.id
        if worker_id not in self._without_hooks and now <= process.until:
            self._without_hooks.add(worker_id)
            self.start(process.death, now, with_hooks=False)
        else:
            log.error("The messages of worker %s wait for the end of its lease.", worker_id)
            self.left_until = now + self._pool.lease
