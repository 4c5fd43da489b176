"""A worker group that runs its jobs in threads."""

from __future__ import annotations

from typing import Any

from alsek.core.event_loops import use_shared_loop
from alsek.core.execution.log_capture import capture_logs
from alsek.core.hooks import run_hooks
from alsek.core.worker.coroutine_executor.group_loop import GroupLoop
from alsek.core.worker.engine.executor import Executor
from alsek.core.worker.engine.stand_in import StandIn, stand_ins_are_supported
from alsek.core.worker.group.group import WorkerGroup
from alsek.core.worker.group.log_handler_locks import guard_handlers
from alsek.core.worker.group.options import WorkerGroupOptions
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.thread_executor.executor import ThreadExecutor
from alsek.storage.backends.records import Worker


class ThreadWorkerGroup(WorkerGroup[Any]):
    """Runs its jobs in threads of its own process."""

    def __init__(self, pool: PoolOptions, options: WorkerGroupOptions, state: SharedState) -> None:
        super().__init__(pool, options, state)
        self._loop = GroupLoop()

    def _on_start(self) -> bool:
        guard_handlers()  # timeouts are raised in these threads
        use_shared_loop(self._loop)
        if not run_hooks(self._pool.hooks, "start"):
            return False
        capture_logs(self._pool.tasks)
        return True

    def _on_stop(self) -> None:
        run_hooks(self._pool.hooks, "stop")
        self._loop.shut_down()

    def _worker(self) -> Worker:
        return self._pool.worker("thread", "only" if self._options.suspects_only else "alone")

    def _make_executor(self) -> Executor[Any]:
        pool, options, state = self._pool, self._options, self._state
        wait = pool.unknown_tasks == "wait"
        if not options.coroutines and stand_ins_are_supported():
            self._stand_in = StandIn(self._wakeup)
        threads = ThreadExecutor(
            pool.tasks,
            pool.broker,
            state,
            options.slots,
            pool.max_losses,
            options.wait_for_threads,
            unknown_tasks_wait=wait,
            stand_in=self._stand_in,
        )
        if not options.coroutines:
            return threads
        # Imported here: they import asyncio, which takes a while, and most pools need it not.
        from alsek.core.worker.coroutine_executor.executor import CoroutineExecutor
        from alsek.core.worker.mixed_executor.executor import MixedExecutor

        coroutines = CoroutineExecutor(
            pool.tasks,
            pool.broker,
            state,
            options.coroutines,
            pool.max_losses,
            self._loop,
            unknown_tasks_wait=wait,
        )
        return MixedExecutor(threads, coroutines, state)
