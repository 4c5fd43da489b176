"""Hooks, async tasks, revocation: what the guide says beyond the tour."""

from __future__ import annotations

import pytest

from alsek.exceptions import TaskFailedError
from tests.integration.conftest import Project
from tests.waiting import eventually

WAIT_MS = 60_000

POOLS = ["thread-pool", "process-pool"]

TASKS = """
import asyncio
from alsek.core.task import Task

class Told(Task):
    def _note(self, what):
        with (HERE / "told.txt").open("a") as file:
            file.write(what + "\\n")

    def on_submit(self, message):
        self._note("submit")

    def on_retry(self, message, exception):
        self._note(f"retry {type(exception).__name__}")

    def on_failure(self, message, exception):
        self._note(f"failure {type(exception).__name__}")

    def on_success(self, message, result):
        self._note(f"success {result}")

    def on_revocation(self, message, exception):
        self._note(f"revocation {type(exception).__name__}")

@task(broker, result_store=result_store, base_task=Told, max_retries=1, backoff=None)
def divide(a: int, b: int) -> float:
    return a / b

class Broken(Told):
    def on_success(self, message, result):
        raise RuntimeError("the hook itself")

@task(broker, result_store=result_store, base_task=Broken)
def fine() -> str:
    return "fine"

@task(broker, result_store=result_store, base_task=Told, max_retries=0)
def for_ever() -> None:
    (HERE / "running").touch()
    while True:
        time.sleep(0.01)

@task(broker, result_store=result_store)
async def both(a: int, b: int) -> list:
    async def later(value):
        await asyncio.sleep(0.01)
        return value
    return list(await asyncio.gather(later(a), later(b)))
"""


def told(project: Project) -> list[str]:
    """What the hooks have written."""
    path = project.folder / "told.txt"
    return path.read_text().splitlines() if path.exists() else []


def in_the_worker(project: Project) -> list[str]:
    """The same without `on_submit`, which is called in the producer: a quick worker's hooks may come before it."""
    return [line for line in told(project) if line != "submit"]


@pytest.mark.parametrize("pool", POOLS)
def test_guide_hooks(project: Project, pool: str) -> None:
    """Each hook is called at its turn, once, with what it is about; one that fails changes nothing."""
    tasks = project.write(TASKS)
    worker = project.worker("--n_processes", "1", pool=pool)
    assert tasks.result_store.get(tasks.divide.generate(args=(1, 2)), timeout=WAIT_MS) == 0.5
    assert in_the_worker(project) == ["success 0.5"]
    with pytest.raises(TaskFailedError):
        tasks.result_store.get(tasks.divide.generate(args=(1, 0)), timeout=WAIT_MS)
    assert in_the_worker(project)[1:] == ["retry ZeroDivisionError", "failure ZeroDivisionError"]
    assert told(project).count("submit") == 2
    assert tasks.result_store.get(tasks.fine.generate(), timeout=WAIT_MS) == "fine"
    worker.logged("the hook itself")


@pytest.mark.parametrize("pool", POOLS)
def test_guide_revocation(project: Project, pool: str) -> None:
    """A revoked message is not run; one that runs is ended, and not retried; both are dead letters that say so."""
    tasks = project.write(TASKS)
    waiting = tasks.divide.generate(args=(1, 2))
    assert tasks.divide.revoke(waiting)
    project.worker("--n_processes", "1", pool=pool)
    with pytest.raises(TaskFailedError, match="MessageRevokedError"):
        tasks.result_store.get(waiting, timeout=WAIT_MS)
    running = tasks.for_ever.generate()
    eventually(lambda: (project.folder / "running").exists())
    tasks.for_ever.revoke(running)
    with pytest.raises(TaskFailedError, match="MessageRevokedError"):
        tasks.result_store.get(running, timeout=WAIT_MS)
    assert told(project) == ["submit", "revocation MessageRevokedError"] * 2


@pytest.mark.parametrize("pool", POOLS)
def test_guide_async_tasks(project: Project, pool: str) -> None:
    """An `async def` runs to its end, in either kind of pool."""
    tasks = project.write(TASKS)
    project.worker("--n_processes", "1", pool=pool)
    assert tasks.result_store.get(tasks.both.generate(args=(1, 2)), timeout=WAIT_MS) == [1, 2]
