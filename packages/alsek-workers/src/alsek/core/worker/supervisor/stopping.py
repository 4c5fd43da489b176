"""Stopping a pool: tell the groups to stop, and kill them when their time is over."""

from __future__ import annotations

from alsek.core.loggers import guarded_logger
from alsek.core.worker.signals import StopSignals
from alsek.core.worker.supervisor.groups import Groups
from alsek.core.worker.supervisor.recovery_processes import RecoveryProcesses

log = guarded_logger(__name__)


class Stopping:
    """Tells the groups to stop at the first signal; kills them after `shutdown_timeout`, or at the second signal.

    What a killed group held is released by its recovery process, as after any death.

    Args:
        groups: The groups.
        recoveries: The recovery processes, which must hurry once groups were killed.
        signals: The signals so far.
    """

    def __init__(self, groups: Groups, recoveries: RecoveryProcesses, signals: StopSignals) -> None:
        self._groups = groups
        self._recoveries = recoveries
        self._signals = signals
        self._stop_at: int | None = None
        self._killed = False

    @property
    def finished(self) -> bool:
        """True once the pool was told to stop and no child is left."""
        return self._signals.stopping and not self._groups.handles and not self._recoveries.children

    def next_wake(self) -> int | None:
        """When the groups are to be killed."""
        return None if self._killed else self._stop_at

    def run(self, now: int) -> None:
        """Do what the signals so far demand."""
        if not self._signals.stopping:
            return
        if self._stop_at is None:
            timeout = self._groups.pool.shutdown_timeout
            self._stop_at = now + timeout
            log.info("Stopping: running tasks have %.1f s to finish.", timeout / 1000)
            for group in self._groups.handles:
                group.stop()
        if not self._killed and (self._signals.at_once or now >= self._stop_at):
            self._killed = True
            if self._groups.handles:
                log.warning("Stopping at once: running tasks are ended, and their messages given back.")
            for group in self._groups.handles:
                group.child.signal(9)
            self._recoveries.shorten(now)
