"""The outcomes of the messages that a group held when it died: charged, suspected or given back."""

from __future__ import annotations

from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.current_message import current_message
from alsek.core.execution.session import WorkerSession
from alsek.core.message import Message
from alsek.core.middleware import Middleware
from alsek.core.status import StatusTracker
from alsek.core.task import task
from alsek.core.worker.charging import conclude_charged
from alsek.core.worker.supervisor.recovery import DeathReport, Recovery
from alsek.exceptions import BackendUnavailableError, WorkerLostError
from alsek.storage.backends.history import unpacked
from alsek.storage.backends.records import (
    Claimed,
    Failed,
    Lost,
    Retried,
    SetAside,
    TaskStatus,
    Worker,
    WorkerFacts,
)
from tests.unit.core.fakes import LossyBackend
from tests.unit.workers.fakes import FakeClock, options_for


@pytest.fixture
def backend() -> LossyBackend:
    """A store that loses requests and replies as it is told to."""
    return LossyBackend()


class Scene:
    """Three messages that a worker held when it died."""

    def __init__(self, backend: LossyBackend, *middleware: Middleware) -> None:
        self.backend = backend
        self.broker = Broker(backend, middleware=middleware)
        self.hooked: list[str] = []

        @task(self.broker, max_retries=1)
        def work() -> None: ...

        self.task = work
        self.session = WorkerSession(backend, Worker("", "thread", None, 15_000, 60_000))
        self.session.register()
        self.messages = [work.generate() for _ in range(3)]
        self.claims = self.session.step((), {"thread": 3}).claimed
        self.tokens = [claimed.token for claimed in self.claims]

    def death(self, running: int = 0, overdue: int = 0, finished: int = 0, unclaimed: int = 0) -> DeathReport:
        """A death with so many of them running, so many of those overdue, and so many more finished."""
        return DeathReport(
            self.session.worker,
            "was killed by SIGSEGV",
            frozenset(self.tokens[:overdue]),
            frozenset(self.tokens[:running]),
            frozenset(self.tokens[running : running + finished]),
            unclaimed,
        )

    def outcomes(self, death: DeathReport, **settings: Any) -> list[Any]:
        """The outcome of each message; None if it is given back unchanged."""
        recovery = Recovery(options_for(self.broker, self.task), death, **{"with_hooks": True, **settings})
        decided = {outcome.uuid: outcome for outcome in recovery._outcomes()}
        return [decided.get(message.uuid) for message in self.messages]

    def recover(self, death: DeathReport, clock: FakeClock | None = None) -> None:
        """Run it all, as the child would."""
        clock = clock or FakeClock()
        Recovery(options_for(self.broker, self.task), death, with_hooks=True).recover(clock, clock.sleep)


@pytest.fixture
def scene(backend: LossyBackend) -> Scene:
    """Three messages held."""
    return Scene(backend)


def test_one_that_ran_alone_is_charged(scene: Scene) -> None:
    """A retry is spent, with the reason; messages that were not started are given back unchanged."""
    first, *others = scene.outcomes(scene.death(running=1))
    assert isinstance(first, Retried)
    assert b"WorkerLostError" in first.last_error
    assert b"SIGSEGV" in first.last_error
    assert others == [None, None]


def test_one_that_ran_alone_dies_without_retries(scene: Scene) -> None:
    """With its retries spent it is a dead letter that names the signal."""
    scene.task.max_retries = 0
    first, *_ = scene.outcomes(scene.death(running=1))
    assert isinstance(first, Failed)
    assert b"SIGSEGV" in first.error


def test_of_several_none_is_charged_and_all_are_suspect(scene: Scene) -> None:
    """The cause of the death is unknown."""
    outcomes = scene.outcomes(scene.death(running=2))
    assert [isinstance(outcome, Lost) and outcome.suspect for outcome in outcomes] == [True, True, False]
    assert outcomes[2] is None


def test_one_alone_beside_a_stranger_is_suspected_and_not_charged(scene: Scene) -> None:
    """An abandoned thread, or one that called a tracker, may have ended the process instead."""
    first, *others = scene.outcomes(scene.death(running=1, unclaimed=1))
    assert isinstance(first, Lost)
    assert first.suspect
    assert others == [None, None]


def test_one_that_was_overdue_is_charged_alone(scene: Scene) -> None:
    """The process was killed because of it: it has timed out, and the others are given back."""
    first, *others = scene.outcomes(scene.death(running=3, overdue=1))
    assert isinstance(first, Retried)
    assert b"TaskTimeoutError" in first.last_error
    assert others == [None, None]


def test_one_that_finished_unreported_is_lost_but_not_suspect(scene: Scene) -> None:
    """It ran to its end, so it may have had effects: a loss is charged, a retry is not."""
    running, finished, waiting = scene.outcomes(scene.death(running=1, finished=1))
    assert isinstance(running, Retried)
    assert isinstance(finished, Lost)
    assert not finished.suspect
    assert waiting is None


def test_none_is_charged_if_none_ran(scene: Scene) -> None:
    """All are given back."""
    assert scene.outcomes(scene.death()) == [None, None, None]


def test_a_stop_charges_none_and_is_a_warning(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """The warning names the messages that are given back; any other death is logged as an error."""
    assert scene.outcomes(scene.death()._replace(by_stop=True)) == [None, None, None]
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "gives back 3 messages" in record.getMessage()
    assert all(message.uuid in record.getMessage() for message in scene.messages)
    scene.outcomes(scene.death())
    assert caplog.records[-1].levelname == "ERROR"


def test_afterwards_nothing_is_held(scene: Scene) -> None:
    """The store forgets the worker: what was given back can be claimed at once, uncharged."""
    scene.recover(scene.death(running=1))
    other = WorkerSession(scene.backend, Worker("", "thread", None, 15_000, 0))
    other.register()
    again = other.step((), {"thread": 9}).claimed
    assert {claimed.uuid for claimed in again} == {claimed.uuid for claimed in scene.claims[1:]}
    assert [claimed.losses for claimed in again] == [0, 0]


def test_hooks_are_called(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """`do_retry` and `on_failure` are asked about the exception that is charged."""
    seen: list[BaseException] = []

    def never(_: Any, error: BaseException) -> bool:
        seen.append(error)
        return False

    monkeypatch.setattr(scene.task, "do_retry", never)
    first, *_ = scene.outcomes(scene.death(running=1))
    assert isinstance(first, Failed)
    assert [type(error).__name__ for error in seen] == ["WorkerLostError"]


def test_without_hooks_max_retries_decides(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """No hook is called."""

    def forbidden(*_: Any) -> bool:
        raise AssertionError("it must not be called")

    for hook in ("do_retry", "on_retry", "on_failure"):
        monkeypatch.setattr(scene.task, hook, forbidden)
    first, *_ = scene.outcomes(scene.death(running=1), with_hooks=False)
    assert isinstance(first, Retried)


def test_what_cannot_be_read_is_a_dead_letter(scene: Scene) -> None:
    """No hook is called for it."""
    pool = options_for(scene.broker, scene.task)
    claimed = scene.claims[0]._replace(payload=b"\xff\xfe")
    assert isinstance(claimed, Claimed)
    charged = conclude_charged(
        pool, scene.session.worker, claimed, WorkerLostError("it died"), with_hooks=True
    )
    assert isinstance(charged.outcome, Failed)
    assert charged.notices == []


def test_a_store_that_is_away_is_waited_for(
    scene: Scene, backend: LossyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tries again until the store answers; outcomes are decided once."""
    failures = iter(6 * [True])
    honest = backend.lossy._inner.retire

    def flaky(*arguments: Any) -> list[str]:
        if next(failures, False):
            raise BackendUnavailableError("it is away")
        return honest(*arguments)

    monkeypatch.setattr(backend.lossy, "retire", flaky, raising=False)
    calls: list[int] = []
    monkeypatch.setattr(scene.task, "do_retry", lambda *_: bool(calls.append(1)) or True)
    scene.recover(scene.death(running=1))
    assert calls == [1]
    assert backend.messages.held(scene.session.worker) == []


def test_a_part_of_the_store_that_is_away_is_waited_for_quietly(
    scene: Scene, backend: LossyBackend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each message is named once, and that none is held elsewhere is said once."""
    held = iter([[], [], [], scene.claims[:1], scene.claims[:1], scene.claims])
    monkeypatch.setattr(backend.lossy, "held", lambda *_: next(held), raising=False)

    def retire(*_: Any) -> list[str]:
        if held.__length_hint__():
            raise BackendUnavailableError("a part of it is away")
        return []

    monkeypatch.setattr(backend.lossy, "retire", retire, raising=False)
    scene.recover(scene.death())
    told = [record.args[1] for record in caplog.records if "while it held" in record.msg and record.args]  # type: ignore[index]
    assert told == [0, 1, 2]


def test_a_store_that_stays_away_is_given_up_after_two_leases(
    scene: Scene, backend: LossyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others have taken over by then: it ends, and logs that."""
    clock = FakeClock()

    def away(*_: Any) -> None:
        raise BackendUnavailableError("it is away")

    monkeypatch.setattr(backend.lossy, "held", away, raising=False)
    begun = clock.now
    scene.recover(scene.death(running=1), clock)
    assert 30_000 <= clock.now - begun <= 30_400


@pytest.mark.parametrize(("retries", "status"), [(0, TaskStatus.FAILED), (1, TaskStatus.RETRYING)])
def test_a_tracker_of_its_own_is_told_what_the_charge_came_to(
    scene: Scene, retries: int, status: TaskStatus
) -> None:
    """A tracker whose `set` the store does not know of must not show the message as running for ever."""
    told: list[TaskStatus] = []

    class Own(StatusTracker):
        def set(self, message: Any, status: TaskStatus, **details: Any) -> None:
            told.append(status)

    scene.task.max_retries = retries
    scene.task.status_tracker = Own(scene.backend)
    scene.recover(scene.death(running=1))
    assert told == [status]


def test_after_a_lost_reply_every_status_is_reported(
    backend: LossyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store refuses what it has accepted before: the reports are sent all the same, else one might never be."""
    scene, clock = Scene(backend), FakeClock()
    reported: list[Any] = []
    recovery = Recovery(options_for(scene.broker, scene.task), scene.death(running=1), with_hooks=True)
    monkeypatch.setattr(recovery, "_report", reported.extend)
    monkeypatch.setattr(scene.broker.backend.messages, "retire", _lost_reply_then_refused())
    recovery.recover(clock, clock.sleep)
    assert [outcome.uuid for outcome in reported] == [scene.messages[0].uuid]


def _lost_reply_then_refused() -> Any:
    calls: list[Any] = []

    def retire(worker: Worker, outcomes: Any = ()) -> list[str]:
        calls.append(outcomes)
        if len(calls) == 1:
            raise BackendUnavailableError("the reply was lost")
        return [outcome.uuid for outcome in outcomes]

    return retire


def test_an_unknown_task_is_set_aside(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """A message that this pool can't open is left to the worker that has its task, or fails if none has it."""
    caplog.set_level("INFO", "alsek")
    scene.task.name = "another"
    death = scene.death(running=1)
    recovery = Recovery(options_for(scene.broker, scene.task), death, with_hooks=True)
    (outcome,) = recovery._outcomes()
    assert isinstance(outcome, SetAside)
    assert outcome.task == "work"
    other = WorkerSession(
        scene.backend, Worker("", "thread", None, 15_000, 60_000), WorkerFacts("h", 1, "1", ("work",))
    )
    other.register()
    scene.recover(death)
    assert scene.messages[0].uuid in {claimed.uuid for claimed in other.step((), {"thread": 3}).claimed}
    assert not scene.broker.in_dlq(scene.messages[0])
    assert "Messages of task 'work', which this pool does not have, are left to" in caplog.text


def test_an_unknown_task_that_nobody_has_fails(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """With its name in the log."""
    scene.task.name = "another"
    scene.recover(scene.death(running=1))
    assert scene.broker.in_dlq(scene.messages[0])
    assert "task='work') failed for good: UnknownTaskError" in caplog.text


def test_middleware_finds_the_message_of_an_unknown_task(backend: LossyBackend) -> None:
    """`current_message()` is the message that `ended` is told of, as it is if the pool has the task."""
    current: list[Message | None] = []

    class Watching(Middleware):
        def ended(self, message: Message, ending: str) -> None:
            current.append(current_message())

    scene = Scene(backend, Watching())
    scene.recover(scene.death(running=1))
    scene = Scene(backend, Watching())
    scene.task.name = "another"
    scene.recover(scene.death(running=1))
    assert [message is not None and message.task_name for message in current] == ["work", "work"]


def counted(backend: LossyBackend) -> dict[str, dict[str, int]]:
    """What the store has counted, by task."""
    minute = backend.messages.now() // 60_000
    return {row.task: unpacked(row.counts) for row in backend.messages.history(minute - 1, minute)}


def test_what_is_concluded_is_counted(scene: Scene, backend: LossyBackend) -> None:
    """The attempt was started and lost, and its message is retried; those that were given back count nothing."""
    scene.recover(scene.death(running=1))
    assert counted(backend) == {scene.task.name: {"s": 1, "l": 1, "r": 1}}
    assert backend.messages.workers() == []


def test_suspects_count_as_lost(scene: Scene, backend: LossyBackend) -> None:
    """Each was started."""
    scene.recover(scene.death(running=2, finished=1))
    assert counted(backend) == {scene.task.name: {"s": 3, "l": 3}}


def test_a_timeout_that_killed_the_process_is_no_loss(scene: Scene, backend: LossyBackend) -> None:
    """It has failed by itself."""
    scene.task.max_retries = 0
    scene.recover(scene.death(running=1, overdue=1))
    assert counted(backend) == {scene.task.name: {"s": 1, "f": 1}}


def test_without_anything_to_count_no_command_is_sent(scene: Scene, backend: LossyBackend) -> None:
    """Nobody registers for nothing."""
    before = len(backend.lossy.steps)
    scene.recover(scene.death())
    assert len(backend.lossy.steps) == before
    assert counted(backend) == {}


def test_counts_that_can_not_be_handed_over_are_lost_and_nothing_else(
    scene: Scene, backend: LossyBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """The recovery itself is complete by then."""
    backend.plan += ["ok", "request"]  # it can register, and its step is lost
    scene.recover(scene.death(running=1))
    assert counted(backend) == {}
    assert "What was counted of the messages of worker" in caplog.text
    assert backend.messages.workers() == []
    assert backend.messages.held(scene.session.worker) == []
