"""Pools with different tasks on one queue."""

from __future__ import annotations

import os
import signal
import socket
import time
from typing import Any

import pytest

from alsek.core.status import TaskStatus
from alsek.storage.backends.records import WorkerRecord
from alsek.version import __version__
from tests.integration.conftest import Project, Worker
from tests.waiting import eventually

POOLS = ["thread-pool", "process-pool"]

BODY = """
    @task(broker, name={name!r}, result_store=result_store, status_tracker=status_tracker, max_retries=50)
    def work(number: int) -> int:
        time.sleep(0.005)
        return number
"""


def write(project: Project, name: str) -> Any:
    """A module with one task; both have their names."""
    return project.write(BODY.format(name=name), f"{name}.py")


def registered(module: Any) -> dict[tuple[str, ...], WorkerRecord]:
    """The live workers by their tasks."""
    workers = module.backend.messages.workers()
    return {
        each.facts.tasks: each for each in workers if each.facts is not None and each.facts.tasks is not None
    }


def start(project: Project, module: Any, name: str, pool: str, *options: str) -> Worker:
    """Start the pool of a module, and return once it is registered."""
    worker = project.worker("--n_processes=1", "--lease=3000", *options, target=name, pool=pool)
    eventually(lambda: (name,) in registered(module))
    return worker


@pytest.mark.slow
@pytest.mark.deep
@pytest.mark.parametrize("pool", POOLS)
def test_two_pools_never_bury_each_others_messages(project: Project, pool: str) -> None:
    """However their groups die and are replaced meanwhile: each message is run by the pool that has its task."""
    alpha, beta = write(project, "alpha"), write(project, "beta")
    # A task counts as known for one lease after its last worker has gone: the next must be there by then.
    workers = [
        start(project, module, name, pool, "--lease=60000")
        for module, name in ((alpha, "alpha"), (beta, "beta"))
    ]
    messages = []
    for number in range(200):
        messages += [(module, module.work.generate(args=(number,)), number) for module in (alpha, beta)]
        if number % 50 == 25:
            for worker in workers:
                eventually(worker.children)
                os.kill(worker.children()[0], signal.SIGKILL)
            time.sleep(0.3)  # some are held by dead groups, others come while none is there
    for module, message, number in messages:
        assert module.result_store.get(message, timeout=60_000) == number
    for module in (alpha, beta):
        assert list(module.backend.messages.dead_letters("alsek_queue")) == []
    for worker in workers:
        assert worker.stop() == 0
        assert "UnknownTaskError" not in worker.log


@pytest.mark.parametrize("pool", POOLS)
def test_a_task_that_nobody_has_fails_at_once(project: Project, pool: str) -> None:
    """The log names it, the status is FAILED, there is a dead letter, and both pools go on."""
    alpha, beta = write(project, "alpha"), write(project, "beta")
    workers = [start(project, module, name, pool) for module, name in ((alpha, "alpha"), (beta, "beta"))]
    stranger = alpha.work.generate(args=(1,), submit=False)
    stranger.task_name = "nobody_knows"
    alpha.broker.submit(stranger)
    eventually(lambda: alpha.broker.in_dlq(stranger))
    assert alpha.status_tracker.get(stranger) == TaskStatus.FAILED
    for module in (alpha, beta):
        assert module.result_store.get(module.work.generate(args=(2,)), timeout=60_000) == 2
    (line,) = [line for worker in workers for line in worker.log.splitlines() if "nobody_knows" in line]
    assert " ERROR " in line
    assert "failed for good: UnknownTaskError: no task is named 'nobody_knows' in this pool" in line


@pytest.mark.each_store
@pytest.mark.parametrize("pool", POOLS)
def test_messages_wait_for_a_new_version(project: Project, pool: str) -> None:
    """With `--unknown-tasks wait` the old pool leaves them alone until the new one comes."""
    alpha, beta = write(project, "alpha"), write(project, "beta")
    old = start(project, alpha, "alpha", pool, "--unknown-tasks=wait")
    messages = [beta.work.generate(args=(number,)) for number in range(20)]
    assert alpha.result_store.get(alpha.work.generate(args=(1,)), timeout=60_000) == 1
    old.logged(
        "Messages of task 'beta', which this pool does not have, are left to the workers that have it."
    )
    eventually(lambda: {beta.status_tracker.get(message) for message in messages} == {TaskStatus.SUBMITTED})
    new = start(project, beta, "beta", pool)
    for number, message in enumerate(messages):
        assert beta.result_store.get(message, timeout=60_000) == number
    for worker in (old, new):
        assert worker.stop() == 0
    assert old.log.count("Messages of task 'beta'") == 1
    assert "UnknownTaskError" not in old.log


@pytest.mark.parametrize("pool", POOLS)
def test_a_message_is_run_although_its_queue_is_not_served(project: Project, pool: str) -> None:
    """The pool that has the task takes it from the queue of another pool."""
    alpha, beta = write(project, "alpha"), write(project, "beta")
    workers = [
        start(project, module, name, pool, "-qu", name) for module, name in ((alpha, "alpha"), (beta, "beta"))
    ]
    messages = [beta.work.generate(args=(number,), queue="alpha") for number in range(20)]
    for number, message in enumerate(messages):
        assert beta.result_store.get(message, timeout=60_000) == number
        assert beta.status_tracker.get(message) == TaskStatus.SUCCEEDED
    for worker in workers:
        assert worker.stop() == 0
        assert "UnknownTaskError" not in worker.log


@pytest.mark.parametrize("pool", POOLS)
def test_the_store_knows_what_a_pool_is(project: Project, pool: str) -> None:
    """Host, process, version, tasks and slots; and what runs for longer than a second."""
    tasks = project.write(
        """
        @task(broker)
        def slow() -> None:
            (HERE / "pid").write_text(str(os.getpid()))
            while not (HERE / "go").exists():
                time.sleep(0.05)
        """
    )
    slots = ("--n_threads=3",) if pool == "thread-pool" else ()
    worker = project.worker("--n_processes=2", *slots, pool=pool)
    submitted = time.time_ns() // 1_000_000
    message = tasks.slow.generate()

    def told() -> bool:
        return any(each.running for each in tasks.backend.messages.workers())

    eventually(told)
    (record,) = tasks.backend.messages.workers()
    assert record.facts.host == socket.gethostname()
    assert record.facts.pid in worker.children()
    assert record.facts.version == __version__
    assert record.facts.tasks == ("slow",)
    assert record.facts.slots == (3 if pool == "thread-pool" else 2)
    (running,) = record.running
    assert (running.uuid, running.attempt) == (message.uuid, 1)
    assert running.pid == int((project.folder / "pid").read_text())
    assert submitted <= running.started_at <= time.time() * 1000
    assert running.thread == ("alsek-task-1" if pool == "thread-pool" else "")
    (project.folder / "go").touch()
