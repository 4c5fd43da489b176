"""What the supervisor decides: which groups it starts, replaces, stops and kills. Processes are played."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TypeAlias

import pytest

from alsek.core.broker import Broker
from alsek.core.hooks import on_worker_start
from alsek.core.worker.child_process import EXIT_DRAINED, EXIT_NOT_STARTED, EXIT_RECYCLED
from alsek.core.worker.supervisor.group_handle import UNRESPONSIVE_AFTER_MS
from alsek.core.worker.supervisor.scaling import PRUNE_AFTER_MS, SCALE_AFTER_MS
from alsek.core.worker.supervisor.unresponsive_groups import MEASURED_MS, STARVED_FOR_MS
from alsek.exceptions import BackendUnavailableError
from tests.unit.workers.supervisor_harness import SupervisorHarness

ID = "a" * 32

Harness: TypeAlias = Callable[..., SupervisorHarness]


def connect() -> None:
    """A start hook."""


@pytest.fixture
def pool(broker: Broker) -> Harness:
    """Makes supervisors."""
    return lambda n_processes=1, **settings: SupervisorHarness(broker, n_processes, **settings)


def test_one_group_at_first(pool: Harness) -> None:
    """Others are started only under load."""
    here = pool(4)
    here.turn(60_000)
    assert len(here.groups) == 1


def test_another_group_while_all_are_saturated(pool: Harness) -> None:
    """Once each has been saturated for 50 ms, up to the most allowed."""
    here = pool(2)
    here.state().saturated_since = here.clock.now
    here.turn()
    assert len(here.groups) == 1
    assert 1 < here.pause <= SCALE_AFTER_MS
    here.turn(SCALE_AFTER_MS + 10)
    assert len(here.groups) == 2
    here.turn(1_000)
    assert len(here.groups) == 2
    for number in (0, 1):
        here.state(number).saturated_since = here.clock.now
    here.turn(10_000)
    assert len(here.groups) == 2


def test_a_draining_group_takes_a_place(pool: Harness) -> None:
    """Until it has ended no other starts: its tasks run on, and a pool runs no more at once than allowed."""
    here = pool(2)
    here.state().saturated_since = here.clock.now
    here.turn(1_000)
    assert len(here.groups) == 2
    here.state(1).draining = 1
    here.state(0).saturated_since = here.clock.now
    here.turn(10_000)
    assert len(here.groups) == 2


def test_it_sleeps_while_one_is_saturated_and_another_is_not(pool: Harness) -> None:
    """No component wakes the loop for a group that is not needed."""
    here = pool(4)
    here.state().saturated_since = here.clock.now
    here.turn(1_000)
    assert len(here.groups) == 2
    assert here.pause > 1_000


def test_an_earlier_saturation_starts_nothing_while_one_is_idle(pool: Harness) -> None:
    """An idle group shows that no message waits, whatever a saturated one saw at its last step."""
    here = pool(3)
    here.state().saturated_since = here.clock.now
    here.turn(1_000)
    assert len(here.groups) == 2
    here.state(1).idle_since = here.clock.now
    here.turn(PRUNE_AFTER_MS + 1_000)
    assert here.groups[1].signals == [15]
    here.end(EXIT_DRAINED, 1, unregistered=True)
    here.turn(1_000)
    here.turn(60_000)
    assert len(here.groups) == 1


def test_idle_groups_are_stopped_except_the_last(pool: Harness) -> None:
    """Within 30 s of idleness, one after another."""
    here = pool(2)
    here.state().saturated_since = here.clock.now
    here.turn(1_000)
    for number in (0, 1):
        here.state(number).idle_since = here.clock.now
    here.turn(1_000)
    assert 1 < here.pause <= PRUNE_AFTER_MS  # it wakes for it, however rarely it renews leases
    here.turn(24_000)
    assert sum(child.signals == [15] for child in here.groups) == 1
    here.turn(60_000)
    assert sum(child.signals == [15] for child in here.groups) == 1


def test_a_group_that_drains_is_replaced_at_once(pool: Harness) -> None:
    """Its running tasks may take hours: another group claims messages meanwhile."""
    here = pool(1)
    here.state().draining = 1
    here.turn()
    assert len(here.groups) == 2
    here.end(EXIT_RECYCLED, unregistered=True)
    here.turn()
    assert len(here.groups) == 1
    assert here.recoveries == []


@pytest.mark.parametrize("status", [EXIT_DRAINED, EXIT_RECYCLED, EXIT_NOT_STARTED, 1, -9])
def test_an_exit_without_unregistering_is_a_death(pool: Harness, status: int) -> None:
    """Whatever the exit code, also if a task called `os._exit(0)`: its messages are recovered, and it is replaced."""
    here = pool(1)
    here.state().set_worker(ID)
    here.state().start_task(here.state().add_claim(7), here.clock.now + 100_000)
    here.clock.now += 5_000
    here.end(status)
    here.turn()
    (recovery,) = here.recoveries
    assert recovery.death.worker.id == ID
    assert len(here.groups) == 1


def test_a_group_that_has_unregistered_needs_no_recovery(pool: Harness) -> None:
    """It ended in good order."""
    here = pool(1)
    here.state().set_worker(ID)
    here.end(EXIT_DRAINED, unregistered=True)
    here.turn()
    assert here.recoveries == []
    assert len(here.groups) == 1


@pytest.mark.parametrize("status", [EXIT_NOT_STARTED, 1, -11, EXIT_DRAINED, EXIT_RECYCLED])
def test_groups_that_do_not_start_are_started_again_after_growing_pauses(pool: Harness, status: int) -> None:
    """Whichever way they fail before they have registered."""
    here = pool(1)
    for _ in range(3_000):
        if here.groups:
            here.end(status)
        here.turn(20)
    assert 3 <= len(here.children) <= 10


def test_a_start_hook_that_ends_its_group_is_named(pool: Harness, caplog: pytest.LogCaptureFixture) -> None:
    """Also with the exit code of a group that has ended in good order: it had not even registered."""
    here = pool(1, hooks=(on_worker_start(connect),))
    here.end(EXIT_DRAINED)
    here.turn()
    assert here.groups == []
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert "ended with 0 before it had started (on_worker_start: connect): trying again in" in line


def test_a_group_that_is_stopped_while_it_starts_is_no_failure(
    pool: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    """A planned stop logs nothing above INFO, however early it comes."""
    caplog.set_level("INFO")
    here = pool(1)
    here.signals.stop()
    here.turn()
    here.end(-signal.SIGTERM)
    here.turn()
    assert here.groups == []
    assert {record.levelname for record in caplog.records} == {"INFO"}
    assert "was stopped before it had started" in caplog.text


def test_groups_that_die_early_are_replaced_after_growing_pauses(pool: Harness) -> None:
    """A group that registers and crashes, again and again, is started again a few times a second at most."""
    here = pool(1)
    for _ in range(1_000):
        if here.groups:
            here.state().set_worker(ID)
            here.end(-11)
        for child in here.recoveries:
            child.complete()
        here.turn(10)
    assert 3 <= len([child for child in here.children if child.recovery is None]) <= 12


def test_a_fork_that_fails_is_tried_again(pool: Harness) -> None:
    """A second later; the groups that run go on."""
    here = pool(1)
    here.end(EXIT_DRAINED, unregistered=True)
    here.refuse = True
    here.turn()
    assert here.groups == []
    here.refuse = False
    here.turn(100)
    assert here.groups == []
    here.turn(1_000)
    assert len(here.groups) == 1


def test_an_unresponsive_group_is_killed_and_the_overdue_task_named(pool: Harness) -> None:
    """Four seconds after the deadline, not a millisecond earlier, and once; other tasks are not overdue."""
    here = pool(1)
    state = here.state()
    state.set_worker(ID)
    for token, deadline in ((7, here.clock.now + 100), (8, here.clock.now + 900_000)):
        state.start_task(state.add_claim(token), deadline)
    here.turn(1_000)
    child = here.groups[0]
    assert child.signals == []
    here.turn(here.pause)  # it is measured whether the engine waits for a processor
    assert here.pause == MEASURED_MS
    here.turn(here.pause - 1)
    assert child.signals == []
    here.turn(1)
    assert child.signals == [9]
    here.turn(1_000)
    assert child.signals == [9]
    here.end(-9)
    here.turn()
    death = here.recoveries[0].death
    assert death.overdue == {7}
    assert death.in_user_code == {7, 8}


def _overdue(here: SupervisorHarness) -> int:
    """Let a task of the first group be overdue so long that its engine is measured; return the task's entry."""
    state = here.state()
    state.set_worker(ID)
    entry: int = state.add_claim(7)
    state.start_task(entry, here.clock.now)
    here.groups[0].processor_wait = 0
    here.turn(UNRESPONSIVE_AFTER_MS - MEASURED_MS)
    return entry


def _wait_for_processor(here: SupervisorHarness, ms: int) -> list[int]:
    """Have the engine wait so long of the next measured time; return the signals that the group has then."""
    child = here.groups[0]
    assert child.processor_wait is not None
    child.processor_wait += ms
    here.turn(MEASURED_MS)
    return child.signals


def test_a_group_without_a_processor_gets_more_time(pool: Harness) -> None:
    """A group whose engine waits for a processor most of the time is killed later, but it is killed."""
    here = pool(1)
    _overdue(here)
    for _ in range(STARVED_FOR_MS // MEASURED_MS):
        assert _wait_for_processor(here, MEASURED_MS // 2 + 1) == []
    assert _wait_for_processor(here, MEASURED_MS // 2 + 1) == [9]


def test_a_group_that_has_a_processor_gets_no_more_time(pool: Harness) -> None:
    """One that does nothing with it is killed."""
    here = pool(1)
    _overdue(here)
    assert _wait_for_processor(here, MEASURED_MS) == []
    assert _wait_for_processor(here, MEASURED_MS // 2) == [9]


def test_a_supervisor_that_comes_late_measures_first(pool: Harness) -> None:
    """It had no processor itself."""
    here = pool(1)
    _overdue(here)
    here.state().end_task(_overdue(here))
    here.turn()
    entry = here.state().add_claim(8)
    here.state().start_task(entry, here.clock.now)
    here.turn(UNRESPONSIVE_AFTER_MS)
    assert here.groups[0].signals == []
    assert _wait_for_processor(here, 0) == [9]


def test_an_engine_that_waits_for_the_store_gets_more_time(pool: Harness) -> None:
    """It enforces deadlines itself after the call, which the store may delay."""
    here = pool(1)
    state = here.state()
    state.set_worker(ID)
    state.start_task(state.add_claim(7), here.clock.now)
    here.clock.now += UNRESPONSIVE_AFTER_MS - 1_000
    state.in_store_since = here.clock.now
    here.turn(7_000)
    assert here.groups[0].signals == []
    here.turn(1_000)
    assert here.groups[0].signals == [9]


def test_a_death_report_names_messages_whose_code_may_run(pool: Harness) -> None:
    """A running hook counts like a running task; concluded messages, and those not begun, do not."""
    here = pool(1)
    state = here.state()
    state.set_worker(ID)
    begun, running, ended, over, _ = (state.add_claim(token) for token in range(1, 6))
    for each in (running, ended, over):
        state.start_task(each, here.clock.now + 900_000)
    state.enter_user_code(begun)
    state.end_task(ended)  # its hooks run
    state.leave_user_code(over)
    here.clock.now += 5_000
    here.end(-11)
    here.turn()
    death = here.recoveries[0].death
    assert death.in_user_code == {1, 2, 3}
    assert death.past_user_code == {4}
    assert death.unclaimed == 0
    assert len(here.groups) == 2  # one of them for the suspects


def test_code_of_a_reported_message_may_have_ended_the_group(pool: Harness) -> None:
    """It is counted, so that the one running message is a suspect and not charged."""
    here = pool(1)
    state = here.state()
    state.set_worker(ID)
    reported, running = state.add_claim(1), state.add_claim(2)
    state.enter_user_code(reported)
    state.remove_claim(reported)
    state.start_task(running, here.clock.now + 900_000)
    here.end(-11)
    here.turn()
    death = here.recoveries[0].death
    assert (death.in_user_code, death.unclaimed) == ({2}, 1)
    assert death.leaves_suspects


def test_a_group_that_waits_for_its_threads_is_not_killed(pool: Harness) -> None:
    """However long they take."""
    here = pool(1, wait_for_threads=True)
    here.state().set_worker(ID)
    here.state().start_task(here.state().add_claim(7), here.clock.now + 100)
    here.turn(3_600_000)
    assert here.groups[0].signals == []


def test_children_close_descriptors_of_their_siblings(pool: Harness) -> None:
    """A new child closes those of running children; those of ended ones were closed before the fork."""
    here = pool(2)
    here.state().saturated_since = here.clock.now
    here.turn(1_000)
    assert set(here.children[0].descriptors) <= set(here.closed[1])
    dead = here.groups[0]
    here.state().set_worker(ID)
    here.end(-9)
    here.turn()
    assert dead.closed
    assert not set(dead.descriptors) & set(here.closed[2])


def test_hooks_that_hang_are_killed_and_recovery_goes_without(pool: Harness) -> None:
    """After five seconds the recovery process is killed; the next calls no hook, and no third follows."""
    here = pool(1)
    here.state().set_worker(ID)
    here.end(-9)
    here.turn()
    (first,) = here.recoveries
    assert first.with_hooks
    here.turn(5_100)
    assert first.signals == [9]
    first.status = -9
    here.turn()
    second = here.recoveries[1]
    assert not second.with_hooks
    second.status = 1
    here.turn()
    here.turn(1_000)
    assert len(here.recoveries) == 2


def test_hooks_get_more_time_while_the_store_is_unreachable(
    pool: Harness, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be the store that the recovery process waits for."""
    here = pool(2)
    here.state().saturated_since = here.clock.now
    here.turn(1_000)
    for number, digit in enumerate("ab"):
        here.state(number).set_worker(32 * digit)
    here.end(-9)

    def unreachable(*_: object) -> None:
        raise BackendUnavailableError("unreachable")

    monkeypatch.setattr(broker.backend.messages, "renew", unreachable)
    here.turn(5_000)
    (recovery,) = here.recoveries
    for _ in range(3):
        here.turn(5_001)
        assert recovery.signals == []
    monkeypatch.undo()
    here.turn(5_000)
    here.turn(5_001)
    assert recovery.signals == [9]


@pytest.mark.parametrize("status", [0, 1, EXIT_NOT_STARTED, -9])
def test_a_hook_that_ends_the_recovery_process_is_followed_by_another(pool: Harness, status: int) -> None:
    """Whatever the exit code: the second calls no hooks, and once it has completed no other follows."""
    here = pool(1)
    here.state().set_worker(ID)
    here.end(-9)
    here.turn()
    here.recoveries[0].status = status
    here.turn()
    second = here.recoveries[1]
    assert not second.with_hooks
    second.complete()
    here.turn(1_000)
    assert len(here.recoveries) == 2


def test_stop_hooks_that_fail_cost_nothing(pool: Harness) -> None:
    """The group has unregistered and holds nothing: it is replaced at once."""
    for status in (EXIT_NOT_STARTED, 1, -11):
        here = pool(1)
        here.state().set_worker(ID)
        here.end(status, unregistered=True)
        here.turn()
        here.turn()
        assert here.recoveries == []
        assert len(here.groups) == 1


def test_suspects_get_one_group_of_their_own(pool: Harness) -> None:
    """Once a group has seen some; its flag does not keep the supervisor awake."""
    here = pool(1)
    here.state().suspects = 1
    here.turn()
    assert len(here.groups) == 2
    here.state().suspects = 1
    here.turn()
    assert len(here.groups) == 2
    assert here.pause > 1_000


def test_stopping_tells_then_kills_then_ends(pool: Harness) -> None:
    """SIGTERM; SIGKILL after the timeout; recovery that takes too long after that is killed as well."""
    here = pool(1)
    here.state().set_worker(ID)
    here.state().start_task(here.state().add_claim(7), here.clock.now + 900_000)
    here.signals.stopping = True
    here.turn()
    group = here.groups[0]
    assert group.signals == [15]
    here.turn(24_900)
    assert group.signals == [15]
    here.turn(200)
    assert group.signals == [15, 9]
    here.end(-9)
    here.turn(100)
    death = here.recoveries[0].death
    assert death.in_user_code == set()
    for _ in range(20):
        here.turn(100)
        for child in here.recoveries:
            if 9 in child.signals:
                child.status = -9
    assert here.supervisor.stopping.finished


def test_a_second_signal_kills_at_once(pool: Harness) -> None:
    """No group is started afterwards."""
    here = pool(1)
    here.signals.stopping = True
    here.turn()
    here.signals.at_once = True
    here.turn()
    assert here.groups[0].signals == [15, 9]
    here.state().set_worker(ID)
    here.end(-9)
    here.turn(10)
    assert here.groups == []
    assert here.pause > 10
