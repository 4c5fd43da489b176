"""The monitor's process, as the supervisor sees it: started again when it has ended, and told once a second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from alsek.core.loggers import guarded_logger
from alsek.core.worker.child_process import ChildProcess
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.signals import StopSignals
from alsek.core.worker.supervisor.groups import Fork, Groups
from alsek.core.worker.supervisor.restart_delay import RestartDelay

if TYPE_CHECKING:
    from alsek.core.worker.monitor.endpoints import Endpoints

log = guarded_logger(__name__)

#: How often the monitor is told that the supervisor lives.
BEAT_EVERY_MS: Final = 1_000
#: A monitor that is killed is gone at once, unless the machine is in trouble.
_GONE_WITHIN_MS: Final = 1_000


class Monitoring:
    """Keeps a monitor running, and tells it what the groups do. Never waits for it.

    Args:
        pool: The pool's options.
        endpoints: Where the monitor listens.
        groups: The groups.
        signals: The signals so far.
        fork: Forks a child.
        inherited: Returns the supervisor's file descriptors that a child must close.
    """

    def __init__(
        self,
        pool: PoolOptions,
        endpoints: Endpoints,
        groups: Groups,
        signals: StopSignals,
        fork: Fork,
        inherited: Callable[[], Sequence[int]],
    ) -> None:
        self._pool = pool
        self._endpoints = endpoints
        assert pool.channel is not None
        self._channel = pool.channel
        self._groups = groups
        self._signals = signals
        self._fork = fork
        self._inherited = inherited
        self._child: ChildProcess | None = None
        self._started_at = 0
        self._restart_delay = RestartDelay()
        self._beat_at = 0
        self._said_draining = False

    @property
    def children(self) -> list[ChildProcess]:
        """The process, if it runs."""
        return [] if self._child is None else [self._child]

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The file descriptors that all children but the monitor must close."""
        return (*self._endpoints.descriptors, self._channel.reader.fileno())

    def _to_close(self) -> tuple[int, ...]:
        kept = self.descriptors
        return tuple(each for each in self._inherited() if each not in kept)

    def next_wake(self) -> int:
        """When the monitor is to be started or told."""
        return self._beat_at if self._child is not None else max(self._beat_at, self._restart_delay.until)

    def run(self, now: int) -> None:
        """Start the monitor if it does not run, and tell it what there is to tell."""
        if self._child is not None and self._child.reap():
            log.error("The monitor %s: it is started again.", self._child.exit_description)
            self._child.close()
            self._child = None
            self._restart_delay.on_death(now, self._started_at)
        if self._child is None and now >= self._restart_delay.until:
            self._start(now)
        draining = self._signals.stopping
        if now >= self._beat_at or draining != self._said_draining:
            self._beat_at = now + BEAT_EVERY_MS
            self._said_draining = draining
            self._channel.send({"draining": draining, "slots": self._slots()})

    def _start(self, now: int) -> None:
        pool = self._pool
        monitor = self._endpoints.monitor(pool.broker.backend, pool.queues, self._channel)
        try:
            self._child = self._fork(monitor.main, self._to_close())
        except OSError as error:
            self._restart_delay.on_fork_failed(now)
            log.error("The monitor can't be started now: %s", error)
            return
        self._started_at = now
        self._beat_at = now
        log.info("Started monitor %d.", self._child.pid)

    def _slots(self) -> dict[str, int]:
        """How many slots the groups have, by state."""
        busy = free = abandoned = 0
        for group in self._groups.handles:
            state = group.state
            slots = group.options.all_slots
            inside = min(slots, sum(entry.in_user_code for entry in state.claims()))
            busy += inside
            abandoned += state.abandoned
            if not group.stopping and not state.draining:
                free += slots - inside
        if self._groups.has_suspect_group:
            free = max(0, free - 1)  # a regular group runs one task fewer meanwhile
        return {"busy": busy, "free": free, "abandoned": abandoned}

    def close(self) -> None:
        """End the monitor: the pool has ended. Its ports are free then, for the pool that comes next."""
        if self._child is not None:
            self._child.signal(9)
            self._child.wait(_GONE_WITHIN_MS)
            self._child.close()
            self._child = None
