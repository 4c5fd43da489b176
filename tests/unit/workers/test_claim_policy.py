"""When an engine claims, how much, and when it looks at the store: decisions alone, without a store or threads."""

from __future__ import annotations

from typing import Any

import pytest

from alsek.core.worker.engine.capacity import Capacity
from alsek.core.worker.engine.claim_policy import LOOK_EVERY_MS, ClaimPolicy
from alsek.core.worker.engine.options import EngineOptions
from alsek.core.worker.shared_state import SharedState
from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.records import Step
from tests.unit.workers.engine_fakes import FakeExecutor, answer

NOW = 50_000
THREAD: tuple[SlotKind, ...] = ("thread",)


class Scene:
    """A policy, its executor and its shared state."""

    def __init__(self, slots: int = 2, entries: int = 64, **options: Any) -> None:
        self.executor: Any = FakeExecutor(slots)
        self.state = SharedState(entries)
        self.state.max_claims = slots
        self.policy = ClaimPolicy(self.executor, self.state, EngineOptions(**options))

    @property
    def limit(self) -> int:
        """How many messages it would claim of its own accord."""
        return sum(self.policy._limits().values()) if self.policy.should_claim else 0

    def step(self, step: Step, now: int = NOW) -> int:
        """Send a step, start what it claims, and return its limit."""
        limits = self.policy.before_step(now)
        self.executor.in_flight += len(step.claimed)
        self.policy.note_started(len(step.claimed))
        self.policy.after_step(step, limits, now)
        return sum(limits.values())


@pytest.mark.parametrize(
    ("in_flight", "prefetch", "max_claims", "free_slots", "limit"),
    [
        (0, 0, 4, 4, 4),
        (3, 0, 4, 1, 1),
        (3, 0, 3, 0, 0),  # the supervisor has lowered it
        (4, 0, 3, -1, 0),
        (4, 4, 4, 0, 4),
        (6, 4, 4, -2, 2),  # two of four are prefetched already
        (8, 4, 4, -4, 0),
    ],
)
def test_the_limit_is_free_slots_and_prefetch_within_max_claims(
    in_flight: int, prefetch: int, max_claims: int, free_slots: int, limit: int
) -> None:
    """The terms of the glossary, as sums."""
    executor: Any = FakeExecutor(4)
    executor.in_flight, executor.slots_by_kind["thread"].prefetch = in_flight, prefetch
    state = SharedState(64)
    state.max_claims = max_claims
    capacity = Capacity(executor, state)
    assert capacity.free_slots("thread") == free_slots
    assert capacity.full is (free_slots <= 0)
    assert capacity.limits(None, ()) == ({"thread": limit} if limit else {})


def test_no_more_is_claimed_than_can_be_listed() -> None:
    """Entries that abandoned threads keep leave a limit below the slots."""
    scene = Scene(slots=4, entries=3)
    scene.state.add_claim(1)
    assert scene.limit == 2


def test_it_claims_at_first_and_while_messages_wait() -> None:
    """After an answer with all that was asked for, and more waiting, it claims again; else not."""
    scene = Scene()
    assert scene.limit == 2
    assert scene.step(answer(2, waiting=THREAD)) == 2
    scene.executor.in_flight = 0
    assert scene.limit == 2
    scene.step(answer(1, waiting=THREAD))  # what waits is not for this worker
    scene.executor.in_flight = 0
    assert scene.limit == 0
    scene.policy.claim_again()
    scene.step(answer())
    assert scene.limit == 0


def test_a_step_that_reports_claims_as_well() -> None:
    """Also if nothing is known to wait."""
    scene = Scene()
    scene.step(answer())
    assert scene.limit == 0
    assert scene.policy.before_step(NOW) == {"thread": 2}


def test_nothing_is_claimed_beside_a_suspect() -> None:
    """A suspect runs alone, and counts as a full group."""
    scene = Scene()
    scene.policy.runs_suspect = True
    assert scene.limit == 0
    assert scene.policy.full


def test_it_drains_after_the_last_task() -> None:
    """It claims no more than `max_tasks` leave, and drains after the last has started."""
    scene = Scene(slots=4, max_tasks=5)
    assert scene.step(answer(4, waiting=THREAD)) == 4
    assert not scene.policy.draining
    scene.executor.in_flight = 0
    assert scene.step(answer(1, waiting=THREAD)) == 1
    assert scene.policy.draining
    assert scene.limit == 0


def test_it_drains_when_no_suspects_are_left() -> None:
    """Not while one runs, or waits; for other groups suspects do not matter."""
    scene = Scene(suspects_only=True)
    scene.step(answer(1))
    assert not scene.policy.draining
    scene.step(answer())
    assert not scene.policy.draining  # one runs
    scene.executor.in_flight = 0
    scene.step(answer(suspects=True))
    assert not scene.policy.draining
    scene.step(answer())
    assert scene.policy.draining
    other = Scene()
    other.step(answer())
    assert not other.policy.draining


def test_it_drains_when_the_process_is_to_be_replaced() -> None:
    """The executor says so at any step; its size is looked at once a second."""
    scene = Scene()
    scene.executor.exhausted = True
    scene.step(answer())
    assert scene.policy.draining
    asked: list[int] = []
    large = Scene(is_too_large=lambda: bool(asked.append(1)) or len(asked) > 1)
    begin = large.policy._size_checked_at
    for now, drains in ((999, False), (1_000, False), (1_500, False), (2_000, True)):
        large.step(answer(), begin + now)
        assert large.policy.draining is drains
    assert len(asked) == 2


def test_a_stop_during_the_check_of_the_size_is_kept() -> None:
    """The signal's handler may run in the middle of it."""

    def stopped_meanwhile() -> bool:
        scene.policy.draining = True
        return False

    scene = Scene(is_too_large=stopped_meanwhile)
    scene.step(answer(), scene.policy._size_checked_at + 1_000)
    assert scene.policy.draining


def test_an_idle_engine_wakes_for_a_due_message_or_to_look() -> None:
    """The earlier of both; without a waiter it looks more often; what is due already is a millisecond away."""
    scene = Scene()
    scene.step(answer())
    assert scene.policy.wake_at(NOW, 5_000) == NOW + LOOK_EVERY_MS
    assert scene.policy.wake_at(NOW, 800) == NOW + 800
    assert scene.policy.wake_at(NOW, None) == NOW + 1_000
    scene.step(answer(next_due=300))
    assert scene.policy.wake_at(NOW + 100, 5_000) == NOW + 300
    scene.step(answer(next_due=0))
    assert scene.policy.wake_at(NOW, 5_000) == NOW + 1


def test_a_full_engine_wakes_to_look() -> None:
    """After `slot_wait_interval`, or so long after the last step; a due message alone does not wake it."""
    scene = Scene(slots=1, slot_wait_interval=700)
    scene.step(answer(1, next_due=300))
    assert scene.policy.full
    assert scene.policy.wake_at(NOW, 5_000) == NOW + 700
    assert scene.policy.wake_at(NOW + 1_400, 5_000) == NOW + LOOK_EVERY_MS


def test_a_draining_engine_wakes_for_nothing_of_the_stores() -> None:
    """It neither claims nor looks."""
    scene = Scene()
    scene.policy.draining = True
    assert scene.policy.wake_at(NOW, 5_000) is None
    scene.policy.on_sleep_end(NOW + 10_000, timed_out=True)
    assert scene.limit == 0
    assert not scene.policy.should_look


def test_a_wakeup_is_used_or_passed_on() -> None:
    """With a free slot it claims; without one it looks, unless known to be saturated; else passed on."""
    scene = Scene(slots=1)
    scene.step(answer())
    assert scene.policy.on_wakeup("thread", NOW)
    assert scene.limit == 1
    scene.step(answer(1))
    assert scene.policy.on_wakeup("thread", NOW)
    assert scene.policy.should_look
    assert scene.limit == 0
    scene.state.saturated_since = NOW
    assert not scene.policy.on_wakeup("thread", NOW)
    scene.state.saturated_since = 0
    scene.policy.draining = True
    assert not scene.policy.on_wakeup("thread", NOW)


def test_a_full_engine_wants_wakeups_now_and_then() -> None:
    """Until it is known to be saturated; after a look not again for `slot_wait_interval`."""
    scene = Scene(slots=1, slot_wait_interval=700)
    scene.step(answer(1))
    assert scene.policy.wants_wakeup("thread", NOW)
    scene.policy.on_wakeup("thread", NOW)
    assert not scene.policy.wants_wakeup("thread", NOW + 699)
    assert scene.policy.wants_wakeup("thread", NOW + 700)
    scene.state.saturated_since = NOW
    assert not scene.policy.wants_wakeup("thread", NOW + 700)
    scene.executor.in_flight = 0
    assert scene.policy.wants_wakeup("thread", NOW)


def test_a_sleep_that_times_out_ends_in_a_claim() -> None:
    """With a free slot; one that a finished job has ended does not."""
    scene = Scene()
    scene.step(answer())
    scene.policy.on_sleep_end(NOW + 1, timed_out=False)
    assert scene.limit == 0
    scene.policy.on_sleep_end(NOW + 1, timed_out=True)
    assert scene.limit == 2


def test_a_full_engine_looks_so_long_after_its_last_step() -> None:
    """Whatever has ended the sleep, and not before."""
    scene = Scene(slots=1)
    scene.step(answer(1))
    scene.policy.on_sleep_end(NOW + LOOK_EVERY_MS - 1, timed_out=True)
    assert not scene.policy.should_look
    scene.policy.on_sleep_end(NOW + LOOK_EVERY_MS, timed_out=False)
    assert scene.policy.should_look
    scene.policy.before_step(NOW)
    assert not scene.policy.should_look
