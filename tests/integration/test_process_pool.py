"""The process pool, run by its command."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from alsek import Group, GroupProgress, TaskStatus
from alsek.exceptions import TaskFailedError
from tests.integration.conftest import FINISH, Project, Worker
from tests.waiting import eventually

BASICS = """
import signal
import subprocess
import sys

@task(broker, result_store=result_store)
def add(a: int, b: int) -> int:
    return a + b

@task(broker, result_store=result_store)
def where(seconds: float = 0.3) -> int:
    time.sleep(seconds)
    return os.getpid()

@task(broker, result_store=result_store, status_tracker=status_tracker, backoff=None)
def fail(text: str) -> None:
    raise ValueError(text)

@task(broker, result_store=result_store, timeout=1_500, max_retries=0)
def spin() -> None:
    (HERE / "spin.pid").write_text(str(os.getpid()))
    while True:
        pass
"""


def start(project: Project, *arguments: str) -> Worker:
    """A process pool on the project's tasks."""
    return project.worker(*arguments, pool="process-pool")


@pytest.mark.each_store
def test_each_task_has_a_process_of_its_own(project: Project) -> None:
    """Four tasks show four process ids, none of them the pool's, and each process ends with its task."""
    tasks = project.write(BASICS)
    worker = start(project, "--n_processes", "4")
    messages = [tasks.where.generate() for _ in range(4)]
    pids = [tasks.result_store.get(message, timeout=60_000) for message in messages]
    assert len(set(pids)) == 4
    assert worker.process.pid not in pids
    assert not set(pids) & set(worker.children())
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def test_processes_may_be_reused(project: Project) -> None:
    """`--tasks_per_process 5`: a process serves five tasks, and no sixth."""
    tasks = project.write(BASICS)
    messages = [tasks.where.generate(args=(0,)) for _ in range(20)]
    start(project, "--n_processes", "1", "--tasks_per_process", "5")
    pids = [tasks.result_store.get(message, timeout=60_000) for message in messages]
    assert sorted(pids.count(pid) for pid in set(pids)) == [5, 5, 5, 5]


def test_failures_come_back_whole(project: Project) -> None:
    """An exception in a task's process is retried, and then kept with its name, text and traceback."""
    tasks = project.write(BASICS)
    worker = start(project, "--n_processes", "2")
    message = tasks.fail.generate(args=("no money",))
    with pytest.raises(TaskFailedError, match="ValueError: no money") as caught:
        tasks.result_store.get(message, timeout=60_000)
    assert "raise ValueError(text)" in caught.value.details["traceback"]
    assert tasks.status_tracker.get(message) is TaskStatus.FAILED
    assert tasks.broker.sync_from_backend(message).retries == 3
    assert worker.log.count("is run again") == 3
    worker.logged("failed for good: ValueError: no money")
    assert worker.log.count("raise ValueError(text)") == 4  # each attempt is logged with its traceback


def test_a_task_past_its_timeout_is_ended(project: Project) -> None:
    """`while True: pass` is ended at its timeout, fails as a timeout, and its slot serves the next."""
    tasks = project.write(BASICS)
    start(project, "--n_processes", "1")
    with pytest.raises(TaskFailedError, match="timeout of 1500 ms") as caught:
        tasks.result_store.get(tasks.spin.generate(), timeout=60_000)
    assert caught.value.details["name"] == "TaskTimeoutError"
    pid = int((project.folder / "spin.pid").read_text())
    eventually(lambda: not Path(f"/proc/{pid}").exists())
    assert tasks.result_store.get(tasks.add.generate(args=(1, 1)), timeout=60_000) == 2


def test_a_task_that_ignores_sigterm_is_killed(project: Project) -> None:
    """SIGKILL follows SIGTERM, and takes along what the task has started."""
    tasks = project.write(
        BASICS
        + """
@task(broker, result_store=result_store, timeout=3_000, max_retries=0)
def stubborn() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (HERE / "pids").write_text(f"{os.getpid()} {child.pid}")
    while True:
        time.sleep(0.1)
"""
    )
    start(project, "--n_processes", "1")
    with pytest.raises(TaskFailedError, match="timeout of 3000 ms"):
        tasks.result_store.get(tasks.stubborn.generate(), timeout=60_000)
    pids = (project.folder / "pids").read_text().split()
    eventually(lambda: all(gone(int(pid)) for pid in pids))
    assert tasks.result_store.get(tasks.add.generate(args=(1, 1)), timeout=60_000) == 2


@pytest.mark.each_store
@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("os._exit(1)", "ended with exit code 1"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed by SIGSEGV"),
    ],
)
def test_a_process_that_dies_fails_its_message_with_the_reason(
    project: Project, ending: str, reason: str
) -> None:
    """It spends the retries as an exception does; then the message is a dead letter that tells how it died."""
    tasks = project.write(
        BASICS
        + f"""
@task(broker, result_store=result_store, max_retries=2, backoff=None)
def dies() -> None:
    (HERE / "runs").open("a").write("x")
    {ending}
"""
    )
    start(project, "--n_processes", "2")
    message = tasks.dies.generate()
    with pytest.raises(TaskFailedError, match=reason) as caught:
        tasks.result_store.get(message, timeout=60_000)
    assert caught.value.details["name"] == "WorkerLostError"
    assert (project.folder / "runs").read_text() == "xxx"
    assert tasks.result_store.get(tasks.add.generate(args=(1, 1)), timeout=60_000) == 2


def test_the_hooks_decide_after_a_death(project: Project) -> None:
    """`do_retry` and `on_failure` run in a fresh process; one that hangs is not waited for longer than some seconds."""
    tasks = project.write(
        BASICS
        + """
from alsek import Task

class Careful(Task):
    def do_retry(self, message, exception):
        (HERE / "asked").open("a").write(f"{type(exception).__name__} {os.getpid()}\\n")
        return False

class Hanging(Task):
    def on_failure(self, message, exception):
        time.sleep(60)

@task(broker, result_store=result_store, base_task=Careful)
def careful() -> None:
    os._exit(3)

@task(broker, result_store=result_store, base_task=Hanging, max_retries=0)
def hanging() -> None:
    os._exit(4)
"""
    )
    start(project, "--n_processes", "2")
    messages = [tasks.careful.generate(), tasks.hanging.generate()]
    for message, code in zip(messages, (3, 4), strict=True):
        with pytest.raises(TaskFailedError, match=f"exit code {code}"):
            tasks.result_store.get(message, timeout=60_000)
    assert (project.folder / "asked").read_text().startswith("WorkerLostError ")


def test_tasks_may_have_processes_of_their_own(project: Project) -> None:
    """A task may use `subprocess` and `multiprocessing`."""
    tasks = project.write(
        BASICS
        + """
import multiprocessing

def square(n: int) -> int:
    return n * n

@task(broker, result_store=result_store)
def many() -> list[int]:
    echoed = subprocess.run(["echo", "5"], capture_output=True, text=True, check=True).stdout
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(square, [1, 2, 3, int(echoed)])
"""
    )
    start(project, "--n_processes", "2")
    assert tasks.result_store.get(tasks.many.generate(), timeout=60_000) == [1, 4, 9, 25]


@pytest.mark.each_store
def test_both_kinds_of_pool_share_a_queue(project: Project) -> None:
    """Each takes what names its mechanism, either takes what names none, and neither fails the other's."""
    tasks = project.write(
        BASICS
        + """
@task(broker, result_store=result_store, mechanism="thread")
def in_thread() -> int:
    return os.getpid()

@task(broker, result_store=result_store, mechanism="process")
def in_process() -> int:
    return os.getpid()
"""
    )
    messages = [
        each.generate() for _ in range(10) for each in (tasks.in_thread, tasks.in_process, tasks.where)
    ]
    threads = project.worker("--n_processes", "1")
    processes = start(project, "--n_processes", "2")
    results = [tasks.result_store.get(message, timeout=60_000) for message in messages]
    assert set(results[0::3]) == set(threads.children())
    assert not set(results[1::3]) & set(threads.children())
    assert list(tasks.broker.dead_letters("alsek_queue")) == []
    assert processes.stop() == 0


def test_the_first_signal_lets_tasks_finish(project: Project) -> None:
    """SIGTERM: what runs finishes, what waits stays, the exit code is 0, and no process is left."""
    tasks = project.write(BASICS + FINISH)
    worker = start(project, "--n_processes", "1")
    first = tasks.finish.generate()
    second = tasks.where.generate()
    eventually((project.folder / "begun").exists)
    family = descendants_of(worker.process.pid)
    worker.begin_to_stop()
    (project.folder / "go").touch()
    assert worker.process.wait(60) == 0
    assert tasks.result_store.get(first) == "finished"
    assert tasks.broker.exists(second)
    eventually(lambda: all(gone(pid) for pid in family))


def test_what_does_not_finish_is_given_back_uncharged(project: Project) -> None:
    """After the shutdown timeout what runs is ended and given back, without a retry; the exit code is 0."""
    tasks = project.write(BASICS)
    worker = start(project, "--n_processes", "2", "--shutdown_timeout", "300")
    messages = [tasks.where.generate(args=(60,)) for _ in range(2)]
    eventually(lambda: all(m.state == "claimed" for m in tasks.backend.messages.browse("alsek_queue")))
    family = descendants_of(worker.process.pid)
    assert worker.stop(timeout=60) == 0
    assert all(gone(pid) for pid in family)
    for message in messages:
        assert tasks.backend.messages.get("alsek_queue", message.uuid).state == "ready"
        assert tasks.broker.sync_from_backend(message).retries == 0


@pytest.mark.each_store
def test_what_was_claimed_ahead_is_given_back_at_the_first_signal(project: Project) -> None:
    """Behind a task that runs when the signal comes: it finishes; they wait in the store again, at no cost."""
    tasks = project.write(
        BASICS
        + FINISH
        + """
@task(broker)
def quick() -> None:
    (HERE / "ran").open("a").write("x")
"""
    )
    short = [tasks.quick.generate() for _ in range(300)]
    long = tasks.finish.generate()
    behind = [tasks.quick.generate() for _ in range(30)]
    worker = start(project, "--n_processes", "1", "--tasks_per_process", "1000")
    eventually((project.folder / "begun").exists)
    worker.process.send_signal(signal.SIGTERM)
    queue = tasks.backend.messages
    eventually(lambda: [m.uuid for m in queue.browse("alsek_queue") if m.state == "claimed"] == [long.uuid])
    (project.folder / "go").touch()
    assert worker.process.wait(60) == 0
    assert tasks.result_store.get(long) == "finished"
    assert (project.folder / "ran").read_text() == "x" * len(short)
    for message in behind:
        kept = queue.get("alsek_queue", message.uuid)
        assert (kept.state, kept.losses) == ("ready", 0)
        assert tasks.broker.sync_from_backend(message).retries == 0


def test_no_message_waits_behind_a_long_one(project: Project) -> None:
    """Short ones that were claimed together with a long one are run meanwhile: by the same pool, or by another."""
    tasks = project.write(
        BASICS
        + """
@task(broker, result_store=result_store)
def finish() -> str:
    while not (HERE / "go").exists():
        time.sleep(0.01)
    return "finished"

@task(broker)
def quick() -> None:
    pass
"""
    )
    for n in range(500):
        (tasks.finish if n in (300, 320, 340) else tasks.quick).generate()
    options = ("--n_processes", "2", "--tasks_per_process", "1000")
    pools = [start(project, *options), start(project, *options)]
    eventually(lambda: tasks.backend.messages.count("alsek_queue") == 3)
    (project.folder / "go").touch()
    eventually(lambda: tasks.backend.messages.count("alsek_queue") == 0)
    assert [pool.stop() for pool in pools] == [0, 0]


@pytest.mark.each_store
@pytest.mark.parametrize("victim", ["supervisor", "engine"])
def test_a_pool_that_is_killed_leaves_nothing_running(project: Project, victim: str) -> None:
    """SIGKILL of the supervisor or the engine ends every process below; the messages are run again."""
    tasks = project.write(
        BASICS
        + """
@task(broker, result_store=result_store)
def wait() -> int:
    while not (HERE / "go").exists():
        time.sleep(0.05)
    return os.getpid()
"""
    )
    worker = start(project, "--n_processes", "2", "--lease", "3000")
    messages = [tasks.wait.generate() for _ in range(2)]
    eventually(lambda: len(tasks_under(worker)) >= 2)
    family = set(descendants_of(worker.process.pid)) - {worker.process.pid}
    os.kill(worker.process.pid if victim == "supervisor" else worker.children()[0], signal.SIGKILL)
    eventually(lambda: all(gone(pid) for pid in family))
    if victim == "supervisor":
        worker.process.wait()
        start(project, "--n_processes", "2", "--lease", "3000")
    (project.folder / "go").touch()
    for message in messages:
        assert tasks.result_store.get(message, timeout=60_000) not in family


def test_a_revoked_message_is_ended_while_it_runs(project: Project) -> None:
    """`revoke` ends a running task within some seconds, on either kind of pool; it is not retried."""
    tasks: Any = project.write(
        BASICS
        + """
@task(broker, result_store=result_store)
def long() -> None:
    (HERE / "started").touch()
    for _ in range(600):
        time.sleep(0.1)
"""
    )
    for pool in ("process-pool", "thread-pool"):
        (project.folder / "started").unlink(missing_ok=True)
        worker = project.worker("--n_processes", "1", pool=pool)
        message = tasks.long.generate()
        eventually((project.folder / "started").exists)
        assert tasks.long.revoke(message)
        with pytest.raises(TaskFailedError, match="revoked"):
            tasks.result_store.get(message, timeout=60_000)
        assert worker.stop() == 0


def test_worker_hooks_run_in_each_process(project: Project) -> None:
    """`on_worker_start` runs in each task's process before the task, `on_worker_stop` after it."""
    tasks = project.write(
        BASICS
        + """
STATE = {}

@on_worker_start
def connect() -> None:
    STATE["pid"] = os.getpid()

@on_worker_stop
def disconnect() -> None:
    (HERE / f"stopped-{STATE['pid']}").touch()

@task(broker, result_store=result_store)
def connected() -> int:
    return STATE["pid"] if STATE["pid"] == os.getpid() else 0
"""
    )
    start(project, "--n_processes", "2")
    pid = tasks.result_store.get(tasks.connected.generate(), timeout=60_000)
    assert pid
    eventually((project.folder / f"stopped-{pid}").exists)


@pytest.mark.each_store
def test_a_large_message_and_a_large_result_pass(project: Project) -> None:
    """Five megabytes in and out."""
    tasks = project.write(
        BASICS
        + """
@task(broker, result_store=result_store)
def echo(text: str) -> str:
    return text
"""
    )
    start(project, "--n_processes", "1")
    text = "x" * 5_000_000
    assert tasks.result_store.get(tasks.echo.generate(args=(text,)), timeout=60_000) == text


def gone(pid: int) -> bool:
    """Whether a process has ended; one that waits to be reaped has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # it may end between open and read
        return True


def descendants_of(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return [pid]
    return [pid, *(each for child in children for each in descendants_of(int(child)))]


def tasks_under(worker: Worker) -> list[int]:
    """The processes below the template of a pool."""
    engine = worker.children()
    templates = descendants_of(engine[0])[1:2] if engine else []
    return descendants_of(templates[0])[1:] if templates else []


def test_slow_timers_do_not_matter(project: Project) -> None:
    """With a large `--prune_interval` and `--slot_wait_interval` results come just as fast: both only bound a wait."""
    tasks = project.write(BASICS)
    start(project, "--n_processes", "1", "--prune_interval", "600000", "--slot_wait_interval", "600000")
    for _ in range(3):
        tasks.result_store.get(tasks.where.generate(args=(0,)), timeout=60_000)


@pytest.mark.parametrize("dies", [False, True])
def test_a_task_can_not_settle_its_own_message_by_hand(project: Project, dies: bool) -> None:
    """`broker.fail(message)` in a task's process, or in the hook of one that died, says so, and changes nothing."""
    tasks = project.write(
        """
class Told(type(task(broker)(len))):
    def on_failure(self, message: Message, error: BaseException) -> None:
        settle(message)

def settle(message: Message) -> None:
    try:
        broker.fail(message)
    except ValueError as error:
        (HERE / "said").write_text(str(error))

@task(broker, result_store=result_store, base_task=Told, max_retries=0)
def by_hand(dies: bool, message: Message) -> str:
    if dies:
        os._exit(3)
    settle(message)
    return "done"
"""
    )
    message = tasks.by_hand.generate(args=(dies,))
    start(project, "--n_processes", "1")
    if dies:
        with pytest.raises(TaskFailedError, match="exit code 3"):
            tasks.result_store.get(message, timeout=60_000)
    else:
        assert tasks.result_store.get(message, timeout=60_000) == "done"
    assert "is held by the pool" in (project.folder / "said").read_text()


def test_a_host_on_which_nothing_starts_keeps_nothing_from_others(sqlite_project: Project) -> None:
    """A pool whose start hook fails gives back what it has claimed: one whose hook does not fail runs it."""
    tasks = sqlite_project.write(
        BASICS
        + """
@on_worker_start
def connect() -> None:
    if (HERE / "no database").exists():
        raise RuntimeError("no database")
"""
    )
    (sqlite_project.folder / "no database").touch()
    messages = [tasks.add.generate(args=(n, 1)) for n in range(4)]
    bad = start(sqlite_project, "--n_processes", "4")
    bad.logged("did not start")
    eventually(lambda: all(one.state == "ready" for one in tasks.backend.messages.browse("alsek_queue")))
    assert tasks.broker.backend.count("queues:alsek_queue") == 4
    (sqlite_project.folder / "no database").unlink()
    start(sqlite_project, "--n_processes", "4")
    assert [tasks.result_store.get(message, timeout=60_000) for message in messages] == [1, 2, 3, 4]


def test_a_revoked_group_is_ended_by_few_processes(sqlite_project: Project) -> None:
    """Its members share processes, and each ends once; a hook that kills its process or hangs costs no other."""
    tasks = sqlite_project.write(
        BASICS
        + """
from alsek import Task

class Noted(Task):
    def on_revocation(self, message, error):
        with (HERE / "noted").open("a") as notes:
            notes.write(f"{message.uuid} {os.getpid()}\\n")
        if message.args[0] == 30:
            os.kill(os.getpid(), signal.SIGKILL)
        if message.args[0] == 60:
            time.sleep(600)

@task(broker, base_task=Noted, max_retries=0, timeout=10_000)
def noted(n: int) -> None:
    (HERE / "ran").touch()
"""
    )
    group = Group(tasks.noted.defer().generate_many((n,) for n in range(100)))
    group.submit()
    assert group.revoke()
    start(sqlite_project, "--n_processes", "2")
    assert tasks.result_store.get(tasks.add.generate(args=(1, 1)), timeout=60_000) == 2
    eventually(lambda: group.progress().pending == 0, 60, lambda: str(group.progress()))
    progress = group.progress()
    assert progress == GroupProgress(100, 0, 100 - progress.revoked, progress.revoked, 0)
    assert progress.revoked >= 98
    assert not (sqlite_project.folder / "ran").exists()
    assert all(tasks.broker.in_dlq(message) for message in group.members)
    notes = [line.split() for line in (sqlite_project.folder / "noted").read_text().splitlines()]
    quiet = {message.uuid for message in group.members if message.args[0] not in (30, 60)}
    assert sorted(uuid for uuid, _ in notes if uuid in quiet) == sorted(quiet)
    assert len({pid for _, pid in notes}) <= 12


def test_a_stop_while_a_group_is_ended_loses_no_member(sqlite_project: Project) -> None:
    """What is being ended ends, the rest stays in the store, and the next pool ends it: each hook is called once."""
    tasks = sqlite_project.write(
        BASICS
        + """
from alsek import Task

class Slow(Task):
    def on_revocation(self, message, error):
        time.sleep(0.02)
        with (HERE / "noted").open("a") as notes:
            notes.write(f"{message.uuid}\\n")

@task(broker, base_task=Slow)
def noted(n: int) -> None: ...
"""
    )
    notes = sqlite_project.folder / "noted"
    group = Group(tasks.noted.defer().generate_many((n,) for n in range(200)))
    group.submit()
    assert group.revoke()
    first = start(sqlite_project, "--n_processes", "2")
    eventually(lambda: notes.exists() and len(notes.read_text().split()) > 20)
    assert first.stop() == 0
    assert 0 < group.progress().pending < 200
    start(sqlite_project, "--n_processes", "2")
    eventually(lambda: group.progress().pending == 0, 60, lambda: str(group.progress()))
    assert group.progress() == GroupProgress(200, 0, 0, 200, 0)
    assert sorted(notes.read_text().split()) == sorted(message.uuid for message in group.members)
