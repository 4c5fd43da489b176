"""The process executor: each job ends exactly once, however its process ends, and the right message is charged."""

from __future__ import annotations

import contextlib
import enum
import json
import multiprocessing
import os
import random
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alsek import ResultStore, StatusTracker, Task, TaskStatus, task
from alsek.core.broker import Broker
from alsek.core.clock import monotonic_ms, wall_clock_ms
from alsek.core.hooks import on_worker_start, on_worker_stop
from alsek.core.message import Message
from alsek.core.worker.child_process import EXIT_NOT_STARTED
from alsek.core.worker.process_executor import lost_jobs, process_manager, process_watch, task_runner
from alsek.core.worker.process_executor.job import ProcessJob
from alsek.core.worker.process_executor.task_process import TaskProcess
from alsek.defaults import MAX_DURATION
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Failed, Released, Retried, Succeeded
from tests.unit.workers.fakes import PATIENCE
from tests.unit.workers.process_executor_harness import ProcessExecutorHarness, Start, starting_executors
from tests.waiting import eventually

#: It starts many processes.
pytestmark = pytest.mark.slow


@pytest.fixture
def start(broker: Broker) -> Iterator[Start]:
    """Starts executors, and ends them."""
    with starting_executors(broker) as start:
        yield start


def error_of(job: ProcessJob) -> str:
    """The exception that ended a job's message: name and text."""
    assert isinstance(job.outcome, Failed), job.outcome
    details = json.loads(job.outcome.error)
    return f"{details['name']}: {details['text']}"


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Signal a process of the executor."""
    os.kill(pid, number)


def test_each_job_runs_in_another_process(broker: Broker, start: Start) -> None:
    """Each outcome is that of its message, and there were as many processes as jobs."""

    @task(broker, result_store=ResultStore(broker.backend))
    def pid(n: int) -> list[int]:
        return [n, os.getpid()]

    harness = start(pid, size=2)
    jobs = [harness.run(pid, n) for n in range(4)]
    results = [json.loads(job.outcome.result) for job in jobs if isinstance(job.outcome, Succeeded)]
    assert [n for n, _ in results] == [0, 1, 2, 3]
    assert len({pid for _, pid in results}) == 4
    assert [job.outcome.token for job in jobs if job.outcome is not None] == [1, 2, 3, 4]


def test_as_many_spares_are_forked_as_are_needed(broker: Broker, start: Start) -> None:
    """An idle executor has two processes waiting, or one if it runs one job at a time."""

    @task(broker)
    def nothing() -> None: ...

    for size, spares in ((1, 1), (2, 2), (8, 2)):
        harness = start(nothing, size=size)
        harness.until_spares(spares)
        for _ in range(5):
            harness.turn(5)
        assert len(harness.processes) == len(harness.spares) == spares


def test_a_process_serves_tasks_per_process_jobs(broker: Broker, start: Start) -> None:
    """With `tasks_per_process=3`, three jobs in a row run in one process."""

    @task(broker, result_store=ResultStore(broker.backend))
    def pid() -> int:
        return os.getpid()

    harness = start(pid, size=1, tasks_per_process=3)
    pids = [json.loads(harness.run(pid).outcome.result) for _ in range(6)]  # type: ignore[union-attr]
    assert pids[0] == pids[1] == pids[2] != pids[3] == pids[4] == pids[5]


def test_a_tracker_elsewhere_waits_for_the_verdict(broker: Broker, start: Start, tmp_path: Path) -> None:
    """The end is reported to it once the store has accepted the outcome, and not if the store has refused it."""

    class Elsewhere(StatusTracker):
        def set(self, message: Message, status: Any, details: Any = None) -> None:
            with (tmp_path / "said").open("a") as said:
                said.write(f"{status.name}\n")

    @task(broker, status_tracker=Elsewhere(MemoryBackend()))
    def nothing() -> None: ...

    harness = start(nothing, size=1)
    (spare,) = harness.until_spares(1)
    refused = harness.start(nothing)
    while refused.outcome is None:
        harness.read_answers()
    assert harness.executor.collect() == [refused]
    harness.executor.on_outcome(refused, False)
    harness.until(lambda: not spare.alive)
    assert (tmp_path / "said").read_text() == "RUNNING\n"
    accepted = harness.run(nothing)
    harness.until(lambda: (tmp_path / "said").read_text() == "RUNNING\nRUNNING\nSUCCEEDED\n")
    assert accepted.verdict_wanted


def test_a_tracker_that_hangs_costs_the_next_job_nothing(
    broker: Broker, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that a process does not start, because it still calls its tracker, is run by another process."""
    monkeypatch.setattr(process_watch, "START_ONLY_WITHIN_MS", 300)
    monkeypatch.setattr(process_manager, "EXIT_WITHIN_MS", 300)

    class Hangs(StatusTracker):
        def set(self, message: Message, status: Any, details: Any = None) -> None:
            if status is TaskStatus.SUCCEEDED and not (tmp_path / "hung").exists():
                (tmp_path / "hung").touch()
                time.sleep(600)

    @task(broker, timeout=60_000, max_retries=0, status_tracker=Hangs(MemoryBackend()))
    def told() -> int:
        return os.getpid()

    harness = start(told, size=1, tasks_per_process=5)
    assert isinstance(harness.run(told).outcome, Succeeded)
    harness.until((tmp_path / "hung").exists)
    assert isinstance(harness.run(told).outcome, Succeeded)
    assert isinstance(harness.run(told).outcome, Succeeded)


def test_odd_kinds_of_values_in_an_outcome(broker: Broker, start: Start) -> None:
    """A result's lifetime or a callback's queue may be an enum's member; what can't be sent fails its message."""

    class Day(enum.IntEnum):
        ONE = 86_400_000

    class Name(str, enum.Enum):  # noqa: UP042
        HIGH = "high"

    class Odd(dict[str, int]):
        """JSON takes it, marshal does not."""

    @task(broker, result_store=ResultStore(broker.backend, ttl=Day.ONE))
    def lifetime() -> int:
        return 1

    @task(broker)
    def queue(message: Message) -> None:
        message.append_callback(Message("next", queue=Name.HIGH))

    @task(broker, max_retries=5)
    def odd(message: Message) -> None:
        message.callback_message_data = {**Message("next").data, "status_ttl": Odd(a=1)}

    harness = start(lifetime, queue, odd)
    outcome = harness.run(lifetime).outcome
    assert isinstance(outcome, Succeeded)
    assert outcome.result_ttl == Day.ONE
    outcome = harness.run(queue).outcome
    assert isinstance(outcome, Succeeded)
    assert outcome.callback is not None
    assert (outcome.callback.queue, type(outcome.callback.queue)) == ("high", str)
    assert "can't be sent to another process" in error_of(harness.run(odd))


def test_a_task_that_changes_its_message_is_answered_all_the_same(broker: Broker, start: Start) -> None:
    """The outcome is that of the message that was claimed."""

    @task(broker, max_retries=0)
    def other(message: Message) -> None:
        message.uuid, message.queue, message.retries, message.claim = "other", "other", -7, None

    job = start(other).run(other)
    assert isinstance(job.outcome, Succeeded)
    assert job.outcome[:3] == (job.claimed.uuid, job.claimed.queue, job.claimed.token)


def _sleepy(broker: Broker, folder: Path, seconds: float = 1.0, **options: Any) -> Any:
    @task(broker, max_retries=0, **options)
    def sleepy(resets: bool = False) -> str:
        if resets:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        (folder / "begun").touch()
        time.sleep(seconds)
        return "done"

    return sleepy


def _started_in(harness: ProcessExecutorHarness, folder: Path, job: ProcessJob) -> int:
    """Wait until it has started. Returns the pid of its process."""
    harness.until((folder / "begun").exists)
    assert job.process is not None
    return job.process.pid


def _wait_for_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a process that was told to stop alone wait for longer than this test can be held up."""
    for each in (lost_jobs, task_runner):
        monkeypatch.setattr(each, "STOP_REACHES_ALL_MS", 20_000)


@pytest.mark.parametrize("first", ["the process", "the engine"])
def test_what_runs_finishes_when_every_process_is_told_to_stop(
    broker: Broker, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """The process goes on if the engine is told as well, a moment before or after it."""
    _wait_for_a_stop(monkeypatch)
    sleepy = _sleepy(broker, tmp_path)
    harness = start(sleepy, size=1)
    job = harness.start(sleepy)
    pid = _started_in(harness, tmp_path, job)
    if first == "the engine":
        harness.state.stopping = 1
    kill(pid, signal.SIGTERM)
    time.sleep(0.05)
    harness.state.stopping = 1
    harness.until(lambda: job in harness.finished)
    assert isinstance(job.outcome, Succeeded)


@pytest.mark.parametrize("first", ["the process", "the engine"])
def test_what_dies_of_the_stop_is_given_back(
    broker: Broker, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """A task that has restored the default handler ends by the signal; its message is not charged."""
    _wait_for_a_stop(monkeypatch)
    sleepy = _sleepy(broker, tmp_path)
    harness = start(sleepy, size=1)
    job = harness.start(sleepy, True)
    pid = _started_in(harness, tmp_path, job)
    if first == "the engine":
        harness.state.stopping = 1
    kill(pid, signal.SIGTERM)
    harness.until(lambda: pid not in harness.processes)
    harness.state.stopping = 1
    harness.until(lambda: job in harness.finished)
    assert isinstance(job.outcome, Released)


@pytest.mark.parametrize("resets", [False, True])
def test_a_sigterm_to_one_process_alone_is_charged(
    broker: Broker, start: Start, tmp_path: Path, resets: bool
) -> None:
    """It ends the task, and its message fails with WorkerLostError."""
    sleepy = _sleepy(broker, tmp_path)
    harness = start(sleepy, size=1)
    job = harness.start(sleepy, resets)
    kill(_started_in(harness, tmp_path, job), signal.SIGTERM)
    harness.until(lambda: job in harness.finished)
    assert "was killed by SIGTERM" in error_of(job)


def test_a_timeout_ends_a_task_also_while_the_pool_stops(
    broker: Broker, start: Start, tmp_path: Path
) -> None:
    """The engine's own SIGTERM is distinguished from that of the stop."""
    harness = start(sleepy := _sleepy(broker, tmp_path, seconds=600.0, timeout=2_000), size=1)
    job = harness.start(sleepy)
    pid = _started_in(harness, tmp_path, job)
    harness.state.stopping = 1
    kill(pid, signal.SIGTERM)
    harness.until(lambda: job in harness.finished)
    assert error_of(job).startswith("TaskTimeoutError")


def test_sigterm_ends_processes_that_a_task_starts(broker: Broker, start: Start) -> None:
    """A program, a fork and a process of ``multiprocessing`` have the default action, also while the pool stops."""

    @task(broker, result_store=ResultStore(broker.backend))
    def starts() -> list[int]:
        program = subprocess.Popen(["sleep", "60"])
        worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        worker.start()
        fork = os.fork()
        if fork == 0:
            time.sleep(60)
            os._exit(0)
        program.terminate()
        worker.terminate()
        os.kill(fork, signal.SIGTERM)
        worker.join()
        statuses = [program.wait(), worker.exitcode, os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1])]
        return [status or 0 for status in statuses]

    harness = start(starts)
    harness.state.stopping = 1
    outcome = harness.run(starts).outcome
    assert isinstance(outcome, Succeeded)
    assert outcome.result == b"[-15,-15,-15]"


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (lambda: os._exit(1), "ended with exit code 1"),
        (lambda: os._exit(0), "ended with exit code 0"),
        (lambda: os._exit(EXIT_NOT_STARTED), f"ended with exit code {EXIT_NOT_STARTED}"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "killed by SIGKILL"),
        (lambda: os.execv("/bin/true", ["true"]), "exit code 0"),
        (lambda: os.closerange(3, 256), "exit code 1"),
    ],
)
def test_a_death_is_charged_with_its_reason(
    broker: Broker, start: Start, ending: Callable[[], None], reason: str
) -> None:
    """Whatever the exit code: the message fails with WorkerLostError once its retries are spent."""

    @task(broker, backoff=None, max_retries=1)
    def dies() -> None:
        ending()

    harness = start(dies)
    retried = harness.run(dies)
    assert isinstance(retried.outcome, Retried)
    message = Message(dies.name, retries=retried.outcome.retries)
    assert message.retries == 1
    last = harness.job(message)
    harness.executor.start(last)
    harness.until(lambda: last in harness.finished)
    assert error_of(last).startswith("WorkerLostError")
    assert reason in error_of(last)


def test_the_hooks_decide_after_a_death(broker: Broker, start: Start) -> None:
    """`do_retry` is called in a fresh process; if that dies too, `max_retries` decides."""

    class Never(Task):
        def do_retry(self, message: Message, exception: BaseException) -> bool:
            return False

    class Deadly(Task):
        def do_retry(self, message: Message, exception: BaseException) -> bool:
            os._exit(9)

    def dies() -> None:
        os._exit(1)

    never = task(broker, name="never", base_task=Never)(dies)
    deadly = task(broker, name="deadly", base_task=Deadly, backoff=None)(dies)
    harness = start(never, deadly)
    assert "exit code 1" in error_of(harness.run(never))
    assert isinstance(harness.run(deadly).outcome, Retried)


def test_hooks_that_hang_are_cut_off(broker: Broker, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a death the hooks have a bounded time; then `max_retries` decides."""
    monkeypatch.setattr(task_runner, "CONCLUDE_WITHIN_MS", 100)

    class Hanging(Task):
        def on_failure(self, message: Message, exception: BaseException) -> None:
            time.sleep(60)

    @task(broker, base_task=Hanging, max_retries=0)
    def dies() -> None:
        os._exit(1)

    assert "exit code 1" in error_of(start(dies).run(dies))


@pytest.mark.parametrize("tasks_per_process", [1, 3])
def test_an_answer_counts_also_of_a_process_that_died_at_once(
    broker: Broker, start: Start, tasks_per_process: int
) -> None:
    """Whichever of answer and exit is read first; and the dead process gets no further job."""

    class Parting(Task):
        def on_success(self, message: Message, result: Any) -> None:
            parent = os.getpid()
            if os.fork() == 0:  # kills it once it has answered
                time.sleep(0.5)
                os.kill(parent, signal.SIGKILL)
                os._exit(0)

    @task(broker, base_task=Parting)
    def nothing() -> None: ...

    harness = start(nothing, size=1, tasks_per_process=tasks_per_process)
    (spare,) = harness.until_spares(1)
    job = harness.start(nothing)
    time.sleep(0.8)  # both wait to be heard
    while spare.alive:
        harness.executor.on_ready({harness.socket.fileno()})  # the death first
    harness.settle()
    assert job in harness.finished
    assert isinstance(job.outcome, Succeeded)
    assert isinstance(harness.run(nothing).outcome, Succeeded)


def test_a_process_that_dies_before_the_verdict_gets_no_further_job(
    broker: Broker, start: Start, tmp_path: Path
) -> None:
    """It has answered, so its job is done; the next job goes to a living process."""

    class Elsewhere(StatusTracker):
        def set(self, message: Message, status: Any, details: Any = None) -> None: ...

    @task(broker, status_tracker=Elsewhere(MemoryBackend()))
    def nothing() -> None: ...

    harness = start(nothing, size=1, tasks_per_process=5)
    job = harness.start(nothing)
    harness.until(lambda: job.process is not None)
    assert job.process is not None
    child = job.process
    while job.outcome is None:
        harness.read_answers()
    kill(child.pid)
    while child.alive:
        harness.executor.on_ready({harness.socket.fileno()})
    harness.settle()
    assert child not in harness.spares
    assert isinstance(harness.run(nothing).outcome, Succeeded)


def test_a_tracker_that_kills_its_process_costs_the_next_job_nothing(broker: Broker, start: Start) -> None:
    """A job that it was sent and has not started runs in another process, and is not suspected of the death."""

    class Kills(StatusTracker):
        def set(self, message: Message, status: Any, details: Any = None) -> None:
            if status is TaskStatus.SUCCEEDED:
                time.sleep(0.1)  # the next job has come
                os._exit(1)

    @task(broker, status_tracker=Kills(MemoryBackend()))
    def kills() -> None: ...

    @task(broker, max_retries=0)
    def innocent() -> None: ...

    harness = start(kills, innocent, size=1, tasks_per_process=9)
    harness.until_spares(1)
    killer = harness.start(kills)
    child = killer.process
    assert child is not None
    harness.until(lambda: killer in harness.finished)
    victim = harness.start(innocent)
    assert victim.process is child
    harness.until(lambda: not child.alive)
    assert not victim.repeated
    harness.until(lambda: victim in harness.finished)
    assert isinstance(victim.outcome, Succeeded)


def test_a_spare_that_dies_costs_its_job_nothing(broker: Broker, start: Start) -> None:
    """Another process runs the job that it never read, and no retry is spent."""

    @task(broker, max_retries=0)
    def nothing() -> None: ...

    harness = start(nothing, size=1)
    for how in ("dead", "stopped"):
        (spare,) = harness.until_spares(1)
        if how == "stopped":  # alive when it is sent the job, and killed before it reads that
            kill(spare.pid, signal.SIGSTOP)
            job = harness.start(nothing)
            kill(spare.pid)
        else:
            kill(spare.pid)
            time.sleep(0.1)
            job = harness.start(nothing)
        assert job.process is spare
        harness.until(lambda job=job: job in harness.finished)  # type: ignore[misc]
        assert isinstance(job.outcome, Succeeded)


def test_a_message_that_kills_its_readers_is_charged(broker: Broker, start: Start) -> None:
    """The second death before the job was started is charged."""

    @task(broker, max_retries=0)
    def nothing() -> None: ...

    harness = start(nothing, size=1)
    (spare,) = harness.until_spares(1)
    kill(spare.pid, signal.SIGSTOP)
    job = harness.job(nothing.generate(submit=False))
    job.repeated = True
    harness.executor.start(job)
    harness.executor.enforce_deadlines()
    kill(spare.pid)
    harness.until(lambda: job in harness.finished)
    assert "killed by SIGKILL" in error_of(job)


def test_a_deadline_ends_the_process(broker: Broker, start: Start) -> None:
    """SIGTERM at the deadline; the message is charged with a timeout, and the next job runs."""

    @task(broker, timeout=100, max_retries=0)
    def spin() -> None:
        while True:
            pass

    @task(broker)
    def nothing() -> None: ...

    harness = start(spin, nothing, size=1)
    assert "TaskTimeoutError" in error_of(harness.run(spin))
    assert isinstance(harness.run(nothing).outcome, Succeeded)


@pytest.mark.parametrize("stopped", [False, True])
def test_what_ignores_sigterm_is_killed(
    broker: Broker, start: Start, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    """SIGKILL follows, also for a process that was stopped."""
    monkeypatch.setattr(process_watch, "KILL_AFTER_MS", 100)

    @task(broker, timeout=100, max_retries=0)
    def stubborn() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if stopped:
            os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(60)

    harness = start(stubborn)
    assert "TaskTimeoutError" in error_of(harness.run(stubborn))


def test_an_answer_after_the_deadline_is_ignored(broker: Broker, start: Start) -> None:
    """A task that catches SIGTERM and returns has timed out all the same."""

    @task(broker, timeout=1_000, max_retries=0)
    def catches() -> str:
        caught = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: caught.set())
        while not caught.wait(0.01):
            pass
        return "in vain"

    for tasks_per_process in (1, 3):
        harness = start(catches, tasks_per_process=tasks_per_process)
        assert "TaskTimeoutError" in error_of(harness.run(catches))


def test_an_answer_that_waits_at_the_deadline_counts(broker: Broker, start: Start) -> None:
    """The task finished in time while the engine was busy: it has not timed out."""

    @task(broker, timeout=1_500)
    def quick() -> None: ...

    harness = start(quick)
    harness.until_spares(1)
    job = harness.start(quick)
    time.sleep(1.8)
    harness.executor.enforce_deadlines()
    harness.until(lambda: job in harness.finished)
    assert isinstance(job.outcome, Succeeded)


def test_an_answer_just_before_the_next_job_is_taken_back_counts(
    broker: Broker, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that answers at its deadline has started its next job, and is not ended for the one before."""

    @task(broker)
    def until(path: str) -> None:
        while not Path(path).exists():
            time.sleep(0.002)

    harness = start(until, size=1, tasks_per_process=3)
    harness.until_spares(1)
    harness.prove_short()
    late, following = harness.start_all([(until, str(tmp_path / "1")), (until, str(tmp_path / "2"))])
    assert late.process is not None
    eventually(lambda: harness.state.deadline(late.entry))
    dispatcher = harness.executor.dispatcher
    take_back = dispatcher.take_back

    def answered_before(process: TaskProcess) -> None:
        (tmp_path / "1").touch()
        eventually(lambda: harness.state.deadline(following.entry))
        take_back(process)

    with monkeypatch.context() as patch:
        patch.setattr(dispatcher, "take_back", answered_before)
        harness.executor.revoke(late.claimed.uuid)
    (tmp_path / "2").touch()
    harness.until(lambda: {late, following} <= set(harness.finished))
    assert [type(job.outcome) for job in (late, following)] == [Succeeded, Succeeded]


def test_a_deadline_counts_from_when_the_process_is_ready(broker: Broker, start: Start) -> None:
    """Neither waiting for a process nor a start hook counts."""

    @on_worker_start
    def slow() -> None:
        time.sleep(1.8)

    @task(broker, timeout=1_500, max_retries=0)
    def nothing() -> None:
        time.sleep(0.02)

    harness = start(nothing, size=2, hooks=(slow,))
    jobs = [harness.start(nothing) for _ in range(2)]
    assert all(harness.state.deadline(job.entry) == 0 for job in jobs)
    harness.until(lambda: len(harness.finished) == 2)
    assert all(isinstance(job.outcome, Succeeded) for job in jobs)


@pytest.mark.parametrize("timeout", [1, 2**31, MAX_DURATION])
def test_any_timeout_will_do(broker: Broker, start: Start, timeout: int) -> None:
    """From a millisecond to three centuries: the job ends, and the executor goes on."""

    @task(broker, timeout=timeout, max_retries=0)
    def nothing() -> None: ...

    harness = start(nothing)
    job = harness.run(nothing)
    assert isinstance(job.outcome, Succeeded if timeout > 1 else Succeeded | Failed)


def test_a_revoked_job_is_ended_however_often_it_is_revoked(
    broker: Broker, start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The store reports it again and again: SIGKILL follows all the same, and the message is not retried."""
    monkeypatch.setattr(process_watch, "KILL_AFTER_MS", 300)

    @task(broker)
    def stubborn() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        (tmp_path / "ready").touch()
        time.sleep(60)

    harness = start(stubborn)
    job = harness.start(stubborn)
    harness.until((tmp_path / "ready").exists)

    def told() -> bool:
        harness.executor.revoke(job.claimed.uuid)
        return job in harness.finished

    harness.until(told)
    assert "MessageRevokedError" in error_of(job)


@pytest.mark.parametrize("how", ["raises", "dies"])
def test_a_start_hook_that_fails_costs_no_message_anything(
    broker: Broker, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Such a process gets no job: forking pauses, waiting jobs are released, and the executor has no free slot."""
    monkeypatch.setattr(process_manager, "_FIRST_PAUSE_MS", 50)

    @on_worker_start
    def fails() -> None:
        with (tmp_path / "tries").open("a") as tries:
            tries.write("x")
        if len((tmp_path / "tries").read_text()) <= 6:
            if how == "dies":
                os._exit(3)
            raise RuntimeError

    @task(broker, max_retries=0)
    def nothing() -> None: ...

    harness = start(nothing, hooks=(fails,))
    job = harness.run(nothing)
    assert isinstance(job.outcome, Released)
    assert harness.executor.free_slots == 0
    harness.until(lambda: harness.executor.free_slots > 0)
    assert harness.spares
    assert isinstance(harness.run(nothing).outcome, Succeeded)


def test_processes_that_do_not_end_are_killed(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, start: Start
) -> None:
    """A stop hook that hangs is cut off: processes don't accumulate, and jobs go on."""
    monkeypatch.setattr(process_manager, "EXIT_WITHIN_MS", 300)

    @on_worker_stop
    def hangs() -> None:
        time.sleep(60)

    @task(broker)
    def nothing() -> None: ...

    for tasks_per_process in (1, 2):
        harness = start(nothing, size=1, tasks_per_process=tasks_per_process, hooks=(hangs,))
        for _ in range(6):
            harness.until(lambda harness=harness: harness.executor.free_slots > 0)  # type: ignore[misc]
            harness.run(nothing)
        assert len(harness.processes) <= 3 + process_manager.MOST_EXITING + 2
        harness.until(lambda harness=harness: len(harness.living()) <= 2)  # type: ignore[misc]


@pytest.mark.parametrize("tasks_per_process", [1, 4])
def test_a_fork_that_returns_from_its_task_ends(
    broker: Broker, start: Start, tmp_path: Path, tasks_per_process: int
) -> None:
    """It neither answers nor runs hooks nor starts jobs; its parent does, once."""

    class Told(Task):
        def on_success(self, message: Message, result: Any) -> None:
            with (tmp_path / "told").open("a") as told:
                told.write("x")

    @task(broker, base_task=Told)
    def forks() -> None:
        os.fork()

    harness = start(forks, size=1, tasks_per_process=tasks_per_process)
    jobs = [harness.run(forks) for _ in range(8)]
    assert all(isinstance(job.outcome, Succeeded) for job in jobs)
    assert (tmp_path / "told").read_text() == "x" * 8


def test_a_task_that_writes_to_the_engines_socket_fails_alone(broker: Broker, start: Start) -> None:
    """The process is killed and its message charged; the executor goes on."""

    @task(broker, max_retries=0)
    def meddles() -> None:
        for descriptor in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208
            with contextlib.suppress(OSError):
                if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                    os.write(descriptor, b"\0\0\0\4abcd")

    @task(broker)
    def nothing() -> None: ...

    harness = start(meddles, nothing)
    assert "did not answer for it" in error_of(harness.run(meddles))
    assert isinstance(harness.run(nothing).outcome, Succeeded)


def test_an_executor_that_has_shut_down_leaves_no_process(broker: Broker, start: Start) -> None:
    """All processes have exited when `shut_down` returns."""

    @task(broker)
    def nothing() -> None: ...

    harness = start(nothing, size=4)
    harness.until_spares(2)
    harness.run(nothing)
    pids = list(harness.processes)
    harness.executor.shut_down()
    assert harness.processes == {}
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def _any_died(jobs: list[ProcessJob]) -> bool:
    return any(isinstance(job.outcome, Failed) for job in jobs)


@pytest.mark.parametrize("tasks_per_process", [1, 5])
@pytest.mark.parametrize("seed", range(2))
def test_no_job_is_lost_however_processes_die(
    broker: Broker, start: Start, monkeypatch: pytest.MonkeyPatch, seed: int, tasks_per_process: int
) -> None:
    """Processes are killed and stopped at random: each job ends exactly once, and all slots are free again.

    Half of the messages were revoked before they were claimed.
    """
    monkeypatch.setattr(process_manager, "_FIRST_PAUSE_MS", 5)
    monkeypatch.setattr(process_manager, "LONGEST_PAUSE_MS", 20)
    monkeypatch.setattr(process_watch, "KILL_AFTER_MS", 50)
    monkeypatch.setattr(process_manager, "EXIT_WITHIN_MS", 500)
    monkeypatch.setattr(process_watch, "START_ONLY_WITHIN_MS", 500)
    monkeypatch.setattr(task_runner, "CONCLUDE_WITHIN_MS", 500)
    for each in (task_runner, lost_jobs):
        monkeypatch.setattr(each, "STOP_REACHES_ALL_MS", 20)
    rng = random.Random(seed)

    class Elsewhere(StatusTracker):
        def set(self, message: Message, status: Any, details: Any = None) -> None: ...

    @on_worker_start
    def begins() -> None: ...

    @task(broker, timeout=300, max_retries=0)
    def some(seconds: float) -> None:
        time.sleep(seconds)

    @task(broker, timeout=300, max_retries=0, status_tracker=Elsewhere(MemoryBackend()))
    def tracked(seconds: float) -> None:
        time.sleep(seconds)

    hooks = (begins,) if seed else ()
    harness = start(some, tracked, size=4, tasks_per_process=tasks_per_process, hooks=hooks)
    jobs: list[ProcessJob] = []
    began = time.monotonic()
    # On a busy machine it may take longer until one is hit while it runs.
    while (age := time.monotonic() - began) < 2.0 or (age < PATIENCE and not _any_died(jobs)):
        while harness.executor.free_slots > 0 and rng.random() < 0.9:
            begin = rng.choice([harness.start, harness.reject])
            jobs.append(begin(rng.choice([some, tracked]), rng.choice([0.0, 0.002, 0.02])))
        for pid in list(harness.processes):
            if rng.random() < 0.1:
                number = rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP])
                if pid in harness.living():
                    with contextlib.suppress(ProcessLookupError):  # it has ended since
                        os.kill(pid, number)
        harness.turn(rng.choice([0, 1, 5]))
    harness.until(lambda: len(harness.finished) == len(jobs))
    assert {job.claimed.token for job in harness.finished} == {job.claimed.token for job in jobs}
    assert all(isinstance(job.outcome, Succeeded | Failed | Released) for job in jobs)
    assert _any_died(jobs)
    harness.until(lambda: harness.executor.free_slots >= 4)
    assert harness.executor.in_flight == 0


def test_what_runs_is_told_with_its_process(broker: Broker, start: Start, tmp_path: Path) -> None:
    """Since when, and in which process; neither a job that waits nor one that has ended."""
    before = wall_clock_ms()
    harness = start(sleepy := _sleepy(broker, tmp_path, timeout=60_000), size=1)
    assert harness.executor.running() == []
    job, _ = harness.start_all([(sleepy,), (sleepy,)])
    pid = _started_in(harness, tmp_path, job)
    (told,) = harness.executor.running()
    assert (told.uuid, told.pid, told.attempt, told.thread) == (job.claimed.uuid, pid, 1, "")
    assert before <= told.started_at <= wall_clock_ms()


def test_a_job_knows_its_task_and_its_times(broker: Broker, start: Start) -> None:
    """What the engine counts comes with the answer: when the message was ready, and how long the attempt took."""

    @task(broker)
    def nap() -> None:
        time.sleep(0.02)

    harness = start(nap)
    before = harness.start(nap)
    harness.until(lambda: before in harness.finished)
    assert before.task_name == nap.name
    assert before.ready_at
    assert 0 < before.started_at <= monotonic_ms()
    assert before.elapsed_ns >= 20_000_000


def test_a_lost_job_has_the_time_until_its_process_died(broker: Broker, start: Start) -> None:
    """Another process concludes it, and is not what is counted."""

    @task(broker, max_retries=0)
    def die() -> None:
        time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGKILL)

    job = start(die).run(die)
    assert error_of(job).startswith("WorkerLostError")
    assert job.task_name == die.name
    assert job.started_at > 0
    assert job.elapsed_ns >= 20_000_000
    assert job.ready_at


def test_a_job_that_was_never_started_has_no_attempt(broker: Broker, start: Start) -> None:
    """An expired message is rejected; only its task is known."""

    @task(broker)
    def nothing() -> None: ...

    harness = start(nothing)
    job = harness.job(nothing.generate(submit=False), expired=True)
    harness.executor.start(job)
    harness.until(lambda: job in harness.finished)
    assert error_of(job).startswith("MessageExpiredError")
    assert (job.task_name, job.ready_at) == (nothing.name, None)
