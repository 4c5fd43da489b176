"""The event loop of a pool's processes: what start hooks make on it, what runs on it, and one that stands still."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project
from tests.waiting import eventually

MADE_AT_THE_START = """
import asyncio

from alsek import Task

made = {}

@on_worker_start
async def open_pool() -> None:
    await asyncio.sleep(0)
    made["loop"] = asyncio.get_running_loop()
    made["background"] = asyncio.create_task(asyncio.Event().wait())

@on_worker_stop
async def close_pool() -> None:
    assert made["loop"] is asyncio.get_running_loop()
    assert not made["background"].done()
    (HERE / "closed").touch()

class Hooked(Task):
    async def pre_op(self, message: Message) -> None:
        await asyncio.sleep(0)
        self.before = made["loop"] is asyncio.get_running_loop()

    async def on_success(self, message: Message, result: bool) -> None:
        await asyncio.sleep(0)
        assert made["loop"] is asyncio.get_running_loop()
        with (HERE / "told.txt").open("a") as file:
            file.write(f"{message.task_name}\\n")

@task(broker, result_store=result_store, base_task=Hooked, max_retries=0)
async def coroutine() -> bool:
    await asyncio.sleep(0)
    return made["loop"] is asyncio.get_running_loop()

@task(broker, result_store=result_store, base_task=Hooked, max_retries=0)
def plain() -> bool:
    return plain.before

@task(broker, result_store=result_store, max_retries=0)
def returns_one() -> object:
    return coroutine.function()
"""


@pytest.mark.parametrize("pool", ["thread-pool", "process-pool"])
def test_all_of_a_process_runs_on_one_loop(sqlite_project: Project, pool: str) -> None:
    """Start hooks, tasks and their hooks, coroutines that plain functions return, and stop hooks at last."""
    project = sqlite_project
    tasks = project.write(MADE_AT_THE_START)
    worker = project.worker("--n_processes", "1", pool=pool)
    names = ("coroutine", "plain", "returns_one")
    for name in names:
        assert tasks.result_store.get(getattr(tasks, name).generate(), timeout=60_000) is True
    told = project.folder / "told.txt"
    eventually(lambda: told.exists() and told.read_text().split() == ["coroutine", "plain"])
    assert worker.stop() == 0
    assert (project.folder / "closed").exists()
    assert "failed" not in worker.log


def test_a_loop_that_stands_still_is_replaced_with_its_process(sqlite_project: Project) -> None:
    """After eight seconds, long before the deadline of what blocks it: messages behind it run elsewhere, uncharged."""
    project = sqlite_project
    tasks = project.write(
        """
import asyncio

@task(broker, result_store=result_store, max_retries=0, timeout=60_000)
async def block() -> int:
    (HERE / "blocks").touch()
    while not (HERE / "released").exists():
        time.sleep(0.05)
    return os.getpid()

@task(broker, result_store=result_store, max_retries=0)
async def quick() -> int:
    return os.getpid()
"""
    )
    worker = project.worker("--n_processes", "1")
    blocking = tasks.block.generate()
    eventually(lambda: (project.folder / "blocks").exists())
    waiting = tasks.quick.generate()
    elsewhere = tasks.result_store.get(waiting, timeout=60_000)
    (project.folder / "released").touch()
    assert tasks.result_store.get(blocking, timeout=60_000) != elsewhere
    assert "It is given up" in worker.log
    assert worker.stop() == 0
