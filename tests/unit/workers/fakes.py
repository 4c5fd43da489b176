"""What the tests of alsek-workers put in place of a pool's processes, and the short words in which they speak."""

from __future__ import annotations

from typing import Any

from alsek.core.broker import Broker
from alsek.core.execution.session import WorkerSession
from alsek.core.message import Message
from alsek.core.task import AnyTask
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.thread_executor.job import ThreadJob
from alsek.storage.backends.records import Worker

#: Long enough for any machine; a test that gets here has failed.
PATIENCE = 60.0


def options_for(broker: Broker, *tasks: AnyTask, **further: Any) -> PoolOptions:
    """A pool's options."""
    return PoolOptions(tasks={task.name: task for task in tasks}, broker=broker, **further)


class FakeClock:
    """A clock of monotonic ms that the test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000

    def __call__(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Move on by this time."""
        self.now += round(seconds * 1000)


class Shift:
    """One registered worker, with a shared state: claims messages, and makes jobs of them."""

    def __init__(self, broker: Broker, entries: int = 64, queues: tuple[str, ...] | None = None) -> None:
        self.broker = broker
        self.session = WorkerSession(broker.backend, Worker("", "thread", queues, 15_000, 60_000))
        self.session.register()
        self.state = SharedState(entries)
        self.state.set_worker(self.session.worker.id)

    def job(self, message: Message | None = None) -> ThreadJob:
        """A job of the next message, or of this one, just submitted."""
        if message is not None:
            self.broker.submit(message)
        (claimed,) = self.session.step((), {"thread": 1}).claimed
        return ThreadJob(claimed, self.session, self.state.add_claim(claimed.token), self.session.worker.id)
