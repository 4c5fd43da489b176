"""Pushes to a worker, whatever becomes of them on their way: each message is handed to the caller once."""

from __future__ import annotations

import pytest

from alsek.core.execution.session import WorkerSession
from alsek.defaults import STALE_PUSH_MS
from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Pushed, Released, Submission, Succeeded, Worker
from tests.clock import Clock
from tests.unit.core.fakes import LossyBackend


class Scene:
    """A worker that sleeps on a store whose network is the test's."""

    def __init__(self, clock: Clock) -> None:
        self.backend = LossyBackend(clock)
        self.session = WorkerSession(self.backend, Worker("", "thread", None, 15_000, 60_000))
        self.waiter: Waiter
        self.register()

    def register(self) -> None:
        """Under a new id, with a waiter for that."""
        self.session.register()
        self.waiter = self.session.waiter()
        self.waiter.arm()

    def step(self, *outcomes: Succeeded | Released) -> list[str]:
        """The uuids that the next step claims."""
        answer = self.session.step(outcomes, {"thread": 8}, sleeps=True)
        return [claimed.uuid for claimed in answer.claimed]

    def submit(self, *uuids: str) -> None:
        """One by one, so that each is pushed."""
        for uuid in uuids:
            self.backend.messages.add([Submission(uuid, "q", b"")], uuid)

    def arrived(self) -> list[Pushed]:
        """What has reached the waiter."""
        self.waiter.drain()
        return list(self.waiter.take_pushed())

    @property
    def held(self) -> set[int]:
        """What the store says that the worker holds."""
        return {claimed.token for claimed in self.backend.messages.held(self.session.worker)}


@pytest.fixture
def scene(clock: Clock) -> Scene:
    """A worker that has found nothing."""
    scene = Scene(clock)
    assert scene.step() == []
    assert scene.session.is_sleeper
    return scene


def test_a_push_is_a_claim(scene: Scene) -> None:
    """It is held from then on, its outcome is accepted, and no answer has it again."""
    scene.submit("a", "b")
    first, second = scene.session.accept(scene.arrived())
    assert scene.session.held == {first.token, second.token} == scene.held
    assert scene.step(Succeeded(first.uuid, first.queue, first.token)) == []
    assert scene.session.held == {second.token} == scene.held


def test_a_push_that_was_lost_is_in_the_next_answer(scene: Scene) -> None:
    """Without those that have arrived."""
    scene.submit("a", "b", "c")
    _, second, _ = scene.arrived()
    (arrived,) = scene.session.accept([second])
    assert arrived.uuid == "b"
    assert scene.step() == ["a", "c"]
    assert scene.session.held == scene.held


def test_a_push_that_comes_after_the_next_step_is_left_out(scene: Scene) -> None:
    """The answer had it, and its task may run already."""
    scene.submit("a")
    late = scene.arrived()
    assert scene.step() == ["a"]
    assert scene.session.accept(late) == []
    assert scene.session.held == scene.held


@pytest.mark.parametrize("lost", ["request", "reply"])
def test_while_a_step_is_unanswered_no_push_is_taken(scene: Scene, lost: str) -> None:
    """It may belong to the step before or after: the answers have all of them, each once."""
    scene.submit("a")
    scene.backend.plan.append(lost)
    with pytest.raises(BackendUnavailableError):
        scene.step()
    scene.submit("b")
    assert scene.session.accept(scene.arrived()) == []
    answered = scene.step()
    answered += scene.step()
    assert answered == ["a", "b"]
    assert scene.session.held == scene.held


def test_the_step_that_lists_may_lose_its_reply(clock: Clock) -> None:
    """What is pushed before its repetition is not taken, and is in the answer to the step after it."""
    scene = Scene(clock)
    scene.backend.plan.append("reply")
    with pytest.raises(BackendUnavailableError):
        scene.step()
    scene.submit("a")
    assert scene.session.accept(scene.arrived()) == []
    assert scene.session.step((), {"thread": 8}, sleeps=True).claimed == []
    assert scene.session.is_sleeper
    assert scene.step() == ["a"]


def test_a_push_that_comes_too_late_is_not_taken(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process was stopped: a renewal may have given it back. If not, the next answer has it."""
    since = scene.session._asleep_since
    scene.submit("a", "b")
    first, second = scene.arrived()
    now = since + STALE_PUSH_MS // 2
    monkeypatch.setattr("alsek.core.execution.session.monotonic_ms", lambda: now)
    assert [claimed.uuid for claimed in scene.session.accept([first])] == ["a"]
    now += 1
    assert scene.session.accept([second]) == []
    assert scene.step() == ["b"]


def test_pushes_are_in_the_answer_to_an_outcome_from_outside(scene: Scene) -> None:
    """`finish` keeps them for the next step."""
    scene.submit("a", "b")
    first = scene.session.accept(scene.arrived()[:1])[0]
    assert scene.session.finish(Succeeded(first.uuid, first.queue, first.token))
    assert not scene.session.is_sleeper
    assert scene.step() == ["b"]


def test_pushes_to_the_old_id_are_not_taken(scene: Scene) -> None:
    """A worker that registers again holds nothing."""
    scene.submit("a")
    old = scene.arrived()
    scene.register()
    assert scene.session.accept(old) == []
    assert not scene.session.is_sleeper
    assert scene.session.held == set()
