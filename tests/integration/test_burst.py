"""A pool with `--burst` runs all that is ready, and then ends by itself, with exit code 0."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from alsek.core.status import TaskStatus
from alsek.core.worker.process import ProcessWorkerPool
from alsek.core.worker.thread import ThreadWorkerPool
from tests.integration.conftest import Project
from tests.waiting import eventually

WORK = """
    from alsek.core.backoff import ConstantBackoff

    @task(broker, status_tracker=status_tracker, max_retries=2)
    def flaky(message: Message) -> None:
        time.sleep(0.02)
        if message.retries < 2:
            raise Retry("once more", delay=0)

    @task(broker, status_tracker=status_tracker, max_retries=1, backoff=ConstantBackoff(3_600_000))
    def later(message: Message) -> None:
        raise ValueError("in an hour")

    @task(broker, status_tracker=status_tracker)
    def link() -> None:
        time.sleep(0.3)

    @task(broker, status_tracker=status_tracker, max_retries=0)
    def crash() -> None:
        time.sleep(0.3)
        os._exit(9)
"""

POOLS = [
    ("thread-pool", "--n_threads=2", "--n_processes=3", "--max_tasks_per_group=7"),
    ("process-pool", "--n_processes=3"),
    ("process-pool", "--n_processes=2", "--tasks_per_process=50"),
]


@pytest.mark.each_store
@pytest.mark.slow
@pytest.mark.parametrize("how", POOLS, ids=" ".join)
def test_a_burst_runs_all_that_is_ready_and_ends(project: Project, how: tuple[str, ...]) -> None:
    """Retries that are due at once, callbacks and suspects too, over groups that come and go; no delayed message."""
    tasks = project.write(WORK)
    done = [tasks.flaky.generate() for _ in range(40)]
    chain: Any = None
    for _ in range(4):
        chain = tasks.link.defer().generate(callback=chain) if chain else tasks.link.defer().generate()
    tasks.broker.submit(chain)
    delayed = tasks.link.generate(delay=3_600_000)
    later = tasks.later.generate()
    crashes = [tasks.crash.generate() for _ in range(2)]
    pool, *options = how
    worker = project.worker("--burst", *options, pool=pool)
    assert worker.process.wait(90) == 0
    worker.logged("Nothing is ready for this pool, and nothing runs: it ends.")
    statuses = [tasks.status_tracker.get(message) for message in done]
    assert set(statuses) == {TaskStatus.SUCCEEDED}
    while chain is not None:
        assert tasks.status_tracker.get(chain) == TaskStatus.SUCCEEDED
        chain = chain.callback()
    for message in crashes:
        assert tasks.status_tracker.get(message) == TaskStatus.FAILED
    assert tasks.status_tracker.get(later) == TaskStatus.RETRYING
    assert tasks.status_tracker.get(delayed) == TaskStatus.SUBMITTED
    assert tasks.backend.messages.count(delayed.queue) == 2


@pytest.mark.deep
@pytest.mark.slow
@pytest.mark.parametrize("pool", ["thread-pool", "process-pool"])
def test_a_group_that_dies_leaves_nothing_behind(project: Project, pool: str) -> None:
    """What it held is given back and run; only what it was charged with waits for its retry."""
    tasks = project.write(WORK)
    messages = tasks.link.generate_many([()] * 60)
    worker = project.worker("--burst", "--n_processes=2", pool=pool)
    for _ in range(2):
        eventually(lambda: any(tasks.status_tracker.get(each) == TaskStatus.RUNNING for each in messages))
        for group in worker.children()[:1]:
            os.kill(group, signal.SIGKILL)
        time.sleep(0.5)  # so that the next one is another
    assert worker.process.wait(60) == 0
    statuses = [tasks.status_tracker.get(each) for each in messages]
    assert set(statuses) <= {TaskStatus.SUCCEEDED, TaskStatus.RETRYING}
    assert statuses.count(TaskStatus.SUCCEEDED) >= 40
    assert tasks.backend.messages.count("alsek_queue") == statuses.count(TaskStatus.RETRYING)


def test_what_a_pool_may_not_take_does_not_keep_it(project: Project) -> None:
    """Messages of a paused queue, of another queue, and those that are set aside for a task that it does not have."""
    tasks = project.write(WORK)
    done = tasks.link.generate()
    stranger = tasks.link.generate(submit=False)
    stranger.task_name = "nobody_knows"
    tasks.broker.submit(stranger)
    paused, other = tasks.link.generate(queue="paused"), tasks.link.generate(queue="other")
    tasks.backend.messages.pause("paused", "the test")
    worker = project.worker("--burst", "--unknown-tasks=wait", "-qu", "alsek_queue,paused")
    assert worker.process.wait(60) == 0
    assert tasks.status_tracker.get(done) == TaskStatus.SUCCEEDED
    for message in (stranger, paused, other):
        assert tasks.broker.exists(message)
    assert not tasks.broker.in_dlq(stranger)


@pytest.mark.parametrize("pool", [ThreadWorkerPool, ProcessWorkerPool])
def test_a_burst_with_nothing_to_do_ends_at_once(sqlite_project: Project, pool: type[Any]) -> None:
    """Also from Python: `run()` returns."""
    sqlite_project.write(WORK)
    (sqlite_project.folder / "once.py").write_text(
        f"from {pool.__module__} import {pool.__name__}\n"
        "import tasks\n"
        f"{pool.__name__}([tasks.link], burst=True).run()\n"
        "print('returned')\n"
    )
    worker = sqlite_project.run_file("once.py")
    assert worker.process.wait(60) == 0
    assert "returned" in worker.log
