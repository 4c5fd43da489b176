"""Tasks that are `async def`, in pools: how many run at once, and how they end."""

from __future__ import annotations

import os
import re
import signal
from typing import Any

import pytest

from alsek import Inspector, TaskStatus
from alsek.exceptions import MessageRevokedError, TaskFailedError
from tests.integration.conftest import Project
from tests.waiting import eventually

BASICS = """
import asyncio
import threading

@task(broker, result_store=result_store, status_tracker=status_tracker, max_retries=0)
async def wait(seconds: float, name: str = "") -> str:
    with (HERE / "begun.txt").open("a") as file:
        file.write(f"{name}\\n")
    await asyncio.sleep(seconds)
    with (HERE / "ended.txt").open("a") as file:
        file.write(f"{name}\\n")
    return threading.current_thread().name

@task(broker, result_store=result_store, max_retries=0)
async def hold(name: str = "") -> str:
    with (HERE / "begun.txt").open("a") as file:
        file.write(f"{name}\\n")
    while not (HERE / "released").exists():
        await asyncio.sleep(0.05)
    return threading.current_thread().name

@task(broker, result_store=result_store, max_retries=0)
def hold_thread() -> str:
    with (HERE / "threads.txt").open("a") as file:
        file.write("-\\n")
    while not (HERE / "released").exists():
        time.sleep(0.05)
    return threading.current_thread().name

@task(broker, result_store=result_store, max_retries=0)
def name_thread() -> str:
    return threading.current_thread().name
"""


def lines(project: Project, name: str) -> list[str]:
    """What the tasks have written to a file."""
    path = project.folder / name
    return path.read_text().split() if path.exists() else []


def left(tasks: Any) -> int:
    """How many messages the store still has."""
    return int(tasks.backend.count("queues:alsek_queue"))


@pytest.mark.each_store
def test_coroutines_run_beside_busy_threads(project: Project) -> None:
    """A hundred run at once in one thread while eight threads are busy and more messages wait for these."""
    tasks = project.write(BASICS)
    project.worker("--n_processes", "1")
    threads = [tasks.hold_thread.generate() for _ in range(16)]
    coroutines = tasks.hold.generate_many((f"m{n}",) for n in range(100))
    eventually(lambda: len(lines(project, "begun.txt")) == 100)
    eventually(lambda: len(lines(project, "threads.txt")) == 8)
    quick = tasks.wait.generate(args=(0.1,))  # the loop is full
    (project.folder / "released").touch()
    names = {tasks.result_store.get(message, timeout=60_000) for message in [*coroutines, quick]}
    assert len(names) == 1
    assert names.isdisjoint({tasks.result_store.get(message, timeout=60_000) for message in threads})


def test_threads_run_beside_as_many_coroutines_as_there_may_be(project: Project) -> None:
    """The loop is full, and more coroutines wait than there is room for: plain tasks don't notice."""
    tasks = project.write(BASICS)
    project.worker("--n_processes", "1", "--n_coroutines", "5")
    waiting = tasks.hold.generate_many((f"m{n}",) for n in range(20))
    eventually(lambda: len(lines(project, "begun.txt")) == 5)
    for message in tasks.name_thread.generate_many(() for _ in range(50)):
        assert tasks.result_store.get(message, timeout=60_000)
    assert lines(project, "begun.txt") == [f"m{n}" for n in range(5)]
    claimed = [m for m in tasks.backend.messages.browse("alsek_queue") if m.state == "claimed"]
    assert len(claimed) == 5  # and the others are there for another group
    (project.folder / "released").touch()
    for message in waiting:
        assert tasks.result_store.get(message, timeout=60_000)


def test_a_timeout_cancels_the_coroutine(project: Project) -> None:
    """It may clean up, and its message has failed, whatever it does then; its neighbours go on."""
    tasks = project.write(
        BASICS
        + """
@task(broker, result_store=result_store, max_retries=0, timeout=2_000)
async def late() -> str:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        (HERE / "cleaned").touch()
        return "swallowed"
    return "never"

@task(broker, result_store=result_store, max_retries=0, timeout=2_000)
async def deaf() -> None:
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
"""
    )
    worker = project.worker("--n_processes", "1", "--n_coroutines", "3")
    neighbour = tasks.wait.generate(args=(6.0,))
    late, deaf = tasks.late.generate(), tasks.deaf.generate()
    for message in (late, deaf):
        with pytest.raises(TaskFailedError, match="ran longer than its timeout of 2000 ms"):
            tasks.result_store.get(message, timeout=60_000)
    assert (project.folder / "cleaned").exists()
    assert tasks.result_store.get(neighbour, timeout=60_000)
    assert worker.log.count("Started group") == 1
    # The slot of the one that goes on is free again.
    for message in tasks.wait.generate_many((0.1,) for _ in range(3)):
        assert tasks.result_store.get(message, timeout=60_000)


def test_a_coroutine_that_never_awaits_costs_its_group(project: Project) -> None:
    """Past its timeout its message has failed, and another group serves what comes next."""
    tasks = project.write(
        BASICS
        + """
@task(broker, result_store=result_store, max_retries=0, timeout=500)
async def spin() -> None:
    while not (HERE / "released").exists():
        pass
"""
    )
    worker = project.worker("--n_processes", "1")
    with pytest.raises(TaskFailedError, match="ran longer than its timeout of 500 ms"):
        tasks.result_store.get(tasks.spin.generate(), timeout=60_000)
    for message in tasks.wait.generate_many((0.1,) for _ in range(3)):
        assert tasks.result_store.get(message, timeout=60_000)
    worker.logged("spin")
    assert list(tasks.broker.dead_letters("alsek_queue")) != []
    (project.folder / "released").touch()


@pytest.mark.each_store
def test_a_revocation_cancels_the_coroutine(project: Project) -> None:
    """Within about a second."""
    tasks = project.write(BASICS)
    project.worker("--n_processes", "1")
    message = tasks.wait.generate(args=(60.0, "w"))
    eventually(lambda: lines(project, "begun.txt") == ["w"])
    tasks.broker.revoke(message)
    with pytest.raises((TaskFailedError, MessageRevokedError)):
        tasks.result_store.get(message, timeout=60_000)
    assert lines(project, "ended.txt") == []


@pytest.mark.each_store
def test_a_group_that_is_killed_loses_none_of_its_coroutines(project: Project) -> None:
    """All come back and run again, with nothing charged: any of them may have been to blame, so one after the other."""
    tasks = project.write(BASICS)
    worker = project.worker("--n_processes", "1", "--n_coroutines", "20")
    messages = tasks.wait.generate_many((0.3, f"m{n}") for n in range(30))
    eventually(lambda: len(lines(project, "begun.txt")) >= 20)
    os.kill(worker.children()[0], signal.SIGKILL)
    for message in messages:
        assert tasks.result_store.get(message, timeout=60_000)
    assert sorted(set(lines(project, "ended.txt"))) == sorted(f"m{n}" for n in range(30))
    assert list(tasks.broker.dead_letters("alsek_queue")) == []
    assert left(tasks) == 0


@pytest.mark.each_store
def test_a_signal_lets_coroutines_finish(project: Project) -> None:
    """SIGTERM: what runs finishes, what waits stays, the exit code is 0."""
    tasks = project.write(BASICS)
    worker = project.worker("--n_processes", "1", "--n_coroutines", "3")
    messages = tasks.hold.generate_many((f"m{n}",) for n in range(5))
    eventually(lambda: len(lines(project, "begun.txt")) == 3)
    worker.begin_to_stop()
    (project.folder / "released").touch()
    assert worker.process.wait(60) == 0
    assert all(tasks.result_store.get(message) for message in messages[:3])
    assert [tasks.broker.exists(message) for message in messages] == [False, False, False, True, True]


def test_coroutines_that_do_not_finish_are_given_back_uncharged(project: Project) -> None:
    """When the shutdown timeout is over."""
    tasks = project.write(BASICS)
    worker = project.worker("--n_processes", "1", "--shutdown_timeout", "500")
    messages = tasks.wait.generate_many((600.0, f"m{n}") for n in range(3))
    eventually(lambda: len(lines(project, "begun.txt")) == 3)
    assert worker.stop() == 0
    for message in messages:
        stored = tasks.backend.messages.get("alsek_queue", message.uuid)
        assert stored is not None
        assert (stored.state, stored.losses) == ("ready", 0)


def test_a_blocked_loop_is_named_and_keeps_its_lease(project: Project) -> None:
    """The log has the line at which a task blocks; its messages stay with it, however short the lease."""
    tasks = project.write(
        BASICS
        + """
@task(broker, result_store=result_store, max_retries=0)
async def block() -> str:
    time.sleep(5)  # blocks here
    return "done"
"""
    )
    worker = project.worker("--n_processes", "1", "--lease", "2400")
    neighbour = tasks.wait.generate(args=(0.5,))
    message = tasks.block.generate()
    assert tasks.result_store.get(message, timeout=60_000) == "done"
    assert tasks.result_store.get(neighbour, timeout=60_000)
    worker.logged("tasks.py")
    assert re.search(r"block", worker.log)
    assert "lease" not in worker.log.lower().replace("--lease", "")


def test_a_burst_ends_after_its_last_coroutine(project: Project) -> None:
    """With exit code 0, and nothing left."""
    tasks = project.write(BASICS)
    messages = tasks.wait.generate_many((0.5, f"m{n}") for n in range(40))
    messages += tasks.name_thread.generate_many(() for _ in range(10))
    worker = project.worker("--burst", "--n_processes", "1", "--n_coroutines", "15")
    assert worker.process.wait(timeout=60) == 0
    assert left(tasks) == 0
    for message in messages:
        assert tasks.result_store.get(message)


def test_more_coroutines_wait_than_a_group_may_run(project: Project) -> None:
    """Another group is started, as it is for threads."""
    tasks = project.write(BASICS)
    worker = project.worker("--n_processes", "2", "--n_coroutines", "2")
    messages = tasks.hold.generate_many((f"m{n}",) for n in range(8))
    eventually(lambda: len(lines(project, "begun.txt")) == 4)
    assert worker.log.count("Started group") == 2
    (project.folder / "released").touch()
    for message in messages:
        assert tasks.result_store.get(message, timeout=60_000)


def test_a_process_pool_runs_coroutines_to_their_end(project: Project) -> None:
    """Each takes one process; one past its timeout is ended with it."""
    tasks = project.write(
        BASICS
        + """
@task(broker, result_store=result_store, max_retries=0, timeout=500, mechanism="process")
async def late() -> None:
    await asyncio.sleep(60)
"""
    )
    project.worker("--n_processes", "2", pool="process-pool")
    late = tasks.late.generate()
    for message in tasks.wait.generate_many((0.1,) for _ in range(4)):
        assert tasks.result_store.get(message, timeout=60_000) == "MainThread"
    with pytest.raises(TaskFailedError, match="timeout"):
        tasks.result_store.get(late, timeout=60_000)


def test_a_task_that_became_a_coroutine_runs_where_it_belongs(project: Project) -> None:
    """Its messages wait for threads, as they were submitted; and the other way round."""
    tasks = project.write(
        BASICS
        + """
@task(broker, result_store=result_store, max_retries=0)
def changes() -> str:
    return threading.current_thread().name

@task(broker, result_store=result_store, max_retries=0)
async def changes_too() -> str:
    return threading.current_thread().name
"""
    )
    now_async = [tasks.changes.generate() for _ in range(5)]
    now_plain = [tasks.changes_too.generate() for _ in range(5)]
    body = (project.folder / "tasks.py").read_text()
    body = body.replace("async def changes_too", "def changes_too").replace(
        "def changes()", "async def changes()"
    )
    (project.folder / "tasks.py").write_text(body)
    project.worker("--n_processes", "1", "--n_threads", "2", "--n_coroutines", "2")
    on_loop = {tasks.result_store.get(message, timeout=60_000) for message in now_async}
    in_threads = {tasks.result_store.get(message, timeout=60_000) for message in now_plain}
    assert on_loop == {tasks.result_store.get(tasks.wait.generate(args=(0.0,)), timeout=60_000)}
    assert on_loop.isdisjoint(in_threads)


def test_a_message_of_an_async_task_that_nobody_has_fails(project: Project) -> None:
    """A pool without such tasks finds it all the same."""
    tasks = project.write(BASICS)
    project.write("@task(broker)\ndef other() -> None: ...\n", "others.py")
    message = tasks.wait.generate(args=(1.0,))
    project.worker("--n_processes", "1", target="others")
    with pytest.raises(TaskFailedError, match="no task is named 'wait'"):
        tasks.result_store.get(message, timeout=60_000)
    eventually(lambda: tasks.status_tracker.get(message) is TaskStatus.FAILED)


def test_a_burst_without_async_tasks_fails_such_messages_too(project: Project) -> None:
    """Before it ends."""
    tasks = project.write(BASICS)
    project.write("@task(broker)\ndef other() -> None: ...\n", "others.py")
    messages = tasks.wait.generate_many((1.0,) for _ in range(30))
    worker = project.worker("--burst", "--n_processes", "1", target="others")
    assert worker.process.wait(timeout=60) == 0
    assert all(tasks.broker.in_dlq(message) for message in messages)


def test_the_inspector_counts_threads_and_coroutines(project: Project) -> None:
    """As slots of the group, whose kind is that of its pool."""
    tasks = project.write(BASICS)
    project.worker("--n_processes", "1", "--n_threads", "3", "--n_coroutines", "7")
    tasks.hold.generate_many((f"m{n}",) for n in range(5))
    tasks.hold_thread.generate_many(() for _ in range(2))

    def told() -> str:
        return str([(each.kind, each.slots, each.busy) for each in Inspector(tasks.broker).workers()])

    eventually(lambda: told() == "[('thread', 10, 7)]", explain=told)
    (project.folder / "released").touch()
