"""Declared schedules are brought into the store by a pool at its start, in a process of its own."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from apscheduler.triggers.interval import IntervalTrigger

from alsek.core.broker import Broker
from alsek.core.task import AnyTask, task
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.scheduling import declaration
from alsek.core.worker.scheduling.declaration import Declaration
from alsek.core.worker.supervisor.declaring import Declaring
from alsek.exceptions import BackendError, BackendUnavailableError
from alsek.storage.backends.memory import MemoryBackend
from tests.clock import Clock
from tests.unit.workers.fakes import FakeClock, options_for
from tests.unit.workers.supervisor_harness import FakeChild, FakeSignals, SupervisorHarness


def declaring_task(broker: Broker, name: str = "tick") -> AnyTask:
    """A task that declares a schedule."""

    @task(broker, name=name, schedule=IntervalTrigger(hours=1))
    def tick() -> None: ...

    return tick


def plain_task(broker: Broker) -> AnyTask:
    """A task that declares none."""

    @task(broker, name="plain")
    def plain() -> None: ...

    return plain


class Supervised:
    """The supervisor's part, whose process is played."""

    def __init__(self, options: PoolOptions) -> None:
        self.clock = FakeClock()
        self.signals: Any = FakeSignals()
        self.children: list[FakeChild] = []
        self.refuse = False
        fork: Any = self._fork
        self.part = Declaring(options, fork, lambda: (7,), self.signals)

    def _fork(self, main: Any, close: tuple[int, ...] = ()) -> FakeChild:
        if self.refuse:
            raise BlockingIOError("no more processes")
        assert close == (7,)
        self.children.append(FakeChild(main))
        return self.children[-1]

    def turn(self, ms: int = 0) -> None:
        """Run it, so much later."""
        self.clock.now += ms
        self.part.run(self.clock.now)


def test_the_process_is_started_once(broker: Broker) -> None:
    """When it has done its work, nothing follows, however often groups are started."""
    here = Supervised(options_for(broker, declaring_task(broker)))
    here.turn()
    (child,) = here.children
    assert here.part.children == [child]
    child.runs._completed[0] = 1
    child.status = 0
    here.turn(1)
    assert child.closed
    here.turn(100_000)
    assert len(here.children) == 1
    assert here.part.next_wake() is None
    assert here.part.children == []


def test_one_that_died_is_started_again(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever its exit code: what counts is that it came to its end. Each time after a longer pause."""
    here = Supervised(options_for(broker, declaring_task(broker)))
    here.turn()
    for status in (-9, 0):
        here.children[-1].status = status
        here.turn(1)
        wake = here.part.next_wake()
        assert wake is not None
        here.turn(wake - here.clock.now)
    assert len(here.children) == 3
    assert "The process that stores the declared schedules ended with -9: trying again" in caplog.text


def test_a_fork_that_fails_is_tried_again(broker: Broker) -> None:
    """A second later."""
    here = Supervised(options_for(broker, declaring_task(broker)))
    here.refuse = True
    here.turn()
    here.refuse = False
    here.turn(999)
    assert here.children == []
    here.turn(1)
    assert len(here.children) == 1


def test_a_stopping_pool_starts_none_and_waits_for_none(broker: Broker) -> None:
    """The process is killed when the pool has ended."""
    here = Supervised(options_for(broker, declaring_task(broker)))
    here.turn()
    here.signals.stopping = True
    here.part.close()
    assert here.children[0].signals == [9]
    assert here.part.children == []
    here.turn(100_000)
    assert len(here.children) == 1


def test_a_pool_without_schedules_starts_no_process(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it lacks APScheduler: then it looks whether there are any, to say that it leaves them to others."""
    options = options_for(broker, plain_task(broker))
    here = Supervised(options)
    here.turn()
    assert here.children == []
    monkeypatch.setattr(declaration, "can_fire", lambda: False)
    here = Supervised(options)
    here.turn()
    assert len(here.children) == 1


def test_a_pool_with_burst_waits_for_it(broker: Broker) -> None:
    """But no longer than ten seconds: it may hang."""
    here = SupervisorHarness(broker, burst=True)
    child = FakeChild(Declaration(here.supervisor.groups.pool).main)
    part: Any = here.supervisor._declaring
    part._child, part._waited_for_until = child, here.clock.now + 10_000
    here.state().set_worker("a" * 32)
    for ms in (1, 9_000):
        here.state().empty_at = here.clock.now
        here.turn(ms)
        assert not here.signals.stopping
    here.state().empty_at = here.clock.now
    here.turn(1_000)
    assert here.signals.stopping


def test_what_it_declares_is_in_the_store(clock: Clock) -> None:
    """Each schedule under the name of its task."""
    broker = Broker(MemoryBackend(clock=clock))
    tasks = [declaring_task(broker, "one"), plain_task(broker), declaring_task(broker, "two")]
    options = options_for(broker, *tasks)
    assert options.declared_schedules == ("one", "two")
    Declaration(options).run()
    assert [schedule.name for schedule in broker.schedules()] == ["one", "two"]
    assert all(schedule.declared for schedule in broker.schedules())


def test_one_that_can_not_be_stored_holds_up_no_other(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with its task; the pool starts all the same."""
    tasks = [declaring_task(broker, "bad"), declaring_task(broker, "good")]
    put, asked = declaration.put_one, []

    def failing(broker: Broker, each: AnyTask, *, only_new: bool) -> None:
        asked.append(each.name)
        if each.name == "bad":
            raise ValueError("a serializer may raise anything")
        put(broker, each, only_new=only_new)

    monkeypatch.setattr(declaration, "put_one", failing)
    Declaration(options_for(broker, *tasks)).run()
    assert asked == ["bad", "good"]
    assert [schedule.name for schedule in broker.schedules()] == ["good"]
    assert "The schedule of task 'bad' can't be stored." in caplog.text


def test_it_waits_for_a_store_that_is_away(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """With growing pauses, for as long as the pool runs."""
    put, pauses, failures = declaration.put_one, [], [BackendUnavailableError("away")] * 3

    def failing(broker: Broker, each: AnyTask, *, only_new: bool) -> None:
        if failures:
            raise failures.pop()
        put(broker, each, only_new=only_new)

    monkeypatch.setattr(declaration, "put_one", failing)
    Declaration(options_for(broker, declaring_task(broker)), pauses.append).run()
    assert [schedule.name for schedule in broker.schedules()] == ["tick"]
    assert len(pauses) == 3
    assert pauses[0] <= 0.1
    assert pauses[2] <= 0.4


def test_a_store_that_keeps_no_schedules_is_not_asked(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A pool whose tasks declare some says so, and runs."""

    def without(backend: MemoryBackend) -> None:
        raise BackendError("it has no schedule port")

    monkeypatch.setattr(MemoryBackend, "schedules", property(without))
    Declaration(options_for(broker, declaring_task(broker))).run()
    assert "Tasks declare schedules: it has no schedule port" in caplog.text
    caplog.clear()
    monkeypatch.setattr(declaration, "can_fire", lambda: False)
    Declaration(options_for(broker, plain_task(broker))).run()
    assert caplog.text == ""


def test_a_pool_without_apscheduler_says_that_it_leaves_schedules_to_others(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, and only if there are any."""
    monkeypatch.setattr(declaration, "can_fire", lambda: False)
    options = options_for(broker, plain_task(broker))
    with caplog.at_level(logging.WARNING):
        Declaration(options).run()
        assert caplog.text == ""
        plain_task(broker).schedule("s", IntervalTrigger(hours=1))
        Declaration(options).run()
    (record,) = caplog.records
    assert record.getMessage() == (
        "This pool leaves 1 schedule to other pools: to fire schedules it needs APScheduler (pip install apscheduler)."
    )
