"""An executor of coroutines on a store in memory, served as an engine serves it."""

from __future__ import annotations

import logging
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from alsek.core.broker import Broker
from alsek.core.event_loops import use_shared_loop
from alsek.core.execution.session import WorkerSession
from alsek.core.message import Message
from alsek.core.worker.coroutine_executor.executor import CoroutineExecutor
from alsek.core.worker.coroutine_executor.group_loop import GroupLoop
from alsek.core.worker.coroutine_executor.job import CoroutineJob
from alsek.core.worker.shared_state import SharedState
from alsek.storage.backends.records import Worker
from tests.waiting import eventually


class Coroutines:
    """One worker that runs coroutines, with a shared state."""

    def __init__(self, broker: Broker, *tasks: Any, slots: int = 100, loop: GroupLoop | None = None) -> None:
        self.broker = broker
        self.session = WorkerSession(broker.backend, Worker("", "any", None, 15_000, 60_000))
        self.session.register()
        self.state = SharedState(12 * slots + 16)
        self.state.set_worker(self.session.worker.id)
        self.loop = loop or GroupLoop()
        use_shared_loop(self.loop)
        self.executor = CoroutineExecutor(
            {each.name: each for each in tasks}, broker, self.state, slots, 5, self.loop
        )

    def start(self, *messages: Message) -> list[CoroutineJob]:
        """Submit these messages, and start jobs of them."""
        for message in messages:
            self.broker.submit(message)
        claimed = self.session.step((), {"any": len(messages)}).claimed
        jobs = [self.executor.job(each, self.state.add_claim(each.token), self.session) for each in claimed]
        for job in jobs:
            self.executor.start(job)
        return jobs

    def collect(self, many: int) -> list[CoroutineJob]:
        """Wait for so many finished jobs as an engine does, which enforces deadlines and sleeps in between."""
        finished: list[CoroutineJob] = []

        def enough() -> bool:
            self.executor.enforce_deadlines()
            finished.extend(self.executor.collect())
            if len(finished) >= many:
                return True
            poll = select.poll()
            if self.executor.register_with(poll):
                ready = poll.poll(20)
                self.executor.on_ready(frozenset(descriptor for descriptor, _ in ready))
            return False

        eventually(enough)
        return finished

    def run(self, *messages: Message) -> list[Any]:
        """Run these messages; their outcomes, in their order."""
        jobs = self.start(*messages)
        self.collect(len(jobs))
        return [job.outcome for job in jobs]

    def turn(self) -> None:
        """Do what an engine does whenever it turns."""
        self.executor.enforce_deadlines()

    def until(self, holds: Callable[[], Any]) -> None:
        """Turn until it holds."""

        def checked() -> bool:
            self.turn()
            return bool(holds())

        eventually(checked)

    def close(self) -> None:
        """End all of it."""
        self.executor.shut_down()
        use_shared_loop(None)
        self.loop.shut_down()
        self.state.close()


@contextmanager
def silenced(name: str) -> Iterator[None]:
    """Let a logger say nothing."""
    logger = logging.getLogger(name)
    before, logger.disabled = logger.disabled, True
    yield
    logger.disabled = before
