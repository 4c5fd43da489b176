"""The judge sees what it is there for: each of these spoils a good end, and must be told."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from alsek.core.status import TaskStatus
from alsek.storage.backends.records import Succeeded, Worker
from tests.chaos import execution_log as journal
from tests.chaos.environment import Stage
from tests.chaos.scenario import SQLITE, THREAD, Scale, Scenario, run
from tests.chaos.stores import StoreKind
from tests.chaos.tasks import QUEUE


@pytest.fixture(params=["sqlite", "redis"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """One chain, done by hand as a pool would have done it."""
    made = Stage(request.param)
    try:
        made.chains(1)
        _perform(made)
        yield made
    finally:
        made.close()


def _perform(stage: Stage) -> None:
    """Claim and finish parent and child."""
    port = stage.play.broker.backend.messages
    worker = Worker("w", "any", None, 10_000, 1_000)
    port.register(worker)
    run = "r1"
    (claimed,) = port.step(worker, 1, (), {worker.kind: 1}).claimed
    callback = stage.play.child.generate(uuid=stage.callbacks[claimed.uuid], submit=False)
    submission = callback.submission(stage.play.broker.backend.serializer)
    journal.append(str(stage.journal), "begun", claimed.uuid, run)
    journal.append(str(stage.journal), "ended", claimed.uuid, run)
    done = Succeeded(claimed.uuid, QUEUE, claimed.token, b'{"run":"r1"}', callback=submission)
    (child,) = port.step(worker, 2, (done,), {worker.kind: 1}).claimed
    journal.append(str(stage.journal), "begun", child.uuid, "r2", run)
    journal.append(str(stage.journal), "ended", child.uuid, "r2", run)
    port.step(worker, 3, (Succeeded(child.uuid, QUEUE, child.token, b'{"run":"r2"}'),), {worker.kind: 0})


def _uuid(stage: Stage) -> str:
    (uuid,) = stage.submitted
    return uuid


def _lose_a_result(stage: Stage) -> None:
    stage.play.broker.backend.results.delete([stage.callbacks[_uuid(stage)]])


def _never_submit(stage: Stage) -> None:
    stage.submitted["nobody-has-seen-me"] = 0.0


def _write_a_second_result(stage: Stage) -> None:
    stage.play.broker.backend.results.put(_uuid(stage), b'{"run":"r1"}', token=99)


def _submit_again(stage: Stage) -> None:
    callback = stage.play.child.generate(uuid="again", submit=False)
    stage.play.broker.submit(callback)
    stage.play.broker.remove(callback)
    stage.play.broker.submit(callback)


def _set_a_status(stage: Stage) -> None:
    stage.play.broker.backend.statuses.put(_uuid(stage), TaskStatus.RUNNING)


def _run_the_callback_of_another_run(stage: Stage) -> None:
    journal.append(str(stage.journal), "begun", stage.callbacks[_uuid(stage)], "r3", "r0")


def _let_one_die(stage: Stage) -> None:
    stage.play.broker.submit(stage.play.child.generate(uuid="dies", submit=False))
    stage.play.broker.backend.messages.fail(QUEUE, "dies", b"{}", 60_000)


@pytest.mark.parametrize(
    ("spoil", "where"),
    [
        (_lose_a_result, "lost"),
        (_never_submit, "lost"),
        (_write_a_second_result, "doubles"),
        (_submit_again, "doubles"),
        (_set_a_status, "doubles"),
        (_run_the_callback_of_another_run, "doubles"),
        (_let_one_die, "stray"),
    ],
)
def test_the_judge_sees_it(stage: Stage, spoil: Callable[[Stage], None], where: str) -> None:
    """A good end is judged good; spoilt, it is told under the right head."""
    good = stage.verdict()
    assert (good.messages, good.lost, good.doubles, good.stray) == (2, [], [], [])
    spoil(stage)
    assert getattr(stage.verdict(), where)


def _settle_at_once(stage: Stage, scale: Scale) -> None:
    stage.settle(1.0)


@pytest.mark.parametrize("faultless", [False, True])
def test_a_run_without_a_fault_is_bad_where_faults_are_meant(faultless: bool) -> None:
    """A scenario that has struck nothing shows nothing: that is a problem, unless it is meant so."""
    stages: tuple[tuple[StoreKind, str], ...] = ((SQLITE, THREAD),)
    row = run(Scenario("calm", _settle_at_once, stages, stages, faultless=faultless), SQLITE, THREAD, Scale())
    assert row.problems == ([] if faultless else ["no fault struck: the run shows nothing"])
