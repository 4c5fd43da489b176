"""Killing groups that can't end an overdue task, because its code holds the interpreter."""

from __future__ import annotations

from typing import Final, NamedTuple

from alsek.core.loggers import guarded_logger
from alsek.core.worker.supervisor.group_handle import GroupHandle
from alsek.core.worker.supervisor.groups import Groups

log = guarded_logger(__name__)

#: Over this time before a group is to be killed, it is measured whether its engine waits for a processor.
MEASURED_MS: Final = 1_000
#: A group whose engine waits for a processor most of the time gets so much longer at the most.
STARVED_FOR_MS: Final = 8_000


class _Measurement(NamedTuple):
    """How long an engine had waited for a processor at a time, and until when the group may go on.

    Attributes:
        at: When that was (monotonic ms).
        waited: In all (ms); None if that is not known.
        until: When to look again (monotonic ms).
    """

    at: int
    waited: int | None
    until: int


class UnresponsiveGroups:
    """Kills groups that have not ended a task some seconds after its deadline.

    An engine that could not do that because other programs have taken the processors is given more time, for as long
    as this goes on, and not without end: a task that holds the interpreter looks the same on such a machine.

    Args:
        groups: The groups.
    """

    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        self._measured: dict[GroupHandle, _Measurement] = {}

    def next_wake(self) -> int | None:
        """When to look at the first group that has not ended its task."""
        times = [self._look_at(group) for group in self._groups.handles]
        return min((time for time in times if time is not None), default=None)

    def _look_at(self, group: GroupHandle) -> int | None:
        at = group.unresponsive_at
        if at is None:
            return None
        measured = self._measured.get(group)
        return at - MEASURED_MS if measured is None else measured.until

    def run(self, now: int) -> None:
        """Kill the groups whose time is over."""
        for group in list(self._measured):
            at = group.unresponsive_at
            if at is None or now < at - MEASURED_MS or group not in self._groups.handles:
                del self._measured[group]
        for group in self._groups.handles:
            look_at, at = self._look_at(group), group.unresponsive_at
            if look_at is None or at is None or now < look_at:
                continue
            before = self._measured.get(group)
            waited = group.child.processor_wait_ms()
            until = at if now < at else now + MEASURED_MS
            measured = self._measured[group] = _Measurement(now, waited, until)
            if now < at or (now < at + STARVED_FOR_MS and self._starves(group, before, measured)):
                continue
            overdue = group.kill_unresponsive(now)
            log.error("Group %d can't end %d overdue tasks: it is killed.", group.child.pid, overdue)

    def _starves(self, group: GroupHandle, before: _Measurement | None, now: _Measurement) -> bool:
        """Return True if the engine has waited for a processor most of the time since it was measured before."""
        if now.waited is None:
            return False
        if before is None:  # the supervisor itself comes late
            return True
        if before.waited is None or 2 * (now.waited - before.waited) <= now.at - before.at:
            return False
        log.warning(
            "Group %d has not ended an overdue task, and waits for a processor most of the time: "
            "the machine is overloaded. It gets more time.",
            group.child.pid,
        )
        return True
