"""The times that the documents promise, measured in pools started by the command.

Tasks write down when something happens to them, on the clock that all processes of the machine share. What may happen
at the earliest is counted from before the message was submitted: that holds on any machine. What must have happened
at the latest has a slack for a machine whose processes wait for a processor: to the millisecond, these times are held
by unit tests on a fake clock.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from alsek import TaskStatus
from alsek.exceptions import TaskFailedError
from tests.integration.conftest import Project, children_of
from tests.waiting import eventually

#: What is allowed beyond a promise, on a machine on which ten processes want each processor (s).
SLACK = 20.0

NOTES = """
import signal

from alsek.exceptions import MessageRevokedError, TaskTimeoutError

def note(what: str) -> None:
    with (HERE / "notes").open("a") as file:
        file.write(f"{what} {time.monotonic()}\\n")

@task(broker, result_store=result_store)
def where() -> int:
    return os.getpid()
"""


def noted(project: Project, what: str) -> list[float]:
    """When this was noted."""
    path = project.folder / "notes"
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return [float(moment) for name, moment in lines if name == what]


def test_a_process_task_is_dead_within_its_timeout_and_two_and_a_half_seconds(
    sqlite_project: Project,
) -> None:
    """It gets SIGTERM at the deadline, has 0.9 s to clean up, and is then killed."""
    tasks = sqlite_project.write(
        NOTES
        + """
@task(broker, result_store=result_store, timeout=2_000, max_retries=0)
def stubborn() -> None:
    signal.signal(signal.SIGTERM, lambda *_: note("SIGTERM"))
    note("begun")
    while True:
        note("alive")
        time.sleep(0.01)
"""
    )
    worker = sqlite_project.worker("--n_processes", "1", pool="process-pool")
    worker.logged("Started group")
    submitted = time.monotonic()
    with pytest.raises(TaskFailedError, match="timeout of 2000 ms"):
        tasks.result_store.get(tasks.stubborn.generate(), timeout=60_000)
    failed = time.monotonic()
    (begun,), told, died = (
        noted(sqlite_project, "begun"),
        noted(sqlite_project, "SIGTERM"),
        noted(sqlite_project, "alive")[-1],
    )
    assert told[0] - submitted >= 2.0
    assert failed - submitted >= 2.0 + 0.9, "it was not given its time to clean up"
    assert died - begun <= 2.0 + 2.5 + SLACK


def test_a_thread_task_is_failed_within_its_timeout_and_a_second(sqlite_project: Project) -> None:
    """Its thread is abandoned 0.9 s after the deadline, and the error is then raised in it once a second."""
    tasks = sqlite_project.write(
        NOTES
        + """
@task(broker, result_store=result_store, timeout=2_000, max_retries=0)
def stubborn() -> None:
    note("begun")
    while True:
        try:
            time.sleep(0.01)
        except TaskTimeoutError:
            note("raised")
"""
    )
    worker = sqlite_project.worker("--n_threads", "2", "--n_processes", "1")
    worker.logged("Started group")
    submitted = time.monotonic()
    with pytest.raises(TaskFailedError, match="TaskTimeoutError"):
        tasks.result_store.get(tasks.stubborn.generate(), timeout=60_000)
    failed = time.monotonic()
    (begun,) = noted(sqlite_project, "begun")
    assert failed - submitted >= 2.0 + 0.9
    assert failed - begun <= 2.0 + 1.0 + SLACK
    assert tasks.result_store.get(tasks.where.generate(), timeout=60_000) > 0  # its slot serves others
    eventually(lambda: len(noted(sqlite_project, "raised")) >= 4)
    raised = noted(sqlite_project, "raised")
    assert raised[0] - submitted >= 2.0
    assert len(raised) <= raised[-1] - submitted + 2, "more often than once a second"


def test_a_hook_in_a_process_pool_runs_under_the_tasks_timeout(sqlite_project: Project) -> None:
    """One that hangs ends the message as a timeout, and its slot serves others."""
    tasks = sqlite_project.write(
        NOTES
        + """
from alsek import Task

class Hanging(Task):
    def on_success(self, message, result):
        time.sleep(600)

@task(broker, result_store=result_store, timeout=500, max_retries=0, base_task=Hanging)
def hanging() -> int:
    return 1
"""
    )
    sqlite_project.worker("--n_processes", "1", pool="process-pool")
    with pytest.raises(TaskFailedError, match="timeout of 500 ms"):
        tasks.result_store.get(tasks.hanging.generate(), timeout=60_000)
    assert tasks.result_store.get(tasks.where.generate(), timeout=60_000) > 0


@pytest.mark.each_store
@pytest.mark.parametrize("pool", ["thread-pool", "process-pool"])
def test_a_revoked_task_is_stopped_within_two_seconds(project: Project, pool: str) -> None:
    """Whatever it does between two bytecodes, and without a retry."""
    tasks = project.write(
        NOTES
        + """
@task(broker, result_store=result_store, status_tracker=status_tracker)
def long() -> None:
    while True:
        note("alive")
        time.sleep(0.01)
"""
    )
    project.worker("--n_processes", "1", pool=pool)
    message = tasks.long.generate()
    eventually(lambda: bool(noted(project, "alive")))
    revoked = time.monotonic()
    assert tasks.broker.revoke(message)
    assert tasks.status_tracker.wait_for(message, timeout=60_000) is TaskStatus.FAILED
    assert noted(project, "alive")[-1] - revoked <= 2.0 + SLACK
    details = tasks.broker.sync_from_backend(message).exception_details
    assert details["name"] == "MessageRevokedError"


@pytest.mark.parametrize(("pool", "at_once", "least"), [("thread-pool", 1, 1.0), ("process-pool", 2, 0.25)])
def test_a_start_hook_that_fails_is_tried_again_after_growing_pauses(
    sqlite_project: Project, pool: str, at_once: int, least: float
) -> None:
    """A quarter of a second to two seconds at first; no message is charged for it."""
    tasks = sqlite_project.write(
        NOTES
        + """
@on_worker_start
def connect() -> None:
    note("tried")
    first = float((HERE / "notes").read_text().split()[1])
    if time.monotonic() - first < 0.9:
        raise ConnectionError("no database")

@task(broker, result_store=result_store, max_retries=0)
def losses(message: Message) -> int:
    return backend.messages.get(message.queue, message.uuid).losses
"""
    )
    message = tasks.losses.generate()
    sqlite_project.worker("--n_processes", "1", pool=pool)
    assert tasks.result_store.get(message, timeout=60_000) == 0
    tried = sorted(noted(sqlite_project, "tried"))
    for number, moment in enumerate(tried):
        pauses = number // at_once  # each is twice as long as the one before
        assert moment - tried[0] >= least * (2**pauses - 1)
    assert tried[-1] - tried[0] <= 2.0 + SLACK


def test_a_stop_hook_has_five_seconds(sqlite_project: Project) -> None:
    """Then the process is killed; the message is done, and its slot serves others."""
    tasks = sqlite_project.write(
        NOTES
        + """
@on_worker_stop
def hang() -> None:
    note("stopping")
    while True:
        note("alive")
        time.sleep(0.01)
"""
    )
    worker = sqlite_project.worker("--n_processes", "1", pool="process-pool")
    submitted = time.monotonic()
    assert tasks.result_store.get(tasks.where.generate(), timeout=60_000) > 0
    worker.logged("does not end after its last task: it is killed")
    stopping = noted(sqlite_project, "stopping")[0]
    assert time.monotonic() - submitted >= 5.0
    assert time.monotonic() - stopping <= 5.0 + SLACK
    assert tasks.result_store.get(tasks.where.generate(), timeout=60_000) > 0


def test_a_group_that_has_grown_is_replaced_within_a_second(sqlite_project: Project) -> None:
    """`--max_memory`: the group's size is looked at once a second while it works."""
    tasks = sqlite_project.write(
        NOTES
        + """
KEPT = []

@task(broker, result_store=result_store)
def leak() -> int:
    KEPT.append(b"x" * (100 * 2**20))
    return os.getpid()
"""
    )
    worker = sqlite_project.worker("--n_threads", "1", "--n_processes", "1", "--max_memory", "100")
    first = tasks.result_store.get(tasks.leak.generate(), timeout=60_000)
    grown = time.monotonic()
    while tasks.result_store.get(tasks.where.generate(), timeout=60_000) == first:
        assert time.monotonic() - grown <= 1.0 + SLACK, "the same group went on"
        time.sleep(0.05)
    worker.logged("MiB (max_memory=100): it is replaced")
    assert worker.log.count("it is replaced") == 1


@pytest.mark.each_store
def test_more_than_max_losses_end_in_the_dead_letters(project: Project) -> None:
    """A message whose pools are killed runs again until its losses are spent; then it fails, and never runs again."""
    tasks = project.write(
        NOTES
        + """
@task(broker, result_store=result_store, max_retries=0)
def unlucky() -> None:
    note("begun")
    time.sleep(600)
"""
    )
    options = ("--n_threads", "1", "--n_processes", "1", "--lease", "3000", "--max_losses", "1")
    message = tasks.unlucky.generate()
    for runs in (1, 2):
        worker = project.worker(*options)
        eventually(lambda runs=runs: len(noted(project, "begun")) == runs)
        worker.process.kill()
        worker.process.wait()
    project.worker(*options)
    with pytest.raises(TaskFailedError, match=r"2 workers died or lost their lease.*max_losses=1") as caught:
        tasks.result_store.get(message, timeout=60_000)
    assert caught.value.details["name"] == "WorkerLostError"
    assert len(noted(project, "begun")) == 2


@pytest.mark.deep
@pytest.mark.slow
def test_a_template_that_says_nothing_for_thirty_seconds_is_replaced(sqlite_project: Project) -> None:
    """The process that forks the others was stopped: its group ends and is started anew; the message costs nothing."""
    tasks: Any = sqlite_project.write(NOTES)
    worker = sqlite_project.worker("--n_processes", "1", pool="process-pool")
    assert tasks.result_store.get(tasks.where.generate(), timeout=60_000) > 0
    (group,) = worker.children()
    (template,) = children_of(group)
    os.kill(template, signal.SIGSTOP)
    stopped = time.monotonic()
    messages = [tasks.where.generate() for _ in range(8)]  # more than processes are kept ready
    for message in messages:
        tasks.result_store.get(message, timeout=60_000)
    assert 30.0 - 1.0 <= time.monotonic() - stopped <= 30.0 + 5.0 + SLACK
    eventually(lambda: not Path(f"/proc/{template}").exists())
