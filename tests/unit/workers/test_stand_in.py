"""Task threads that stand in for the engine's thread.

With real engines, whose own threads sleep for minutes if nothing wakes them; and what is between the two by itself.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis

from alsek.core.broker import Broker
from alsek.core.task import task
from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.engine.stand_in import StandIn
from alsek.core.worker.thread_executor.place import StandInPlace
from alsek.core.worker.thread_executor.work_queue import WorkQueue
from alsek.storage.backends.records import HistoryCounts, Step
from alsek.storage.backends.redis import RedisBackend
from tests.unit.core.fakes import LossyBackend
from tests.unit.workers.engine_harness import Running, Runs, TalkativeSession, submit
from tests.unit.workers.fakes import PATIENCE
from tests.waiting import eventually

MINUTES_MS = 600_000


@pytest.fixture(autouse=True)
def nothing_but_wakeups(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's thread sees nothing by chance."""
    monkeypatch.setattr("alsek.core.worker.engine.sleep.LONGEST_SLEEP_MS", MINUTES_MS)
    monkeypatch.setattr("alsek.core.worker.engine.claim_policy.LOOK_EVERY_MS", MINUTES_MS)


class NotingSession(TalkativeSession):
    """A session that notes which threads have sent its steps."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.senders: list[str] = []

    def step(
        self, outcomes: Any, limits: Any, history: Sequence[HistoryCounts] = (), *, sleeps: bool = False
    ) -> Step:
        """As a session's."""
        self.senders.append(threading.current_thread().name)
        return super().step(outcomes, limits, history, sleeps=sleeps)


def with_stand_in(backend: LossyBackend, runs: Runs, *tasks: Any, **settings: Any) -> Running:
    """An idle engine for which a task thread waits."""
    running = Running(backend, runs.note, runs.hold, *tasks, session=NotingSession, **settings).start()
    await_stand_in(running, runs)
    return running


def await_stand_in(running: Running, runs: Runs) -> None:
    """Submit messages until a task thread waits for the store."""
    eventually(lambda: running.session.is_sleeper, PATIENCE)
    until = time.monotonic() + PATIENCE
    while not stands_in(running):
        assert time.monotonic() < until
        submit(runs.note, 1, 1_000)
        eventually(lambda: running.left == 0 and running.session.is_sleeper, PATIENCE)
    del runs.of[1_000]


def stands_in(running: Running) -> bool:
    """Whether a task thread waits for the store."""
    assert running.stand_in is not None
    with running.stand_in.turn:
        return running.stand_in.waiting is not None


def test_a_stand_in_runs_and_reports_what_is_pushed(backend: LossyBackend, runs: Runs) -> None:
    """One message after the other, one step each, and the engine's own thread sleeps on."""
    running = with_stand_in(backend, runs)
    session: Any = running.session
    sleeps, steps = running.engine.sleeps, len(session.senders)
    for number in range(10):
        submit(runs.note, 1, number)
        eventually(lambda: running.left == 0 and stands_in(running), PATIENCE)
    assert runs.of == dict.fromkeys(range(10), 1)
    by_stand_in = [name for name in session.senders[steps:] if name.startswith("alsek-task")]
    # The engine's thread may take a step to hand over counts, and then a message whose task ends meanwhile.
    assert len(by_stand_in) >= 5
    assert running.engine.sleeps - sleeps <= 10
    running.stop()


def test_while_a_stand_in_runs_a_task_the_engine_starts_others(backend: LossyBackend, runs: Runs) -> None:
    """The store's waiter wakes the engine's thread meanwhile."""
    running = with_stand_in(backend, runs, size=3)
    for number in range(3):
        submit(runs.hold, 1, number)
        runs.wait_for(1)
    assert runs.now == 3
    runs.go_on.set()
    eventually(lambda: running.left == 0, PATIENCE)
    running.stop()


def test_many_messages_at_once_are_shared_out(backend: LossyBackend, runs: Runs) -> None:
    """A stand-in that claims several runs one of them, and wakes others for the rest."""
    running = with_stand_in(backend, runs, size=4)
    backend.messages.pause("alsek_queue", "ada")
    submit(runs.hold, 4)
    backend.messages.resume("alsek_queue")
    runs.wait_for(4)
    runs.go_on.set()
    eventually(lambda: running.left == 0, PATIENCE)
    running.stop()
    assert runs.most == 4


def test_what_waits_behind_a_task_that_was_to_be_very_short_waits_no_longer(
    backend: LossyBackend, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in that was pushed several runs the first; the engine's thread sees that this one takes longer."""
    monkeypatch.setattr("alsek.core.worker.engine.counting.HAND_OVER_AFTER_MS", MINUTES_MS)
    monkeypatch.setattr("alsek.core.worker.engine.engine._CHECK_REVOKED_EVERY_MS", MINUTES_MS)
    running = with_stand_in(backend, runs)
    running.executor._durations.very_short = True
    assert running.stand_in is not None
    with running.stand_in.turn:  # so that both have come by the time that the thread has the turn
        submit(runs.hold, 2, timeout_override=2 * MINUTES_MS)
    runs.wait_for(2)
    runs.go_on.set()
    eventually(lambda: running.left == 0, PATIENCE)
    running.stop()


def test_the_timeout_of_a_stand_ins_task_is_kept(backend: LossyBackend, runs: Runs) -> None:
    """The engine's thread learns of a deadline before which it would not wake."""

    @task(Broker(backend), name="endless", timeout=50, max_retries=0)
    def endless() -> None:
        while True:
            time.sleep(0.001)

    running = with_stand_in(backend, runs, endless)
    endless.generate()
    eventually(lambda: backend.messages.dead_letters("alsek_queue"), PATIENCE)
    running.stop()


def test_a_stand_in_that_does_not_end_is_abandoned(backend: LossyBackend, runs: Runs) -> None:
    """Another thread takes its place; what it does later changes nothing, and messages go on."""

    @task(Broker(backend), name="stuck", timeout=20, max_retries=0)
    def stuck() -> None:
        runs.started.release()
        runs.go_on.wait(PATIENCE)  # one call, which no exception interrupts

    running = with_stand_in(backend, runs, stuck, size=2)
    stuck.generate()
    runs.wait_for(1)
    eventually(lambda: backend.messages.dead_letters("alsek_queue"), PATIENCE)
    submit(runs.note, 1, 1)
    eventually(lambda: running.left == 0, PATIENCE)
    assert running.state.abandoned == 1
    runs.go_on.set()
    submit(runs.note, 1, 2)
    eventually(lambda: running.left == 0, PATIENCE)
    running.stop()
    assert runs.of == {1: 1, 2: 1}


def test_what_a_stand_in_runs_can_be_revoked(
    backend: LossyBackend, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's thread asks for revoked messages, however they were started."""
    monkeypatch.setattr("alsek.core.worker.engine.sleep.LONGEST_SLEEP_MS", 40)
    monkeypatch.setattr("alsek.core.worker.engine.engine._CHECK_REVOKED_EVERY_MS", 40)

    @task(Broker(backend), name="endless", max_retries=0)
    def endless() -> None:
        runs.started.release()
        while True:
            time.sleep(0.001)

    running = with_stand_in(backend, runs, endless)
    message = endless.generate()
    runs.wait_for(1)
    backend.messages.revoke("alsek_queue", message.uuid)
    eventually(lambda: backend.messages.dead_letters("alsek_queue"), PATIENCE)
    running.stop()


def test_an_engine_with_a_stand_in_drains(backend: LossyBackend, runs: Runs) -> None:
    """It says that it does not sleep any more: what comes then is for others."""
    running = with_stand_in(backend, runs)
    running.stop()
    submit(runs.note, 1)
    assert [message.state for message in backend.messages.browse("alsek_queue")] == ["ready"]
    assert backend.messages.held(running.session.worker) == []


def test_an_engine_drains_while_its_stand_in_runs_a_task(backend: LossyBackend, runs: Runs) -> None:
    """The task ends, and its outcome is reported."""
    running = with_stand_in(backend, runs)
    submit(runs.hold, 1)
    runs.wait_for(1)
    running.drain()
    eventually(lambda: not running.session.is_sleeper, PATIENCE)
    runs.go_on.set()
    running.ended()
    assert running.left == 0


def test_the_last_task_may_be_a_stand_ins(backend: LossyBackend, runs: Runs) -> None:
    """With `max_tasks` the engine's thread learns at once that it drains."""
    running = with_stand_in(backend, runs, max_tasks=MINUTES_MS)
    running.engine._policy.started = MINUTES_MS - 1
    submit(runs.hold, 1)
    runs.wait_for(1)
    eventually(lambda: running.state.draining == 1, PATIENCE)
    runs.go_on.set()
    running.ended()


def test_a_delayed_message_that_a_stand_in_hears_of_starts_when_it_is_due(
    backend: LossyBackend, runs: Runs
) -> None:
    """The engine's thread then sleeps no longer than until it is due."""
    running = with_stand_in(backend, runs)
    submit(runs.note, 1, 1, delay=50)
    eventually(lambda: running.left == 0, PATIENCE)
    running.stop()
    assert runs.of == {1: 1}


@pytest.mark.parametrize("lost", ["request", "reply"])
def test_a_stand_ins_step_may_be_lost(backend: LossyBackend, runs: Runs, lost: str) -> None:
    """The engine's thread sends it again, and each message counts once."""
    running = with_stand_in(backend, runs)
    backend.plan.append(lost)
    submit(runs.note, 1, 1)
    eventually(lambda: not backend.plan and not running.session.unanswered, PATIENCE)
    eventually(lambda: running.left == 0 and running.session.is_sleeper, PATIENCE)
    submit(runs.note, 1, 2)
    eventually(lambda: running.left == 0, PATIENCE)
    running.stop()
    assert runs.of == {1: 1, 2: 1}


def test_a_stand_in_may_meet_the_end_of_the_lease(backend: LossyBackend, runs: Runs) -> None:
    """The worker registers again, in whichever thread, and goes on."""
    running = with_stand_in(backend, runs)
    first = running.session.worker
    submit(runs.hold, 1)
    runs.wait_for(1)
    backend.messages.retire(first)
    runs.go_on.set()
    eventually(lambda: running.session.worker.id != first.id, PATIENCE)
    eventually(lambda: running.left == 0, PATIENCE)  # it runs once more
    submit(runs.note, 1, 1)
    eventually(lambda: running.left == 0, PATIENCE)
    running.stop()
    assert runs.of == {0: 2, 1: 1}


def test_a_stand_in_may_lose_the_waiters_connection(lone_redis: redis.Redis) -> None:
    """Messages go on, and it waits at a new one."""
    backend: Any = RedisBackend(lone_redis)
    runs = Runs(Broker(backend))
    running = with_stand_in(backend, runs)
    for number in range(3):
        lone_redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        submit(runs.note, 1, number)
        eventually(lambda: running.left == 0, PATIENCE)
        await_stand_in(running, runs)
    running.stop()
    backend.close()
    assert runs.of == {0: 1, 1: 1, 2: 1}


class FakeEngine:
    """An engine whose turns do what the test says, and the pipe that is its waiter."""

    def __init__(self) -> None:
        self.control = WakeupPipe()
        self.waiter = WakeupPipe()
        self.stand_in = StandIn(self.control)
        self.stand_in.serve(self)
        self.turns: list[bool] = []
        self.descriptor = self.waiter.reader
        self.does: Callable[[], object] = lambda: None

    def take_turn(self, stand_in: StandIn, *, woken: bool) -> int:
        """Note it."""
        self.turns.append(woken)
        self.does()
        return self.descriptor

    def ready(self, place: object) -> bool:
        """Let the waiter be ready; whether that was a turn for who waits at this place."""
        turns = len(self.turns)
        with self.stand_in.turn:
            self.stand_in.on_ready(place)
        return len(self.turns) > turns

    def asleep(self) -> Sleeper:
        """Let its thread sleep."""
        return Sleeper(self)


class Sleeper:
    """The engine's thread, asleep until something wakes it."""

    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine
        self.ready: frozenset[int] = frozenset()
        self._thread = threading.Thread(target=self._sleep, daemon=True)
        self._thread.start()
        eventually(lambda: engine.stand_in._open, PATIENCE)

    def _sleep(self) -> None:
        poll = select.poll()
        poll.register(self._engine.control, select.POLLIN)
        with self._engine.stand_in.turn:
            self.ready = self._engine.stand_in.sleep(poll, self._engine.waiter.reader, MINUTES_MS)

    @property
    def sleeps(self) -> bool:
        """Whether nothing has woken it."""
        return self._thread.is_alive()

    def woken(self) -> frozenset[int]:
        """What woke it, once it is awake."""
        self._thread.join(PATIENCE)
        assert not self.sleeps
        self._engine.control.drain()
        return self.ready


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    """One that is awake."""
    engine = FakeEngine()
    yield engine
    engine.control.notify()


def test_an_engine_that_is_awake_leaves_no_turn(engine: FakeEngine) -> None:
    """Nor one that has the turn, or is about to."""
    assert not engine.stand_in.take_turn("here")
    sleeper = engine.asleep()
    with engine.stand_in.turn:
        assert not engine.stand_in.take_turn("here")
    engine.control.notify()
    assert sleeper.woken() == {engine.control.reader}
    assert not engine.stand_in.take_turn("here")
    assert engine.turns == []


def test_the_waiter_wakes_the_engine_unless_a_thread_waits_there(engine: FakeEngine) -> None:
    """A thread that has nothing to do after its turn waits; one that then finds work hands the waiter back."""
    sleeper = engine.asleep()
    assert engine.stand_in.take_turn("here")
    assert (engine.stand_in.waiting, engine.stand_in.descriptor) == ("here", engine.waiter.reader)
    engine.waiter.notify()
    assert sleeper.sleeps
    engine.stand_in.leave("here")
    assert sleeper.woken() == {engine.waiter.reader}
    assert engine.stand_in.waiting is None


def test_a_thread_with_work_hands_the_waiter_back(engine: FakeEngine) -> None:
    """It takes the first piece itself; for others threads are to be woken."""
    sleeper = engine.asleep()
    taken: list[bool] = []
    engine.does = lambda: taken.extend([engine.stand_in.takes_work(), engine.stand_in.takes_work()])
    assert engine.stand_in.take_turn("here")
    assert taken == [True, False]
    assert engine.stand_in.waiting is None
    assert not engine.stand_in.has_work
    engine.waiter.notify()
    assert sleeper.woken() == {engine.waiter.reader}


def test_outside_of_a_stand_ins_turn_nobody_takes_work_unasked(engine: FakeEngine) -> None:
    """The engine's thread wakes one for each piece."""
    assert not engine.stand_in.takes_work()


def test_a_turn_that_leaves_something_wakes_the_engine(engine: FakeEngine) -> None:
    """Until it is awake there is no further turn."""
    sleeper = engine.asleep()
    engine.descriptor = -1
    assert engine.stand_in.take_turn("here")
    assert engine.stand_in.waiting is None
    assert sleeper.woken() == {engine.control.reader}
    assert not engine.stand_in.take_turn("here")


def test_a_thread_waits_on_while_the_engine_is_awake_and_sleeps_again(engine: FakeEngine) -> None:
    """So a look at the store does not end it."""
    sleeper = engine.asleep()
    engine.stand_in.take_turn("here")
    engine.control.notify()
    sleeper.woken()
    sleeper = engine.asleep()
    assert engine.stand_in.waiting == "here"
    engine.waiter.notify()
    assert sleeper.sleeps
    assert engine.ready("here")
    assert engine.turns == [False, True]
    engine.control.notify()
    sleeper.woken()


def test_a_thread_that_is_woken_for_work_waits_no_longer(engine: FakeEngine) -> None:
    """The engine's thread, which wakes it, has the waiter again when it sleeps."""
    sleeper = engine.asleep()
    engine.stand_in.take_turn("here")
    engine.control.notify()
    sleeper.woken()
    engine.stand_in.call_off("elsewhere")
    assert engine.stand_in.waiting == "here"
    engine.stand_in.call_off("here")
    sleeper = engine.asleep()
    engine.waiter.notify()
    assert sleeper.woken() == {engine.waiter.reader}


def test_one_thread_waits_at_a_time(engine: FakeEngine) -> None:
    """A second one may have a turn, and does not take the first one's place."""
    sleeper = engine.asleep()
    engine.stand_in.take_turn("here")
    assert engine.stand_in.take_turn("there")
    assert engine.stand_in.waiting == "here"
    engine.waiter.notify()
    assert sleeper.sleeps
    assert engine.ready("here")
    engine.control.notify()
    sleeper.woken()


def test_a_new_waiter_is_the_engines(engine: FakeEngine) -> None:
    """Who waits at the old one has no turn when it wakes."""
    sleeper = engine.asleep()
    engine.stand_in.take_turn("here")
    engine.control.notify()
    sleeper.woken()
    engine.waiter = WakeupPipe()
    sleeper = engine.asleep()
    assert not engine.ready("here")
    engine.waiter.notify()
    assert sleeper.woken() == {engine.waiter.reader}


def test_a_waiter_that_another_threads_turn_has_replaced_is_the_engines(engine: FakeEngine) -> None:
    """The thread that waits at the old one is not known to be awake."""
    sleeper = engine.asleep()
    engine.stand_in.take_turn("here")
    new = WakeupPipe()
    engine.descriptor = new.reader
    engine.stand_in.take_turn("there")
    assert engine.stand_in.waiting is None
    new.notify()
    sleeper.woken()
    assert not engine.ready("here")


def test_a_thread_that_wakes_when_all_waiters_are_closed_has_no_turn(engine: FakeEngine) -> None:
    """The store is away, or the engine has ended."""
    sleeper = engine.asleep()
    engine.stand_in.take_turn("here")
    engine.control.notify()
    sleeper.woken()
    engine.stand_in.dismiss()
    assert not engine.ready("here")
    assert engine.turns == [False]


def test_a_thread_that_wakes_while_the_engine_does_not_share_its_waiter_has_no_turn(
    engine: FakeEngine,
) -> None:
    """It stops waiting: the engine's thread polls the waiter itself."""
    sleeper = engine.asleep()
    engine.stand_in.take_turn("here")
    engine.control.notify()
    sleeper.woken()
    assert not engine.ready("here")
    assert engine.stand_in.waiting is None


def test_a_thread_that_waits_for_the_turn_can_be_woken_for_work(engine: FakeEngine) -> None:
    """Whoever has the turn may have queued it, and not leave the turn before it is done."""
    queue: WorkQueue[str] = WorkQueue()
    place = StandInPlace(queue, engine.stand_in)
    taken: list[str] = []
    sleeper = engine.asleep()
    engine.stand_in.take_turn(place)
    thread = threading.Thread(target=lambda: taken.append(place.next_work()), daemon=True)
    thread.start()
    eventually(lambda: queue._sleepers, PATIENCE)
    with engine.stand_in.turn:
        engine.waiter.notify()
        queue.put("work")
        assert queue.wake()
        thread.join(PATIENCE)
        assert taken == ["work"]
        assert engine.stand_in.waiting is None
    engine.control.notify()
    sleeper.woken()


def test_who_waits_for_the_turn_learns_that_there_is_none(engine: FakeEngine) -> None:
    """An engine that sleeps alone leaves the turn too, so that no thread with work waits for its end."""
    poll = select.poll()
    poll.register(engine.control, select.POLLIN)

    def sleep_alone() -> None:
        with engine.stand_in.turn:
            engine.stand_in.poll(poll, MINUTES_MS)

    thread = threading.Thread(target=sleep_alone, daemon=True)
    thread.start()
    assert not engine.ready("here")
    assert not engine.stand_in.take_turn("here")
    engine.control.notify()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_deadline_wakes_an_engine_that_would_oversleep_it(engine: FakeEngine) -> None:
    """Once; also if it is set while the engine reads the others. Not if it wakes in time, or is awake."""
    stand_in, control = engine.stand_in, engine.control
    stand_in.note_deadline(1)
    assert not control.drain()
    stand_in.sleeps_until = 100
    stand_in.note_deadline(100)
    assert not control.drain()
    stand_in.note_deadline(99)
    assert control.drain()
    stand_in.note_deadline(98)
    assert not control.drain()
    stand_in.deadlines_are_read()
    stand_in.note_deadline(2**62)
    assert control.drain()


def test_a_sleep_leaves_no_descriptor_open(engine: FakeEngine) -> None:
    """Each has a set of its own, which ends with it."""
    before = _open_files()
    for _ in range(20):
        sleeper = engine.asleep()
        engine.control.notify()
        sleeper.woken()
    assert _open_files() <= before + 2


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
