"""Whatever user code does: its own message ends as it must, its neighbours run once, the pool lives, and stops."""

from __future__ import annotations

import math
import signal
import textwrap
import time
from collections import Counter
from typing import Any

import pytest

from alsek.exceptions import TaskFailedError
from tests.integration.conftest import Project, Worker
from tests.integration.hostile.rows import MODULES, PARENTS, TASKS, Module, Task

IMPORTS = """
import atexit
import gc
import logging
import multiprocessing
import random
import signal
import socket
import subprocess
import sys
import threading
import warnings

from alsek.core.task import Task
"""

NEIGHBOURS = """
def count(what):
    with open(HERE / "runs", "a") as runs:
        runs.write(f"{what}\\n")

@task(broker, result_store=result_store, max_retries=0)
def innocent(number, seconds=0.02):
    count(number)
    time.sleep(seconds)
    return number

@task(broker, result_store=result_store, max_retries=0)
def failing():
    count("failing")
    raise ValueError("no money")
"""

POOLS = {
    "thread": ("--n_threads", "4", "--n_processes", "1"),
    "process": ("--n_processes", "4"),
    "process that serves many": ("--n_processes", "4", "--tasks_per_process", "5"),
}

PLAIN = ("thread", "process")


def start(project: Project, pool: str, **how: Any) -> Worker:
    """A pool of this kind on the project's tasks."""
    return project.worker(*POOLS[pool], pool=f"{pool.split()[0]}-pool", **how)


def module_of(number: int, row: Task) -> str:
    """The row as a part of a module."""
    base = f"class Base_(Task):\n{textwrap.indent(row.base, '    ')}\n" if row.base else ""
    options = ", ".join(filter(None, (row.options, "base_task=Base_" if row.base else "")))
    return (
        f"{base}@task(broker, result_store=result_store, max_retries=0, name={row.name!r}, {options})\n"
        f"def row_{number}():\n    count({row.name!r})\n"
        f"{textwrap.indent(textwrap.dedent(row.body).strip(), '    ')}\n"
    )


def end_of(tasks: Any, message: Any) -> str | tuple[Any]:
    """How a message ends: the name of an exception, or what was returned."""
    try:
        return (tasks.result_store.get(message, timeout=60_000),)
    except TaskFailedError as error:
        return str(error.details["name"])


def runs(project: Project) -> Counter[str]:
    """How often each task has begun."""
    return Counter((project.folder / "runs").read_text().splitlines())


def stops(worker: Worker, alarms: int = 0) -> None:
    """It still runs, and SIGTERM ends it in good order: all of its processes end by themselves, so none is killed."""
    assert worker.process.poll() is None, worker.log
    assert worker.stop(signal.SIGTERM) == 0, worker.log
    assert "Stopping at once" not in worker.log
    assert worker.log.count(" CRITICAL ") == alarms


@pytest.mark.parametrize("pool", POOLS)
def test_a_task_hurts_itself_alone(project: Project, pool: str) -> None:
    """Each row of `TASKS` ends as it must, having run once; so do all its neighbours; the pool lives on, and stops."""
    rows = [row for row in TASKS if pool.split()[0] in row.pools]
    tasks = project.write(IMPORTS + NEIGHBOURS + "".join(module_of(*row) for row in enumerate(rows)))
    worker = start(project, pool)
    messages, neighbours = {}, []
    for number, row in enumerate(rows):
        neighbours.append(tasks.innocent.generate(args=(number,)))
        messages[row.name] = getattr(tasks, f"row_{number}").generate()
    ends = {name: end_of(tasks, message) for name, message in messages.items()}
    assert ends == {row.name: row.ends for row in rows}
    assert [end_of(tasks, message) for message in neighbours] == [(n,) for n in range(len(rows))]
    assert set(runs(project).values()) == {1}
    stops(worker, alarms=sum(row.alarm for row in rows))


class Pools:
    """A thread pool and a process pool at once, each on a queue of its own, on the tasks of one project."""

    def __init__(self, project: Project, tasks: Any, **how: Any) -> None:
        self.project = project
        self.tasks = tasks
        self.workers = {
            kind: project.worker("-qu", kind, *POOLS[kind], pool=f"{kind}-pool", **how) for kind in PLAIN
        }

    def submit(self, task: Any, *args: Any) -> list[Any]:
        """A message for each."""
        return [task.generate(args=args, queue=kind) for kind in self.workers]

    def work(self) -> None:
        """They run each task once, and it ends as ever: also a long one, and one after a pause. They live, and stop."""
        tasks = self.tasks
        long, short = self.submit(tasks.innocent, 1, 1.0), self.submit(tasks.innocent, 2)
        failing = self.submit(tasks.failing)
        for messages, end in ((short, (2,)), (failing, "ValueError"), (long, (1,))):
            assert [end_of(tasks, message) for message in messages] == [end, end]
        time.sleep(0.5)
        assert [end_of(tasks, message) for message in self.submit(tasks.innocent, 3)] == [(3,), (3,)]
        assert runs(self.project) == {"1": 2, "2": 2, "3": 2, "failing": 2}
        self.stop()

    def stop(self) -> None:
        """They live, and stop in good order."""
        for worker in self.workers.values():
            stops(worker)


@pytest.mark.parametrize(
    ("row", "project"),
    [pytest.param(row, store, id=f"{row.name}-{store}") for row in MODULES for store in row.stores],
    indirect=["project"],
)
def test_a_module_changes_nothing(project: Project, row: Module) -> None:
    """Each row of `MODULES`: the pools work as ever."""
    tasks = project.write(IMPORTS + NEIGHBOURS)
    path = project.folder / "tasks.py"
    path.write_text(f"{path.read_text()}\nif __name__ == 'tasks':\n{textwrap.indent(row.body, '    ')}\n")
    Pools(project, tasks).work()


@pytest.mark.deep
@pytest.mark.parametrize("parent", PARENTS)
def test_a_parent_hands_down_nothing_that_matters(sqlite_project: Project, parent: str) -> None:
    """Each row of `PARENTS`: the pools work as ever."""
    tasks = sqlite_project.write(IMPORTS + NEIGHBOURS)
    Pools(sqlite_project, tasks, preexec_fn=PARENTS[parent]).work()


def test_a_hangup_that_is_ignored_at_the_start_ends_nothing(sqlite_project: Project) -> None:
    """As `nohup` has it: neither a pool, nor its processes, nor what a task starts."""
    tasks = sqlite_project.write(
        IMPORTS
        + NEIGHBOURS
        + """
@task(broker, result_store=result_store, max_retries=0)
def hangs_up():
    subprocess.run([sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGHUP)"], check=True)
    os.kill(os.getpid(), signal.SIGHUP)
    return "fine"
"""
    )
    pools = Pools(sqlite_project, tasks, preexec_fn=PARENTS["ignores SIGHUP and SIGINT"])
    assert [end_of(tasks, message) for message in pools.submit(tasks.hangs_up)] == [("fine",)] * 2
    for worker in pools.workers.values():
        worker.process.send_signal(signal.SIGHUP)
        worker.process.send_signal(signal.SIGINT)
    pools.work()


@pytest.mark.deep
@pytest.mark.parametrize("how", ["os._exit(0)", "os._exit(75)", "sys.exit(0)", "os.kill(os.getpid(), 9)"])
def test_a_start_hook_that_exits_is_named_and_tried_ever_more_slowly(
    sqlite_project: Project, how: str
) -> None:
    """No storm of processes: the log names the hook, and says when the next one follows; the pools stop as ever."""
    tasks = sqlite_project.write(
        IMPORTS
        + NEIGHBOURS
        + f"@on_worker_start\ndef connect_to_nothing():\n    count(os.getppid())\n    {how}\n"
    )
    began = time.monotonic()
    pools = Pools(sqlite_project, tasks)
    for worker in pools.workers.values():
        worker.logged("trying again in")
    time.sleep(1.5)
    counted = runs(sqlite_project).values()
    # Two at once, after a quarter of a second at least; then after twice as long, and so on.
    most = 2 * (math.log2((time.monotonic() - began) / 0.25) + 2)
    assert all(starts <= most for starts in counted)
    for worker in pools.workers.values():
        assert "connect_to_nothing" in worker.log
    pools.stop()
