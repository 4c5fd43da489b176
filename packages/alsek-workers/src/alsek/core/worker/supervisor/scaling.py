"""How many groups a pool has: at least one, another while all are saturated, one fewer when one is idle."""

from __future__ import annotations

from alsek.core.loggers import guarded_logger
from alsek.core.worker.signals import StopSignals
from alsek.core.worker.supervisor.group_handle import GroupHandle
from alsek.core.worker.supervisor.groups import Groups

log = guarded_logger(__name__)

#: Another group is started once all have been saturated for this time while messages wait.
SCALE_AFTER_MS = 50
#: A group that has been idle for this time is stopped, unless it is the only one.
PRUNE_AFTER_MS = 10_000


class Scaling:
    """Starts and stops groups.

    Args:
        groups: The groups.
        signals: Nothing is started once the pool is stopping.
        n_processes: The most groups.
    """

    def __init__(self, groups: Groups, signals: StopSignals, n_processes: int) -> None:
        self._groups = groups
        self._signals = signals
        self._n_processes = n_processes

    def next_wake(self) -> int | None:
        """When a group is to be started or stopped, as things are."""
        if self._signals.stopping:
            return None
        regular = self._groups.regular
        start_at = self._groups.restart_delay.until
        wakes: list[int] = []
        suspects = any(group.state.suspects for group in regular) and not self._groups.has_suspect_group
        if suspects or not regular:
            wakes.append(start_at)
        saturated_at = self._saturated_at(regular)
        if saturated_at is not None:
            wakes.append(max(saturated_at, start_at))
        if len(regular) > 1:
            idle = [group.state.idle_since for group in regular if group.state.idle_since]
            wakes += [since + PRUNE_AFTER_MS for since in idle]
        return min(wakes, default=None)

    def run(self, now: int) -> None:
        """Start or stop at most one regular group, and start one for suspects if any wait."""
        if self._signals.stopping:
            return
        groups, regular = self._groups, self._groups.regular
        if not regular:
            if groups.may_start(now):
                groups.start(now)
            return
        if any(group.state.suspects for group in regular):
            groups.start_suspect_group(now)
        if any(group.state.idle_since for group in regular):
            # An idle group shows that nothing waits, whatever the others saw at their last step.
            for group in regular:
                group.state.saturated_since = 0
        saturated_at = self._saturated_at(regular)
        if saturated_at is not None and now >= saturated_at:
            if groups.may_start(now):
                groups.start(now)
            return
        idle = [
            group
            for group in regular
            if group.state.idle_since and now - group.state.idle_since >= PRUNE_AFTER_MS
        ]
        if idle and len(regular) > 1:
            log.info("Group %d has been idle: it ends.", idle[-1].child.pid)
            idle[-1].stop()

    def _saturated_at(self, regular: list[GroupHandle]) -> int | None:
        """When another group is needed (monotonic ms); None while it is not."""
        # Groups that are draining count as well, so that no more tasks run at once than the pool may run.
        if sum(group.is_regular for group in self._groups.handles) >= self._n_processes:
            return None
        saturated = [group.state.saturated_since for group in regular]
        return max(saturated) + SCALE_AFTER_MS if saturated and all(saturated) else None
