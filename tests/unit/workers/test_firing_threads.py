"""The threads that fire schedules: the engine never waits for them, and user code that hangs holds up no others."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from alsek.core.worker.scheduling.firing_thread import QUIET_MS, FailureLog, Fire
from alsek.core.worker.scheduling.firing_threads import MOST_THREADS, FiringThreads
from alsek.exceptions import BackendUnavailableError
from tests.unit.workers.fakes import PATIENCE, FakeClock
from tests.waiting import eventually


class Scene:
    """Threads that fire what a test says, and an engine that notes when it is woken."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.made = 0
        self.fired: list[str] = []
        self.begun: Counter[str] = Counter()
        self.waited: dict[str, int] = {}
        self.woken = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.hanging: set[str] = set()
        self.raising: dict[str, BaseException] = {}
        self.threads = FiringThreads(self._make_fire, self.woken.release, self.clock)

    def _make_fire(self) -> Fire:
        self.made += 1
        return self._fire

    def _fire(self, name: str, waited: int) -> None:
        self.begun[name] += 1
        self.waited[name] = waited
        if name in self.hanging:
            self.go_on.wait(PATIENCE)
        if name in self.raising:
            raise self.raising[name]
        self.fired.append(name)

    def wait(self) -> None:
        """Until the engine is woken."""
        assert self.woken.acquire(timeout=PATIENCE)


@pytest.fixture
def scene() -> Iterator[Scene]:
    """The threads; whatever hangs goes on in the end."""
    scene = Scene()
    yield scene
    scene.go_on.set()
    scene.threads.end()


def test_one_thread_fires_all_and_then_wakes_the_engine(scene: Scene) -> None:
    """Made at the first offer; the engine is told once that a step is worthwhile."""
    assert scene.made == 0
    assert not scene.threads.take_fired()
    scene.threads.offer(("a", "b"))
    scene.wait()
    eventually(lambda: scene.fired == ["a", "b"])
    assert scene.threads.take_fired()
    assert not scene.threads.take_fired()
    scene.threads.offer(("c",))
    scene.wait()
    assert scene.fired == ["a", "b", "c"]
    assert scene.made == 1


def test_what_waits_already_is_fired_once(scene: Scene) -> None:
    """An offer that is repeated while others are fired adds nothing."""
    scene.hanging.add("a")
    scene.threads.offer(("a", "b"))
    eventually(lambda: scene.begun["a"] == 1)
    scene.threads.offer(("b",))
    scene.threads.offer(("b", "c"))
    scene.go_on.set()
    scene.wait()
    assert scene.fired == ["a", "b", "c"]


def test_it_is_told_how_long_a_schedule_has_waited(scene: Scene) -> None:
    """Since the first offer: that there was a pool which fires decides whether a tick was missed."""
    scene.hanging.add("a")
    scene.threads.offer(("a", "b"))
    eventually(lambda: scene.begun["a"] == 1)
    scene.clock.now += 700
    scene.threads.offer(("b", "c"))
    scene.clock.now += 200
    scene.go_on.set()
    scene.wait()
    assert scene.waited == {"a": 0, "b": 900, "c": 200}


def test_nothing_has_waited_for_a_thread_while_the_store_was_away(scene: Scene) -> None:
    """Nobody could fire then."""
    scene.hanging.add("a")
    scene.raising = {"a": BackendUnavailableError("the store is away")}
    scene.threads.offer(("a", "b"))
    eventually(lambda: scene.begun["a"] == 1)
    scene.clock.now += 900
    scene.go_on.set()
    scene.wait()
    assert scene.waited == {"a": 0, "b": 0}


def test_user_code_that_hangs_holds_up_no_other_schedule(scene: Scene) -> None:
    """After a second another thread fires the others; the schedule itself is not begun again here."""
    scene.hanging.add("a")
    scene.threads.offer(("a", "b"))
    eventually(lambda: scene.begun["a"] == 1)
    scene.clock.now += 1_001
    scene.threads.offer(("a", "b"))
    scene.wait()
    assert scene.fired == ["b"]
    assert scene.begun["a"] == 1
    scene.go_on.set()
    eventually(lambda: scene.fired == ["b", "a"])


def test_user_code_that_hangs_each_time_takes_up_a_few_threads_only(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """Then this worker fires no more, says so once, and others are offered the schedules."""
    names = [f"hang-{number}" for number in range(MOST_THREADS)]
    scene.hanging.update(names)
    for name in names:
        scene.threads.offer((name,))
        eventually(lambda name=name: scene.begun[name] == 1)
        scene.clock.now += 1_001
    with caplog.at_level(logging.ERROR):
        scene.threads.offer(("a",))
        scene.threads.offer(("a",))
    (record,) = caplog.records
    assert "hang-0, hang-1" in record.getMessage()
    assert scene.begun.total() == MOST_THREADS
    scene.go_on.set()
    eventually(lambda: len(scene.fired) == MOST_THREADS)
    eventually(lambda: scene.threads.offer(("a",)) or "a" in scene.fired)


def test_one_that_fails_holds_up_no_other(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged once a minute, with its traceback unless it is the store that fails."""
    scene.raising = {"a": ValueError("middleware"), "b": BackendUnavailableError("the store is away")}
    with caplog.at_level(logging.WARNING):
        scene.threads.offer(("a", "b", "c"))
        scene.wait()
        scene.clock.now += QUIET_MS
        scene.threads.offer(("b", "d"))
        scene.wait()
    assert scene.fired == ["c", "d"]
    first, second = caplog.records
    assert first.exc_info is not None
    assert "'a'" in first.getMessage()
    assert (second.levelname, second.exc_info) == ("WARNING", None)
    assert second.getMessage() == "Schedule 'b' can't be fired now, and is tried again: the store is away"


def test_an_exit_in_user_code_ends_nothing(scene: Scene) -> None:
    """``sys.exit()`` in middleware is a failure like others."""
    scene.raising = {"a": SystemExit()}
    scene.threads.offer(("a", "b"))
    scene.wait()
    assert scene.fired == ["b"]


def test_a_pool_that_ends_by_itself_waits_for_what_is_fired(scene: Scene) -> None:
    """But not for user code that hangs."""
    assert not scene.threads.hold_up_end(scene.clock.now)
    scene.hanging.add("a")
    scene.threads.offer(("a",))
    eventually(lambda: scene.begun["a"] == 1)
    assert scene.threads.hold_up_end(scene.clock.now)
    assert not scene.threads.hold_up_end(scene.clock.now + 10_001)
    scene.go_on.set()
    scene.wait()
    assert not scene.threads.hold_up_end(scene.clock.now)


def test_to_end_them_waits_for_nothing(scene: Scene) -> None:
    """What hangs goes on, what waits is dropped."""
    scene.hanging.add("a")
    scene.threads.offer(("a", "b"))
    eventually(lambda: scene.begun["a"] == 1)
    scene.threads.end()
    scene.go_on.set()
    eventually(lambda: scene.fired == ["a"])
    eventually(lambda: not any(thread.name == "alsek-schedules" for thread in threading.enumerate()))
    assert scene.fired == ["a"]


def test_failures_are_logged_again_after_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """Whichever schedule fails: what hinders one hinders most."""
    clock = FakeClock()
    failures = FailureLog(clock)
    with caplog.at_level(logging.WARNING):
        failures.add("a", ValueError())
        failures.add("b", ValueError())
        clock.now += QUIET_MS
        failures.add("b", ValueError())
    assert [record.args for record in caplog.records] == [("a",), ("b",)]
