"""When an engine with threads and coroutines claims, and how much of each; and when one without seeks such messages."""

from __future__ import annotations

from typing import Any

import pytest

from alsek.core.worker.engine.capacity import MixedCapacity, shared_out
from alsek.core.worker.engine.claim_policy import LOOK_EVERY_MS, ClaimPolicy
from alsek.core.worker.engine.options import EngineOptions
from alsek.core.worker.shared_state import SharedState
from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.records import Step
from tests.unit.workers.engine_fakes import FakeExecutor, answer

NOW = 50_000
THREAD: tuple[SlotKind, ...] = ("thread",)
COROUTINE: tuple[SlotKind, ...] = ("coroutine",)


class Scene:
    """The policy of a group with some threads and some coroutines."""

    def __init__(self, threads: int = 2, coroutines: int = 5, **options: Any) -> None:
        self.executor: Any = FakeExecutor(threads, coroutine=coroutines)
        self.state = SharedState(64)
        self.state.max_claims = threads + coroutines
        self.policy = ClaimPolicy(self.executor, self.state, EngineOptions(**options))

    def run(self, threads: int, coroutines: int) -> None:
        """Let so many jobs be in flight."""
        self.executor.slots_by_kind["thread"].in_flight = threads
        self.executor.slots_by_kind["coroutine"].in_flight = coroutines

    def step(self, step: Step, now: int = NOW) -> dict[SlotKind, int]:
        """Send a step, and return its limits."""
        limits = self.policy.before_step(now)
        self.policy.note_started(len(step.claimed))
        self.policy.after_step(step, limits, now)
        return limits


def test_each_kind_has_a_limit_of_its_own() -> None:
    """Busy threads leave the coroutines free, and the other way round; a kind without room is left out."""
    scene = Scene()
    assert scene.step(answer()) == {"thread": 2, "coroutine": 5}
    scene.run(2, 1)
    assert scene.step(answer()) == {"coroutine": 4}
    scene.run(1, 5)
    assert scene.step(answer()) == {"thread": 1}
    assert not scene.policy.full
    scene.run(2, 5)
    assert scene.step(answer()) == {}
    assert scene.policy.full


def test_it_claims_while_messages_of_a_kind_with_room_wait() -> None:
    """What waits for a kind without room sends no step, however much room the other has."""
    scene = Scene()
    scene.run(2, 1)
    scene.step(answer(waiting=THREAD))
    assert not scene.policy.should_claim
    scene.run(1, 1)
    assert scene.policy.should_claim
    scene.step(answer(waiting=COROUTINE))  # which would have been claimed if this worker could take it
    assert not scene.policy.should_claim
    scene.step(answer(4, waiting=COROUTINE))
    assert scene.policy.should_claim


def test_it_is_saturated_by_one_kind_alone() -> None:
    """Another group is needed if messages wait for threads of which none is free, although coroutines are."""
    scene = Scene()
    scene.run(2, 0)
    assert scene.policy.is_saturated(answer(waiting=THREAD))
    assert scene.policy.is_saturated(answer(waiting=("thread", "coroutine")))
    assert not scene.policy.is_saturated(answer(waiting=COROUTINE))
    assert not scene.policy.is_saturated(answer())


def test_a_full_kind_wants_no_wakeup_of_its_own_once_saturated() -> None:
    """The other kind is still woken, and claims."""
    scene = Scene(slot_wait_interval=700)
    scene.step(answer())
    scene.run(2, 0)
    assert scene.policy.wants_wakeup("thread", NOW)
    assert scene.policy.on_wakeup("thread", NOW)
    assert scene.policy.should_look
    assert not scene.policy.wants_wakeup("thread", NOW + 699)
    assert scene.policy.wants_wakeup("coroutine", NOW)
    scene.state.saturated_since = NOW
    assert not scene.policy.on_wakeup("thread", NOW)  # passed on
    assert not scene.policy.wants_wakeup("thread", NOW + 700)
    assert scene.policy.wants_wakeup("coroutine", NOW + 700)
    assert scene.policy.on_wakeup("coroutine", NOW)
    assert scene.policy.should_claim


def test_a_sleep_that_times_out_claims_for_the_kind_with_room() -> None:
    """A full kind is seen by the same step."""
    scene = Scene()
    scene.run(2, 0)
    scene.step(answer())
    assert scene.policy.wake_at(NOW, 5_000) == NOW + LOOK_EVERY_MS
    scene.policy.on_sleep_end(NOW + LOOK_EVERY_MS, timed_out=True)
    assert scene.policy.should_claim


def test_nothing_is_claimed_beside_a_suspect() -> None:
    """Of no kind."""
    scene = Scene()
    scene.policy.runs_suspect = True
    assert scene.step(answer()) == {}
    assert scene.policy.is_full("coroutine")
    assert scene.policy.full


def test_the_last_tasks_of_a_group_are_of_either_kind() -> None:
    """`max_tasks` bounds both together. If one is left, it goes to the kind for which messages wait."""
    scene = Scene(max_tasks=5)
    assert scene.step(answer(4, waiting=THREAD)) == {"thread": 2, "coroutine": 3}
    scene.policy.wanted = THREAD
    assert scene.step(answer(waiting=COROUTINE)) == {"thread": 1}
    assert scene.policy.should_claim
    assert scene.step(answer(1)) == {"coroutine": 1}
    assert scene.policy.draining


@pytest.mark.parametrize(
    ("threads", "coroutines", "max_claims", "limits"),
    [
        (0, 0, 7, {"thread": 2, "coroutine": 5}),
        (0, 0, 6, {"thread": 2, "coroutine": 4}),  # a group for suspects runs one of them
        (2, 0, 6, {"coroutine": 4}),
        (1, 5, 6, {}),
        (4, 0, 7, {"coroutine": 5}),  # two wait for a thread: they take up no coroutine's place
        (4, 1, 6, {"coroutine": 3}),
        (9, 9, 1, {}),
    ],
)
def test_max_claims_bounds_both_kinds_together(
    threads: int, coroutines: int, max_claims: int, limits: dict[SlotKind, int]
) -> None:
    """One fewer of the kind that has more room. What waits for a slot is not counted."""
    scene = Scene()
    scene.run(threads, coroutines)
    scene.state.max_claims = max_claims
    capacity = MixedCapacity(scene.executor, scene.state)
    assert capacity.limits(None, ()) == limits
    assert capacity.full is (not limits)


def test_threads_prefetch_beside_coroutines() -> None:
    """As in a group of threads alone."""
    scene = Scene()
    scene.executor.slots_by_kind["thread"].prefetch = 2
    scene.run(3, 0)
    assert scene.step(answer()) == {"thread": 1, "coroutine": 5}
    scene.state.max_claims = 6
    assert scene.step(answer()) == {"thread": 1, "coroutine": 4}


def test_a_step_stays_short() -> None:
    """Of very many coroutines a part is claimed, and the rest at once with the next steps."""
    scene = Scene(coroutines=1_200)
    scene.state = SharedState(2_000)
    scene.state.max_claims = 1_202
    scene.policy = ClaimPolicy(scene.executor, scene.state, EngineOptions())
    assert scene.step(answer(500, waiting=COROUTINE)) == {"thread": 2, "coroutine": 500}
    assert scene.policy.should_claim
    scene.run(0, 1_000)
    assert scene.step(answer(200)) == {"thread": 2, "coroutine": 200}


def test_no_more_is_claimed_than_can_be_listed() -> None:
    """In all."""
    scene = Scene()
    for token in range(60):
        scene.state.add_claim(token + 1)
    assert scene.step(answer()) == {"thread": 2, "coroutine": 2}


@pytest.mark.parametrize(
    ("limits", "most", "wanted", "shared"),
    [
        ({"thread": 2, "coroutine": 9}, 20, (), {"thread": 2, "coroutine": 9}),
        ({"thread": 2, "coroutine": 9}, 8, (), {"thread": 2, "coroutine": 6}),
        ({"thread": 8, "coroutine": 9}, 5, (), {"thread": 3, "coroutine": 2}),
        ({"thread": 8, "coroutine": 9}, 1, COROUTINE, {"coroutine": 1}),
        ({"thread": 8, "coroutine": 9}, 1, THREAD, {"thread": 1}),
        ({"thread": 8, "coroutine": 9}, 0, THREAD, {}),
        ({"coroutine": 9}, 3, (), {"coroutine": 3}),
        ({}, 3, (), {}),
    ],
)
def test_what_is_scarce_is_shared(
    limits: dict[SlotKind, int], most: int, wanted: tuple[SlotKind, ...], shared: dict[SlotKind, int]
) -> None:
    """No kind starves."""
    assert shared_out(limits, most, wanted) == shared


class Plain:
    """The policy of a group without ``async def`` tasks, which seeks their messages."""

    def __init__(self, **options: Any) -> None:
        self.executor: Any = FakeExecutor(2)
        state = SharedState(64)
        state.max_claims = 2
        self.policy = ClaimPolicy(self.executor, state, EngineOptions(**options), seeks_async=True)
        self.begin = self.policy._size_checked_at

    def step(self, step: Step, after: int) -> dict[SlotKind, int]:
        """Send a step so long after the first, and return its limits."""
        limits = self.policy.before_step(self.begin + after)
        self.policy.after_step(step, limits, self.begin + after)
        return limits


def test_messages_of_async_tasks_are_sought_now_and_then() -> None:
    """In place of others, which may follow at once; not earlier, and never without a free slot."""
    plain = Plain()
    assert plain.step(answer(), LOOK_EVERY_MS - 1) == {"thread": 2}
    assert not plain.policy.sees_all
    plain.executor.in_flight = 2
    assert plain.step(answer(), LOOK_EVERY_MS) == {}
    plain.executor.in_flight = 1
    assert plain.step(answer(waiting=THREAD), LOOK_EVERY_MS) == {"coroutine": 1}
    assert plain.policy.sees_all
    assert plain.policy.should_claim
    assert plain.step(answer(), LOOK_EVERY_MS) == {"thread": 1}
    assert not plain.policy.should_claim
    assert plain.step(answer(), 2 * LOOK_EVERY_MS - 1) == {"thread": 1}
    assert plain.step(answer(), 2 * LOOK_EVERY_MS) == {"coroutine": 1}


def test_more_of_them_are_sought_in_every_other_step() -> None:
    """While some are left and were found; those that this worker can't take are left alone."""
    plain = Plain()
    assert plain.step(answer(2, waiting=COROUTINE), LOOK_EVERY_MS) == {"coroutine": 2}
    assert plain.policy.should_claim
    assert plain.step(answer(), LOOK_EVERY_MS) == {"thread": 2}
    assert plain.policy.should_claim
    assert plain.step(answer(1, waiting=COROUTINE), LOOK_EVERY_MS) == {"coroutine": 2}
    assert not plain.policy.should_claim
    assert plain.step(answer(), LOOK_EVERY_MS) == {"thread": 2}
    assert not plain.policy.should_claim


def test_they_are_no_reason_for_another_group() -> None:
    """They take up no slot of a kind that is full."""
    plain = Plain()
    plain.executor.in_flight = 2
    assert not plain.policy.is_saturated(answer(waiting=COROUTINE))
    assert plain.policy.is_saturated(answer(waiting=("thread", "coroutine")))


def test_in_a_burst_they_are_sought_whenever_nothing_runs() -> None:
    """Else the pool would end with them."""
    plain = Plain(burst=True)
    assert plain.step(answer(waiting=THREAD), 0) == {"coroutine": 2}
    assert plain.step(answer(), 0) == {"thread": 2}
    assert plain.step(answer(), 0) == {"coroutine": 2}
    plain.step(answer(), 0)
    plain.executor.in_flight = 1
    assert plain.step(answer(), 0) == {"thread": 1}


def test_a_group_for_suspects_seeks_at_once() -> None:
    """It drains when it finds none."""
    assert Plain(suspects_only=True).step(answer(), 0) == {"coroutine": 2}
