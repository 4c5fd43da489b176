"""The thread pool, run by its command."""

from __future__ import annotations

import os
import re
import signal
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from alsek import TaskStatus
from alsek.exceptions import TaskFailedError
from tests.integration.conftest import FINISH, Project, children_of
from tests.waiting import eventually

BASICS = """
@task(broker, result_store=result_store)
def add(a: int, b: int) -> int:
    return a + b

@task(broker, result_store=result_store, status_tracker=status_tracker, backoff=None)
def fail(text: str) -> None:
    raise ValueError(text)

@task(broker, result_store=result_store, backoff=None)
def where(message: Message) -> int:
    time.sleep(0.05)
    return os.getpid()

@task(broker)
def log_run(name: str, seconds: float = 0.0) -> None:
    time.sleep(seconds)
    with (HERE / "runs.txt").open("a") as file:
        file.write(f"{name}\\n")
"""


def runs(project: Project) -> list[str]:
    """What `log_run` has written."""
    path = project.folder / "runs.txt"
    return path.read_text().split() if path.exists() else []


@pytest.mark.each_store
def test_a_result_comes_back(project: Project) -> None:
    """What a task returns is what `get` gives to whoever submitted it."""
    tasks = project.write(BASICS)
    project.worker("--n_processes", "1")
    message = tasks.add.generate(args=(1, 1))
    assert tasks.result_store.get(message, timeout=60_000) == 2
    assert not tasks.broker.exists(message)


@pytest.mark.each_store
def test_each_of_many_messages_runs_once(project: Project) -> None:
    """Five hundred messages on two groups: each runs exactly once, and nothing is left."""
    tasks = project.write(BASICS)
    names = [f"m{number}" for number in range(500)]
    messages = [tasks.log_run.generate(args=(name,), submit=False) for name in names]
    assert tasks.broker.submit_many(messages) == []
    project.worker("--n_threads", "4", "--n_processes", "2")
    eventually(lambda: tasks.backend.count("queues:alsek_queue") == 0)
    assert sorted(runs(project)) == sorted(names)


@pytest.mark.each_store
def test_failures_are_retried_and_then_kept(project: Project) -> None:
    """Four runs by default; then the message is a dead letter with name, text and traceback, and its status FAILED."""
    tasks = project.write(BASICS)
    worker = project.worker("--n_processes", "1")
    message = tasks.fail.generate(args=("no money",))
    with pytest.raises(TaskFailedError, match="ValueError: no money") as caught:
        tasks.result_store.get(message, timeout=60_000)
    assert caught.value.details["name"] == "ValueError"
    assert "raise ValueError(text)" in caught.value.details["traceback"]
    assert tasks.status_tracker.get(message) is TaskStatus.FAILED
    assert tasks.broker.in_dlq(message)
    assert not tasks.broker.exists(message)
    assert tasks.broker.sync_from_backend(message).retries == 3
    assert worker.log.count("is run again") == 3
    worker.logged("failed for good: ValueError: no money")
    assert worker.log.count("raise ValueError(text)") == 4  # each attempt is logged with its traceback


def test_retry_and_reject_steer_the_message(project: Project) -> None:
    """`raise Retry(delay=…)` runs the message again after that delay; `raise Reject` fails it at once."""
    tasks = project.write(
        BASICS
        + """
@task(broker, result_store=result_store)
def third_time_lucky(message: Message) -> list[int]:
    with (HERE / "times.txt").open("a") as file:
        file.write(f"{time.time_ns() // 1_000_000}\\n")
    if message.retries < 2:
        raise Retry("not yet", delay=300)
    return [int(line) for line in (HERE / "times.txt").read_text().split()]

@task(broker, result_store=result_store)
def hopeless() -> None:
    raise Reject("never")
"""
    )
    project.worker("--n_processes", "1")
    rejected = tasks.hopeless.generate()
    times = tasks.result_store.get(tasks.third_time_lucky.generate(), timeout=60_000)
    assert len(times) == 3
    assert all(later - earlier >= 300 for earlier, later in pairwise(times))
    with pytest.raises(TaskFailedError, match="Reject: never"):
        tasks.result_store.get(rejected, timeout=60_000)
    assert tasks.broker.sync_from_backend(rejected).retries == 0


def test_callbacks_follow(project: Project) -> None:
    """A chain of callbacks runs in order, each with the result of the one before, all with the root as progenitor."""
    tasks = project.write(
        BASICS
        + """
@task(broker, result_store=result_store)
def add_previous(message: Message) -> int:
    return message.previous_result + 1
"""
    )
    project.worker("--n_processes", "1")
    last = tasks.add_previous.generate(submit=False)
    first = tasks.add.generate(args=(1, 1), callback=(tasks.add_previous.generate(submit=False), last))
    assert tasks.result_store.get(last, timeout=60_000, keep=True) == 4
    found = tasks.result_store.get(first, timeout=60_000, descendants=True, with_metadata=True)
    assert [each["result"] for each in found] == [2, 3, 4]
    assert [each["uuid"] for each in found] == [first.uuid, *(first.descendant_uuids or [])]


def test_an_unknown_task_is_failed_and_the_pool_goes_on(project: Project) -> None:
    """A message for a task that the pool does not know is a dead letter that says so; others are not held up."""
    tasks = project.write(BASICS)
    stranger = tasks.add.generate(args=(1, 1), submit=False)
    stranger.task_name = "nobody_knows"
    tasks.broker.submit(stranger)
    worker = project.worker("--n_processes", "1")
    assert tasks.result_store.get(tasks.add.generate(args=(2, 2)), timeout=60_000) == 4
    eventually(lambda: tasks.broker.in_dlq(stranger))
    details = tasks.broker.sync_from_backend(stranger).exception_details
    assert details is not None
    assert details["name"] == "UnknownTaskError"
    worker.logged("nobody_knows")


def test_a_result_that_cannot_be_serialized_fails_the_message(project: Project) -> None:
    """The function is not run again for it: the message becomes a dead letter that names the task and the type."""
    tasks = project.write(
        BASICS
        + """
@task(broker, result_store=result_store)
def returns_a_complex() -> object:
    (HERE / "runs.txt").open("a").write("run\\n")
    return 5j
"""
    )
    project.worker("--n_processes", "1")
    with pytest.raises(TaskFailedError, match="'returns_a_complex' returned complex"):
        tasks.result_store.get(tasks.returns_a_complex.generate(), timeout=60_000)
    assert runs(project) == ["run"]


@pytest.mark.each_store
def test_delay_is_kept_to(project: Project) -> None:
    """A delayed message does not start early, and an idle worker starts it by its own timer."""
    tasks = project.write(
        BASICS
        + """
@task(broker, result_store=result_store)
def now() -> int:
    return time.time_ns() // 1_000_000
"""
    )
    worker = project.worker("--n_processes", "1")
    worker.logged("Started group")
    before = time.time_ns() // 1_000_000
    at = tasks.result_store.get(tasks.now.generate(delay=700), timeout=60_000)
    assert at - before >= 700


def test_priorities_and_queue_order(project: Project) -> None:
    """Queues are drained in the order given; within one, lower priority first, then first in, first out."""
    tasks = project.write(BASICS)
    for name, queue, priority in [
        ("b2", "b", 2), ("b0", "b", 0), ("a1", "a", 1), ("a0", "a", 0), ("a0second", "a", 0), ("c0", "c", 0),
    ]:  # fmt: skip
        tasks.log_run.generate(args=(name,), queue=queue, priority=priority)
    project.worker("--n_threads", "1", "--n_processes", "1", "-qu", "b,a")
    eventually(lambda: len(runs(project)) == 5)
    assert runs(project) == ["b0", "b2", "a0", "a0second", "a1"]
    assert tasks.backend.count("queues:c") == 1


def test_a_mechanism_that_is_named_is_kept_to(project: Project) -> None:
    """A thread pool leaves alone what names `mechanism="process"`, also on the queue that it drains."""
    tasks = project.write(
        BASICS
        + """
@task(broker, mechanism="process")
def for_processes() -> None:
    pass
"""
    )
    message = tasks.for_processes.generate()
    project.worker("--n_processes", "1")
    assert tasks.result_store.get(tasks.add.generate(args=(1, 1)), timeout=60_000) == 2
    assert tasks.broker.exists(message)


def test_a_task_past_its_timeout_is_interrupted(project: Project) -> None:
    """A task that computes is failed with TaskTimeoutError, by an exception that is raised in it."""
    tasks = project.write(
        BASICS
        + """
@task(broker, result_store=result_store, timeout=1_000, max_retries=0)
def spin() -> None:
    try:
        while True:
            pass
    finally:
        (HERE / "runs.txt").open("a").write("interrupted\\n")
"""
    )
    project.worker("--n_threads", "1", "--n_processes", "1")
    with pytest.raises(TaskFailedError, match="TaskTimeoutError"):
        tasks.result_store.get(tasks.spin.generate(), timeout=60_000)
    assert runs(project) == ["interrupted"]
    assert tasks.result_store.get(tasks.add.generate(args=(1, 1)), timeout=60_000) == 2


def test_a_thread_that_does_not_listen_is_abandoned(project: Project) -> None:
    """A task that sleeps in C past its timeout is failed all the same, and its slot serves others at once."""
    tasks = project.write(
        BASICS
        + """
@task(broker, result_store=result_store, timeout=200, max_retries=0)
def deaf() -> None:
    time.sleep(600)
"""
    )
    worker = project.worker("--n_threads", "1", "--n_processes", "1")
    message = tasks.deaf.generate()
    with pytest.raises(TaskFailedError, match="TaskTimeoutError"):
        tasks.result_store.get(message, timeout=60_000)
    assert tasks.result_store.get(tasks.add.generate(args=(1, 1)), timeout=60_000) == 2
    worker.logged("abandoned")


def test_a_hook_that_hangs_does_not_keep_the_slot(project: Project) -> None:
    """What follows the task has eight seconds; then the message is completed without it, and its slot serves others."""
    tasks = project.write(
        BASICS
        + """
from alsek import Task

class Hanging(Task):
    def on_success(self, message, result):
        time.sleep(600)

@task(broker, result_store=result_store, base_task=Hanging)
def hanging() -> str:
    return "done"
"""
    )
    worker = project.worker("--n_threads", "1", "--n_processes", "1")
    first, second = tasks.hanging.generate(), tasks.add.generate(args=(1, 1))
    assert tasks.result_store.get(first, timeout=60_000) == "done"
    assert tasks.result_store.get(second, timeout=60_000) == 2
    worker.logged("did not end the code after the task")


def test_a_tracker_of_the_users_own_hears_every_transition(project: Project) -> None:
    """Also the last one before the pool stops."""
    tasks = project.write(
        BASICS
        + """
class Writing(StatusTracker):
    def set(self, message, status, details=None):
        with (HERE / "runs.txt").open("a") as file:
            file.write(f"{status.name}\\n")

@task(broker, status_tracker=Writing(backend))
def quick() -> None: ...
"""
    )
    for pool in ("thread-pool", "process-pool"):
        (project.folder / "runs.txt").unlink(missing_ok=True)
        worker = project.worker("--n_processes", "1", pool=pool)
        callback = tasks.quick.generate(submit=False)
        message = tasks.quick.generate(callback=callback)
        eventually(lambda message=message: not tasks.broker.exists(message))
        eventually(lambda callback=callback: not tasks.broker.exists(callback))
        assert worker.stop() == 0
        assert sorted(runs(project)) == sorted(2 * ["SUBMITTED", "RUNNING", "SUCCEEDED"])


HOG = """
import ctypes

@task(broker, result_store=result_store, timeout=2_000, max_retries=0)
def hog() -> None:
    (HERE / "runs.txt").open("a").write("hog\\n")
    ctypes.PyDLL(None).usleep(600_000_000)  # never lets go of the interpreter

@task(broker, result_store=result_store, timeout=60_000)
def hold(seconds: int) -> str:
    (HERE / "runs.txt").open("a").write("hold\\n")
    ctypes.PyDLL(None).usleep(seconds * 1_000_000)
    return "held"

@task(broker, result_store=result_store, max_retries=0)
def neighbour(message: Message) -> int:
    time.sleep(1.0)
    return message.retries
"""


def test_a_task_that_never_lets_go_costs_its_process(project: Project) -> None:
    """The group is killed, the task that held it up is blamed, and its neighbours go free."""
    tasks = project.write(BASICS + HOG)
    worker = project.worker("--n_threads", "4", "--n_processes", "1")
    neighbours = [tasks.neighbour.generate() for _ in range(2)]
    eventually(lambda: all(m.state == "claimed" for m in tasks.backend.messages.browse("alsek_queue")))
    with pytest.raises(TaskFailedError, match="did not end after the timeout"):
        tasks.result_store.get(tasks.hog.generate(), timeout=60_000)
    assert [tasks.result_store.get(each, timeout=60_000) for each in neighbours] == [0, 0]
    assert runs(project) == ["hog"]
    worker.logged("can't end 1 overdue tasks")


def test_a_task_that_blocks_the_interpreter_beyond_the_lease_keeps_its_message(project: Project) -> None:
    """The lease is renewed by a process that the task can't hold up: it runs once, and its result counts."""
    tasks = project.write(BASICS + HOG)
    project.worker("--n_threads", "2", "--n_processes", "1", "--lease", "3000")
    project.worker("--n_threads", "2", "--n_processes", "1", "--lease", "3000")
    assert tasks.result_store.get(tasks.hold.generate(args=(8,)), timeout=60_000) == "held"
    assert runs(project) == ["hold"]


@pytest.mark.each_store
def test_a_group_killed_half_way_loses_nothing(project: Project) -> None:
    """SIGKILL of one of two groups: every message still gets its result.

    At most one is charged with a retry: if its task alone had begun and not ended then, it may have been to blame.
    """
    tasks = project.write(BASICS)
    worker = project.worker("--n_threads", "4", "--n_processes", "2")
    messages = [tasks.where.generate() for _ in range(300)]
    eventually(lambda: tasks.backend.count("queues:alsek_queue") < 200)
    os.kill(worker.children()[0], signal.SIGKILL)
    pids = {tasks.result_store.get(message, timeout=60_000) for message in messages}
    assert len(pids) >= 2
    assert tasks.backend.count("queues:alsek_queue") == 0
    assert list(tasks.broker.dead_letters("alsek_queue")) == []
    assert worker.log.count("and is run again in") <= 1


def test_a_message_that_kills_its_process_ends_with_the_reason(project: Project) -> None:
    """Alone in its process it is charged: `os._exit` with no retries left is a dead letter with the exit code."""
    tasks = project.write(
        BASICS
        + """
@task(broker, result_store=result_store, max_retries=1, backoff=None)
def poison() -> None:
    (HERE / "runs.txt").open("a").write("poison\\n")
    os._exit(23)
"""
    )
    project.worker("--n_threads", "2", "--n_processes", "1")
    with pytest.raises(TaskFailedError, match="exit code 23") as caught:
        tasks.result_store.get(tasks.poison.generate(), timeout=60_000)
    assert caught.value.details["name"] == "WorkerLostError"
    assert runs(project) == ["poison", "poison"]
    assert tasks.result_store.get(tasks.add.generate(args=(1, 1)), timeout=60_000) == 2


def test_the_neighbours_of_a_killer_are_not_charged(project: Project) -> None:
    """Among eight threads, a message that kills the process convicts itself, alone; the others get their results."""
    tasks = project.write(
        BASICS
        + """
@task(broker, result_store=result_store, max_retries=0)
def poison() -> None:
    while len(list(HERE.glob("beside-*"))) < 4:
        time.sleep(0.02)
    os._exit(24)

@task(broker, result_store=result_store, max_retries=0)
def neighbour(message: Message) -> int:
    (HERE / f"beside-{message.uuid}").touch()
    time.sleep(0.5)
    return message.retries
"""
    )
    project.worker("--n_threads", "8", "--n_processes", "1")
    neighbours = [tasks.neighbour.generate() for _ in range(4)]
    poison = tasks.poison.generate()
    with pytest.raises(TaskFailedError, match="exit code 24"):
        tasks.result_store.get(poison, timeout=60_000)
    assert [tasks.result_store.get(each, timeout=60_000) for each in neighbours] == [0, 0, 0, 0]


@pytest.mark.each_store
def test_the_first_signal_lets_tasks_finish(project: Project) -> None:
    """SIGTERM: what runs finishes, what waits stays, the exit code is 0."""
    tasks = project.write(BASICS + FINISH)
    worker = project.worker("--n_threads", "1", "--n_processes", "1")
    first = tasks.finish.generate()
    second = tasks.log_run.generate(args=("second", 0.0))
    eventually((project.folder / "begun").exists)
    worker.begin_to_stop()
    (project.folder / "go").touch()
    assert worker.process.wait(60) == 0
    assert tasks.result_store.get(first) == "finished"
    assert runs(project) == []
    assert tasks.broker.exists(second)


@pytest.mark.each_store
@pytest.mark.parametrize("how", ["shutdown_timeout", "second signal"])
def test_what_does_not_finish_is_given_back_uncharged(project: Project, how: str) -> None:
    """When the time is over, or at a second signal, what runs is ended and given back, without a retry; exit code 0."""
    tasks = project.write(
        BASICS
        + """
@task(broker, max_retries=0)
def long(name: str) -> None:
    open(f"begun-{name}", "w").close()
    time.sleep(600)
"""
    )
    patience = "500" if how == "shutdown_timeout" else "600000"
    worker = project.worker("--n_threads", "2", "--n_processes", "1", "--shutdown_timeout", patience)
    messages = [tasks.long.generate(args=(name,)) for name in ("a", "b")]
    eventually(lambda: len(list(project.folder.glob("begun-*"))) == 2)
    assert (worker.stop_at_once() if how == "second signal" else worker.stop()) == 0
    # What every deploy may bring is no error; the log says what was given back.
    assert not [line for line in worker.log.splitlines() if " ERROR " in line or " CRITICAL" in line]
    (told,) = [line for line in worker.log.splitlines() if "gives back 2 messages" in line]
    assert " WARNING " in told
    for message in messages:
        assert message.uuid in told
        stored = tasks.backend.messages.get("alsek_queue", message.uuid)
        assert stored is not None
        assert (stored.state, stored.losses) == ("ready", 0)
        assert tasks.broker.sync_from_backend(message).retries == 0


def test_nothing_outlives_a_killed_supervisor(project: Project) -> None:
    """SIGKILL of the supervisor ends its groups; another pool has their messages after the lease, and says so."""
    tasks = project.write(
        BASICS
        + """
@task(broker)
def log_end(name: str) -> None:
    while not (HERE / "go").exists():
        time.sleep(0.05)
    log_run(name)
"""
    )
    worker = project.worker("--n_threads", "2", "--n_processes", "2", "--lease", "3000")
    messages = [tasks.log_end.generate(args=(f"m{n}",)) for n in range(2)]
    eventually(lambda: all(m.state == "claimed" for m in tasks.backend.messages.browse("alsek_queue")))
    groups = worker.children()
    worker.process.kill()
    worker.process.wait()
    eventually(lambda: not any(_alive(pid) for pid in groups))
    (project.folder / "go").touch()
    other = project.worker("--n_threads", "2", "--n_processes", "1", "--lease", "3000")
    eventually(lambda: tasks.backend.count("queues:alsek_queue") == 0)
    told = re.findall(
        r"WARNING .* The lease of worker [^\n]+ has ended: the (\d) messages that it held", other.log
    )
    assert sum(map(int, told)) == 2
    assert sorted(runs(project)) == ["m0", "m1"]
    assert not any(tasks.broker.exists(message) for message in messages)


def test_groups_come_and_go_with_the_load(project: Project) -> None:
    """One group at first; another while all are saturated and messages wait; both are the pool's children."""
    tasks = project.write(
        BASICS
        + """
@task(broker)
def wait() -> None:
    while not (HERE / "go").exists():
        time.sleep(0.05)
"""
    )
    worker = project.worker("--n_threads", "1", "--n_processes", "2")
    worker.logged("Started group")
    assert len(worker.children()) == 1
    messages = [tasks.wait.generate() for _ in range(6)]
    eventually(lambda: len(worker.children()) == 2)
    (project.folder / "go").touch()
    eventually(lambda: not any(tasks.broker.exists(m) for m in messages))


QUICK_TO_PRUNE = """
import sys
import alsek.core.worker.supervisor.scaling as scaling
from alsek.core.worker.thread import ThreadWorkerPool
import logging
import tasks

scaling.PRUNE_AFTER_MS = 2_500
logging.basicConfig(level="INFO", stream=sys.stderr)
pool = ThreadWorkerPool([tasks.meet], n_threads=2, n_processes=2)
pool.run()
"""


def test_a_group_that_stays_idle_ends(project: Project) -> None:
    """A second group that the load has brought ends once it has been idle for so long, though it looks at the store
    meanwhile; the first stays, and serves."""
    tasks = project.write(
        BASICS
        + """
@task(broker, result_store=result_store, backoff=None)
def meet() -> int:
    (HERE / f"pid-{os.getpid()}").touch()
    while len(list(HERE.glob("pid-*"))) < 2:
        time.sleep(0.02)
    return os.getpid()
"""
    )
    messages = [tasks.meet.generate() for _ in range(12)]
    (project.folder / "pool.py").write_text(QUICK_TO_PRUNE)
    worker = project.run_file("pool.py")
    pids = {tasks.result_store.get(message, timeout=60_000) for message in messages}
    assert len(pids) == 2
    worker.logged("has been idle: it ends")
    worker.logged("has ended")
    (left,) = worker.children()
    assert tasks.result_store.get(tasks.meet.generate(), timeout=60_000) == left
    assert worker.stop() == 0


def test_a_group_that_grows_is_replaced(sqlite_project: Project) -> None:
    """`--max_memory`: a process that has become larger runs on until its tasks have ended, and gives way to another."""
    tasks = sqlite_project.write(
        BASICS
        + """
KEPT = []

@task(broker, result_store=result_store)
def grow(mebibytes: int) -> int:
    KEPT.append(bytearray(mebibytes * 2**20))
    time.sleep(0.2)
    return os.getpid()
"""
    )
    worker = sqlite_project.worker("--n_threads", "1", "--n_processes", "1", "--max_memory", "200")
    small = tasks.result_store.get(tasks.grow.generate(args=(1,)), timeout=60_000)
    messages = [tasks.grow.generate(args=(n,)) for n in (1, 300)]
    assert [tasks.result_store.get(message, timeout=60_000) for message in messages] == [small, small]
    worker.logged("MiB (max_memory=200): it is replaced")
    messages = [tasks.grow.generate(args=(1,)) for _ in range(6)]
    pids = [tasks.result_store.get(message, timeout=60_000) for message in messages]
    assert len({*pids, small}) == 2
    assert worker.stop() == 0


def test_groups_are_replaced_after_so_many_tasks(project: Project) -> None:
    """`--max_tasks_per_group 5`: no process runs a sixth task."""
    tasks = project.write(BASICS)
    messages = [tasks.where.generate() for _ in range(15)]
    project.worker("--n_threads", "2", "--n_processes", "1", "--max_tasks_per_group", "5")
    pids = [tasks.result_store.get(message, timeout=60_000) for message in messages]
    assert max(pids.count(pid) for pid in pids) <= 5


def test_worker_hooks_run_in_each_process(project: Project) -> None:
    """`on_worker_start` runs in the process that runs the tasks, before the first; `on_worker_stop` after the last."""
    tasks = project.write(
        BASICS
        + """
STATE = {}

@on_worker_start
def connect() -> None:
    STATE["pid"] = os.getpid()

@on_worker_stop
def disconnect() -> None:
    (HERE / "runs.txt").open("a").write(f"stopped-{STATE['pid']}\\n")

@task(broker, result_store=result_store)
def connected() -> bool:
    return STATE["pid"] == os.getpid()
"""
    )
    worker = project.worker("--n_processes", "1")
    assert tasks.result_store.get(tasks.connected.generate(), timeout=60_000) is True
    group = worker.children()[0]
    assert worker.stop() == 0
    assert runs(project) == [f"stopped-{group}"]


def test_a_start_hook_that_fails_is_said_and_tried_again(project: Project) -> None:
    """The process takes no message; the pool logs the failure and starts another process after a while."""
    tasks = project.write(
        BASICS
        + """
@on_worker_start
def connect() -> None:
    marker = HERE / "tried"
    if not marker.exists():
        marker.touch()
        raise ConnectionError("no database")
"""
    )
    worker = project.worker("--n_processes", "1")
    worker.logged("no database")
    assert tasks.result_store.get(tasks.add.generate(args=(1, 1)), timeout=60_000) == 2


@pytest.mark.each_store
def test_a_stopped_worker_cannot_report(project: Project) -> None:
    """SIGSTOP beyond the lease, then SIGCONT: the message runs elsewhere, and the late outcome is refused."""
    tasks: Any = project.write(
        BASICS
        + """
@task(broker, result_store=result_store)
def slow(message: Message) -> int:
    while not (HERE / "go").exists():
        time.sleep(0.05)
    return os.getpid()
"""
    )
    first = project.worker("--n_threads", "1", "--n_processes", "1", "--lease", "3000")
    message = tasks.slow.generate()
    eventually(lambda: any(m.state == "claimed" for m in tasks.backend.messages.browse("alsek_queue")))
    stopped = [first.process.pid, *children_of(first.process.pid)]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    (project.folder / "go").touch()
    second = project.worker("--n_threads", "1", "--n_processes", "1", "--lease", "3000")
    try:
        pid = tasks.result_store.get(message, timeout=60_000, keep=True)
        assert pid in second.children()
    finally:
        for each in stopped:
            os.kill(each, signal.SIGCONT)
    first.logged("lease")
    assert tasks.result_store.get(message, keep=True) == pid


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
