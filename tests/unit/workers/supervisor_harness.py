"""A supervisor whose children are played by the test, on a clock that the test moves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from alsek.core.broker import Broker
from alsek.core.hooks import WorkerHook
from alsek.core.task import task
from alsek.core.worker.group.group import WorkerGroup
from alsek.core.worker.group.options import WorkerGroupOptions
from alsek.core.worker.group.thread_group import ThreadWorkerGroup
from alsek.core.worker.monitor.channel import Channel
from alsek.core.worker.monitor.endpoints import Endpoints
from alsek.core.worker.supervisor.recovery import DeathReport, Recovery
from alsek.core.worker.supervisor.supervisor import Supervisor
from tests.unit.workers.fakes import FakeClock, options_for


class FakeChild:
    """A child that lives until the test ends it."""

    pids = iter(range(1_000, 10_000))

    def __init__(self, main: Any) -> None:
        self.pid = next(self.pids)
        self.runs = main.__self__
        self.recovery: Recovery | None = self.runs if isinstance(self.runs, Recovery) else None
        self.status: int | None = None
        self.signals: list[int] = []
        self.at_eof = False
        self.closed = False
        #: How long its engine has waited for a processor (ms); None if that can't be known.
        self.processor_wait: int | None = None
        self.notifications = -1
        self.descriptors = (self.pid, self.pid + 100_000)

    @property
    def exit_description(self) -> str:
        return f"ended with {self.status}"

    @property
    def death(self) -> DeathReport:
        """The death that it handles."""
        assert self.recovery is not None
        return self.recovery._death

    @property
    def with_hooks(self) -> bool:
        """True if it calls the user's hooks."""
        assert self.recovery is not None
        return self.recovery._with_hooks

    def complete(self) -> None:
        """End, having recovered all messages."""
        assert self.recovery is not None
        self.recovery._completed[0] = 1
        self.status = 0

    def reap(self) -> bool:
        return self.status is not None

    def signal(self, number: int) -> None:
        self.signals.append(number)

    def wait(self, most_ms: int) -> bool:
        return self.reap()

    def processor_wait_ms(self) -> int | None:
        return self.processor_wait

    def close(self) -> None:
        self.closed = True


class FakeSignals:
    """The signals so far: none, until the test says so."""

    stopping = at_once = False
    descriptors = (8, 9)

    def stop(self) -> None:
        """As by a signal."""
        self.stopping = True


class SupervisorHarness:
    """A supervisor whose children are played."""

    def __init__(
        self,
        broker: Broker,
        n_processes: int = 1,
        hooks: tuple[WorkerHook, ...] = (),
        *,
        burst: bool = False,
        endpoints: Endpoints | None = None,
        channel: Channel | None = None,
        **settings: Any,
    ) -> None:
        @task(broker)
        def work() -> None: ...

        self.clock = FakeClock()
        self.children: list[FakeChild] = []
        self.closed: list[tuple[int, ...]] = []
        self.refuse = False
        self.signals: Any = FakeSignals()
        fork: Any = self._fork
        self.supervisor = Supervisor(
            replace(options_for(broker, work), hooks=hooks, burst=burst, channel=channel),
            WorkerGroupOptions(slots=4, **settings),
            ThreadWorkerGroup,
            n_processes,
            clock=self.clock,
            fork=fork,
            signals=self.signals,
            endpoints=endpoints,
        )
        self.turn()

    def _fork(self, main: Any, close: tuple[int, ...] = ()) -> FakeChild:
        if self.refuse:
            raise BlockingIOError("no more processes")
        self.children.append(FakeChild(main))
        self.closed.append(close)
        return self.children[-1]

    def turn(self, ms: int = 0) -> None:
        """Run all components once, so much later."""
        self.clock.now += ms
        self.supervisor.run_components()

    @property
    def groups(self) -> list[FakeChild]:
        """The groups that live."""
        return [
            child for child in self.children if isinstance(child.runs, WorkerGroup) and child.status is None
        ]

    @property
    def recoveries(self) -> list[FakeChild]:
        """The recovery processes, those that have ended included."""
        return [child for child in self.children if child.recovery is not None]

    def state(self, number: int = 0) -> Any:
        """The shared state of a living group."""
        child: Any = self.groups[number]
        return next(group.state for group in self.supervisor.groups.handles if group.child is child)

    def end(self, status: int, number: int = 0, *, unregistered: bool = False) -> FakeChild:
        """End a group."""
        child = self.groups[number]
        if unregistered:
            self.state(number).clear_worker()
        child.status = status
        return child

    @property
    def pause(self) -> int:
        """How long (ms) it would sleep now, the renewal of leases aside."""
        self.supervisor.leases._renew_at = self.clock.now + 5_000
        return self.supervisor.pause_ms()
