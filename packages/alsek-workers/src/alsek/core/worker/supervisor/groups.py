"""The worker groups of a pool: starting them, and which of them serve what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from alsek.core.loggers import guarded_logger
from alsek.core.worker.child_process import ChildProcess, ParentPipes
from alsek.core.worker.group.group import WorkerGroup
from alsek.core.worker.group.options import WorkerGroupOptions, new_shared_state
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.supervisor.group_handle import GroupHandle
from alsek.core.worker.supervisor.restart_delay import RestartDelay
from alsek.storage.backends.records import Worker

log = guarded_logger(__name__)

#: Forks a child that runs this function, after it has closed these file descriptors.
Fork: TypeAlias = Callable[[Callable[[ParentPipes], int], tuple[int, ...]], ChildProcess]
#: Makes what runs in a group's process.
GroupFactory: TypeAlias = Callable[[PoolOptions, WorkerGroupOptions, SharedState], WorkerGroup[Any]]


class Groups:
    """The running groups. Starts further ones, and has one group run suspects when there are any.

    Args:
        pool: The pool's options.
        options: Those of a regular group.
        factory: Makes a group.
        fork: Forks its process.
        inherited: Returns the supervisor's file descriptors that a child must close.

    Attributes:
        pool: The pool's options.
        options: Those of a regular group.
        handles: The groups whose end has not been handled.
        restart_delay: When the next may be started.
    """

    def __init__(
        self,
        pool: PoolOptions,
        options: WorkerGroupOptions,
        factory: GroupFactory,
        fork: Fork,
        inherited: Callable[[], Sequence[int]],
    ) -> None:
        self.pool = pool
        self.options = options
        self.handles: list[GroupHandle] = []
        self.restart_delay = RestartDelay()
        self._factory = factory
        self._fork = fork
        self._inherited = inherited

    @property
    def regular(self) -> list[GroupHandle]:
        """The groups that serve all messages, and go on to."""
        return [group for group in self.handles if group.is_regular and not group.state.draining]

    @property
    def has_suspect_group(self) -> bool:
        """True while a group runs suspects."""
        return any(group.options.suspects_only for group in self.handles)

    def may_start(self, now: int) -> bool:
        """Return True if no restart delay is running."""
        return now >= self.restart_delay.until

    def start(self, now: int) -> None:
        """Start a regular group."""
        self._start(self.options, now)

    def start_suspect_group(self, now: int) -> None:
        """Start a group that runs suspects, one at a time, unless there is one already.

        While it lives, a regular group runs one task fewer.
        """
        if self.has_suspect_group or not self.may_start(now):
            return
        self.clear_suspect_flags()
        # The store hands out one suspect at a time, whatever slot it takes up.
        coroutines = min(1, self.options.coroutines)
        self._start(WorkerGroupOptions(slots=1, coroutines=coroutines, suspects_only=True), now)

    def _start(self, options: WorkerGroupOptions, now: int) -> None:
        state = new_shared_state(options)
        try:
            child = self._fork(self._factory(self.pool, options, state).main, tuple(self._inherited()))
        except OSError as error:
            state.close()
            self.restart_delay.on_fork_failed(now)
            log.error("No group can be started now: %s", error)
            return
        self.handles.append(GroupHandle(child, state, options, now))
        self.adjust_limits()
        log.info("Started group %d%s.", child.pid, " for suspects" if options.suspects_only else "")

    def clear_suspect_flags(self) -> None:
        """Forget that groups have seen suspects in the store; one that sees some from now on sets its flag again."""
        for group in self.handles:
            group.state.suspects = 0

    def adjust_limits(self) -> None:
        """Set how many messages each regular group may hold: one fewer in one of them while suspects have a group."""
        regular = self.regular
        reduced = min(regular, key=lambda group: group.state.max_claims, default=None)
        for group in regular:
            less = group is reduced and self.has_suspect_group
            group.state.max_claims = group.options.max_claims - less

    def worker(self, worker_id: str) -> Worker:
        """Return what the group with this worker id is registered as."""
        return self.pool.worker("process" if self.options.isolated else "thread", worker_id=worker_id)
