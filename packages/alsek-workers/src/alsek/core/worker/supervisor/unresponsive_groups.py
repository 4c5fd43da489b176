"""Killing groups that can't end an overdue task, because its code holds the interpreter."""

from __future__ import annotations

from alsek.core.loggers import guarded_logger
from alsek.core.worker.supervisor.groups import Groups

log = guarded_logger(__name__)


class UnresponsiveGroups:
    """Kills groups that have not ended a task some seconds after its deadline.

    Args:
        groups: The groups.
    """

    def __init__(self, groups: Groups) -> None:
        self._groups = groups

    def next_wake(self) -> int | None:
        """When the first group is to be killed, if it does not end its task."""
        times = [group.unresponsive_at for group in self._groups.handles]
        return min((time for time in times if time is not None), default=None)

    def run(self, now: int) -> None:
        """Kill the groups whose time is over."""
        for group in self._groups.handles:
            unresponsive_at = group.unresponsive_at
            if unresponsive_at is not None and now >= unresponsive_at:
                overdue = group.kill_unresponsive(now)
                log.error(
                    "Group %d can't end %d overdue tasks: it is killed.",
                    group.child.pid,
                    overdue,
                )
