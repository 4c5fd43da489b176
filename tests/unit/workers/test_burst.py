"""When a pool with `burst` ends: not before nothing is ready for it and nothing runs, in any of its groups."""

from __future__ import annotations

from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.worker.child_process import EXIT_RECYCLED
from alsek.core.worker.engine.claim_policy import LOOK_IN_BURST_EVERY_MS, ClaimPolicy
from alsek.core.worker.engine.empty_report import EmptyReport
from alsek.core.worker.engine.options import EngineOptions
from alsek.core.worker.shared_state import SharedState
from alsek.storage.backends.records import Step
from tests.unit.workers.engine_fakes import FakeExecutor, answer
from tests.unit.workers.supervisor_harness import SupervisorHarness

ID = "a" * 32


def harness(broker: Broker, groups: int) -> SupervisorHarness:
    """A supervisor with so many groups, which have registered."""
    here = SupervisorHarness(broker, groups, burst=True)
    while len(here.groups) < groups:
        for number in range(len(here.groups)):
            here.state(number).saturated_since = here.clock.now
        here.turn(1_000)
    for number in range(groups):
        here.state(number).set_worker(ID)
        here.state(number).saturated_since = 0
    return here


def empty(here: SupervisorHarness, number: int = 0) -> None:
    """A group was empty at a step that it sends now."""
    here.clock.now += 1
    here.state(number).empty_at = here.clock.now
    here.turn(1)


def test_it_ends_when_its_only_group_is_empty(broker: Broker) -> None:
    """As by a first signal: the group is told to stop."""
    here = harness(broker, 1)
    here.turn(60_000)
    assert not here.signals.stopping
    empty(here)
    assert here.signals.stopping
    assert here.groups[0].signals == [15]


def test_without_the_option_it_goes_on(broker: Broker) -> None:
    """Whatever a group says."""
    here = SupervisorHarness(broker)
    here.state().set_worker(ID)
    empty(here)
    assert not here.signals.stopping


def test_a_group_that_holds_something_keeps_it(broker: Broker) -> None:
    """What it runs may submit a callback, which any group may take."""
    here = harness(broker, 2)
    empty(here, 0)
    empty(here, 0)
    assert not here.signals.stopping
    empty(here, 1)
    assert here.signals.stopping


def test_what_was_seen_before_a_group_has_ended_does_not_count(broker: Broker) -> None:
    """It may have left a callback that it could not claim: another group must have looked since."""
    here = harness(broker, 2)
    empty(here, 0)
    here.end(EXIT_RECYCLED, 1, unregistered=True)
    here.turn(10)
    here.turn(10)
    assert not here.signals.stopping
    empty(here, 0)
    assert here.signals.stopping


def test_a_recovery_keeps_it(broker: Broker) -> None:
    """What a dead group held is given back, and is ready again."""
    here = harness(broker, 2)
    empty(here, 0)
    here.end(-9, 1)
    here.turn(10)
    (recovery,) = here.recoveries
    empty(here, 0)
    assert not here.signals.stopping
    recovery.complete()
    here.turn(10)
    assert not here.signals.stopping
    empty(here, 0)
    assert here.signals.stopping


def test_a_recovery_that_fails_keeps_it_until_the_end_of_the_lease(broker: Broker) -> None:
    """Then the messages are ready again."""
    here = harness(broker, 2)
    here.end(-9, 1)
    here.turn(10)
    for _ in range(2):
        here.recoveries[-1].status = 1
        here.turn(10)
    empty(here, 0)
    assert not here.signals.stopping
    here.turn(here.supervisor.groups.pool.lease)
    assert not here.signals.stopping
    empty(here, 0)
    assert here.signals.stopping


class Report:
    """An :class:`EmptyReport`, and what it works with."""

    def __init__(self) -> None:
        self.executor: Any = FakeExecutor()
        self.state = SharedState(4)
        self.state.max_claims = 2
        self.policy = ClaimPolicy(self.executor, self.state, EngineOptions(burst=True))
        self.unanswered = False
        self.notified = 0
        session: Any = self
        self.fires = False
        self._report = EmptyReport(session, self.executor, self.state, self.policy, self._notify, session)

    def hold_up_end(self, now: int) -> bool:
        """Whether a schedule is being fired."""
        return self.fires

    def _notify(self) -> None:
        self.notified += 1

    def step(self, step: Step, *, reports: bool = False) -> int:
        """Make a step; when it was sent, if the group was empty."""
        self._report.before_step(5_000, reports=reports)
        assert self.state.empty_at == 0
        self.policy.wanted = ()
        self._report.after_step(step)
        return int(self.state.empty_at)


def test_a_group_is_empty_when_it_holds_nothing_and_nothing_is_ready() -> None:
    """The supervisor is told so, at each such step."""
    report = Report()
    assert report.step(answer()) == 5_000
    assert report.step(answer(next_due=20)) == 5_000
    assert report.notified == 2


@pytest.mark.parametrize(
    "step",
    [
        answer(1),
        answer(waiting=("thread",)),
        answer(suspects=True),
        answer(next_due=0),
        answer(schedules=("s",)),
    ],
    ids=str,
)
def test_a_group_is_not_empty_when_something_is_left(step: Step) -> None:
    """Claimed, ready, suspected, due already, or a schedule to fire."""
    report = Report()
    assert report.step(step) == 0
    assert report.notified == 0


def test_a_group_is_not_empty_while_something_runs() -> None:
    """Nor in the step that reports the last outcome, or one that is sent again: the next one shows it."""
    report = Report()
    report.executor.in_flight = 1
    assert report.step(answer()) == 0
    assert not report.policy.should_claim
    report.executor.in_flight = 0
    assert report.step(answer(), reports=True) == 0
    assert report.policy.should_claim
    report.unanswered = True
    assert report.step(answer()) == 0
    report.unanswered = False
    assert report.step(answer()) == 5_000


def test_a_group_is_not_empty_while_it_fires_a_schedule() -> None:
    """The engine is woken when that is done, and looks again."""
    report = Report()
    report.fires = True
    assert report.step(answer()) == 0
    report.fires = False
    assert report.step(answer()) == 5_000


def test_a_group_is_not_empty_before_it_has_sought_messages_of_async_tasks() -> None:
    """A worker without such tasks may take them all the same, if nobody else does: it seeks them at once."""
    report = Report()
    report.policy.sees_all = False
    assert report.step(answer()) == 0
    assert report.policy.should_claim
    report.policy.sees_all = True
    assert report.step(answer()) == 5_000


def test_a_group_with_free_slots_looks_often_in_a_burst() -> None:
    """Another group may have ended since, and have left something."""
    policy = Report().policy
    assert policy.wake_at(1_000, 5_000) == 1_000 + LOOK_IN_BURST_EVERY_MS
