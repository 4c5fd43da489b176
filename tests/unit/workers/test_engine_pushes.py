"""The engine and pushes: an idle one starts what it is pushed, and none is lost with it or by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Claimed, Pushed, Step
from tests.unit.core.fakes import LossyBackend
from tests.unit.workers.engine_harness import Running, Runs, TalkativeSession, submit
from tests.unit.workers.fakes import PATIENCE
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("stands_in")


def asleep(running: Running) -> Running:
    """Start it, and wait until it may be pushed messages."""
    running.start()
    eventually(lambda: running.session.is_sleeper, PATIENCE)
    return running


def test_an_idle_engine_starts_what_it_is_pushed(backend: LossyBackend, runs: Runs) -> None:
    """Nothing is claimed: each message costs the one step that reports its outcome."""
    running = asleep(Running(backend, runs.note))
    for many in range(1, 4):
        steps = running.engine.steps
        submit(runs.note, 1)
        eventually(lambda: running.left == 0 and running.session.is_sleeper, PATIENCE)
        assert (running.engine.steps, runs.of.total()) == (steps + 1, many)
    running.stop()


def test_what_it_is_pushed_while_it_begins_to_drain_is_given_back(backend: LossyBackend, runs: Runs) -> None:
    """The push was sent before the signal, and is read after it: nothing of it runs, and nothing is charged."""

    class Signalled(TalkativeSession):
        def accept(self, pushes: Sequence[Pushed]) -> list[Claimed]:
            claims = super().accept(pushes)
            running.engine.drain()
            return claims

    running = Running(backend, runs.note, session=Signalled)
    asleep(running)
    submit(runs.note, 1)
    running.ended()
    assert runs.of == Counter()
    assert [(m.state, m.losses) for m in backend.messages.browse("alsek_queue")] == [("ready", 0)]


def test_an_engine_that_has_drained_is_pushed_nothing(backend: LossyBackend, runs: Runs) -> None:
    """Its last step says that it does not sleep: what comes then is ready for others, and nothing waits for it."""
    running = asleep(Running(backend, runs.note))
    running.drain()
    running.ended()
    submit(runs.note, 1)
    assert [message.state for message in backend.messages.browse("alsek_queue")] == ["ready"]
    assert backend.messages.held(running.session.worker) == []


def test_a_draining_engine_that_still_runs_something_is_pushed_nothing(
    backend: LossyBackend, runs: Runs
) -> None:
    """It says so at once, however long its tasks take."""
    running = asleep(Running(backend, runs.hold))
    submit(runs.hold, 1)
    runs.wait_for(1)
    running.drain()
    eventually(lambda: not running.session.is_sleeper, PATIENCE)
    submit(runs.hold, 1)
    assert sorted(m.state for m in backend.messages.browse("alsek_queue")) == ["claimed", "ready"]
    runs.go_on.set()
    running.ended()


class DeafWaiter(TalkativeSession):
    """A session whose waiter loses the first push."""

    def waiter(self, slot: SlotKind | None = None) -> Waiter:
        """As a session's."""
        made = super().waiter(slot)
        taken = made.take_pushed
        losing = [True]

        def take_pushed() -> Sequence[Pushed]:
            pushes = taken()
            if pushes and losing:
                losing.clear()
                return ()
            return pushes

        made.take_pushed = take_pushed  # type: ignore[method-assign]
        return made


def test_a_lost_push_starts_with_the_next_step(
    backend: LossyBackend, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look that ends the sleep finds it."""
    monkeypatch.setattr("alsek.core.worker.engine.claim_policy.LOOK_EVERY_MS", 50)
    running = asleep(Running(backend, runs.note, session=DeafWaiter))
    submit(runs.note, 1)
    eventually(lambda: running.left == 0, PATIENCE)
    submit(runs.note, 1)
    eventually(lambda: running.left == 0, PATIENCE)
    running.stop()
    assert runs.of.total() == 2


def test_the_last_task_may_be_a_push(backend: LossyBackend, runs: Runs) -> None:
    """`max_tasks` counts what was pushed, and the supervisor learns of the end at once."""
    running = asleep(Running(backend, runs.hold, max_tasks=1))
    submit(runs.hold, 1)
    runs.wait_for(1)
    eventually(lambda: running.state.draining == 1, PATIENCE)
    submit(runs.hold, 1)
    runs.go_on.set()
    running.ended()
    assert [message.state for message in backend.messages.browse("alsek_queue")] == ["ready"]


@pytest.mark.parametrize("settings", [{"burst": True}, {"suspects_only": True}])
def test_who_takes_no_pushes(backend: LossyBackend, runs: Runs, settings: dict[str, bool]) -> None:
    """In a burst the end depends on what each group has held since a step; suspects are not pushed."""
    running = Running(backend, runs.note, **settings)
    assert not running.engine._policy.takes_pushes
    running.executor.shut_down()


def test_under_load_it_does_not_ask_for_pushes(backend: LossyBackend, runs: Runs) -> None:
    """A step that follows one which has left something does not say that the worker sleeps."""
    asked: list[tuple[bool, bool]] = []

    class Noting(TalkativeSession):
        def step(self, outcomes: Any, limits: Any, history: Any = (), *, sleeps: bool = False) -> Step:
            answer = super().step(outcomes, limits, history, sleeps=sleeps)
            asked.append((sleeps, bool(answer.waiting)))
            return answer

    running = asleep(Running(backend, runs.note, size=1, session=Noting))
    backend.messages.pause("alsek_queue", "ada")
    submit(runs.note, 40)
    backend.messages.resume("alsek_queue")
    eventually(lambda: running.left == 0 and running.session.is_sleeper, PATIENCE)
    running.stop()
    asked.pop()  # that of the end
    assert any(waiting for _, waiting in asked)
    for (_, waiting), (sleeps, _) in pairwise(asked):
        assert not (waiting and sleeps)


def test_after_an_outage_it_is_pushed_messages_again(backend: LossyBackend, runs: Runs) -> None:
    """A reply is lost, and the step is sent again; then it sleeps as before."""
    running = asleep(Running(backend, runs.note))
    backend.plan.append("reply")
    submit(runs.note, 1)
    eventually(lambda: not backend.plan and not running.session.unanswered, PATIENCE)
    eventually(lambda: running.session.is_sleeper, PATIENCE)
    steps = running.engine.steps
    submit(runs.note, 1)
    eventually(lambda: running.left == 0 and running.engine.steps > steps, PATIENCE)
    running.stop()
    assert runs.of.total() == 2
    assert running.engine.steps == steps + 2  # the outcome; the end of the sleep
