"""An engine at work in a thread of the test's process."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.execution.session import WorkerSession
from alsek.core.task import AnyTask, task
from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.engine.engine import Engine
from alsek.core.worker.engine.options import EngineOptions
from alsek.core.worker.engine.stand_in import StandIn
from alsek.core.worker.scheduling.firing_thread import Fire
from alsek.core.worker.scheduling.firing_threads import FiringThreads
from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.thread_executor.executor import ThreadExecutor
from alsek.core.worker.thread_executor.job import ThreadJob
from alsek.core.worker.thread_executor.recent_durations import MOST_IN_FLIGHT
from alsek.storage.backends.kinds import SlotKind, SuspectPolicy
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Step, Worker
from tests.unit.core.fakes import LossyBackend
from tests.unit.workers.fakes import PATIENCE


class CountingEngine(Engine[ThreadJob]):
    """An engine that counts its sleeps and steps."""

    sleeps = steps = 0

    def _sleep(self, now: int) -> None:
        self.sleeps += 1
        super()._sleep(now)

    def _step(self) -> None:
        self.steps += 1
        super()._step()


class TalkativeSession(WorkerSession):
    """A session that notes how many messages it asked for while how many were under way."""

    executor: ThreadExecutor
    most = 0
    waiter_made: Any = None

    def step(self, outcomes: Any, limits: Any, history: Any = (), *, sleeps: bool = False) -> Step:
        """As a session's; what is held with it never exceeds the slots."""
        self.most = max(self.most, sum(limits.values()) + self.executor.in_flight)
        return super().step(outcomes, limits, history, sleeps=sleeps)

    def waiter(self, slot: SlotKind | None = None) -> Waiter:
        """As a session's, unless the test has made one."""
        made: Waiter = self.waiter_made if self.waiter_made is not None else super().waiter(slot)
        return made


class Running:
    """An engine that runs in a thread until :meth:`stop`.

    With `stands_in`, as in a pool, its task threads stand in for it.
    """

    stands_in = True

    def __init__(
        self,
        backend: LossyBackend,
        *tasks: AnyTask,
        size: int = 2,
        wait_for_threads: bool = False,
        suspects: SuspectPolicy = "alone",
        lease: int = 15_000,
        session: type[TalkativeSession] = TalkativeSession,
        fires: Fire | None = None,
        **settings: Any,
    ) -> None:
        self.backend = backend
        self.broker = Broker(backend)
        self.named = {task.name: task for task in tasks}
        options = EngineOptions(dlq_ttl=self.broker.dlq_ttl, slot_wait_interval=200, **settings)
        self.session = session(backend, Worker("", "thread", None, lease, 60_000, suspects))
        self.session.register()
        self.state = SharedState(max(4 * size, 2 * MOST_IN_FLIGHT) + 16)
        self.state.max_claims = size
        self.state.set_worker(self.session.worker.id)
        self._control = WakeupPipe()
        self.stand_in = StandIn(self._control) if self.stands_in else None
        self.executor = ThreadExecutor(
            self.named, self.broker, self.state, size, 5, wait_for_threads, stand_in=self.stand_in
        )
        self.session.executor = self.executor
        self.notified = 0
        self.firing = None if fires is None else FiringThreads(lambda: fires, self._control.notify)
        self.engine = CountingEngine(
            self.session,
            self.executor,
            self.state,
            options,
            self._control,
            self._notify,
            self.firing,
            self.stand_in,
        )
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> Running:
        """Begin."""
        self._thread.start()
        return self

    def _notify(self) -> None:
        self.notified += 1

    def _run(self) -> None:
        try:
            self.engine.run()
        except BaseException as error:  # noqa: BLE001
            self.error = error

    @property
    def alive(self) -> bool:
        """Whether the engine still runs."""
        return self._thread.is_alive()

    def drain(self) -> None:
        """As a SIGTERM would."""
        self.engine.drain()
        self._control.notify()

    def ended(self) -> None:
        """Wait for the engine's end; it must be a good one."""
        self._thread.join(PATIENCE)
        if self._thread.is_alive():
            pytest.fail("the engine does not end")
        self.executor.shut_down()
        if self.firing is not None:
            self.firing.end()
        self._control.close()
        if self.error is not None:
            raise self.error

    def stop(self) -> None:
        """Drain, and wait for the end."""
        self.drain()
        self.ended()

    @property
    def left(self) -> int:
        """How many messages the store still has."""
        return self.backend.count("queues:alsek_queue")


class Runs:
    """A task that counts its runs by number, and one that waits for the test's word."""

    def __init__(self, broker: Broker) -> None:
        self.of: Counter[int] = Counter()
        self.now = self.most = 0
        self.go_on = threading.Event()
        self.started = threading.Semaphore(0)
        lock = threading.Lock()

        @task(broker, name="note", max_retries=0)
        def note(number: int) -> None:
            with lock:
                self.of[number] += 1

        @task(broker, name="hold", max_retries=0)
        def hold(number: int) -> None:
            with lock:
                self.of[number] += 1
                self.now += 1
                self.most = max(self.most, self.now)
            self.started.release()
            self.go_on.wait(PATIENCE)
            with lock:
                self.now -= 1

        self.note, self.hold = note, hold

    def wait_for(self, many: int) -> None:
        """Wait until so many of `hold` have started."""
        for _ in range(many):
            assert self.started.acquire(timeout=PATIENCE)


def submit(which: Any, many: int, first: int = 0, **settings: Any) -> None:
    """Submit so many messages, numbered."""
    for number in range(first, first + many):
        which.generate(args=(number,), **settings)
