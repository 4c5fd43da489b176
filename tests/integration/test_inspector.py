"""What the inspector shows of real pools."""

from __future__ import annotations

import os
import socket
import time
from typing import Any

import pytest

from alsek import Inspector
from alsek.core.inspection.dead import DeadInfo
from alsek.core.inspection.messages import MessageInfo
from alsek.version import __version__
from tests.integration.conftest import Project
from tests.waiting import eventually

TASKS = """
@task(broker, queue="q", status_tracker=status_tracker, backoff=None, max_retries=1)
def hold(name: str, seconds: float = 60.0) -> None:
    if name == "fail":
        raise ValueError("no money")
    (HERE / name).write_text(str(os.getpid()))
    end = time.monotonic() + seconds
    while time.monotonic() < end and not (HERE / "go").exists():
        time.sleep(0.01)

@task(broker, queue="q", mechanism="process")
def compute() -> None: ...

@task(broker, queue="q", result_store=result_store)
def add(a: int, b: int) -> int:
    return a + b
"""

ELSEWHERE = """
@task(broker, queue="q")
def elsewhere() -> None: ...
"""


def _running(project: Project, name: str) -> int:
    """Wait until a task runs; return the process in which it does."""
    path = project.folder / name
    eventually(lambda: path.exists() and path.read_text())
    return int(path.read_text())


@pytest.mark.each_store
def test_a_running_message_and_its_worker(project: Project) -> None:
    """Host, process, thread and times are told, once the pool has renewed its lease."""
    tasks = project.write(TASKS)
    inspector = Inspector(tasks.broker)
    worker = project.worker("--n_threads", "2", "--n_processes", "1", "--queues", "q")
    before = int(time.time() * 1_000)
    message = tasks.hold.generate(args=("one",))
    pid = _running(project, "one")
    eventually(lambda: inspector.why(message).facts["thread"] is not None)
    answer = inspector.why(message)
    assert answer.code == "running"
    assert (answer.facts["host"], answer.facts["pid"], answer.facts["attempt"]) == (
        socket.gethostname(),
        pid,
        1,
    )
    assert before <= answer.facts["since"] <= int(time.time() * 1_000)
    assert not answer.facts["lost"]
    (info,) = inspector.workers()
    assert (info.kind, info.host, info.pid, info.version) == (
        "thread",
        socket.gethostname(),
        pid,
        __version__,
    )
    assert (info.queues, info.slots, info.busy, info.alive) == (("q",), 2, 1, True)
    assert {"add", "hold"} <= set(info.tasks or ())
    assert [held.uuid for held in info.running] == [message.uuid]
    (queue,) = inspector.queues()
    assert (queue.name, queue.running, queue.ready) == ("q", 1, 0)
    (project.folder / "go").touch()
    eventually(lambda: inspector.why(message).code == "succeeded")
    assert worker.stop() == 0
    assert inspector.workers() == []


def test_a_running_message_of_a_process_pool(project: Project) -> None:
    """The process is the task's own."""
    tasks = project.write(TASKS)
    inspector = Inspector(tasks.broker)
    project.worker("--n_processes", "1", pool="process-pool")
    message = tasks.hold.generate(args=("one",))
    pid = _running(project, "one")
    eventually(lambda: inspector.why(message).facts["pid"] == pid)
    answer = inspector.why(message)
    assert (answer.code, answer.facts["thread"]) == ("running", None)
    assert answer.facts["since"] is not None
    (info,) = inspector.workers()
    assert info.kind == "process"
    assert info.pid not in (pid, os.getpid())
    assert info.running[0].pid == pid


@pytest.mark.each_store
def test_the_way_of_messages(project: Project) -> None:
    """Nobody there, paused, behind, another mechanism, another task; then how they end, and what was counted."""
    tasks = project.write(TASKS)
    other = project.write(ELSEWHERE, "other.py")
    inspector = Inspector(tasks.broker)
    port = tasks.broker.backend.messages
    first, second = (tasks.hold.generate(args=(name,)) for name in ("first", "second"))
    computing, lost = tasks.compute.generate(), other.elsewhere.generate(delay=60_000)
    assert _missing(inspector, first) == "queue"
    port.pause("q", "ada")
    project.worker("--n_threads", "1", "--n_processes", "1")
    eventually(inspector.workers)
    assert inspector.why(first).code == "paused"
    port.resume("q")
    _running(project, "first")
    assert inspector.why(second).code == "behind"
    assert (inspector.why(second).facts["place"], inspector.why(second).facts["workers"]) == (0, 1)
    assert _missing(inspector, computing) == "mechanism"
    assert inspector.why(lost).code == "delayed"
    (project.folder / "go").touch()
    failing, adding = tasks.hold.generate(args=("fail",)), tasks.add.generate(args=(1, 2))
    eventually(lambda: inspector.why(failing).code == "dead")
    letter = inspector.find(failing)
    assert isinstance(letter, DeadInfo)
    assert (letter.task, letter.args) == ("hold", ("fail",))
    assert (letter.exception, letter.text, letter.attempts, letter.status) == (
        "ValueError",
        "no money",
        2,
        "FAILED",
    )
    (group,) = inspector.dead(group=True)
    assert (group.task, group.count, group.fingerprint) == ("hold", 1, letter.fingerprint)
    eventually(lambda: inspector.why(adding).code == "succeeded")
    info = inspector.find(adding)
    assert isinstance(info, MessageInfo)
    assert (info.result, info.has_result) == (3, True)
    eventually(lambda: _counted(inspector, "add").get("succeeded") == 1)
    eventually(lambda: _counted(inspector, "hold").get("failed") == 1)
    counted = _counted(inspector, "hold")
    assert (counted["started"], counted["succeeded"], counted["retried"]) == (4, 2, 1)
    (queue,) = inspector.queues()
    assert queue.rate > 0


def _missing(inspector: Inspector, message: Any) -> str:
    answer = inspector.why(message)
    assert answer.code == "no_worker", answer
    missing: str = answer.facts["missing"]
    return missing


def _counted(inspector: Inspector, task: str) -> dict[str, int]:
    """What was counted of a task in the last minutes."""
    rows = [row for row in inspector.history(minutes=5) if row.task == task]
    names = ("started", "succeeded", "failed", "retried")
    return {name: sum(getattr(row, name) for row in rows) for name in names} if rows else {}
