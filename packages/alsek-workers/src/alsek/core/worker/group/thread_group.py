"""A worker group that runs its jobs in threads."""

from __future__ import annotations

from alsek.core.hooks import run_hooks
from alsek.core.worker.group.group import WorkerGroup
from alsek.core.worker.group.log_handler_locks import guard_handlers
from alsek.core.worker.thread_executor.executor import ThreadExecutor
from alsek.core.worker.thread_executor.job import ThreadJob
from alsek.storage.backends.records import Worker


class ThreadWorkerGroup(WorkerGroup[ThreadJob]):
    """Runs its jobs in threads of its own process."""

    def _on_start(self) -> bool:
        guard_handlers()  # timeouts are raised in these threads
        return run_hooks(self._pool.hooks, "start")

    def _on_stop(self) -> None:
        run_hooks(self._pool.hooks, "stop")

    def _worker(self) -> Worker:
        return self._pool.worker("thread", "only" if self._options.suspects_only else "alone")

    def _make_executor(self) -> ThreadExecutor:
        return ThreadExecutor(
            self._pool.tasks,
            self._pool.broker,
            self._state,
            self._options.slots,
            self._pool.max_losses,
            self._options.wait_for_threads,
            unknown_tasks_wait=self._pool.unknown_tasks == "wait",
        )
