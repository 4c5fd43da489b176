"""Ending a pool with `burst` once it has nothing to do."""

from __future__ import annotations

from alsek.core.loggers import guarded_logger
from alsek.core.worker.signals import StopSignals
from alsek.core.worker.supervisor.declaring import Declaring
from alsek.core.worker.supervisor.groups import Groups
from alsek.core.worker.supervisor.recovery_processes import RecoveryProcesses

log = guarded_logger(__name__)


class Burst:
    """Stops a pool with `burst` when nothing is ready for it and nothing runs.

    Each group says when it sent its last step, if it was empty then (see
    :mod:`~alsek.core.worker.engine.empty_report`). When all of them are empty, none has held anything since the latest
    of these steps was sent; and that step found nothing ready. It must be later than the end of every group and
    recovery process, which may have given messages back.

    Args:
        groups: The groups.
        recoveries: What dead groups held is not finished while one runs.
        signals: Told to stop the pool.
        declaring: The declared schedules are to be in the store first.
    """

    def __init__(
        self, groups: Groups, recoveries: RecoveryProcesses, signals: StopSignals, declaring: Declaring
    ) -> None:
        self._groups = groups
        self._recoveries = recoveries
        self._signals = signals
        self._declaring = declaring
        self._pids: set[int] = set()
        self._last_end = 0

    def next_wake(self) -> int | None:
        """Never by time: a group that is empty notifies the supervisor."""
        return None

    def run(self, now: int) -> None:
        """Stop the pool, if it has nothing to do."""
        if not self._groups.pool.burst or self._signals.stopping:
            return
        groups, recoveries = self._groups.handles, self._recoveries.children
        pids = {group.child.pid for group in groups} | {child.pid for child in recoveries}
        if self._pids - pids:
            self._last_end = now
        self._pids = pids
        empty = [group.state.empty_at for group in groups]
        if recoveries or not empty or not all(empty) or self._declaring.holds_up_end:
            return
        if max(empty) > max(self._last_end, self._recoveries.left_until):
            log.info("Nothing is ready for this pool, and nothing runs: it ends.")
            self._signals.stop()
