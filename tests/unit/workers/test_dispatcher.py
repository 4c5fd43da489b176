"""Jobs that are given ahead: none waits behind a long task, and none but the one that was begun is charged."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alsek import ResultStore, StatusTracker, task
from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.core.task import AnyTask
from alsek.core.worker.process_executor import executor as processes
from alsek.core.worker.process_executor import process_manager as nursery
from alsek.core.worker.process_executor.prefetch_limit import MOST_AHEAD
from alsek.core.worker.process_executor.task_process import ProcessJob
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Died, Released, Succeeded
from tests.unit.workers.fakes import PATIENCE
from tests.unit.workers.process_executor_harness import Crewing

Start = Callable[..., Crewing]


@pytest.fixture
def start(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts crews whose tasks have proved short, and ends them.

    By default they are patient: on a busy machine any task may take long.
    """
    started: list[Crewing] = []

    def start(
        *tasks: Any, size: int = 1, tasks_per_process: int = 1_000, take_back_after: int = 60_000
    ) -> Crewing:
        monkeypatch.setattr(processes, "TAKE_BACK_AFTER", take_back_after)
        crewing = Crewing(broker, *tasks, size=size, tasks_per_process=tasks_per_process)
        started.append(crewing)
        crewing.until_spares(min(size, 2))
        crewing.prove_short()
        return crewing

    yield start
    for crewing in reversed(started):
        crewing.close()


@pytest.fixture
def quick(broker: Broker, tmp_path: Path) -> AnyTask:
    """A task that notes that it ran, and says where."""

    @task(broker, result_store=ResultStore(broker.backend), max_retries=0)
    def quick(n: int) -> int:
        with (tmp_path / "ran").open("a") as ran:
            ran.write(f"{n} ")
        return os.getpid()

    return quick


@pytest.fixture
def blocks(broker: Broker, tmp_path: Path) -> AnyTask:
    """A task that goes on until the file `go` is there."""

    @task(broker, result_store=ResultStore(broker.backend), max_retries=0)
    def blocks() -> int:
        (tmp_path / "begun").touch()
        while not (tmp_path / "go").exists():
            time.sleep(0.001)
        return os.getpid()

    return blocks


def pid_of(job: ProcessJob) -> int:
    """The process that a job ran in."""
    assert isinstance(job.outcome, Succeeded)
    pid: int = json.loads(job.outcome.result or b"")
    return pid


def test_room_grows_while_tasks_are_short(start: Start, quick: AnyTask) -> None:
    """First as many as there are processes; then a few more for each, up to the most; they share processes."""
    crewing = start(quick, size=2)
    assert crewing.crew.free == 2 * (1 + MOST_AHEAD)
    jobs = crewing.start_all([(quick, n) for n in range(20)])
    assert crewing.crew.busy == 20
    assert all(1 < len(child.in_hand) <= 1 + MOST_AHEAD for child in crewing.processes.values())
    crewing.until(lambda: len(crewing.finished) == 20)
    assert len({pid_of(job) for job in jobs}) == 2


def test_none_ahead_for_a_process_that_serves_one(broker: Broker, quick: AnyTask) -> None:
    """With `tasks_per_process=1` nothing is claimed that can't start at once, however short tasks are."""
    crewing = Crewing(broker, quick, size=2)
    try:
        crewing.until_spares(2)
        crewing.prove_short()
        assert crewing.crew.free == 2
        crewing.start_all([(quick, 1), (quick, 2)])
        assert crewing.crew.free == 0
    finally:
        crewing.close()


def test_a_process_is_given_no_more_than_it_may_serve(start: Start, quick: AnyTask) -> None:
    """With five tasks a process, it is claimed for no more, and each process serves five."""
    crewing = start(quick, size=1, tasks_per_process=5)
    jobs: list[ProcessJob] = []
    while len(jobs) < 20:
        assert crewing.crew.free <= 5
        jobs += crewing.start_all([(quick, n) for n in range(min(crewing.crew.free, 20 - len(jobs)))])
        crewing.turn()
    crewing.until(lambda: len(crewing.finished) == 20)
    pids = [pid_of(job) for job in jobs]
    assert sorted(pids.count(pid) for pid in set(pids)) == [5, 5, 5, 5]


def test_nothing_waits_behind_a_long_task_while_another_process_is_free(
    start: Start, quick: AnyTask, blocks: AnyTask, tmp_path: Path
) -> None:
    """What was given ahead is taken back from the process whose task is long: the other begins one at once, and what it
    can't begin at once goes back to the store."""
    crewing = start(quick, blocks, size=2, take_back_after=30)
    long, *short = crewing.start_all([(blocks,), *((quick, n) for n in range(9))])
    assert sum(job.child is long.child for job in short) == 4
    crewing.until(lambda: all(job in crewing.finished for job in short))
    assert long.outcome is None
    assert long.child is not None
    assert long.child.in_hand == deque([long])
    back = [job for job in short if isinstance(job.outcome, Released)]
    pids = {pid_of(job) for job in short if job not in back}
    assert pids == set(crewing.processes) - {long.child.pid}
    assert len((tmp_path / "ran").read_text().split()) == 9 - len(back) >= 1
    assert crewing.crew.free == 1  # tasks may be long after all
    (tmp_path / "go").touch()
    crewing.until(lambda: long in crewing.finished)
    assert isinstance(crewing.run(quick, 9).outcome, Succeeded)


def test_nothing_waits_behind_long_tasks_in_all_processes(
    start: Start, quick: AnyTask, blocks: AnyTask, tmp_path: Path
) -> None:
    """What was given ahead goes back to the store, so that another pool may run it: not begun, not charged."""
    crewing = start(quick, blocks, size=2, take_back_after=30)
    jobs = crewing.start_all([(blocks,), (blocks,), *((quick, n) for n in range(5))])
    crewing.until(lambda: all(job in crewing.finished for job in jobs[2:]))
    assert all(isinstance(job.outcome, Released) for job in jobs[2:])
    assert [job.outcome for job in jobs[:2]] == [None, None]
    assert crewing.crew.free == 0
    (tmp_path / "go").touch()
    crewing.until(lambda: len(crewing.finished) == 7)
    assert {pid_of(job) for job in jobs[:2]} == set(crewing.processes)
    assert not (tmp_path / "ran").exists()


def test_what_is_taken_back_does_not_disturb_what_follows(
    start: Start, quick: AnyTask, blocks: AnyTask, tmp_path: Path
) -> None:
    """The process goes on with what it is given later, and runs nothing of what was taken from it."""
    crewing = start(quick, blocks, take_back_after=30)
    for n in (1, 2, 3):
        crewing.prove_short()
        (tmp_path / "go").unlink(missing_ok=True)
        long, *behind = crewing.start_all([(blocks,), (quick, 0), (quick, 0)])
        crewing.until(lambda behind=behind: all(job in crewing.finished for job in behind))  # type: ignore[misc]
        (tmp_path / "go").touch()
        crewing.until(lambda long=long: long in crewing.finished)  # type: ignore[misc]
        assert pid_of(crewing.run(quick, n)) == pid_of(long)
    assert (tmp_path / "ran").read_text() == "1 2 3 "


def test_when_draining_what_was_not_begun_goes_back(
    start: Start, quick: AnyTask, blocks: AnyTask, tmp_path: Path
) -> None:
    """The engine takes no more: at once, what is in hand and not begun is given back; what runs may finish."""
    crewing = start(quick, blocks)
    long, *behind = crewing.start_all([(blocks,), (quick, 1), (quick, 2)])
    crewing.until((tmp_path / "begun").exists)
    crewing.board.draining = 1
    crewing.crew.enforce()
    crewing.settle()
    assert crewing.finished == behind[::-1]
    assert all(isinstance(job.outcome, Released) for job in behind)
    (tmp_path / "go").touch()
    crewing.until(lambda: long in crewing.finished)
    assert isinstance(long.outcome, Succeeded)
    assert not (tmp_path / "ran").exists()


def test_of_several_in_hand_only_the_one_that_was_begun_is_charged(
    start: Start, broker: Broker, quick: AnyTask, tmp_path: Path
) -> None:
    """Those before it are done, those after it run in another process, once, and with no retry spent."""

    @task(broker, max_retries=0)
    def dies() -> None:
        os._exit(1)

    crewing = start(quick, dies, size=2)
    jobs = crewing.start_all([(dies,) if n in (6, 7) else (quick, n) for n in range(14)])
    crewing.until(lambda: len(crewing.finished) == 14)
    for n, job in enumerate(jobs):
        if n in (6, 7):
            assert isinstance(job.outcome, Died)
            assert b"exit code 1" in job.outcome.error
        else:  # given back, where both processes were about to be forked anew
            assert isinstance(job.outcome, Succeeded | Released)
    ran = (tmp_path / "ran").read_text().split()
    assert len(ran) == len(set(ran)) == sum(isinstance(job.outcome, Succeeded) for job in jobs)
    assert set(ran) >= {str(n) for n in range(6)}


@pytest.mark.parametrize("begun", [True, False])
def test_a_process_that_is_killed_with_several_in_hand(
    start: Start,
    quick: AnyTask,
    blocks: AnyTask,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    begun: bool,
) -> None:
    """Killed from outside: if it had begun the first, that is charged; if none, none is, and all run elsewhere."""
    crewing = start(quick, blocks)
    (child,) = crewing.processes.values()
    if not begun:
        os.kill(child.pid, signal.SIGSTOP)
    first, *others = crewing.start_all([(blocks,) if begun else (quick, 0), (quick, 1), (quick, 2)])
    assert len(child.in_hand) == 3
    if begun:
        crewing.until((tmp_path / "begun").exists)
    os.kill(child.pid, signal.SIGKILL)
    crewing.until(lambda: len(crewing.finished) == 3)
    if begun:
        assert isinstance(first.outcome, Died)
        assert b"SIGKILL" in first.outcome.error
    else:
        assert isinstance(first.outcome, Succeeded)
    assert all(isinstance(job.outcome, Succeeded | Released) for job in others)
    assert all(job.charge is None for job in others)


def test_a_process_that_begins_nothing_is_replaced(
    start: Start, quick: AnyTask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One that was stopped before it has begun: its jobs are taken back and run, uncharged, and it is killed."""
    monkeypatch.setattr(nursery, "PATIENCE", 300)
    crewing = start(quick, size=1)
    (child,) = crewing.processes.values()
    os.kill(child.pid, signal.SIGSTOP)
    jobs = crewing.start_all([(quick, n) for n in range(3)])
    crewing.until(lambda: len(crewing.finished) == 3)
    assert all(isinstance(job.outcome, Succeeded | Released) for job in jobs)
    assert isinstance(crewing.run(quick, 3).outcome, Succeeded)
    assert not child.alive
    assert f"Process {child.pid} does not begin what it was given" in caplog.text


def test_each_timeout_counts_from_when_its_task_begins(start: Start, broker: Broker) -> None:
    """Neither does waiting in a process's hand use up a task's time, nor does a task before it lengthen it."""

    @task(broker, timeout=300, max_retries=0)
    def nap(seconds: float) -> None:
        time.sleep(seconds)

    crewing = start(nap)
    jobs = crewing.start_all([(nap, 0.2), (nap, 0.2), (nap, 30.0)])
    crewing.until(lambda: len(crewing.finished) == 3)
    assert [type(job.outcome) for job in jobs] == [Succeeded, Succeeded, Died]
    assert b"timeout of 300 ms" in jobs[2].outcome.error  # type: ignore[union-attr]


def test_a_timeout_costs_those_behind_nothing(start: Start, broker: Broker, quick: AnyTask) -> None:
    """The process is ended for the one that ran too long; those behind it run elsewhere."""

    @task(broker, timeout=20, max_retries=0)
    def spins() -> None:
        while True:
            pass

    crewing = start(quick, spins, size=2)
    jobs = crewing.start_all([(spins,), *((quick, n) for n in range(7))])
    crewing.until(lambda: len(crewing.finished) == 8)
    assert isinstance(jobs[0].outcome, Died)
    assert all(isinstance(job.outcome, Succeeded | Released) for job in jobs[1:])


def test_one_that_was_revoked_in_hand_hurts_no_other(
    start: Start, quick: AnyTask, blocks: AnyTask, tmp_path: Path
) -> None:
    """Only a task that runs is ended for it; one behind it is told of again, when it runs or has been given back."""
    crewing = start(quick, blocks)
    long, behind = crewing.start_all([(blocks,), (quick, 1)])
    crewing.until((tmp_path / "begun").exists)
    crewing.crew.revoke(behind.claimed.uuid)
    assert long.child is not None
    assert long.child.doom is None
    crewing.crew.revoke(long.claimed.uuid)
    crewing.until(lambda: len(crewing.finished) == 2)
    assert isinstance(long.outcome, Died)
    assert b"MessageRevokedError" in long.outcome.error
    assert isinstance(behind.outcome, Succeeded | Released)


def test_large_messages_are_not_given_ahead(start: Start, broker: Broker) -> None:
    """A busy process does not read: what would fill its socket is not sent to it, and the engine is not held up."""

    @task(broker, max_retries=0)
    def takes(text: str) -> None: ...

    crewing = start(takes)
    jobs = crewing.start_all([(takes, "x" * 60_000) for _ in range(4)])
    (child,) = crewing.processes.values()
    assert len(child.in_hand) == 1
    assert crewing.crew.free == 0
    crewing.until(lambda: len(crewing.finished) == 4)
    assert isinstance(jobs[0].outcome, Succeeded)
    assert all(isinstance(job.outcome, Released) for job in jobs[1:])


def test_large_results_pass_among_others(start: Start, broker: Broker, quick: AnyTask) -> None:
    """A result larger than a socket takes is read while the process writes it, whatever else it has in hand."""

    @task(broker, result_store=ResultStore(broker.backend))
    def large() -> str:
        return "x" * 2_000_000

    crewing = start(quick, large)
    jobs = crewing.start_all([(quick, 0), (large,), (quick, 1), (large,), (quick, 2)])
    crewing.until(lambda: len(crewing.finished) == 5)
    assert all(isinstance(job.outcome, Succeeded) for job in jobs)


def test_verdicts_and_jobs_ahead(start: Start, broker: Broker, tmp_path: Path) -> None:
    """Where a tracker elsewhere waits for each verdict, jobs in hand wait for it too, and all are told in order."""

    class Elsewhere(StatusTracker):
        def set(self, message: Message, status: Any, details: Any = None) -> None:
            with (tmp_path / "said").open("a") as said:
                said.write(f"{status.name} ")

    @task(broker, status_tracker=Elsewhere(MemoryBackend()))
    def tracked() -> None: ...

    crewing = start(tracked)
    crewing.start_all([(tracked,) for _ in range(5)])
    crewing.until(lambda: len(crewing.finished) == 5)
    crewing.until(lambda: (tmp_path / "said").read_text() == "RUNNING SUCCEEDED " * 5)


def test_jobs_behind_a_verdict_that_is_late(
    start: Start, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is away: what waits behind goes back, and the process that can do nothing for it is kept."""
    monkeypatch.setattr(processes, "_BEGINS_WITHIN", 60)

    class Elsewhere(StatusTracker):
        def set(self, message: Message, status: Any, details: Any = None) -> None: ...

    @task(broker, status_tracker=Elsewhere(MemoryBackend()))
    def tracked() -> None: ...

    crewing = start(tracked, take_back_after=30)
    (child,) = crewing.processes.values()
    first, *behind = crewing.start_all([(tracked,) for _ in range(3)])
    deadline = time.monotonic() + PATIENCE
    while first.outcome is None or any(job.outcome is None for job in behind):
        assert time.monotonic() < deadline
        crewing.hear()
        crewing.crew.enforce()
    assert all(isinstance(job.outcome, Released) for job in behind)
    time.sleep(0.1)
    crewing.crew.enforce()
    assert child.owing is first
    crewing.until(lambda: child in crewing.spares)
    assert isinstance(crewing.run(tracked).outcome, Succeeded)
    assert list(crewing.processes) == [child.pid]
