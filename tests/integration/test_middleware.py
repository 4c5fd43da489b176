"""Middleware in real pools: around attempts in threads and processes, and told of every end once."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest

from alsek.exceptions import TaskFailedError
from tests.integration.conftest import Project, Worker
from tests.waiting import eventually

POOLS = {
    "thread": ("thread-pool", "--n_threads", "4", "--n_processes", "1"),
    "process": ("process-pool", "--n_processes", "3"),
    "process that serves many": ("process-pool", "--n_processes", "3", "--tasks_per_process", "50"),
}

SPY = """
import json
import logging
import signal
import sys
import threading
from contextlib import contextmanager

from alsek import Middleware, current_message
from alsek.logs import MessageFilter

def note(*what):
    with open(HERE / "notes", "a") as notes:
        notes.write(json.dumps(what) + "\\n")

class Spy(Middleware):
    def submitting(self, message):
        message.metadata = {**(message.metadata or {}), "from": message.task_name}

    @contextmanager
    def attempt(self, message):
        assert current_message() is message
        note("enter", message.task_name)
        try:
            yield
        except BaseException as error:
            note("raised", message.task_name, type(error).__name__)
            raise
        finally:
            note("leave", message.task_name)

    def ended(self, message, outcome):
        assert current_message().uuid == message.uuid
        if outcome == "succeeded" and "thread-pool" in sys.argv:
            assert threading.current_thread() is not threading.main_thread()  # which is the engine's
        text = (message.exception_details or {}).get("name")
        note("ended", message.task_name, outcome, text)

broker = Broker(backend, middleware=[Spy()])
"""

TASKS = """
@task(broker, result_store=result_store)
def fine(message: Message):
    assert current_message().uuid == message.uuid
    return message.metadata

@task(broker, result_store=result_store, backoff=None, max_retries=1)
def fails():
    raise ValueError("no money")

@task(broker, result_store=result_store, max_retries=0)
def rejects():
    raise Reject("never")

@task(broker, result_store=result_store, max_retries=0)
def speaks(number):
    logging.getLogger("shop").warning("spoken %d", number)
    return number
"""


def notes(project: Project) -> list[list[Any]]:
    """What the project's middleware has noted."""
    path = project.folder / "notes"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def ends(project: Project) -> Counter[tuple[str, str]]:
    """How often `ended` was called, by task and outcome."""
    return Counter((note[1], note[2]) for note in notes(project) if note[0] == "ended")


def start(project: Project, pool: str, *options: str) -> Worker:
    """Start one of the pools."""
    command, *arguments = POOLS[pool]
    return project.worker(*arguments, *options, pool=command)


def failed(tasks: Any, message: Any) -> str:
    """Why a message has failed for good."""
    with pytest.raises(TaskFailedError) as raised:
        tasks.result_store.get(message, timeout=60_000)
    return str(raised.value)


@pytest.mark.parametrize("pool", POOLS)
def test_it_is_around_every_attempt_and_told_of_every_end(project: Project, pool: str) -> None:
    """On both stores: metadata goes with a message and its callback, each attempt is wrapped, each end is told once."""
    tasks = project.write(SPY + TASKS)
    tasks.fine.generate(ttl=1)  # expires before the pool has started
    tasks.fine.revoke(tasks.fine.generate())
    worker = start(project, pool)
    chained = tasks.fine.generate(callback=(last := tasks.fine.generate(submit=False)), metadata={"own": 1})
    many = tasks.fine.generate_many([()] * 20)
    fails, rejects = tasks.fails.generate(), tasks.rejects.generate()
    assert tasks.result_store.get(chained, timeout=60_000) == {"own": 1, "from": "fine"}
    assert tasks.result_store.get(last, timeout=60_000) == {"from": "fine"}
    for message in many:
        assert tasks.result_store.get(message, timeout=60_000) == {"from": "fine"}
    assert "no money" in failed(tasks, fails)
    assert "never" in failed(tasks, rejects)
    expected = {
        ("fine", "succeeded"): 22,
        ("fine", "revoked"): 1,
        ("fine", "expired"): 1,
        ("fails", "retrying"): 1,
        ("fails", "failed"): 1,
        ("rejects", "failed"): 1,
    }
    eventually(lambda: ends(project) == expected, 60, lambda: f"{ends(project)}\n{worker.log}")
    assert worker.stop() == 0
    assert ends(project) == expected
    seen = notes(project)
    kinds = Counter(what for what, *_ in seen)
    assert kinds["enter"] == kinds["leave"] == 25
    assert ["raised", "fails", "ValueError"] in seen
    assert ["ended", "fails", "failed", "ValueError"] in seen
    assert "AssertionError" not in worker.log


HOSTILE = """
class Hostile(Middleware):
    def attempt(self, message):
        if message.args[0] == "exits":
            sys.exit(3)
        if message.args[0] == "hangs":
            time.sleep(600)
        if message.args[0] == "forks" and not os.fork():
            time.sleep(0.1)
        if message.args[0] == "changes":
            message.uuid = message.queue = message.task_name = message.timeout = None
        return wrapped(message.args[0])

    def ended(self, message, outcome):
        if message.args[0] == "ended exits":
            sys.exit(3)
        if message.args[0] == "ended forks" and not os.fork():
            time.sleep(0.1)
        if message.args[0] == "ended dies":
            os.kill(os.getpid(), signal.SIGKILL)

@contextmanager
def wrapped(what):
    if what == "returns":
        return
    yield
    if what == "leaves":
        raise KeyboardInterrupt

broker = Broker(backend, middleware=[Spy(), Hostile()])

@task(broker, result_store=result_store, max_retries=0, timeout=10_000)
def run(what):
    with open(HERE / "runs", "a") as runs:
        runs.write(f"{what}\\n")
    return what
"""


@pytest.mark.parametrize("pool", POOLS)
def test_hostile_middleware_hurts_its_own_message_alone(sqlite_project: Project, pool: str) -> None:
    """Whatever it does, its message ends once, its neighbours run, and the pool lives and stops."""
    project = sqlite_project
    tasks = project.write(SPY + HOSTILE)
    worker = start(project, pool)
    ways = {
        "exits": "SystemExit",
        "hangs": "imeout",
        "returns": "RuntimeError",
        "leaves": "KeyboardInterrupt",
    }
    fine = ("forks", "changes", "ended exits", "ended forks", *(str(number) for number in range(10)))
    bad = {way: tasks.run.generate(args=(way,)) for way in ways}
    good = {way: tasks.run.generate(args=(way,)) for way in fine}
    for way, message in good.items():
        assert tasks.result_store.get(message, timeout=60_000) == way
    for way, message in bad.items():
        assert ways[way] in failed(tasks, message)
    assert tasks.result_store.get(tasks.run.generate(args=("after",)), timeout=60_000) == "after"
    assert worker.stop() == 0
    runs = (project.folder / "runs").read_text().splitlines()
    assert sorted(runs) == sorted([*fine, "leaves", "after"])
    assert "Hostile.ended failed for" in worker.log


def test_a_process_that_ended_kills_loses_nothing(sqlite_project: Project) -> None:
    """The outcome was accepted before: the message does not run again, and the pool goes on."""
    tasks = sqlite_project.write(SPY + HOSTILE)
    for pool in POOLS:
        worker = start(sqlite_project, pool)
        assert (
            tasks.result_store.get(tasks.run.generate(args=("ended dies",)), timeout=60_000) == "ended dies"
        )
        assert tasks.result_store.get(tasks.run.generate(args=("after",)), timeout=60_000) == "after"
        assert worker.stop() == 0
    runs = (sqlite_project.folder / "runs").read_text().splitlines()
    assert runs == ["ended dies", "after"] * 3


LOST = """
@task(broker, result_store=result_store, max_retries=0)
def waits():
    time.sleep(1)
    return "waited"

@task(broker, result_store=result_store, max_retries=0)
def is_lost():
    if not (HERE / "beside").exists():
        (HERE / "beside").touch()
        time.sleep(600)
    return "waited"

@task(broker, result_store=result_store, max_retries=0)
def dies():
    while not (HERE / "beside").exists():
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.each_store
def test_a_lost_message_is_told(project: Project) -> None:
    """Of two messages in a thread group that died both are told lost; then they run alone, and one has failed."""
    tasks = project.write(SPY + LOST)
    waits, dies = tasks.is_lost.generate(), tasks.dies.generate()
    worker = start(project, "thread")
    assert tasks.result_store.get(waits, timeout=60_000) == "waited"
    assert "SIGKILL" in failed(tasks, dies)
    expected = {
        ("is_lost", "lost"): 1,
        ("dies", "lost"): 1,
        ("is_lost", "succeeded"): 1,
        ("dies", "failed"): 1,
    }
    eventually(lambda: ends(project) == expected, 60, lambda: f"{ends(project)}\n{worker.log}")
    assert worker.log.count("was lost with its process, and is ready again (loss 1)") == 2
    assert worker.stop() == 0


@pytest.mark.parametrize("pool", POOLS)
def test_log_lines_name_the_message(sqlite_project: Project, pool: str) -> None:
    """A format of the user's shows which message a line is about: the pool's own, the task's, and none elsewhere."""
    tasks = sqlite_project.write(
        SPY
        + TASKS
        + """
if __name__ == "tasks":
    handler = logging.FileHandler(HERE / "lines")
    handler.setFormatter(logging.Formatter("%(task)s|%(uuid)s|%(message)s|%(event)s", defaults={"event": ""}))
    handler.addFilter(MessageFilter())
    logging.root.addHandler(handler)
"""
    )
    worker = start(sqlite_project, pool, "--log_level", "DEBUG")
    message = tasks.speaks.generate(args=(7,))
    assert tasks.result_store.get(message, timeout=60_000) == 7
    assert worker.stop() == 0
    lines = [line.split("|") for line in (sqlite_project.folder / "lines").read_text().splitlines()]
    assert ["speaks", message.uuid, "spoken 7", ""] in lines
    events = [line[3] for line in lines if line[:2] == ["speaks", message.uuid] and line[3]]
    assert events == ["claimed", "succeeded"]
    assert any(line[0] == line[1] == "" for line in lines)


@pytest.mark.parametrize("pool", POOLS)
def test_a_planned_stop_is_nothing_to_be_alarmed_at(project: Project, pool: str) -> None:
    """A pool that is stopped while it works finishes what runs, and logs nothing above INFO."""
    tasks = project.write(SPY + LOST)
    worker = start(project, pool)
    messages = tasks.waits.generate_many([()] * 3)
    eventually(lambda: sum(what == "enter" for what, *_ in notes(project)) == 3)
    assert worker.stop() == 0
    for message in messages:
        assert tasks.result_store.get(message, timeout=60_000) == "waited"
    assert not re.search(r"WARNING|ERROR|CRITICAL", worker.log), worker.log
