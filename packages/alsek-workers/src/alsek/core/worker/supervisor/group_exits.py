"""Reaping groups, and what follows from the way each ended."""

from __future__ import annotations

import signal

from alsek.core.hooks import in_start_hooks
from alsek.core.loggers import guarded_logger
from alsek.core.worker.child_process import EXIT_DRAINED, EXIT_NOT_STARTED, EXIT_RECYCLED
from alsek.core.worker.signals import StopSignals
from alsek.core.worker.supervisor.group_handle import GroupHandle
from alsek.core.worker.supervisor.groups import Groups
from alsek.core.worker.supervisor.recovery_processes import RecoveryProcesses

log = guarded_logger(__name__)


class GroupExits:
    """Removes groups that have exited. If one died, a recovery process handles the messages that it held.

    :class:`~alsek.core.worker.supervisor.scaling.Scaling` replaces it.

    Args:
        groups: The groups.
        recoveries: Where recovery processes are started.
        signals: Deaths are expected once the pool is stopping.
    """

    def __init__(self, groups: Groups, recoveries: RecoveryProcesses, signals: StopSignals) -> None:
        self._groups = groups
        self._recoveries = recoveries
        self._signals = signals

    def next_wake(self) -> int | None:
        """When an exited group counts as ended, whatever it has left running."""
        times = [group.descendants_until for group in self._groups.handles]
        return min((time for time in times if time is not None), default=None)

    def run(self, now: int) -> None:
        """Handle the groups that have ended."""
        for group in list(self._groups.handles):
            if group.child.reap() and group.has_ended(now):
                self._groups.handles.remove(group)
                group.child.close()  # before a fork, which would inherit its descriptors
                self._on_exit(group, now)
                group.state.close()

    def _on_exit(self, group: GroupHandle, now: int) -> None:
        """Decide by the shared state whether the group died: a task or hook may exit with any code."""
        child = group.child
        if group.state.worker_id is not None:
            self._on_death(group, group.state.worker_id, now)
        elif group.state.cleared:
            level = log.info if child.status in (EXIT_DRAINED, EXIT_RECYCLED) else log.error
            level("Group %d has ended: it %s.", child.pid, child.exit_description)
            self._groups.restart_delay.on_orderly_exit()
            if group.options.suspects_only:  # it found no more suspects
                self._groups.clear_suspect_flags()
                self._groups.adjust_limits()
        elif group.stopping and child.status == -signal.SIGTERM:  # it did not handle signals yet
            log.info("Group %d was stopped before it had started.", child.pid)
        elif child.status == EXIT_NOT_STARTED:
            self._on_failed_start(f"Group {child.pid} did not start", now)
        else:
            hooks = "" if self._groups.options.isolated else in_start_hooks(self._groups.pool.hooks)
            self._on_failed_start(
                f"Group {child.pid} {child.exit_description} before it had started{hooks}", now
            )

    def _on_failed_start(self, what: str, now: int) -> None:
        pause = self._groups.restart_delay.on_failed_start(now)
        log.error("%s: trying again in %.0f s.", what, pause / 1000)

    def _on_death(self, group: GroupHandle, worker_id: str, now: int) -> None:
        self._groups.restart_delay.on_death(now, group.started_at)
        by_stop = group.stopping and self._signals.stopping
        death = group.death_report(self._groups.worker(worker_id), by_stop=by_stop)
        self._recoveries.start(death, now)
        if death.leaves_suspects and not self._signals.stopping:
            self._groups.start_suspect_group(now)
