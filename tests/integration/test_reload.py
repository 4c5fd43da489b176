"""`--reload` with real files and a real pool."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from alsek.core.status import TaskStatus
from tests.integration.conftest import Project
from tests.waiting import eventually

BODY = """
    @task(broker, result_store=result_store, status_tracker=status_tracker)
    def answer() -> int:
        return {answer}

    @task(broker, result_store=result_store, status_tracker=status_tracker, max_retries=0)
    def slow() -> int:
        (HERE / "slow").touch()
        while not (HERE / "go").exists():
            time.sleep(0.02)
        return {answer}
"""

POOLS = ["thread-pool", "process-pool"]


@pytest.mark.slow
@pytest.mark.parametrize("pool", POOLS)
def test_a_changed_file_is_served_and_running_tasks_finish(sqlite_project: Project, pool: str) -> None:
    """A file with an error is waited out. A task that runs at the change ends with what it was started with."""
    project = sqlite_project
    tasks = project.write(BODY.format(answer=1))
    worker = project.worker("--reload", pool=pool)
    assert tasks.result_store.get(tasks.answer.generate(), timeout=60_000) == 1
    slow = tasks.slow.generate()
    eventually((project.folder / "slow").exists)
    tasks = project.write(BODY.format(answer=2))
    worker.logged("Stopping: running tasks have")
    assert tasks.status_tracker.get(slow) == TaskStatus.RUNNING
    (project.folder / "go").touch()
    assert tasks.result_store.get(slow, timeout=60_000) == 1
    assert tasks.result_store.get(tasks.answer.generate(), timeout=60_000) == 2

    file = project.folder / "tasks.py"
    good = file.read_text().replace("return 2", "return 3")
    file.write_text("1 / 0\n")
    worker.logged("ZeroDivisionError")
    worker.logged("ended with exit code 2: it is started again at the next change.")
    assert worker.process.poll() is None
    file.write_text(good)
    assert tasks.result_store.get(tasks.answer.generate(), timeout=60_000) == 3
    assert worker.stop() == 0
    assert "Traceback" not in worker.log.replace("Traceback", "", 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_reloader_stops_the_pool(sqlite_project: Project, number: int) -> None:
    """Running tasks finish, and nothing is left running."""
    tasks = sqlite_project.write(BODY.format(answer=1))
    worker = sqlite_project.worker("--reload")
    slow = tasks.slow.generate()
    eventually((sqlite_project.folder / "slow").exists)
    (child,) = worker.children()
    worker.process.send_signal(number)
    worker.logged("Stopping: running tasks have")
    (sqlite_project.folder / "go").touch()
    assert worker.process.wait(60) == 0
    assert tasks.status_tracker.get(slow) == TaskStatus.SUCCEEDED
    assert not Path(f"/proc/{child}").exists()


def test_a_killed_reloader_takes_the_pool_with_it(sqlite_project: Project) -> None:
    """The pool stops in good order."""
    tasks = sqlite_project.write(BODY.format(answer=1))
    worker = sqlite_project.worker("--reload")
    assert tasks.result_store.get(tasks.answer.generate(), timeout=60_000) == 1
    (child,) = worker.children()
    os.kill(worker.process.pid, signal.SIGKILL)
    worker.process.wait()
    worker.logged("Stopped.")
    eventually(lambda: not Path(f"/proc/{child}").exists())


def test_the_variable_asks_for_it_too(sqlite_project: Project) -> None:
    """And the pool below the reloader does not start a reloader of its own."""
    sqlite_project.write(BODY.format(answer=1))
    environment = {**os.environ, "ALSEK_THREAD_POOL_RELOAD": "1"}
    worker = sqlite_project.worker("--burst", env=environment)
    assert worker.process.wait(60) == 0
    assert worker.log.count("Watching ") == 1
    assert "it ends." in worker.log


def test_nothing_to_import_ends_the_reloader(sqlite_project: Project) -> None:
    """Exit code 2: there is nothing to wait for."""
    shown = sqlite_project.run("thread-pool", "no_such_module", "--reload")
    assert shown.returncode == 2
    assert "no module or package 'no_such_module'" in shown.stderr
