"""Prefetched jobs: none waits behind a long task, and only a job that was started is charged."""

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
from alsek.core.worker.process_executor import process_manager, process_watch
from alsek.core.worker.process_executor.job import ProcessJob
from alsek.core.worker.process_executor.prefetch_limit import MOST_PREFETCHED
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Failed, Released, Succeeded
from tests.unit.workers.fakes import PATIENCE
from tests.unit.workers.process_executor_harness import ProcessExecutorHarness

Start = Callable[..., ProcessExecutorHarness]


@pytest.fixture
def start(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts executors with a record of short tasks, and ends them.

    By default they don't take jobs back: on a busy machine any task may take long.
    """
    started: list[ProcessExecutorHarness] = []

    def start(
        *tasks: Any, size: int = 1, tasks_per_process: int = 1_000, take_back_after: int = 60_000
    ) -> ProcessExecutorHarness:
        monkeypatch.setattr(process_watch, "TAKE_BACK_AFTER_MS", take_back_after)
        harness = ProcessExecutorHarness(broker, *tasks, size=size, tasks_per_process=tasks_per_process)
        started.append(harness)
        harness.until_spares(min(size, 2))
        harness.prove_short()
        return harness

    yield start
    for harness in reversed(started):
        harness.close()


@pytest.fixture
def quick(broker: Broker, tmp_path: Path) -> AnyTask:
    """A task that writes down that it ran, and returns its pid."""

    @task(broker, result_store=ResultStore(broker.backend), max_retries=0)
    def quick(n: int) -> int:
        with (tmp_path / "ran").open("a") as ran:
            ran.write(f"{n} ")
        return os.getpid()

    return quick


@pytest.fixture
def blocks(broker: Broker, tmp_path: Path) -> AnyTask:
    """A task that runs until the file `go` exists."""

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


def test_more_is_claimed_while_tasks_are_short(start: Start, quick: AnyTask) -> None:
    """As many as there are processes, and a few more for each, up to the limit; they share processes."""
    harness = start(quick, size=2)
    assert harness.executor.free_slots == 2 * (1 + MOST_PREFETCHED)
    jobs = harness.start_all([(quick, n) for n in range(20)])
    assert harness.executor.in_flight == 20
    assert all(1 < len(child.jobs) <= 1 + MOST_PREFETCHED for child in harness.processes.values())
    harness.until(lambda: len(harness.finished) == 20)
    assert len({pid_of(job) for job in jobs}) == 2


def test_nothing_is_prefetched_with_one_task_a_process(broker: Broker, quick: AnyTask) -> None:
    """However short tasks are, only what can start at once is claimed."""
    harness = ProcessExecutorHarness(broker, quick, size=2)
    try:
        harness.until_spares(2)
        harness.prove_short()
        assert harness.executor.free_slots == 2
        harness.start_all([(quick, 1), (quick, 2)])
        assert harness.executor.free_slots == 0
    finally:
        harness.close()


def test_a_process_is_sent_no_more_than_it_may_serve(start: Start, quick: AnyTask) -> None:
    """With five tasks a process, no more are claimed, and each process serves five."""
    harness = start(quick, size=1, tasks_per_process=5)
    jobs: list[ProcessJob] = []
    while len(jobs) < 20:
        assert harness.executor.free_slots <= 5
        jobs += harness.start_all(
            [(quick, n) for n in range(min(harness.executor.free_slots, 20 - len(jobs)))]
        )
        harness.turn()
    harness.until(lambda: len(harness.finished) == 20)
    pids = [pid_of(job) for job in jobs]
    assert sorted(pids.count(pid) for pid in set(pids)) == [5, 5, 5, 5]


def test_nothing_waits_behind_a_long_task_while_another_process_is_free(
    start: Start, quick: AnyTask, blocks: AnyTask, tmp_path: Path
) -> None:
    """Prefetched jobs are taken back from the process whose task is long: the other starts one at once, and those that
    it can't start at once are released."""
    harness = start(quick, blocks, size=2, take_back_after=30)
    long, *short = harness.start_all([(blocks,), *((quick, n) for n in range(9))])
    assert sum(job.process is long.process for job in short) == 4
    harness.until(lambda: all(job in harness.finished for job in short))
    assert long.outcome is None
    assert long.process is not None
    assert long.process.jobs == deque([long])
    back = [job for job in short if isinstance(job.outcome, Released)]
    pids = {pid_of(job) for job in short if job not in back}
    assert pids == set(harness.processes) - {long.process.pid}
    assert len((tmp_path / "ran").read_text().split()) == 9 - len(back) >= 1
    assert harness.executor.free_slots == 1  # tasks may be long after all
    (tmp_path / "go").touch()
    harness.until(lambda: long in harness.finished)
    assert isinstance(harness.run(quick, 9).outcome, Succeeded)


def test_nothing_waits_behind_long_tasks_in_all_processes(
    start: Start, quick: AnyTask, blocks: AnyTask, tmp_path: Path
) -> None:
    """Prefetched jobs are released, so that another pool may run them: not started, not charged."""
    harness = start(quick, blocks, size=2, take_back_after=30)
    jobs = harness.start_all([(blocks,), (blocks,), *((quick, n) for n in range(5))])
    harness.until(lambda: all(job in harness.finished for job in jobs[2:]))
    assert all(isinstance(job.outcome, Released) for job in jobs[2:])
    assert [job.outcome for job in jobs[:2]] == [None, None]
    assert harness.executor.free_slots == 0
    (tmp_path / "go").touch()
    harness.until(lambda: len(harness.finished) == 7)
    assert {pid_of(job) for job in jobs[:2]} == set(harness.processes)
    assert not (tmp_path / "ran").exists()


def test_jobs_that_are_taken_back_do_not_run(
    start: Start, quick: AnyTask, blocks: AnyTask, tmp_path: Path
) -> None:
    """The process runs what it is sent later, and nothing that was taken back."""
    harness = start(quick, blocks, take_back_after=30)
    for n in (1, 2, 3):
        harness.prove_short()
        (tmp_path / "go").unlink(missing_ok=True)
        long, *behind = harness.start_all([(blocks,), (quick, 0), (quick, 0)])
        harness.until(lambda behind=behind: all(job in harness.finished for job in behind))  # type: ignore[misc]
        (tmp_path / "go").touch()
        harness.until(lambda long=long: long in harness.finished)  # type: ignore[misc]
        assert pid_of(harness.run(quick, n)) == pid_of(long)
    assert (tmp_path / "ran").read_text() == "1 2 3 "


def test_jobs_that_were_not_started_are_released_when_draining(
    start: Start, quick: AnyTask, blocks: AnyTask, tmp_path: Path
) -> None:
    """At once; running jobs may finish."""
    harness = start(quick, blocks)
    long, *behind = harness.start_all([(blocks,), (quick, 1), (quick, 2)])
    harness.until((tmp_path / "begun").exists)
    harness.state.draining = 1
    harness.executor.enforce_deadlines()
    harness.settle()
    assert harness.finished == behind[::-1]
    assert all(isinstance(job.outcome, Released) for job in behind)
    (tmp_path / "go").touch()
    harness.until(lambda: long in harness.finished)
    assert isinstance(long.outcome, Succeeded)
    assert not (tmp_path / "ran").exists()


def test_of_several_jobs_only_the_one_that_was_started_is_charged(
    start: Start, broker: Broker, quick: AnyTask, tmp_path: Path
) -> None:
    """Those before it are done; those after it run in another process, once, and no retry is spent."""

    @task(broker, max_retries=0)
    def dies() -> None:
        os._exit(1)

    harness = start(quick, dies, size=2)
    jobs = harness.start_all([(dies,) if n in (6, 7) else (quick, n) for n in range(14)])
    harness.until(lambda: len(harness.finished) == 14)
    for n, job in enumerate(jobs):
        if n in (6, 7):
            assert isinstance(job.outcome, Failed)
            assert b"exit code 1" in job.outcome.error
        else:  # given back, where both processes were about to be forked anew
            assert isinstance(job.outcome, Succeeded | Released)
    ran = (tmp_path / "ran").read_text().split()
    assert len(ran) == len(set(ran)) == sum(isinstance(job.outcome, Succeeded) for job in jobs)
    assert set(ran) >= {str(n) for n in range(6)}


@pytest.mark.parametrize("begun", [True, False])
def test_a_process_that_is_killed_with_several_jobs(
    start: Start,
    quick: AnyTask,
    blocks: AnyTask,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    begun: bool,
) -> None:
    """The first is charged if it was started; the others run in another process."""
    harness = start(quick, blocks)
    (child,) = harness.processes.values()
    if not begun:
        os.kill(child.pid, signal.SIGSTOP)
    first, *others = harness.start_all([(blocks,) if begun else (quick, 0), (quick, 1), (quick, 2)])
    assert len(child.jobs) == 3
    if begun:
        harness.until((tmp_path / "begun").exists)
    os.kill(child.pid, signal.SIGKILL)
    harness.until(lambda: len(harness.finished) == 3)
    if begun:
        assert isinstance(first.outcome, Failed)
        assert b"SIGKILL" in first.outcome.error
    else:
        assert isinstance(first.outcome, Succeeded)
    assert all(isinstance(job.outcome, Succeeded | Released) for job in others)
    assert all(job.charge is None for job in others)


def test_a_process_that_starts_none_of_its_jobs_is_replaced(
    start: Start, quick: AnyTask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It was stopped before: its jobs are taken back and run, uncharged, and it is killed."""
    monkeypatch.setattr(process_manager, "EXIT_WITHIN_MS", 300)
    harness = start(quick, size=1)
    (child,) = harness.processes.values()
    os.kill(child.pid, signal.SIGSTOP)
    jobs = harness.start_all([(quick, n) for n in range(3)])
    harness.until(lambda: len(harness.finished) == 3)
    assert all(isinstance(job.outcome, Succeeded | Released) for job in jobs)
    assert isinstance(harness.run(quick, 3).outcome, Succeeded)
    assert not child.alive
    assert f"Process {child.pid} does not start the jobs that it was sent" in caplog.text


def test_each_timeout_counts_from_the_start_of_its_task(start: Start, broker: Broker) -> None:
    """Neither waiting behind another task nor that task's duration counts."""

    @task(broker, timeout=2_000, max_retries=0)
    def nap(seconds: float) -> None:
        time.sleep(seconds)

    harness = start(nap)
    jobs = harness.start_all([(nap, 1.2), (nap, 1.2), (nap, 600.0)])
    harness.until(lambda: len(harness.finished) == 3)
    assert [type(job.outcome) for job in jobs] == [Succeeded, Succeeded, Failed]
    assert b"timeout of 2000 ms" in jobs[2].outcome.error  # type: ignore[union-attr]


def test_a_timeout_costs_the_jobs_behind_it_nothing(start: Start, broker: Broker, quick: AnyTask) -> None:
    """The process is ended for the job that ran too long; those behind it run in another."""

    @task(broker, timeout=20, max_retries=0)
    def spins() -> None:
        while True:
            pass

    harness = start(quick, spins, size=2)
    jobs = harness.start_all([(spins,), *((quick, n) for n in range(7))])
    harness.until(lambda: len(harness.finished) == 8)
    assert isinstance(jobs[0].outcome, Failed)
    assert all(isinstance(job.outcome, Succeeded | Released) for job in jobs[1:])


def test_a_revoked_job_that_was_not_started_costs_no_other(
    start: Start, quick: AnyTask, blocks: AnyTask, tmp_path: Path
) -> None:
    """Only a running task is ended; for one that has not started, the store reports the revocation again."""
    harness = start(quick, blocks)
    long, behind = harness.start_all([(blocks,), (quick, 1)])
    harness.until((tmp_path / "begun").exists)
    harness.executor.revoke(behind.claimed.uuid)
    assert long.process is not None
    assert long.process.charge is None
    harness.executor.revoke(long.claimed.uuid)
    harness.until(lambda: len(harness.finished) == 2)
    assert isinstance(long.outcome, Failed)
    assert b"MessageRevokedError" in long.outcome.error
    assert isinstance(behind.outcome, Succeeded | Released)


def test_large_messages_are_not_prefetched(start: Start, broker: Broker) -> None:
    """A busy process does not read: what would fill its socket is not sent, and the engine does not block."""

    @task(broker, max_retries=0)
    def takes(text: str) -> None: ...

    harness = start(takes)
    jobs = harness.start_all([(takes, "x" * 60_000) for _ in range(4)])
    (child,) = harness.processes.values()
    assert len(child.jobs) == 1
    assert harness.executor.free_slots == 0
    harness.until(lambda: len(harness.finished) == 4)
    assert isinstance(jobs[0].outcome, Succeeded)
    assert all(isinstance(job.outcome, Released) for job in jobs[1:])


def test_large_results_pass_among_others(start: Start, broker: Broker, quick: AnyTask) -> None:
    """A result larger than a socket buffer is read while the process writes it, whatever jobs follow it."""

    @task(broker, result_store=ResultStore(broker.backend))
    def large() -> str:
        return "x" * 2_000_000

    harness = start(quick, large)
    jobs = harness.start_all([(quick, 0), (large,), (quick, 1), (large,), (quick, 2)])
    harness.until(lambda: len(harness.finished) == 5)
    assert all(isinstance(job.outcome, Succeeded) for job in jobs)


def test_verdicts_and_prefetched_jobs(start: Start, broker: Broker, tmp_path: Path) -> None:
    """Where a tracker elsewhere waits for each verdict, prefetched jobs wait too, and statuses come in order."""

    class Elsewhere(StatusTracker):
        def set(self, message: Message, status: Any, details: Any = None) -> None:
            with (tmp_path / "said").open("a") as said:
                said.write(f"{status.name} ")

    @task(broker, status_tracker=Elsewhere(MemoryBackend()))
    def tracked() -> None: ...

    harness = start(tracked)
    harness.start_all([(tracked,) for _ in range(5)])
    harness.until(lambda: len(harness.finished) == 5)
    harness.until(lambda: (tmp_path / "said").read_text() == "RUNNING SUCCEEDED " * 5)


def test_jobs_behind_a_late_verdict_are_released(
    start: Start, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is unreachable: jobs behind are released, and the waiting process is kept."""
    monkeypatch.setattr(process_watch, "START_WITHIN_MS", 60_000)

    class Elsewhere(StatusTracker):
        def set(self, message: Message, status: Any, details: Any = None) -> None: ...

    @task(broker, status_tracker=Elsewhere(MemoryBackend()))
    def tracked() -> None: ...

    harness = start(tracked, take_back_after=30)
    (child,) = harness.processes.values()
    first, *behind = harness.start_all([(tracked,) for _ in range(3)])
    deadline = time.monotonic() + PATIENCE
    while first.outcome is None or any(job.outcome is None for job in behind):
        assert time.monotonic() < deadline
        harness.read_answers()
        harness.executor.enforce_deadlines()
    assert all(isinstance(job.outcome, Released) for job in behind)
    monkeypatch.setattr(process_watch, "START_WITHIN_MS", 60)
    time.sleep(0.1)
    harness.executor.enforce_deadlines()
    assert child.awaiting_verdict is first
    monkeypatch.setattr(process_watch, "START_WITHIN_MS", 60_000)
    harness.until(lambda: child in harness.spares)
    assert isinstance(harness.run(tracked).outcome, Succeeded)
    assert list(harness.processes) == [child.pid]
