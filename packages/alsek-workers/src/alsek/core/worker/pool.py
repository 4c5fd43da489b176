"""What all pools have in common: settings, checks, and running until a signal stops them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar, Unpack

from alsek.core.loggers import exits_caught, guarded_logger
from alsek.core.task import AnyTask
from alsek.core.worker.group.group import WorkerGroup
from alsek.core.worker.group.options import WorkerGroupOptions
from alsek.core.worker.monitor.channel import Channel
from alsek.core.worker.options import PoolSettings, pool_options
from alsek.core.worker.preconditions import check_backend, check_process
from alsek.core.worker.supervisor.supervisor import Supervisor
from alsek.types import Mechanism

log = guarded_logger(__name__)


class WorkerPool:
    """Runs tasks in worker groups below a supervisor. A pool of each kind is a subclass.

    Args:
        tasks: The tasks that it can run.
        group: Settings of each group.
        settings: Settings that pools of all kinds have.

    Attributes:
        tasks: The tasks that it can run.
        broker: Whose messages it takes.
    """

    _kind: ClassVar[Mechanism]
    _group_class: ClassVar[type[WorkerGroup[Any]]]

    def __init__(
        self, tasks: Iterable[AnyTask], group: WorkerGroupOptions, **settings: Unpack[PoolSettings]
    ) -> None:
        self._options = pool_options(tasks, self._kind, **settings)
        self._group = group
        self.tasks = list(self._options.tasks.values())
        self.broker = self._options.broker

    @property
    def _most_groups(self) -> int:
        """How many groups may run at once, besides one for suspects."""
        return 1

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, or with `burst` until there is nothing to do.

        Call it in the main thread of a process that runs no other.

        The first signal lets running tasks finish, for `shutdown_timeout`; then, or at a second signal, what still
        runs is ended and given back uncharged.

        Raises:
            BackendUnavailableError: The store can't be reached at the start.
            ValidationError: The backend is not one that processes can share, the platform has no fork, or a port can't
                be listened on.
        """
        check_process()
        check_backend(self.broker.backend)
        with exits_caught():  # of log handlers
            self._introduce()
        options = self._options
        if options.metrics_at is None and options.health_at is None:
            Supervisor(options, self._group, self._group_class, self._most_groups).run()
            return
        # Imported here: it takes a while, and most pools need none.
        from alsek.core.worker.monitor.endpoints import Endpoints

        with exits_caught():
            endpoints = Endpoints(options.metrics_at, options.health_at)
        channel = Channel()
        try:
            options = replace(options, channel=channel)
            Supervisor(options, self._group, self._group_class, self._most_groups, endpoints=endpoints).run()
        finally:
            endpoints.close()
            channel.close()

    def _introduce(self) -> None:
        """Log what this pool serves, and which of its tasks it can't run."""
        queues = self._options.queues
        log.info("This %s pool is on %s.", self._kind, self.broker.backend.describe())
        log.info("Queues: %s.", "all" if queues is None else ", ".join(queues))
        others = {task.name for task in self.tasks if task.mechanism_wish not in ("any", self._kind)}
        log.info("Tasks: %s.", ", ".join(sorted({task.name for task in self.tasks} - others)))
        if others:
            log.info(
                "Tasks that another pool must run, because they name another mechanism than %r: %s.",
                self._kind,
                ", ".join(sorted(others)),
            )
