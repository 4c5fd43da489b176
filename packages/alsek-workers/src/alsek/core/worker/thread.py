"""The thread pool: groups of threads, as many as the load needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from alsek.core.hooks import WorkerHook
from alsek.core.task import AnyTask
from alsek.core.worker.group.options import WorkerGroupOptions
from alsek.core.worker.group.thread_group import ThreadWorkerGroup
from alsek.core.worker.monitor.addresses import Port
from alsek.core.worker.options import UnknownTasksPolicy, check_numbers, default_processes
from alsek.core.worker.pool import WorkerPool
from alsek.defaults import (
    DEFAULT_LEASE,
    DEFAULT_MAX_LOSSES,
    DEFAULT_N_COROUTINES,
    DEFAULT_N_THREADS,
    DEFAULT_SHUTDOWN_TIMEOUT,
    DEFAULT_SLOT_WAIT_INTERVAL,
)


class ThreadWorkerPool(WorkerPool):
    """Runs tasks in threads: up to `n_processes` groups, each a process with `n_threads` threads.

    ``async def`` tasks run in an event loop that each group has besides, up to `n_coroutines` at once. Groups are added
    while all are saturated and messages wait, and end when idle. It takes messages whose task names
    ``mechanism="thread"`` or none. Durations are milliseconds.

    Args:
        tasks: The tasks that it can run.
        n_threads: How many tasks that are plain functions each group runs at once.
        n_processes: The most groups; by default one for each processor.
        queues: Drained strictly in this order; None for all queues, also later ones, in alphabetical order.
        slot_wait_interval: The longest wait while the pool is full; a finished task ends the wait at once.
        complete_only_on_thread_exit: A slot counts as free only when its thread has ended, however long that
            takes. Otherwise a thread that does not end within a second of its timeout is abandoned and replaced.
        lease: How long messages stay with this pool if all of it dies at once.
        shutdown_timeout: How long running tasks may go on after the first SIGTERM or SIGINT.
        max_losses: How many workers may die over a message before it fails.
        burst: End when nothing is ready for the pool and nothing runs. Delayed messages, retries among them, do not
            keep it.
        unknown_tasks: What becomes of a message whose task neither this pool nor any other live worker has: ``"fail"``
            (a dead letter), or ``"wait"`` until a worker has it, as when a new version is rolled out.
        max_tasks_per_group: Replace a group after this many tasks; None for never.
        max_memory: Replace a group when its process is larger than this (MiB); None for never.
        metrics_port: Serve metrics for Prometheus on this port (``/metrics``): a number, 0 for any free one, or
            ``"host:port"``; without a host, on all interfaces. Needs prometheus-client.
        health_port: Serve ``/live`` and ``/ready`` on this port, likewise.
        on_worker_start: Run in each group's process before its first task.
        on_worker_stop: Run in each group's process after its last task.
        n_coroutines: How many ``async def`` tasks each group runs at once, beside those in its threads.

    Raises:
        ValidationError: An argument is out of range.
        NoTasksFoundError: There are no tasks, or none that threads may run.
        TaskDefinitionError: Two tasks have the same name, or are on different stores.
    """

    _kind = "thread"
    _group_class = ThreadWorkerGroup

    def __init__(
        self,
        tasks: Iterable[AnyTask],
        n_threads: int = DEFAULT_N_THREADS,
        n_processes: int | None = None,
        queues: Sequence[str] | None = None,
        slot_wait_interval: int = DEFAULT_SLOT_WAIT_INTERVAL,
        complete_only_on_thread_exit: bool = False,
        lease: int = DEFAULT_LEASE,
        shutdown_timeout: int = DEFAULT_SHUTDOWN_TIMEOUT,
        max_losses: int = DEFAULT_MAX_LOSSES,
        max_tasks_per_group: int | None = None,
        max_memory: int | None = None,
        burst: bool = False,
        unknown_tasks: UnknownTasksPolicy = "fail",
        metrics_port: Port | None = None,
        health_port: Port | None = None,
        on_worker_start: Iterable[WorkerHook] = (),
        on_worker_stop: Iterable[WorkerHook] = (),
        n_coroutines: int = DEFAULT_N_COROUTINES,
    ) -> None:
        check_numbers(
            n_threads=n_threads,
            n_coroutines=n_coroutines,
            n_processes=n_processes,
            max_tasks_per_group=max_tasks_per_group,
            max_memory=max_memory,
        )
        group = WorkerGroupOptions(
            slots=n_threads,
            wait_for_threads=complete_only_on_thread_exit,
            max_tasks=max_tasks_per_group,
            max_memory=max_memory,
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
        if self._options.has_async_tasks("thread"):
            self._group = replace(group, coroutines=n_coroutines)
        self.n_threads = n_threads
        self.n_coroutines = n_coroutines
        self.n_processes = n_processes if n_processes is not None else default_processes()

    @property
    def _most_groups(self) -> int:
        return self.n_processes
