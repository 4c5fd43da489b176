"""How an engine sleeps: what it waits for, and until when. Nothing here sleeps: the clock and poll are fakes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.engine.claim_policy import LOOK_EVERY_MS, ClaimPolicy
from alsek.core.worker.engine.options import EngineOptions
from alsek.core.worker.engine.sleep import Sleep
from alsek.core.worker.shared_state import SharedState
from alsek.exceptions import BackendUnavailableError
from tests.unit.workers.engine_fakes import FakeExecutor, FakePoll, FakeSession, FakeWaiter, answer


class Scene:
    """A sleeper of one slot, and all that it uses."""

    def __init__(self, **others: int) -> None:
        self.executor: Any = FakeExecutor(1, **others)
        self.session: Any = FakeSession()
        self.state = SharedState(8)
        self.state.max_claims = 1 + sum(others.values())
        self.control = WakeupPipe()
        self.poll: Any = FakePoll()
        self.policy = ClaimPolicy(self.executor, self.state, EngineOptions(slot_wait_interval=700))
        self.sleeper = Sleep(
            self.session, self.executor, self.state, self.policy, self.control, self.poll.clock, self.poll
        )
        self.answer()

    def answer(self, **fields: Any) -> None:
        """Let a step be answered, without claims."""
        limits = self.policy.before_step(self.poll.now)
        self.policy.after_step(answer(**fields), limits, self.poll.now)

    @property
    def waiter(self) -> FakeWaiter:
        """The waiter that was made last."""
        waiter: FakeWaiter = self.session.waiters[-1]
        return waiter

    def sleep(
        self, store_away_until: int = 0, check_revoked_at: int = 0, step_at: int | None = None
    ) -> int | None:
        """Sleep once; return how long (ms) it would at most have taken."""
        self.sleeper.until_woken(self.poll.now, store_away_until, check_revoked_at, step_at)
        timeout: int | None = self.poll.timeouts[-1]
        return timeout


@pytest.fixture
def scene() -> Iterator[Scene]:
    """An idle engine that has just looked at the store."""
    scene = Scene()
    yield scene
    scene.control.close()
    scene.state.close()


def test_an_idle_engine_sleeps_until_it_is_time_to_look(scene: Scene) -> None:
    """It waits for signals and for the store, and claims when the time is over."""
    assert scene.sleep() == LOOK_EVERY_MS
    assert scene.poll.registered == {scene.control.reader, scene.waiter.fileno()}
    assert scene.waiter.armed == 1
    assert scene.policy.should_claim


def test_the_first_to_come_ends_the_sleep(scene: Scene) -> None:
    """A deadline, a due message, the check for revoked messages while something runs."""
    scene.executor.deadline = scene.poll.now + 40
    assert scene.sleep() == 40
    scene.executor.deadline = None
    scene.answer(next_due=30)
    assert scene.sleep() == 30
    scene.answer()
    assert scene.sleep(check_revoked_at=scene.poll.now + 20) == LOOK_EVERY_MS  # nothing runs
    scene.answer()
    scene.executor.in_flight = 1
    assert scene.sleep(check_revoked_at=scene.poll.now + 20) == 20
    assert scene.sleep(check_revoked_at=scene.poll.now - 5) == 0


def test_counts_to_hand_over_end_the_sleep(scene: Scene) -> None:
    """Unless the store is away: they wait for it."""
    assert scene.sleep(step_at=scene.poll.now + 300) == 300
    scene.answer()
    away = scene.poll.now + 400
    assert scene.sleep(store_away_until=away, step_at=scene.poll.now + 300) == 400


def test_a_wakeup_of_the_stores_is_used(scene: Scene) -> None:
    """With a free slot the engine claims."""
    scene.sleep()
    scene.answer()
    scene.poll.ready = [scene.waiter.fileno()]
    scene.sleep()
    assert scene.policy.should_claim
    assert scene.waiter.passed_on == 0


def test_a_wakeup_without_reason_is_ignored(scene: Scene) -> None:
    """The waiter says that no claim is worthwhile: neither used nor passed on."""
    scene.sleep()
    scene.answer()
    scene.waiter.worthwhile = False
    scene.poll.ready = [scene.waiter.fileno()]
    scene.sleep()
    assert not scene.policy.should_claim
    assert scene.waiter.passed_on == 0


def test_a_wakeup_that_can_not_be_used_is_passed_on(scene: Scene) -> None:
    """A draining engine arms no waiter, and passes on what reaches the one that it had armed."""
    scene.sleep()
    scene.policy.draining = True
    scene.poll.ready = [scene.waiter.fileno()]
    assert scene.sleep() is None
    assert scene.waiter.armed == 1
    assert scene.waiter.passed_on == 1


def test_a_draining_engine_makes_no_waiter(scene: Scene) -> None:
    """It waits for its jobs and signals alone."""
    scene.policy.draining = True
    assert scene.sleep() is None
    assert scene.session.waiters == []


def test_a_saturated_engine_arms_no_waiter(scene: Scene) -> None:
    """Another worker is to be woken."""
    scene.executor.in_flight = 1
    scene.state.saturated_since = scene.poll.now
    scene.sleep(check_revoked_at=scene.poll.now + 900)
    assert scene.session.waiters == []


def test_while_the_store_is_away_it_is_left_alone(scene: Scene) -> None:
    """No waiter is made; the sleep ends when the store is to be tried again."""
    assert scene.sleep(store_away_until=scene.poll.now + 250) == 250
    assert scene.session.waiters == []


def test_an_outage_is_slept_through_while_something_runs(scene: Scene) -> None:
    """The store is not asked about revoked messages then, however long ago that was due."""
    scene.executor.in_flight = 1
    away = scene.poll.now + 250
    assert scene.sleep(store_away_until=away, check_revoked_at=scene.poll.now - 5) == 250


def test_an_outage_that_ends_meanwhile_ends_the_sleep(scene: Scene) -> None:
    """The engine found that the store was away; that time has passed when the sleep begins."""
    scene.policy.draining = True
    found_at = scene.poll.now
    scene.poll.now += 100
    scene.sleeper.until_woken(found_at, found_at + 60, 0)
    assert scene.poll.timeouts == [0]


def test_a_finished_job_needs_no_sleep(scene: Scene) -> None:
    """The executor says so when it is to be waited for."""
    scene.executor.has_finished = True
    scene.sleeper.until_woken(scene.poll.now, 0, 0)
    assert scene.poll.timeouts == []
    assert scene.executor.ready == []


def test_the_executor_is_given_what_was_ready(scene: Scene) -> None:
    """Also if that is nothing."""
    scene.control.notify()
    scene.poll.ready = [scene.control.reader]
    scene.sleep()
    assert scene.executor.ready == [frozenset({scene.control.reader})]
    assert scene.control.read() == b""  # read already
    scene.sleep()
    assert scene.executor.ready[-1] == frozenset()


def test_tasks_that_begin_are_left_the_interpreter(scene: Scene) -> None:
    """After a sleep, for a millisecond at most; not if one has finished, nor to processes, which have their own."""
    scene.sleeper.let_tasks_begin()
    assert scene.poll.timeouts == []
    scene.sleep()
    slept = len(scene.poll.timeouts)
    scene.sleeper.let_tasks_begin()
    assert scene.poll.timeouts[slept:] == [1]
    scene.executor.has_finished = True
    scene.sleeper.let_tasks_begin()
    scene.executor.has_finished, scene.executor.shares_interpreter = False, False
    scene.sleeper.let_tasks_begin()
    assert len(scene.poll.timeouts) == slept + 1


def test_idle_time_begins_with_the_first_sleep_without_jobs(scene: Scene) -> None:
    """And is not reset by later ones."""
    began = scene.poll.now
    scene.sleep()
    scene.sleep()
    assert scene.state.idle_since == began
    scene.executor.in_flight = 1
    scene.sleep(check_revoked_at=scene.poll.now + 900)
    assert scene.state.idle_since == 0


def test_a_waiter_that_fails_is_replaced_after_it_was_closed(scene: Scene) -> None:
    """The error is the engine's to handle; it closes the waiter, and the next sleep makes another."""
    scene.sleep()
    scene.waiter.broken = True
    with pytest.raises(BackendUnavailableError):
        scene.sleep()
    broken = scene.waiter
    scene.sleeper.close_waiters()
    assert broken.closed
    scene.sleep()
    assert scene.waiter is not broken
    assert scene.waiter.armed == 1


@pytest.fixture
def mixed() -> Iterator[Scene]:
    """An idle engine of one thread and one coroutine."""
    scene = Scene(coroutine=1)
    yield scene
    scene.control.close()
    scene.state.close()


def test_each_kind_of_slot_has_a_waiter(mixed: Scene) -> None:
    """One that is woken for messages that take up such a slot. With one kind it is woken for all."""
    mixed.sleep()
    assert [waiter.slot for waiter in mixed.session.waiters] == ["thread", "coroutine"]
    assert mixed.poll.registered == {mixed.control.reader, *(w.fileno() for w in mixed.session.waiters)}
    mixed.sleeper.close_waiters()
    assert all(waiter.closed for waiter in mixed.session.waiters)


def test_a_single_kind_is_woken_for_all_that_the_worker_takes(scene: Scene) -> None:
    """The store need not know which kind that is."""
    scene.sleep()
    assert [waiter.slot for waiter in scene.session.waiters] == [None]


def test_only_the_kinds_with_room_are_armed(mixed: Scene) -> None:
    """A busy thread is not woken once the engine is saturated, and the coroutine is."""
    mixed.executor.in_flight = 1
    mixed.state.saturated_since = mixed.poll.now
    mixed.sleep(check_revoked_at=mixed.poll.now + 900)
    assert [waiter.slot for waiter in mixed.session.waiters] == ["coroutine"]
    mixed.answer()
    mixed.poll.ready = [mixed.waiter.fileno()]
    mixed.sleep(check_revoked_at=mixed.poll.now + 900)
    assert mixed.policy.should_claim


def test_the_waiter_of_a_full_kind_passes_its_wakeup_on(mixed: Scene) -> None:
    """It was armed before."""
    mixed.sleep()
    mixed.answer()
    threads, coroutines = mixed.session.waiters
    mixed.executor.in_flight = 1
    mixed.state.saturated_since = mixed.poll.now
    mixed.poll.ready = [threads.fileno(), coroutines.fileno()]
    mixed.sleep(check_revoked_at=mixed.poll.now + 900)
    assert (threads.passed_on, coroutines.passed_on) == (1, 0)
    assert mixed.policy.wanted == ("coroutine",)
