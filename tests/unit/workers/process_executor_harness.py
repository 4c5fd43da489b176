"""A process executor with a real template and real task processes, whose engine is played by the test."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.clock import monotonic_ms
from alsek.core.execution.session import WorkerSession
from alsek.core.message import Message
from alsek.core.task import AnyTask
from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.forking import fork
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.process_executor.executor import ProcessExecutor
from alsek.core.worker.process_executor.job import ProcessJob
from alsek.core.worker.process_executor.start_permits import StartPermits
from alsek.core.worker.process_executor.task_process import TaskProcess
from alsek.core.worker.process_executor.task_runner import TaskRunner
from alsek.core.worker.process_executor.template import Template
from alsek.core.worker.process_executor.warm_up import warm_up
from alsek.core.worker.shared_state import SharedState
from alsek.storage.backends.records import Claimed, Worker
from tests.unit.workers.fakes import PATIENCE


class ProcessExecutorHarness:
    """Does with an executor what the engine does, step by step, without a store."""

    def __init__(
        self, broker: Broker, *tasks: AnyTask, size: int = 2, tasks_per_process: int = 1, **options: Any
    ) -> None:
        self.pool = PoolOptions(tasks={task.name: task for task in tasks}, broker=broker, **options)
        self.state = SharedState(256)
        self.state.set_worker("0" * 32)
        self.session = WorkerSession(broker.backend, Worker("0" * 32, "process", None, 15_000, 60_000))
        self._wakeup = wakeup = WakeupPipe(lossless=True)
        self._permits = permits = [StartPermits() for _ in range(size if tasks_per_process > 1 else 0)]
        runner = TaskRunner(self.pool, self.state, tasks_per_process, wakeup, permits)
        self.socket, theirs = socket.socketpair()

        def main() -> int:
            self.socket.close()
            return Template(theirs, partial(warm_up, self.pool), runner.main, runner.terminated).main()

        self.template = fork(main)
        theirs.close()
        self.executor = ProcessExecutor(
            self.pool, self.state, size, tasks_per_process, 20, self.socket, wakeup, permits
        )
        self.finished: list[ProcessJob] = []
        self._tokens = 0

    def job(self, message: Message, **claim: Any) -> ProcessJob:
        """A job of a message, as if it had been claimed."""
        self._tokens += 1
        payload = claim.pop("payload", None) or message.pack(self.pool.broker.backend.serializer)
        claimed = Claimed(message.uuid, message.queue, payload, self._tokens, **claim)
        return self.executor.job(claimed, self.state.add_claim(claimed.token), self.session)

    def start(self, task: AnyTask, *args: Any, **kwargs: Any) -> ProcessJob:
        """A job of this task, started, and handed to a process if one is there."""
        (job,) = self.start_all([(task, *args)], **kwargs)
        return job

    def start_all(self, calls: Sequence[tuple[Any, ...]], **kwargs: Any) -> list[ProcessJob]:
        """Jobs of these calls, each a task and its arguments, as if they had been claimed together."""
        jobs = [self.job(task.generate(args=args, submit=False, **kwargs)) for task, *args in calls]
        for job in jobs:
            self.executor.start(job)
        self.executor.enforce_deadlines()
        return jobs

    def reject(self, task: AnyTask, *args: Any, **claim: Any) -> ProcessJob:
        """A job whose claim says that it will not run (revoked, unless it says otherwise), started as by `start`."""
        message = task.generate(args=args, submit=False)
        job = self.job(message, **(claim or {"revoked": True}))
        self.executor.start(job)
        self.executor.enforce_deadlines()
        return job

    def run(self, task: AnyTask, *args: Any, **kwargs: Any) -> ProcessJob:
        """A job of this task, run to its end and accepted."""
        job = self.start(task, *args, **kwargs)
        self.until(lambda: job in self.finished)
        return job

    def read_answers(self) -> None:
        """Read what has been answered, and nothing else."""
        self.executor.on_ready({self._wakeup.fileno()})

    def prove_short(self) -> None:
        """Record many tasks that took no time."""
        self.executor.dispatcher.prefetch.record(1_000, 1.0)

    def turn(self, longest: int = 50) -> None:
        """One turn of the engine's loop; outcomes are accepted."""
        self.executor.enforce_deadlines()
        self.settle()
        poll = select.poll()
        if self.executor.register_with(poll):
            due = self.executor.next_deadline()
            wait = longest if due is None else min(longest, max(0, due - monotonic_ms()))
            self.executor.on_ready(frozenset(descriptor for descriptor, _ in poll.poll(wait)))
        self.settle()

    def settle(self) -> None:
        """Collect what has finished, and accept its outcomes."""
        for job in self.executor.collect():
            assert job not in self.finished
            self.finished.append(job)
            self.state.remove_claim(job.entry)
            self.executor.on_outcome(job, True)

    def until(self, holds: Callable[[], Any], patience: float = PATIENCE) -> None:
        """Run the loop until `holds()`."""
        deadline = time.monotonic() + patience
        while not holds():
            if time.monotonic() > deadline:
                pytest.fail("it never came true")
            self.turn()

    @property
    def processes(self) -> dict[int, TaskProcess]:
        """Those that have not exited, by pid."""
        return self.executor.manager.processes

    @property
    def spares(self) -> list[TaskProcess]:
        """Those that wait for a job."""
        return list(self.executor.manager.spares)

    def until_spares(self, number: int) -> list[TaskProcess]:
        """Run the loop until so many processes wait for a job."""
        self.until(lambda: len(self.spares) >= number)
        return self.spares

    def living(self) -> list[int]:
        """The template's children, zombies included."""
        return [
            int(pid)
            for pid in Path(f"/proc/{self.template}/task/{self.template}/children").read_text().split()
        ]

    def close(self) -> None:
        """End the executor and its template."""
        try:
            self.executor.shut_down()
        finally:
            self.socket.close()
            for each in (*self._permits, self._wakeup):
                each.close()
            os.kill(self.template, signal.SIGCONT)
            deadline = time.monotonic() + PATIENCE
            while os.waitpid(self.template, os.WNOHANG)[0] == 0:
                if time.monotonic() > deadline:
                    os.kill(self.template, signal.SIGKILL)
                time.sleep(0.002)
            self.state.close()


Start = Callable[..., ProcessExecutorHarness]


@contextmanager
def starting_executors(broker: Broker) -> Iterator[Start]:
    """What starts executors; they end with it."""
    started: list[ProcessExecutorHarness] = []

    def start(*tasks: Any, **options: Any) -> ProcessExecutorHarness:
        started.append(ProcessExecutorHarness(broker, *tasks, **options))
        return started[-1]

    yield start
    for harness in reversed(started):  # a later one's template holds the earlier one's sockets
        harness.close()
