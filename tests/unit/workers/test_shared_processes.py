"""Messages that will not run share processes: each ends once, and none is hurt by what the hooks of another do."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alsek import ResultStore, StatusTracker, Task, task
from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.core.task import AnyTask
from alsek.core.worker.process_executor import answers, lost_jobs, process_manager, shared_processes
from alsek.core.worker.process_executor.job import ProcessJob
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Failed, Released, Succeeded
from tests.unit.workers.process_executor_harness import ProcessExecutorHarness, Start, starting_executors

#: It starts many processes.
pytestmark = pytest.mark.slow


@pytest.fixture
def start(broker: Broker) -> Iterator[Start]:
    """Starts executors, and ends them."""
    with starting_executors(broker) as start:
        yield start


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    """Where hooks note the message and their process."""
    return tmp_path / "noted"


@pytest.fixture
def noting(broker: Broker, noted: Path) -> AnyTask:
    """A task that returns its process id. Its hooks note theirs, and then do what the first argument says."""

    def ends_with_the_next() -> None:
        while len(noted.read_text().splitlines()) < 2:
            time.sleep(0.01)
        os._exit(0)

    class Noting(Task[Any, Any]):
        def on_revocation(self, message: Message, error: Any) -> None:
            with noted.open("a") as notes:
                notes.write(f"{message.uuid} {os.getpid()}\n")
            match message.args[0]:
                case "exit":
                    os._exit(0)
                case "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                case "raise":
                    raise SystemExit(3)
                case "hang":
                    time.sleep(60)
                case "leave":
                    threading.Thread(target=ends_with_the_next, daemon=True).start()
                case "brief":
                    time.sleep(1.0)

        on_failure = on_revocation

    @task(broker, result_store=ResultStore(broker.backend), timeout=30_000, max_retries=0, base_task=Noting)
    def noting(what: str) -> int:
        return os.getpid()

    return noting


def pids_of(noted: Path, job: ProcessJob) -> list[int]:
    """The processes in which hooks were called for a job's message."""
    if not noted.exists():
        return []
    notes = [line.split() for line in noted.read_text().splitlines()]
    return [int(pid) for uuid, pid in notes if uuid == job.claimed.uuid]


def error_of(job: ProcessJob) -> str:
    """The name of the exception that ended a job's message."""
    assert isinstance(job.outcome, Failed), job.outcome
    name: str = json.loads(job.outcome.error)["name"]
    return name


def ended(harness: ProcessExecutorHarness, *jobs: ProcessJob) -> None:
    """Run the loop until these jobs have ended."""
    harness.until(lambda: all(job in harness.finished for job in jobs))


def test_one_process_ends_many(start: Start, noting: AnyTask, noted: Path) -> None:
    """Revoked, expired and lost messages end one after another in one process; it runs no task."""
    harness = start(noting, size=1, max_losses=2)
    claims = [{"revoked": True}, {"expired": True}, {"losses": 3}] * 2
    jobs = []
    for claim in claims:
        jobs.append(harness.reject(noting, "", **claim))
        ended(harness, jobs[-1])
    assert [error_of(job) for job in jobs] == [
        "MessageRevokedError",
        "MessageExpiredError",
        "WorkerLostError",
    ] * 2
    assert [job.outcome.token for job in jobs if job.outcome] == [1, 2, 3, 4, 5, 6]
    ((pid,),) = {tuple(pids_of(noted, job)) for job in jobs}
    ran = harness.run(noting, "")
    assert isinstance(ran.outcome, Succeeded)
    assert json.loads(ran.outcome.result or b"") != pid


def test_what_runs_and_what_does_not_are_given_out_apart(start: Start, noting: AnyTask) -> None:
    """A message that runs does not wait for a shared process, nor does one that will not run for a fresh one."""
    harness = start(noting, size=2)
    ended(harness, harness.reject(noting, ""))
    harness.until_spares(2)
    for spare in harness.spares:
        os.kill(spare.pid, signal.SIGSTOP)
    runs = [harness.start(noting, "") for _ in range(2)]
    ended(harness, harness.reject(noting, ""))
    assert not any(job.outcome for job in runs)
    for job in runs:
        assert job.process is not None
        os.kill(job.process.pid, signal.SIGCONT)
    ended(harness, *runs)


def test_processes_that_serve_many_are_not_shared(start: Start, noting: AnyTask, noted: Path) -> None:
    """With `tasks_per_process=3` a message that will not run counts as one of three."""
    harness = start(noting, size=1, tasks_per_process=3)
    pids = []
    for _ in range(2):
        job = harness.reject(noting, "")
        ended(harness, job)
        pids += pids_of(noted, job)
    for _ in range(2):
        outcome = harness.run(noting, "").outcome
        assert isinstance(outcome, Succeeded)
        pids.append(json.loads(outcome.result or b""))
    assert pids[0] == pids[1] == pids[2] != pids[3]


def test_a_shared_process_serves_so_many(
    start: Start, noting: AnyTask, noted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After that another one ends the next."""
    monkeypatch.setattr(answers, "MOST_SHARING", 3)
    harness = start(noting, size=1)
    jobs = []
    for _ in range(7):
        jobs.append(harness.reject(noting, ""))
        ended(harness, jobs[-1])
    pids = [pid for job in jobs for pid in pids_of(noted, job)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]


def test_a_shared_process_that_gets_nothing_exits(
    start: Start, noting: AnyTask, noted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not stay behind when there are no more such messages, and the loop does not wait for another event."""
    monkeypatch.setattr(shared_processes, "IDLE_MS", 50)
    harness = start(noting, size=1)
    job = harness.reject(noting, "")
    ended(harness, job)
    (pid,) = pids_of(noted, job)
    due = harness.executor.next_deadline()
    assert due is not None
    harness.until(lambda: pid not in harness.processes)
    assert pid not in harness.living()


@pytest.mark.parametrize("how", ["exit", "kill", "raise"])
def test_a_hook_that_ends_its_process_hurts_no_other(
    start: Start, noting: AnyTask, noted: Path, how: str
) -> None:
    """Those before and after it have ended as revoked; only it is charged with the death, if there is one."""
    harness = start(noting, size=2)
    jobs = []
    for what in ("", "", how, "", ""):
        jobs.append(harness.reject(noting, what))
        ended(harness, jobs[-1])
    charged = jobs.pop(2)
    assert [error_of(job) for job in jobs] == ["MessageRevokedError"] * 4
    assert all(len(pids_of(noted, job)) == 1 for job in jobs)
    assert error_of(charged) == ("MessageRevokedError" if how == "raise" else "WorkerLostError")
    harness.until(lambda: harness.executor.free_slots == 2)


def test_a_message_that_was_revoked_before_is_not_ended_for_it(
    start: Start, noting: AnyTask, noted: Path
) -> None:
    """While its hook runs the store says again that it was revoked: the hook runs to its end, once."""
    harness = start(noting, size=1)
    job = harness.reject(noting, "brief")
    harness.until(lambda: pids_of(noted, job))
    harness.executor.revoke(job.claimed.uuid)
    ended(harness, job)
    assert error_of(job) == "MessageRevokedError"
    assert len(pids_of(noted, job)) == 1


def test_a_hook_that_hangs_holds_up_no_other(broker: Broker, start: Start, noted: Path) -> None:
    """Others end beside it, and what runs runs; at its timeout its process is ended, and it alone is charged."""

    class Hangs(Task[Any, Any]):
        def on_revocation(self, message: Message, error: Any) -> None:
            noted.touch()
            time.sleep(60)

    @task(broker, base_task=Hangs, timeout=1_500, max_retries=0)
    def hangs() -> None: ...

    @task(broker)
    def fine() -> None: ...

    harness = start(hangs, fine, size=2)
    hanging = harness.reject(hangs)
    harness.until(noted.exists)
    for _ in range(3):
        others = [harness.reject(fine)]
        ended(harness, *others)
        assert error_of(others[0]) == "MessageRevokedError"
        assert isinstance(harness.run(fine).outcome, Succeeded)
    ended(harness, hanging)
    assert error_of(hanging) == "TaskTimeoutError"
    harness.until(lambda: harness.executor.free_slots == 2)


def test_what_an_earlier_one_has_left_behind_is_not_charged_to_a_later_one(
    start: Start, noting: AnyTask, noted: Path
) -> None:
    """A message whose process is ended by a thread of another's is ended once more, by a process of its own."""
    harness = start(noting, size=1)
    first = harness.reject(noting, "leave")
    ended(harness, first)
    second = harness.reject(noting, "brief")
    ended(harness, second)
    assert [error_of(job) for job in (first, second)] == ["MessageRevokedError"] * 2
    shared, own = pids_of(noted, second)
    assert pids_of(noted, first) == [shared]
    third = harness.reject(noting, "")
    ended(harness, third)
    assert pids_of(noted, third) != [own]


def test_a_message_that_kills_a_shared_process_and_its_own_is_charged(
    start: Start, noting: AnyTask, noted: Path
) -> None:
    """It is not tried without end: two processes, and one that concludes it with the death."""
    harness = start(noting, size=1)
    ended(harness, harness.reject(noting, ""))
    job = harness.reject(noting, "kill")
    ended(harness, job)
    assert error_of(job) == "WorkerLostError"
    assert len(pids_of(noted, job)) == 3


def test_a_shared_process_that_dies_while_idle_costs_nothing(
    start: Start, noting: AnyTask, noted: Path
) -> None:
    """The next message is ended by another, and no fork is delayed."""
    harness = start(noting, size=1)
    for _ in range(3):
        job = harness.reject(noting, "")
        ended(harness, job)
        assert error_of(job) == "MessageRevokedError"
        (pid,) = pids_of(noted, job)
        os.kill(pid, signal.SIGKILL)
    harness.until(lambda: pid not in harness.processes)
    assert harness.executor.manager.can_serve


def test_a_shared_process_that_is_killed_with_a_job_costs_it_nothing(start: Start, noting: AnyTask) -> None:
    """A message that its process had not started is ended by another one."""
    harness = start(noting, size=1)
    ended(harness, harness.reject(noting, ""))
    (process,) = [each for each in harness.processes.values() if each.shared]
    os.kill(process.pid, signal.SIGSTOP)
    job = harness.reject(noting, "")
    assert job.process is process
    os.kill(process.pid, signal.SIGKILL)
    ended(harness, job)
    assert error_of(job) == "MessageRevokedError"


def test_a_tracker_that_hangs_does_not_hold_up_the_next(
    broker: Broker, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process is given the next message once it has told the tracker of the last, and is killed if it never has."""
    monkeypatch.setattr(process_manager, "EXIT_WITHIN_MS", 1_000)
    told = tmp_path / "told"

    class Hangs(StatusTracker):
        def set(self, message: Message, status: Any, details: Any = None) -> None:
            if message.args[0] == "hang":
                time.sleep(60)
            with told.open("a") as notes:
                notes.write(f"{os.getpid()}\n")

    @task(broker, status_tracker=Hangs(MemoryBackend()))
    def tracked(what: str) -> None: ...

    harness = start(tracked, size=1)
    for number in range(3):
        ended(harness, harness.reject(tracked, ""))
        harness.until(lambda: told.exists() and len(told.read_text().split()) == number + 1)  # noqa: B023
        harness.until(lambda: len(harness.executor.manager.shared) == 1)
    assert len(set(told.read_text().split())) == 1
    ended(harness, harness.reject(tracked, "hang"))
    (hanging,) = [each for each in harness.processes.values() if each.shared]
    ended(harness, harness.reject(tracked, ""))
    assert hanging.alive
    assert hanging.excused
    harness.until(lambda: hanging.pid not in harness.processes)


def test_what_no_process_has_is_released_when_draining(start: Start, noting: AnyTask, noted: Path) -> None:
    """What is being ended ends; what waits goes back to the store."""
    harness = start(noting, size=1)
    ended(harness, harness.reject(noting, ""))
    brief = harness.reject(noting, "brief")
    waits = harness.job(noting.generate(args=("",), submit=False), revoked=True)
    for spare in harness.until_spares(1):
        os.kill(spare.pid, signal.SIGSTOP)
    harness.executor.manager.spares.clear()
    harness.executor.start(waits)
    harness.state.draining = 1
    ended(harness, brief, waits)
    assert error_of(brief) == "MessageRevokedError"
    assert isinstance(waits.outcome, Released)


def test_a_stop_of_all_processes_ends_what_is_being_ended(
    start: Start, noting: AnyTask, noted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A SIGTERM that reaches a shared process while the pool is stopped does not cut off a hook."""
    monkeypatch.setattr(lost_jobs, "STOP_REACHES_ALL_MS", 20_000)
    harness = start(noting, size=1)
    ended(harness, harness.reject(noting, ""))
    job = harness.reject(noting, "brief")
    harness.until(lambda: pids_of(noted, job))
    harness.state.stopping = 1
    os.kill(pids_of(noted, job)[0], signal.SIGTERM)
    ended(harness, job)
    assert error_of(job) == "MessageRevokedError"
    assert len(pids_of(noted, job)) == 1
