"""A group whose jobs run in processes of their own, forked from a template."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial

from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.child_process import ParentPipes
from alsek.core.worker.forking import fork, wake_with_parent
from alsek.core.worker.group.group import WorkerGroup, WorkerGroupOptions
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.process_executor.executor import ProcessExecutor
from alsek.core.worker.process_executor.frames import socket_pair
from alsek.core.worker.process_executor.job import ProcessJob
from alsek.core.worker.process_executor.prefetch_limit import MOST_PREFETCHED
from alsek.core.worker.process_executor.start_permits import StartPermits
from alsek.core.worker.process_executor.task_runner import TaskRunner
from alsek.core.worker.process_executor.template import Template
from alsek.core.worker.process_executor.warm_up import warm_up
from alsek.core.worker.shared_state import SharedState
from alsek.storage.backends.records import Worker


@dataclass(frozen=True, kw_only=True)
class ProcessWorkerGroupOptions(WorkerGroupOptions):
    """What a group of processes is told besides.

    Attributes:
        tasks_per_process: How many tasks a process serves before it ends.
        prune_interval: The longest sleep (ms) of the engine while tasks run.
    """

    isolated: bool = True
    tasks_per_process: int = 1
    prune_interval: int = 100

    @property
    def max_claims(self) -> int:
        """How many messages it may have under way: processes that serve many are given some ahead."""
        return self.slots if self.tasks_per_process == 1 else self.slots * (1 + MOST_PREFETCHED)


class ProcessWorkerGroup(WorkerGroup[ProcessJob]):
    """A group that runs each job in a process of its own."""

    def __init__(self, pool: PoolOptions, options: WorkerGroupOptions, state: SharedState) -> None:
        super().__init__(pool, options, state)
        assert isinstance(options, ProcessWorkerGroupOptions)
        self._processes = options

    def _fork_first(self, inherited: ParentPipes) -> None:
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
            wake_with_parent()
            return Template(theirs, partial(warm_up, self._pool), runner.main, runner.terminated).main()

        # It ends when the engine does: it reads the end of the socket then, and first ends what it has started.
        fork(main)
        theirs.close()
        self._template = ours

    def _begin(self) -> bool:
        return True  # the hooks run in the processes that run the tasks

    def _finish(self) -> None:
        pass

    def _worker(self) -> Worker:
        return Worker(
            id="",
            kind="process",
            queues=self._pool.queues,
            lease=self._pool.lease,
            dlq_ttl=self._pool.broker.dlq_ttl or 0,
            suspects="freely",
        )

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
