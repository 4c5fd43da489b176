"""Whatever user code does: its own message ends as it must, its neighbours run once, the pool lives, and stops."""

from __future__ import annotations

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

#: Within which a pool that has nothing to do ends.
STOPS_WITHIN = 10.0


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
        return (tasks.result_store.get(message, timeout=30_000),)
    except TaskFailedError as error:
        return str(error.details["name"])


def runs(project: Project) -> Counter[str]:
    """How often each task has begun."""
    return Counter((project.folder / "runs").read_text().splitlines())


def stops(worker: Worker, alarms: int = 0) -> None:
    """It still runs, and SIGTERM ends it in good order, soon."""
    assert worker.process.poll() is None, worker.log
    began = time.monotonic()
    assert worker.stop(signal.SIGTERM) == 0, worker.log
    assert time.monotonic() - began < STOPS_WITHIN
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


@pytest.mark.parametrize("pool", ["thread", "process"])
@pytest.mark.parametrize("row", MODULES, ids=lambda row: row.name)
def test_a_module_changes_nothing(sqlite_project: Project, pool: str, row: Module) -> None:
    """Each row of `MODULES`: tasks run once and end as ever, also a long one, and one after a pause; the pool stops."""
    project = sqlite_project
    tasks = project.write(IMPORTS + NEIGHBOURS)
    path = project.folder / "tasks.py"
    path.write_text(f"{path.read_text()}\nif __name__ == 'tasks':\n{textwrap.indent(row.body, '    ')}\n")
    works(project, tasks, start(project, pool))


@pytest.mark.parametrize("pool", ["thread", "process"])
@pytest.mark.parametrize("parent", PARENTS)
def test_a_parent_hands_down_nothing_that_matters(sqlite_project: Project, pool: str, parent: str) -> None:
    """Each row of `PARENTS`: the pool works as ever, and SIGTERM stops it."""
    tasks = sqlite_project.write(IMPORTS + NEIGHBOURS)
    works(sqlite_project, tasks, start(sqlite_project, pool, preexec_fn=PARENTS[parent]))


@pytest.mark.parametrize("pool", ["thread", "process"])
def test_a_hangup_that_is_ignored_at_the_start_ends_nothing(sqlite_project: Project, pool: str) -> None:
    """As `nohup` has it: neither the pool, nor its processes, nor what a task starts."""
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
    worker = start(sqlite_project, pool, preexec_fn=PARENTS["ignores SIGHUP and SIGINT"])
    assert end_of(tasks, tasks.hangs_up.generate()) == ("fine",)
    worker.process.send_signal(signal.SIGHUP)
    worker.process.send_signal(signal.SIGINT)
    works(sqlite_project, tasks, worker)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("how", ["os._exit(0)", "os._exit(75)", "sys.exit(0)", "os.kill(os.getpid(), 9)"])
def test_a_start_hook_that_exits_is_named_and_tried_ever_more_slowly(
    sqlite_project: Project, pool: str, how: str
) -> None:
    """No storm of processes: the log names the hook, and says when the next one follows; the pool stops as ever."""
    sqlite_project.write(
        IMPORTS + NEIGHBOURS + f"@on_worker_start\ndef connect_to_nothing():\n    count('start')\n    {how}\n"
    )
    worker = start(sqlite_project, pool)
    worker.logged("trying again in")
    time.sleep(1.5)
    assert runs(sqlite_project)["start"] <= 8
    assert "connect_to_nothing" in worker.log
    stops(worker)


def works(project: Project, tasks: Any, worker: Worker) -> None:
    """The pool runs tasks once, and they end as ever, also a long one, and one after a pause; it lives and stops."""
    first = [
        tasks.failing.generate(),
        tasks.innocent.generate(args=(1, 1.0)),
        tasks.innocent.generate(args=(2,)),
    ]
    assert [end_of(tasks, message) for message in first] == ["ValueError", (1,), (2,)]
    time.sleep(0.5)
    assert end_of(tasks, tasks.innocent.generate(args=(3,))) == (3,)
    assert set(runs(project).values()) == {1}
    stops(worker)
