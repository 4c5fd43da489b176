"""The engine: claims what it can start, runs it, reports it; nothing lost, nothing twice, and no turn in vain."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.clock import wall_clock_ms
from alsek.core.execution.session import WorkerSession
from alsek.core.worker.engine import engine
from alsek.core.worker.thread_executor.recent_durations import MOST_IN_FLIGHT
from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends import records
from alsek.storage.backends.history import unpacked
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Lost, Released, Step, Worker
from tests.clock import Clock
from tests.unit.core.fakes import LossyBackend
from tests.unit.workers.engine_harness import Running, Runs, TalkativeSession, submit
from tests.unit.workers.fakes import PATIENCE
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("stands_in")


def test_each_message_runs_once_and_is_reported_once(backend: LossyBackend, runs: Runs) -> None:
    """Two hundred messages on four threads: each one run, one outcome; nothing is held when it is over."""
    submit(runs.note, 200)
    running = Running(backend, runs.note, size=4).start()
    eventually(lambda: running.left == 0)
    running.stop()
    assert runs.of == Counter(range(200))
    outcomes = [outcome for _, outcomes, _ in backend.lossy.steps for outcome in outcomes]
    assert set(Counter(outcome.token for outcome in outcomes).values()) == {1}
    # What was claimed ahead may be given back; it is claimed again then.
    ended = Counter(outcome.uuid for outcome in outcomes if not isinstance(outcome, Released))
    assert len(ended) == 200
    assert set(ended.values()) == {1}
    assert running.state.claims() == []
    assert running.session.held == set()


def test_what_ends_at_once_is_reported_in_short_steps(
    backend: LossyBackend, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many coroutines that are: each once, and as many steps as that takes follow one another."""
    monkeypatch.setattr(engine, "OUTCOMES_IN_STEP", 3)
    submit(runs.note, 8)
    running = Running(backend, runs.note, size=8)
    collect, ended = running.executor.collect, []

    def collect_all() -> list[Any]:
        ended.extend(collect())
        if len(ended) < 8:
            return []
        all_of_them, ended[:] = ended[:], []
        return all_of_them

    monkeypatch.setattr(running.executor, "collect", collect_all)
    running.start()
    eventually(lambda: running.left == 0)
    running.stop()
    reported = [len(outcomes) for _, outcomes, _ in backend.lossy.steps if outcomes]
    assert reported == [3, 3, 2]
    assert running.state.claims() == []


def test_no_more_is_claimed_than_can_start_at_once(backend: LossyBackend, runs: Runs) -> None:
    """With three slots at most three run, whatever waits; and no step asks for more than is free."""
    submit(runs.hold, 10)
    running = Running(backend, runs.hold, size=3).start()
    runs.wait_for(3)
    assert runs.now == 3
    assert len(running.state.claims()) == 3
    runs.go_on.set()
    eventually(lambda: running.left == 0)
    running.stop()
    assert runs.most == 3
    assert running.session.most <= 3


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_lost_requests_and_replies_lose_and_double_nothing(
    backend: LossyBackend, runs: Runs, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """However calls fail: each message runs exactly once, each outcome is accepted, and the shared state ends empty."""
    monkeypatch.setattr("alsek.core.worker.engine.engine._FIRST_PAUSE_MS", 2)
    monkeypatch.setattr("alsek.core.worker.engine.engine._LONGEST_PAUSE_MS", 5)
    chance = random.Random(seed)
    submit(runs.note, 150)
    running = Running(backend, runs.note, size=3)
    backend.plan += chance.choices(["ok", "request", "reply"], [2, 1, 1], k=120)
    running.start()
    eventually(lambda: running.left == 0)
    backend.plan.clear()
    running.stop()
    assert runs.of == Counter(range(150))
    assert running.state.claims() == []


def test_an_outage_is_waited_out_with_growing_pauses(backend: LossyBackend, runs: Runs) -> None:
    """A store that is away is asked again after growing pauses, not all the time; then all goes on."""
    submit(runs.note, 5)
    running = Running(backend, runs.note)
    backend.plan += 3 * ["request"]
    begun = time.monotonic()
    running.start()
    eventually(lambda: running.left == 0)
    assert time.monotonic() - begun >= (100 + 200 + 400) / 2000
    assert running.engine.steps <= 12
    assert running.engine.sleeps <= 12
    running.stop()
    assert runs.of == Counter(range(5))


class BrokenWaiter(Waiter):
    """A waiter whose connection is gone: readable at once, and every answer an error."""

    def __init__(self) -> None:
        self.ear, self.bell = os.pipe()
        self.broken = ""

    @property
    def interval(self) -> int:
        return 5_000

    def _use(self, what: str) -> None:
        if self.broken == what:
            raise BackendUnavailableError("it is away")

    def fileno(self) -> int:
        self._use("fileno")
        return self.ear

    def arm(self) -> None:
        self._use("arm")

    def drain(self) -> bool:
        return True

    def pass_on(self) -> None:
        self._use("pass_on")

    def close(self) -> None:
        """Used again: the test holds it."""


@pytest.mark.parametrize("broken", ["fileno", "arm", "pass_on"])
def test_a_waiter_that_fails_costs_no_task_its_life(backend: LossyBackend, runs: Runs, broken: str) -> None:
    """An outage that the waiter meets first, while all slots are taken, is waited out: what runs goes on."""
    submit(runs.hold, 1)
    running = Running(backend, runs.hold, size=1)
    waiter = running.session.waiter_made = BrokenWaiter()
    running.start()
    runs.wait_for(1)
    if broken == "pass_on":
        running.drain()
    waiter.broken = broken
    os.write(waiter.bell, b"x")
    time.sleep(0.3)
    assert running.alive
    waiter.broken = ""
    os.read(waiter.ear, 1)
    runs.go_on.set()
    eventually(lambda: running.left == 0)
    if broken == "pass_on":
        running.ended()
    else:
        running.stop()
    assert runs.of == Counter([0])


def test_a_lost_lease_starts_over(runs: Runs, backend: LossyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outcome of the old id is dropped, its message runs again, and the shared state has only the new id."""
    # Asking renews the lease, by a timer of real time: here nobody renews.
    monkeypatch.setattr("alsek.core.worker.engine.engine._CHECK_REVOKED_EVERY_MS", 10**9)
    clock = Clock()
    backend = LossyBackend(clock)
    runs = Runs(Broker(backend))
    submit(runs.hold, 1)
    running = Running(backend, runs.hold, runs.note, size=3).start()
    runs.wait_for(1)
    eventually(lambda: running.session.is_sleeper)  # it makes no step of its own accord for a while
    before = running.session.worker.id
    clock.advance(40_000)  # two leases: there was an outage, as far as the store knows
    other = WorkerSession(backend, Worker("", "process", None, 15_000, 0))
    other.register()
    clock.advance(14_000)
    other.step((), {})
    clock.advance(14_000)
    other.step((), {})
    submit(runs.note, 1, first=7)
    eventually(lambda: runs.of[7] == 1)
    assert running.session.worker.id != before
    assert running.state.worker_id == running.session.worker.id
    runs.go_on.set()
    eventually(lambda: running.left == 0)
    running.stop()
    assert runs.of[0] == 2
    assert running.state.claims() == []


def test_what_is_claimed_ahead_is_bounded(backend: LossyBackend, runs: Runs) -> None:
    """However short the tasks, never more than 64 are in flight, and no more run than there are threads."""
    submit(runs.note, 600)
    running = Running(backend, runs.note, size=2).start()
    eventually(lambda: running.left == 0)
    running.stop()
    assert runs.of == Counter(range(600))
    assert running.session.most <= MOST_IN_FLIGHT
    assert runs.most <= 2


def test_max_tasks_are_kept_to(backend: LossyBackend, runs: Runs) -> None:
    """After so many starts it drains by itself, has told so in the shared state, and leaves the rest."""
    submit(runs.note, 12)
    running = Running(backend, runs.note, size=4, max_tasks=7).start()
    running.ended()
    assert sum(runs.of.values()) == 7
    assert running.left == 5
    assert running.state.draining == 1
    assert running.notified


def test_draining_takes_no_more_and_finishes_what_runs(backend: LossyBackend, runs: Runs) -> None:
    """What runs is reported before it returns; what waits stays."""
    submit(runs.hold, 3)
    running = Running(backend, runs.hold, size=1).start()
    runs.wait_for(1)
    running.drain()
    eventually(lambda: running.state.draining)
    assert running.alive
    runs.go_on.set()
    running.ended()
    assert runs.of == Counter([0])
    assert running.left == 2


def test_a_group_too_large_drains(backend: LossyBackend, runs: Runs) -> None:
    """`is_too_large` is called about once a second under load, and makes it drain."""
    running = Running(backend, runs.note, is_too_large=lambda: True).start()
    running.engine._policy._size_checked_at = 0
    submit(runs.note, 1)
    running.ended()


def test_suspects_only_runs_them_one_at_a_time_and_ends(backend: LossyBackend, runs: Runs) -> None:
    """It takes no other message, holds one suspect at a time, and ends when none is left."""
    submit(runs.note, 4)
    dead = WorkerSession(backend, Worker("", "thread", None, 15_000, 0))
    dead.register()
    claimed = dead.step((), {"thread": 3}).claimed
    dead.retire([Lost(each.uuid, each.queue, each.token, suspect=True) for each in claimed])
    running = Running(backend, runs.note, size=4, suspects="only", suspects_only=True).start()
    running.ended()
    assert sum(runs.of.values()) == 3
    assert running.left == 1


def test_suspects_that_wait_are_told_to_the_supervisor_once(backend: LossyBackend, runs: Runs) -> None:
    """A group with claims writes down that suspects wait, and does not loop over them."""
    submit(runs.note, 2)
    dead = WorkerSession(backend, Worker("", "thread", None, 15_000, 0))
    dead.register()
    suspects = [
        Lost(each.uuid, each.queue, each.token, suspect=True) for each in dead.step((), {"thread": 2}).claimed
    ]
    submit(runs.hold, 1, first=9)
    running = Running(backend, runs.note, runs.hold, size=3).start()
    runs.wait_for(1)
    dead.retire(suspects)
    submit(runs.hold, 1, first=10)
    runs.wait_for(1)
    eventually(lambda: running.state.suspects)
    told, steps, sleeps = running.notified, running.engine.steps, running.engine.sleeps
    time.sleep(0.4)
    assert running.notified == told
    assert running.engine.steps - steps <= 4
    assert running.engine.sleeps - sleeps <= 8
    runs.go_on.set()
    eventually(lambda: running.left == 0)
    running.stop()


def test_a_full_engine_hears_that_more_waits(backend: LossyBackend, runs: Runs) -> None:
    """All slots taken by tasks that go on: a message that comes then makes it tell that it is saturated."""
    submit(runs.hold, 2)
    running = Running(backend, runs.hold, size=2).start()
    runs.wait_for(2)
    assert running.state.saturated_since == 0
    submit(runs.hold, 1, first=5)
    eventually(lambda: running.state.saturated_since and running.notified)
    runs.go_on.set()
    eventually(lambda: running.left == 0)
    running.stop()


def test_a_full_engine_sees_that_another_worker_is_lost(backend: LossyBackend, runs: Runs) -> None:
    """What a lost worker held is given back also if nobody is idle, so that another group can be started for it."""
    submit(runs.hold, 2)
    lost = WorkerSession(backend, Worker("", "thread", None, 1_200, 0))
    lost.register()
    assert len(lost.step((), {"thread": 1}).claimed) == 1
    running = Running(backend, runs.hold, size=1).start()
    runs.wait_for(1)
    assert running.state.saturated_since == 0
    eventually(lambda: running.state.saturated_since and running.notified)
    runs.go_on.set()
    eventually(lambda: running.left == 0)
    running.stop()


def test_a_full_engine_sees_that_a_message_is_due(backend: LossyBackend, runs: Runs) -> None:
    """A delayed message becomes ready while all slots are taken, so that another group can be started for it."""
    submit(runs.hold, 1)
    submit(runs.hold, 1, first=5, delay=400)
    running = Running(backend, runs.hold, size=1).start()
    runs.wait_for(1)
    eventually(lambda: running.state.saturated_since and running.notified)
    runs.go_on.set()
    eventually(lambda: running.left == 0)
    running.stop()


def test_a_delayed_message_starts_by_the_engines_own_timer(backend: LossyBackend, runs: Runs) -> None:
    """Nobody wakes it when a message becomes due, and it is not late by an interval."""
    running = Running(backend, runs.note).start()
    begun = time.monotonic()
    submit(runs.note, 1, delay=150)
    eventually(lambda: runs.of[0] == 1)
    assert time.monotonic() - begun >= 0.15
    assert running.engine.steps <= 8 + (time.monotonic() - begun)
    running.stop()


def quiet(running: Running) -> None:
    """No more than a handful of turns a second."""
    time.sleep(0.1)
    begun, steps, sleeps = time.monotonic(), running.engine.steps, running.engine.sleeps
    time.sleep(0.6)
    passed = max(time.monotonic() - begun, 1)
    assert running.engine.steps - steps <= 4 * passed
    assert running.engine.sleeps - sleeps <= 8 * passed


def test_an_idle_engine_sleeps(backend: LossyBackend, runs: Runs) -> None:
    """With nothing to do there are no steps, and it says since when it has been idle."""
    running = Running(backend, runs.note).start()
    quiet(running)
    assert running.state.idle_since
    running.stop()


def test_looking_is_no_work(backend: LossyBackend, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that looks at the store and finds nothing has been idle all the while; one message ends that."""
    monkeypatch.setattr("alsek.core.worker.engine.claim_policy.LOOK_EVERY_MS", 20)
    running = Running(backend, runs.note).start()
    eventually(lambda: running.state.idle_since)
    since, steps = running.state.idle_since, running.engine.steps
    eventually(lambda: running.engine.steps >= steps + 5)
    assert running.state.idle_since == since
    submit(runs.note, 1)
    eventually(lambda: running.state.idle_since > since)
    running.stop()


def test_a_full_engine_sleeps(backend: LossyBackend, runs: Runs) -> None:
    """Also while messages wait."""
    submit(runs.hold, 5)
    running = Running(backend, runs.hold, size=2).start()
    runs.wait_for(2)
    quiet(running)
    assert running.state.idle_since == 0
    runs.go_on.set()
    running.stop()


def test_a_draining_engine_sleeps(backend: LossyBackend, runs: Runs) -> None:
    """While what runs goes on, and messages come."""
    submit(runs.hold, 1)
    running = Running(backend, runs.hold, size=2).start()
    runs.wait_for(1)
    running.drain()
    submit(runs.hold, 2, first=3)
    quiet(running)
    runs.go_on.set()
    running.ended()
    assert runs.of == Counter([0])


def test_an_engine_that_backs_off_sleeps(backend: LossyBackend, runs: Runs) -> None:
    """While the store is away it neither asks nor turns all the time."""
    running = Running(backend, runs.note)
    backend.plan += 1_000 * ["request"]
    running.start()
    quiet(running)
    backend.plan.clear()
    running.stop()


def test_claims_of_an_answer_survive_the_loss_of_the_next(backend: LossyBackend, runs: Runs) -> None:
    """A step whose reply was lost is answered at last, and the step sent after it fails: its claims are handed out."""
    submit(runs.note, 2)
    session = WorkerSession(backend, Worker("", "thread", None, 15_000, 0))
    session.register()
    (first,) = session.step((), {"thread": 1}).claimed
    backend.plan += ["reply"]
    with pytest.raises(BackendUnavailableError):
        session.step((), {"thread": 1})
    backend.plan += ["ok", "request"]
    done = Lost(first.uuid, first.queue, first.token)
    with pytest.raises(BackendUnavailableError):
        session.step([done], {})
    step = session.step((), {})
    assert len(step.claimed) == 1


def test_what_is_claimed_while_it_begins_to_drain_is_given_back(backend: LossyBackend, runs: Runs) -> None:
    """The step was sent before the signal, and its answer comes after it: nothing of it runs."""

    class Signalled(TalkativeSession):
        def step(self, outcomes: Any, limit: int, history: Any = (), *, sleeps: bool = False) -> Step:
            answer = super().step(outcomes, limit, history, sleeps=sleeps)
            running.engine.drain()
            return answer

    submit(runs.hold, 2)
    running = Running(backend, runs.hold, session=Signalled)
    running.start().ended()
    assert runs.of == Counter()
    assert running.left == 2
    assert [message.losses for message in backend.messages.browse("alsek_queue")] == [0, 0]


def test_the_store_is_told_what_runs(
    backend: LossyBackend, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With each renewal: since when, in which thread, and no message that waits for a thread."""
    monkeypatch.setattr("alsek.core.worker.engine.engine._CHECK_REVOKED_EVERY_MS", 20)
    before = wall_clock_ms()
    submit(runs.hold, 3)
    running = Running(backend, runs.hold, size=2).start()
    runs.wait_for(2)

    def told() -> list[records.Running]:
        (worker,) = backend.messages.workers()
        return sorted(worker.running, key=lambda each: each.thread)

    eventually(lambda: len(told()) == 2)
    assert [each.thread for each in told()] == ["alsek-task-1", "alsek-task-2"]
    assert {each.uuid for each in told()} == {claim.uuid for claim in backend.messages.workers()[0].claims}
    for each in told():
        assert before <= each.started_at <= wall_clock_ms()
        assert each.attempt == 1
        assert each.pid == os.getpid()
    runs.go_on.set()
    running.stop()


def test_short_messages_tell_nothing(backend: LossyBackend, runs: Runs) -> None:
    """No renewal is sent while messages come and go within a second."""
    submit(runs.note, 50)
    running = Running(backend, runs.note).start()
    eventually(lambda: running.left == 0)
    (worker,) = backend.messages.workers()
    assert worker.running == ()
    running.stop()


def test_all_that_was_done_is_counted(backend: LossyBackend, runs: Runs) -> None:
    """Whatever replies are lost: the store's history has each message once, the last ones included."""
    submit(runs.note, 20)
    backend.plan += ["ok", "reply", "ok", "request", "ok", "reply"]
    running = Running(backend, runs.note).start()
    eventually(lambda: running.left == 0, PATIENCE)
    running.stop()
    minute = backend.messages.now() // 60_000
    rows = backend.messages.history(minute - 5, minute)
    assert {(row.queue, row.task) for row in rows} == {("alsek_queue", "note")}
    counts = unpacked(" ".join(row.counts for row in rows))
    assert (counts["s"], counts["o"]) == (20, 20)
    assert sum(number for key, number in counts.items() if key[0] == "w" and key != "wt") == 20


def test_an_idle_engine_hands_its_counts_over_within_a_second_and_then_keeps_still(
    backend: LossyBackend, runs: Runs
) -> None:
    """One step of its own, and none once there is nothing left to hand over."""
    submit(runs.note, 1)
    running = Running(backend, runs.note).start()
    minute = backend.messages.now() // 60_000
    eventually(lambda: bool(backend.messages.history(minute - 1, minute + 1)), PATIENCE)
    assert running.engine._counting.hand_over_at is None
    running.stop()


class OfferingSession(TalkativeSession):
    """A session whose first step offers a schedule."""

    offers = ("s",)

    def step(self, outcomes: Any, limits: Any, history: Any = (), *, sleeps: bool = False) -> Step:
        """As a session's."""
        step = super().step(outcomes, limits, history, sleeps=sleeps)
        offers, self.offers = self.offers, ()
        return step._replace(schedules=offers)


def test_schedules_are_fired_while_the_engine_goes_on(backend: LossyBackend, runs: Runs) -> None:
    """It does not wait for the thread that fires them; when that is done, it makes a step to learn what is due next."""
    fired: list[str] = []
    hanging, go_on = threading.Event(), threading.Event()

    def fire(name: str, waited: int) -> None:
        hanging.set()
        assert go_on.wait(PATIENCE)
        fired.append(name)

    running = Running(backend, runs.note, session=OfferingSession, fires=fire).start()
    assert hanging.wait(PATIENCE)
    submit(runs.note, 10)
    eventually(lambda: running.left == 0)
    steps = running.engine.steps
    go_on.set()
    eventually(lambda: running.engine.steps > steps)
    assert fired == ["s"]
    running.stop()


def test_a_worker_that_fires_nothing_is_offered_nothing(backend: LossyBackend, runs: Runs) -> None:
    """Should a store do so all the same, the offer is dropped."""
    running = Running(backend, runs.note, session=OfferingSession).start()
    submit(runs.note, 3)
    eventually(lambda: running.left == 0)
    running.stop()


def test_an_engine_ends_while_a_schedule_hangs(backend: LossyBackend, runs: Runs) -> None:
    """The thread that fires ends with the process."""
    hanging, go_on = threading.Event(), threading.Event()

    def fire(name: str, waited: int) -> None:
        hanging.set()
        go_on.wait(PATIENCE)

    running = Running(backend, runs.note, session=OfferingSession, fires=fire).start()
    assert hanging.wait(PATIENCE)
    running.stop()
    go_on.set()
