"""The supervisor: the parent process of a pool.

It forks the worker groups, renews their leases, replaces groups that died, starts and stops groups with the load, kills
unresponsive ones, and stops the pool. It runs one thread and no user code, so that user code can't keep it from
renewing leases, and no other thread is running when it forks.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import TYPE_CHECKING

from alsek.core.clock import monotonic_ms
from alsek.core.loggers import exits_caught
from alsek.core.worker.child_process import ChildProcess, fork_watched
from alsek.core.worker.group.options import WorkerGroupOptions
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.signals import StopSignals
from alsek.core.worker.supervisor.burst import Burst
from alsek.core.worker.supervisor.component import Component
from alsek.core.worker.supervisor.declaring import Declaring
from alsek.core.worker.supervisor.group_exits import GroupExits
from alsek.core.worker.supervisor.groups import Fork, GroupFactory, Groups
from alsek.core.worker.supervisor.lease_renewal import LeaseRenewal, longest_call_ms
from alsek.core.worker.supervisor.monitoring import Monitoring
from alsek.core.worker.supervisor.recovery_processes import RecoveryProcesses
from alsek.core.worker.supervisor.scaling import Scaling
from alsek.core.worker.supervisor.stopping import Stopping
from alsek.core.worker.supervisor.unresponsive_groups import UnresponsiveGroups

if TYPE_CHECKING:
    from alsek.core.worker.monitor.endpoints import Endpoints


class Supervisor:
    """Runs a pool until it is told to stop.

    Args:
        pool: The pool's options.
        group: Those of a regular group.
        factory: Makes a group.
        n_processes: The most groups.
        clock: Returns monotonic ms.
        fork: Forks a child.
        signals: The stop signals.
        endpoints: Where the pool's monitor listens; None without one.
    """

    def __init__(
        self,
        pool: PoolOptions,
        group: WorkerGroupOptions,
        factory: GroupFactory,
        n_processes: int,
        *,
        clock: Callable[[], int] = monotonic_ms,
        fork: Fork = fork_watched,
        signals: StopSignals | None = None,
        endpoints: Endpoints | None = None,
    ) -> None:
        self._backend = pool.broker.backend
        self._clock = clock
        self._signals = StopSignals() if signals is None else signals
        self.groups = Groups(pool, group, factory, fork, self._inherited)
        messages = self._backend.within(longest_call_ms(pool.lease)).messages
        self.leases = LeaseRenewal(self.groups, messages, clock)
        self.recoveries = RecoveryProcesses(pool, fork, self._inherited, self.leases)
        self.stopping = Stopping(self.groups, self.recoveries, self._signals)
        self._declaring = Declaring(pool, fork, self._inherited, self._signals)
        self._monitoring: Monitoring | None = None
        if endpoints is not None and pool.channel is not None:
            self._monitoring = Monitoring(pool, endpoints, self.groups, self._signals, fork, self._inherited)
        self._components: tuple[Component, ...] = (
            GroupExits(self.groups, self.recoveries, self._signals),
            self.recoveries,
            Scaling(self.groups, self._signals, n_processes),
            UnresponsiveGroups(self.groups),
            self.leases,
            self._declaring,
            Burst(self.groups, self.recoveries, self._signals, self._declaring),
            self.stopping,
            *([] if self._monitoring is None else [self._monitoring]),
        )

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, or with `burst` until there is nothing to do.

        Returns once all children have ended and all messages are given back.

        Raises:
            BackendUnavailableError: The store can't be reached at the start.
        """
        self._backend.ping()
        with self._signals, exits_caught():
            self.groups.start(self._clock())
            while not self.stopping.finished:
                self._wait()
                self.run_components()
            self._declaring.close()
            if self._monitoring is not None:
                self._monitoring.close()  # last, so that it tells that the pool is stopping
        self._backend.close()

    def run_components(self) -> None:
        """Let each component do what is due."""
        for component in self._components:
            component.run(self._clock())

    def pause_ms(self) -> int:
        """How long the loop may sleep."""
        wakes = (component.next_wake() for component in self._components)
        return max(1, min(wake for wake in wakes if wake is not None) - self._clock())

    def _wait(self) -> None:
        """Sleep until a child notifies or ends, a signal comes, or a component has something to do."""
        poll = select.poll()
        poll.register(self._signals.fileno(), select.POLLIN)
        children = self._children()
        for child in children:
            if not child.at_eof:
                poll.register(child.notifications, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(self.pause_ms())}
        self._signals.drain()
        for child in children:
            if child.notifications in ready:
                child.read_notifications()

    def _children(self) -> list[ChildProcess]:
        groups = (group.child for group in self.groups.handles)
        children = [*groups, *self.recoveries.children, *self._declaring.children]
        return children if self._monitoring is None else children + self._monitoring.children

    def _inherited(self) -> tuple[int, ...]:
        """The file descriptors that a child must close."""
        descriptors = (descriptor for child in self._children() for descriptor in child.descriptors)
        of_monitor = () if self._monitoring is None else self._monitoring.descriptors
        return (*self._signals.descriptors, *descriptors, *of_monitor)
