"""What the supervisor decides: whom it starts, replaces, dismisses, kills and mourns. Processes are played."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.hooks import WorkerHook, on_worker_start
from alsek.core.task import task
from alsek.core.worker.child_process import EXIT_DRAINED, EXIT_NOT_STARTED, EXIT_RECYCLED
from alsek.core.worker.group.group import ThreadWorkerGroup, WorkerGroupOptions
from alsek.core.worker.supervisor import group_handle as member
from alsek.core.worker.supervisor import recovery_processes as settling
from alsek.core.worker.supervisor import supervisor as module
from alsek.core.worker.supervisor.group_handle import WEDGED_AFTER
from alsek.core.worker.supervisor.recovery import Recovery
from alsek.core.worker.supervisor.supervisor import PRUNE_AFTER, SCALE_AFTER, Supervisor
from alsek.exceptions import BackendError, BackendUnavailableError
from tests.unit.workers.fakes import options_for

ID = "a" * 32


class FakeChild:
    """A child that lives until the test ends it."""

    pids = iter(range(1_000, 10_000))

    def __init__(self, main: Any) -> None:
        self.pid = next(self.pids)
        self.main = main
        self.settles: Recovery | None = main.__self__ if isinstance(main.__self__, Recovery) else None
        self.status: int | None = None
        self.signals: list[int] = []
        self.at_eof = False
        self.closed = False
        self.notifications = -1
        self.descriptors = (self.pid, self.pid + 100_000)

    @property
    def exit_description(self) -> str:
        return f"ended with {self.status}"

    def settle(self) -> None:
        """End, having settled a death."""
        assert self.settles is not None
        self.settles._settled[0] = 1
        self.status = 0

    def reap(self) -> bool:
        return self.status is not None

    def signal(self, number: int) -> None:
        self.signals.append(number)

    def close(self) -> None:
        self.closed = True


class Signals:
    """What has been signalled so far: nothing."""

    stopping = at_once = False
    descriptors = (8, 9)


def connect() -> None:
    """A start hook."""


class Clock:
    """Both clocks of the module."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def monotonic(self) -> float:
        return self.seconds

    def ms(self) -> int:
        return round(self.seconds * 1000)


class Stage:
    """A supervisor whose children are played."""

    def __init__(
        self,
        broker: Broker,
        monkeypatch: pytest.MonkeyPatch,
        n_processes: int,
        hooks: tuple[WorkerHook, ...] = (),
        **settings: Any,
    ) -> None:
        @task(broker)
        def work() -> None: ...

        self.children: list[FakeChild] = []
        self.kept: list[tuple[int, ...]] = []
        self.refuse = False
        self.clock = Clock()
        for each in (module, member, settling):
            monkeypatch.setattr(each, "time", self.clock)
        for each in (module, settling):
            monkeypatch.setattr(each, "fork_watched", self._fork)
        monkeypatch.setattr(module, "monotonic_ms", self.clock.ms)
        self.pool = Supervisor(
            replace(options_for(broker, work), hooks=hooks),
            WorkerGroupOptions(slots=4, **settings),
            ThreadWorkerGroup,
            n_processes,
        )
        self.signals = self.pool._signals = Signals()  # type: ignore[assignment]
        self.turn()

    def _fork(self, main: Any, close: tuple[int, ...] = ()) -> FakeChild:
        if self.refuse:
            raise BlockingIOError("no more processes")
        self.children.append(FakeChild(main))
        self.kept.append(close)
        return self.children[-1]

    def turn(self, seconds: float = 0.0) -> None:
        """One turn of its loop, so much later."""
        self.clock.seconds += seconds
        self.pool._reap()
        self.pool._scale()
        self.pool._enforce_deadlines()
        self.pool._stop()

    @property
    def groups(self) -> list[FakeChild]:
        """The groups that live."""
        return [child for child in self.children if child.settles is None and child.status is None]

    @property
    def settling(self) -> list[FakeChild]:
        """The children that settle a death."""
        return [child for child in self.children if child.settles is not None]

    def board(self, number: int = 0) -> Any:
        """The board of a living group."""
        child = self.groups[number]
        return next(m.board for m in self.pool._members if m.child is child)

    def end(self, status: int, number: int = 0, *, signed_off: bool = False) -> FakeChild:
        """A group ends."""
        child = self.groups[number]
        if signed_off:
            self.board(number).sign_off()
        child.status = status
        return child

    @property
    def pause(self) -> float:
        """How long it would sleep now, leases aside."""
        self.pool._renew_at = self.clock.seconds + 5
        return self.pool._pause()


@pytest.fixture
def stage(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stage]:
    """Sets stages."""
    return lambda n_processes=1, **settings: Stage(broker, monkeypatch, n_processes, **settings)


def test_one_group_at_first(stage: Callable[..., Stage]) -> None:
    """Others come with the load."""
    here = stage(4)
    here.turn(60)
    assert len(here.groups) == 1


def test_another_group_while_all_are_saturated(stage: Callable[..., Stage]) -> None:
    """Once each has been so for a while, and never more than allowed."""
    here = stage(2)
    here.board().saturated_since = here.clock.ms()
    here.turn()
    assert len(here.groups) == 1
    assert 0.001 < here.pause <= (SCALE_AFTER + 2) / 1000
    here.turn(SCALE_AFTER / 1000 + 0.01)
    assert len(here.groups) == 2
    here.turn(1)
    assert len(here.groups) == 2
    for number in (0, 1):
        here.board(number).saturated_since = here.clock.ms()
    here.turn(10)
    assert len(here.groups) == 2


def test_no_turn_in_vain_while_one_is_saturated_and_another_is_not(stage: Callable[..., Stage]) -> None:
    """It sleeps until something is due."""
    here = stage(4)
    here.board().saturated_since = here.clock.ms()
    here.turn(1)
    assert len(here.groups) == 2
    assert here.pause > 1


def test_a_saturation_of_before_starts_nothing_while_one_is_idle(stage: Callable[..., Stage]) -> None:
    """An idle group proves that nothing waits: no group comes and goes over what a full one saw long ago."""
    here = stage(3)
    here.board().saturated_since = here.clock.ms()
    here.turn(1)
    assert len(here.groups) == 2
    here.board(1).idle_since = here.clock.ms()
    here.turn(PRUNE_AFTER / 1000 + 1)
    assert here.groups[1].signals == [15]
    here.end(EXIT_DRAINED, 1, signed_off=True)
    here.turn(1)
    here.turn(60)
    assert len(here.groups) == 1


def test_idle_groups_end_but_for_the_last(stage: Callable[..., Stage]) -> None:
    """Within 30 s of idleness, one after another."""
    here = stage(2)
    here.board().saturated_since = here.clock.ms()
    here.turn(1)
    for number in (0, 1):
        here.board(number).idle_since = here.clock.ms()
    here.turn(1)
    assert 0.001 < here.pause <= PRUNE_AFTER / 1000  # it wakes for it, however rarely it renews leases
    here.turn(24)
    assert sum(child.signals == [15] for child in here.groups) == 1
    here.turn(60)
    assert sum(child.signals == [15] for child in here.groups) == 1


def test_a_group_that_drains_is_replaced_at_once(stage: Callable[..., Stage]) -> None:
    """What it still runs may take hours: another group serves meanwhile."""
    here = stage(1)
    here.board().draining = 1
    here.turn()
    assert len(here.groups) == 2
    here.end(EXIT_RECYCLED, signed_off=True)
    here.turn()
    assert len(here.groups) == 1
    assert here.settling == []


@pytest.mark.parametrize("status", [EXIT_DRAINED, EXIT_RECYCLED, EXIT_NOT_STARTED, 1, -9])
def test_an_end_without_signing_off_is_a_death(stage: Callable[..., Stage], status: int) -> None:
    """Whatever it exits with, also when a task called `os._exit(0)`: it is settled, and replaced."""
    here = stage(1)
    here.board().sign(ID)
    here.board().start(here.board().hold(7), here.clock.ms() + 100_000)
    here.clock.seconds += 5
    here.end(status)
    here.turn()
    (settling,) = here.settling
    assert settling.settles is not None
    assert settling.settles._death.worker.id == ID
    assert len(here.groups) == 1


def test_a_group_that_signed_off_needs_no_settling(stage: Callable[..., Stage]) -> None:
    """It ended in good order."""
    here = stage(1)
    here.board().sign(ID)
    here.end(EXIT_DRAINED, signed_off=True)
    here.turn()
    assert here.settling == []
    assert len(here.groups) == 1


@pytest.mark.parametrize("status", [EXIT_NOT_STARTED, 1, -11, EXIT_DRAINED, EXIT_RECYCLED])
def test_groups_that_do_not_start_are_tried_again_ever_more_slowly(
    stage: Callable[..., Stage], status: int
) -> None:
    """However they fail before they have registered: no storm of forks."""
    here = stage(1)
    for _ in range(3_000):
        if here.groups:
            here.end(status)
        here.turn(0.02)
    assert 3 <= len(here.children) <= 10


def test_a_group_that_ends_in_a_start_hook_names_it(
    stage: Callable[..., Stage], caplog: pytest.LogCaptureFixture
) -> None:
    """Also with the exit code of a group that has ended in good order: it had not even registered."""
    here = stage(1, hooks=(on_worker_start(connect),))
    here.end(EXIT_DRAINED)
    here.turn()
    assert here.groups == []
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert "ended with 0 before it had started (on_worker_start: connect): trying again in" in line


def test_groups_that_die_young_are_replaced_ever_more_slowly(stage: Callable[..., Stage]) -> None:
    """A group that registers and crashes, again and again, is started again a few times a second at most."""
    here = stage(1)
    for _ in range(1_000):
        if here.groups:
            here.board().sign(ID)
            here.end(-11)
        for child in here.settling:
            child.settle()
        here.turn(0.01)
    assert 3 <= len([child for child in here.children if child.settles is None]) <= 12


def test_a_fork_that_fails_is_tried_again(stage: Callable[..., Stage]) -> None:
    """The pool goes on with what it has."""
    here = stage(1)
    here.end(EXIT_DRAINED, signed_off=True)
    here.refuse = True
    here.turn()
    assert here.groups == []
    here.refuse = False
    here.turn(0.1)
    assert here.groups == []
    here.turn(1)
    assert len(here.groups) == 1


def test_a_wedged_group_is_killed_and_the_culprit_named(stage: Callable[..., Stage]) -> None:
    """Some seconds after the deadline, once; its neighbours are not overdue."""
    here = stage(1)
    board = here.board()
    board.sign(ID)
    for token, deadline in ((7, here.clock.ms() + 100), (8, here.clock.ms() + 900_000)):
        board.start(board.hold(token), deadline)
    here.turn(1)
    child = here.groups[0]
    assert child.signals == []
    assert here.pause <= WEDGED_AFTER / 1000
    here.turn(WEDGED_AFTER / 1000)
    here.turn(1)
    assert child.signals == [9]
    here.end(-9)
    here.turn()
    death = here.settling[0].settles._death  # type: ignore[union-attr]
    assert death.overdue == {7}
    assert death.live == {7, 8}


def test_whoever_may_run_code_is_told_apart(stage: Callable[..., Stage]) -> None:
    """What hooks run for is as suspect as a running task; what is concluded, or not begun, is not."""
    here = stage(1)
    board = here.board()
    board.sign(ID)
    begun, running, ended, over, _ = (board.hold(token) for token in range(1, 6))
    for each in (running, ended, over):
        board.start(each, here.clock.ms() + 900_000)
    board.begin(begun)
    board.end(ended)  # and its hooks run
    board.conclude(over)
    here.clock.seconds += 5
    here.end(-11)
    here.turn()
    death = here.settling[0].settles._death  # type: ignore[union-attr]
    assert death.live == {1, 2, 3}
    assert death.finished == {4}
    assert death.strangers == 0
    assert len(here.groups) == 2  # one of them for the suspects


def test_what_is_held_no_more_may_have_ended_the_group(stage: Callable[..., Stage]) -> None:
    """Code of messages that were reported already is counted; the only one that was running is suspected, then."""
    here = stage(1)
    board = here.board()
    board.sign(ID)
    reported, running = board.hold(1), board.hold(2)
    board.begin(reported)
    board.free(reported)
    board.start(running, here.clock.ms() + 900_000)
    here.end(-11)
    here.turn()
    death = here.settling[0].settles._death  # type: ignore[union-attr]
    assert (death.live, death.strangers) == ({2}, 1)
    assert death.leaves_suspects


def test_a_patient_group_is_not_killed_for_its_tasks(stage: Callable[..., Stage]) -> None:
    """However long they take."""
    here = stage(1, patient=True)
    here.board().sign(ID)
    here.board().start(here.board().hold(7), here.clock.ms() + 100)
    here.turn(3_600)
    assert here.groups[0].signals == []


def test_siblings_are_told_what_to_close(stage: Callable[..., Stage]) -> None:
    """A new child keeps nothing of living ones, and what belonged to a dead one is closed before."""
    here = stage(2)
    here.board().saturated_since = here.clock.ms()
    here.turn(1)
    assert set(here.children[0].descriptors) <= set(here.kept[1])
    dead = here.groups[0]
    here.board().sign(ID)
    here.end(-9)
    here.turn()
    assert dead.closed
    assert not set(dead.descriptors) & set(here.kept[2])


def test_hooks_that_hang_are_cut_off_and_it_is_settled_without(stage: Callable[..., Stage]) -> None:
    """After five seconds the settling child is killed; the next one asks no hook, and is not repeated."""
    here = stage(1)
    here.board().sign(ID)
    here.end(-9)
    here.turn()
    (first,) = here.settling
    assert first.settles is not None
    assert first.settles._with_hooks
    here.turn(5.1)
    assert first.signals == [9]
    first.status = -9
    here.turn()
    second = here.settling[1]
    assert second.settles is not None
    assert not second.settles._with_hooks
    second.status = 1
    here.turn()
    here.turn(1)
    assert len(here.settling) == 2


@pytest.mark.parametrize("status", [0, 1, EXIT_NOT_STARTED, -9])
def test_a_hook_that_ends_the_settling_child_leaves_it_to_another(
    stage: Callable[..., Stage], status: int
) -> None:
    """Whatever it exits with: what was not settled is settled without hooks, and what was is not settled again."""
    here = stage(1)
    here.board().sign(ID)
    here.end(-9)
    here.turn()
    here.settling[0].status = status
    here.turn()
    second = here.settling[1]
    assert second.settles is not None
    assert not second.settles._with_hooks
    second.settle()
    here.turn(1)
    assert len(here.settling) == 2


def test_a_group_that_has_signed_off_has_ended_whatever_its_stop_hooks_do(
    stage: Callable[..., Stage],
) -> None:
    """It holds nothing: nothing is settled, and it is replaced at once."""
    for status in (EXIT_NOT_STARTED, 1, -11):
        here = stage(1)
        here.board().sign(ID)
        here.end(status, signed_off=True)
        here.turn()
        here.turn()
        assert here.settling == []
        assert len(here.groups) == 1


def test_suspects_get_a_group_of_their_own_one_at_a_time(stage: Callable[..., Stage]) -> None:
    """When a group tells of them; and the flag does not keep the supervisor awake."""
    here = stage(1)
    here.board().suspects = 1
    here.turn()
    assert len(here.groups) == 2
    here.board().suspects = 1
    here.turn()
    assert len(here.groups) == 2
    assert here.pause > 1


def test_stopping_asks_then_kills_then_gives_up(stage: Callable[..., Stage]) -> None:
    """SIGTERM; SIGKILL when the time is over; what can't be given back soon after is left to its lease."""
    here = stage(1)
    here.board().sign(ID)
    here.board().start(here.board().hold(7), here.clock.ms() + 900_000)
    here.signals.stopping = True
    here.turn()
    group = here.groups[0]
    assert group.signals == [15]
    here.turn(24.9)
    assert group.signals == [15]
    here.turn(0.2)
    assert group.signals == [15, 9]
    here.end(-9)
    here.turn(0.1)
    death = here.settling[0].settles._death  # type: ignore[union-attr]
    assert death.live == set()
    for _ in range(20):
        here.turn(0.1)
        for child in here.settling:
            if 9 in child.signals:
                child.status = -9
    assert here.pool._finished()


def test_a_second_signal_kills_at_once(stage: Callable[..., Stage]) -> None:
    """And nothing is started any more."""
    here = stage(1)
    here.signals.stopping = True
    here.turn()
    here.signals.at_once = True
    here.turn()
    assert here.groups[0].signals == [15, 9]
    here.board().sign(ID)
    here.end(-9)
    here.turn(0.01)
    assert here.groups == []
    assert here.pause > 0.01


@pytest.mark.parametrize(
    ("error", "asked"), [(BackendError("no"), [0, 1, 2]), (BackendUnavailableError("away"), [0])]
)
def test_a_renewal_that_fails_keeps_no_other_from_its_own(
    stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, error: BackendError, asked: list[int]
) -> None:
    """What the store refuses to one group it may grant to the next; only a store that is away is asked once."""
    on = stage(3)
    for _ in range(2):
        for number in range(len(on.groups)):
            on.board(number).saturated_since = on.clock.ms()
        on.turn(SCALE_AFTER / 1000 + 0.001)
    for number in range(3):
        on.board(number).sign(str(number) * 32)
    renewed: list[int] = []

    class Refuses:
        def renew(self, worker: Any, seq: int, tokens: Any) -> list[str]:
            renewed.append(int(worker.id[0]))
            if worker.id[0] == "0":
                raise error
            return []

    monkeypatch.setattr(on.pool, "_messages", Refuses())
    on.pool._renew_at = 0.0
    on.pool._renew()
    assert renewed == asked
