"""The process pool: runs each task in a process of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from alsek.core.hooks import WorkerHook
from alsek.core.task import AnyTask
from alsek.core.worker.group.options import ProcessWorkerGroupOptions
from alsek.core.worker.group.process_group import ProcessWorkerGroup
from alsek.core.worker.monitor.addresses import Port
from alsek.core.worker.options import UnknownTasksPolicy, check_numbers, default_processes
from alsek.core.worker.pool import WorkerPool
from alsek.defaults import (
    DEFAULT_LEASE,
    DEFAULT_MAX_LOSSES,
    DEFAULT_PRUNE_INTERVAL,
    DEFAULT_SHUTDOWN_TIMEOUT,
    DEFAULT_SLOT_WAIT_INTERVAL,
)


class ProcessWorkerPool(WorkerPool):
    """Runs tasks in processes: up to `n_processes` at once, each task in one of its own, which ends with it.

    The processes are forked from a template that has the tasks imported. It takes messages whose task names
    ``mechanism="process"`` or none. Durations are milliseconds.

    Args:
        tasks: The tasks that it can run.
        n_processes: How many tasks run at once; by default one for each processor.
        prune_interval: The longest the pool sleeps while tasks run. The end of a task ends the sleep at once.
        tasks_per_process: How many tasks a process serves before it ends; more than one is faster, and
            isolates less. While tasks prove to be short, messages for some milliseconds are then prefetched.
        queues: Drained strictly in this order; None for all queues, also later ones, in alphabetical order.
        slot_wait_interval: The longest wait while the pool is full; a finished task ends the wait at once.
        lease: How long messages stay with this pool if all of it dies at once.
        shutdown_timeout: How long running tasks may go on after the first SIGTERM or SIGINT.
        max_losses: How many workers may die over a message before it fails.
        burst: End when nothing is ready for the pool and nothing runs. Delayed messages, retries among them, do not
            keep it.
        unknown_tasks: What becomes of a message whose task neither this pool nor any other live worker has: ``"fail"``
            (a dead letter), or ``"wait"`` until a worker has it, as when a new version is rolled out.
        metrics_port: Serve metrics for Prometheus on this port (``/metrics``): a number, 0 for any free one, or
            ``"host:port"``; without a host, on all interfaces. Needs prometheus-client.
        health_port: Serve ``/live`` and ``/ready`` on this port, likewise.
        on_worker_start: Run in each process before its first task.
        on_worker_stop: Run in each process after its last task.

    Raises:
        ValidationError: An argument is out of range.
        NoTasksFoundError: There are no tasks, or none that processes may run.
        TaskDefinitionError: Two tasks have the same name, or are on different stores.
    """

    _kind = "process"
    _group_class = ProcessWorkerGroup

    def __init__(
        self,
        tasks: Iterable[AnyTask],
        n_processes: int | None = None,
        prune_interval: int = DEFAULT_PRUNE_INTERVAL,
        tasks_per_process: int = 1,
        queues: Sequence[str] | None = None,
        slot_wait_interval: int = DEFAULT_SLOT_WAIT_INTERVAL,
        lease: int = DEFAULT_LEASE,
        shutdown_timeout: int = DEFAULT_SHUTDOWN_TIMEOUT,
        max_losses: int = DEFAULT_MAX_LOSSES,
        burst: bool = False,
        unknown_tasks: UnknownTasksPolicy = "fail",
        metrics_port: Port | None = None,
        health_port: Port | None = None,
        on_worker_start: Iterable[WorkerHook] = (),
        on_worker_stop: Iterable[WorkerHook] = (),
    ) -> None:
        check_numbers(
            n_processes=n_processes, prune_interval=prune_interval, tasks_per_process=tasks_per_process
        )
        self.n_processes = n_processes if n_processes is not None else default_processes()
        group = ProcessWorkerGroupOptions(
            slots=self.n_processes, tasks_per_process=tasks_per_process, prune_interval=prune_interval
        )
        super().__init__(
            tasks,
            group,
            queues=queues,
            slot_wait_interval=slot_wait_interval,
            lease=lease,
            shutdown_timeout=shutdown_timeout,
            max_losses=max_losses,
            burst=burst,
            unknown_tasks=unknown_tasks,
            metrics_port=metrics_port,
            health_port=health_port,
            on_worker_start=on_worker_start,
            on_worker_stop=on_worker_stop,
        )
