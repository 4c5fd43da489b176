"""A worker group that runs each job in a process, forked from a template."""

from __future__ import annotations

import os
from functools import partial

from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.child_process import ParentPipes
from alsek.core.worker.forking import fork, wake_with_parent
from alsek.core.worker.group.group import WorkerGroup
from alsek.core.worker.group.options import ProcessWorkerGroupOptions, WorkerGroupOptions
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.process_executor.executor import ProcessExecutor
from alsek.core.worker.process_executor.frames import socket_pair
from alsek.core.worker.process_executor.job import ProcessJob
from alsek.core.worker.process_executor.start_permits import StartPermits
from alsek.core.worker.process_executor.task_runner import TaskRunner
from alsek.core.worker.process_executor.template import Template
from alsek.core.worker.process_executor.warm_up import warm_up
from alsek.core.worker.shared_state import SharedState
from alsek.storage.backends.records import Worker


class ProcessWorkerGroup(WorkerGroup[ProcessJob]):
    """Runs each job in a process of its own. The group's own process runs no user code."""

    def __init__(self, pool: PoolOptions, options: WorkerGroupOptions, state: SharedState) -> None:
        super().__init__(pool, options, state)
        assert isinstance(options, ProcessWorkerGroupOptions)
        self._processes = options

    def _before_threads(self, inherited: ParentPipes) -> None:
        ours, theirs = socket_pair()
        self._executor_wakeup = WakeupPipe(lossless=True)
        reused = self._processes.tasks_per_process > 1
        self._permits = [StartPermits() for _ in range(self._processes.slots if reused else 0)]
        runner = TaskRunner(
            self._pool, self._state, self._processes.tasks_per_process, self._executor_wakeup, self._permits
        )

        def main() -> int:
            ours.close()
            os.close(inherited.lifeline)
            if self._pool.channel is not None:
                self._pool.channel.writer.close()  # no task is to write to it
            wake_with_parent()
            return Template(theirs, partial(warm_up, self._pool), runner.main, runner.terminated).main()

        # The template ends when the engine does: it reads the end of the socket, and ends its processes first.
        fork(main)
        theirs.close()
        self._template = ours

    def _on_start(self) -> bool:
        return True  # the hooks run in the processes that run the tasks

    def _on_stop(self) -> None:
        pass

    def _worker(self) -> Worker:
        return self._pool.worker("process", "freely")

    def _make_executor(self) -> ProcessExecutor:
        return ProcessExecutor(
            self._pool,
            self._state,
            self._processes.slots,
            self._processes.tasks_per_process,
            self._processes.prune_interval,
            self._template,
            self._executor_wakeup,
            self._permits,
        )
