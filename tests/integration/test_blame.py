"""Who is charged with what ends a process, and what the store is told: real pools, and tasks that misbehave."""

from __future__ import annotations

import os
import signal
import time

import pytest

from alsek.exceptions import TaskFailedError
from tests.integration.conftest import Project, children_of
from tests.waiting import eventually

CRASHES = """
import ctypes
from alsek.core.task import Task

def crash() -> None:
    ctypes.string_at(0)

@task(broker, result_store=result_store, max_retries=0)
def innocent(message: Message) -> int:
    (HERE / "innocent").touch()
    time.sleep(1.0)
    return message.retries

def run_beside(name: str) -> None:
    # The function of the culprit has something beside it, in the same process, when it is first run.
    deadline = time.monotonic() + 60
    while not (HERE / "innocent").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
"""

#: Where a process may die of a message while its function does not run.
PLACES = {
    "on_success": """
class Crashes(Task):
    def on_success(self, message, result):
        crash()

@task(broker, result_store=result_store, max_retries=0, base_task=Crashes)
def culprit() -> None:
    run_beside("culprit")
""",
    "pre_op": """
class Crashes(Task):
    def pre_op(self, message):
        run_beside("culprit")
        crash()

@task(broker, result_store=result_store, max_retries=0, base_task=Crashes)
def culprit() -> None: ...
""",
    "tracker": """
class Crashes(StatusTracker):
    def set(self, message, status, details=None):
        run_beside("culprit")
        crash()

@task(broker, result_store=result_store, status_tracker=Crashes(backend), max_retries=0)
def culprit() -> None: ...

# The producer tells the tracker as well: it must outlive that.
import sys
if "alsek.cli" not in sys.argv[0] and "alsek/cli" not in sys.argv[0]:
    Crashes.set = lambda *_: None
""",
    "result store": """
class Crashes(ResultStore):
    def set(self, message, result):
        run_beside("culprit")
        crash()

@task(broker, result_store=Crashes(backend), max_retries=0)
def culprit() -> None: ...
""",
}


@pytest.mark.parametrize("place", PLACES)
def test_a_crash_outside_of_the_function_is_charged_to_its_message(project: Project, place: str) -> None:
    """Before the function or after it: the neighbour gets its result, and the culprit convicts itself, soon."""
    tasks = project.write(CRASHES + PLACES[place])
    worker = project.worker("--n_threads", "2", "--n_processes", "1")
    innocent, culprit = tasks.innocent.generate(), tasks.culprit.generate()
    with pytest.raises(TaskFailedError, match="SIGSEGV") as caught:
        tasks.result_store.get(culprit, timeout=60_000)
    assert caught.value.details["name"] == "WorkerLostError"
    assert "max_losses" not in caught.value.details["text"]
    assert tasks.result_store.get(innocent, timeout=60_000) == 0
    assert worker.stop() == 0


@pytest.mark.each_store
def test_a_thread_that_was_given_up_charges_nobody_when_it_ends_the_process(project: Project) -> None:
    """Its own message has been concluded; the one that runs beside it then is suspected, and runs again, uncharged."""
    tasks = project.write(
        CRASHES
        + """
@task(broker, result_store=result_store, max_retries=0, timeout=1_500)
def culprit() -> None:
    until = time.monotonic() + 60
    beside = False
    while not beside and time.monotonic() < until:
        try:
            time.sleep(0.05)
            beside = (HERE / "runs").exists()
        except TimeoutError:
            pass
    crash()

@task(broker, result_store=result_store, max_retries=0)
def bystander(message: Message) -> int:
    with (HERE / "runs").open("a") as file:
        file.write("x")
    time.sleep(1.0)
    return message.retries
"""
    )
    worker = project.worker("--n_threads", "4", "--n_processes", "1")
    culprit = tasks.culprit.generate()
    with pytest.raises(TaskFailedError, match="TaskTimeoutError"):
        tasks.result_store.get(culprit, timeout=60_000)
    bystander = tasks.bystander.generate()
    assert tasks.result_store.get(bystander, timeout=60_000) == 0
    assert (project.folder / "runs").read_text() == "xx"
    assert worker.stop() == 0


@pytest.mark.deep
@pytest.mark.parametrize("pool", ["thread-pool", "process-pool"])
@pytest.mark.parametrize("place", ["pre_op", "function", "on_success"])
def test_a_message_that_is_changed_ends_as_what_was_claimed(project: Project, pool: str, place: str) -> None:
    """Whichever hook changes it: the task runs once; result, status and removal are those of what was submitted."""
    tasks = project.write(
        f"""
from alsek.core.task import Task

def spoil(message, place):
    if place != {place!r}:
        return
    message.uuid, message.queue, message.retries, message.claim = "other", "slow_lane", 7, None
    message.priority, message.mechanism, message.timeout, message.status_ttl = "x", None, 0, 0
    message.progenitor_uuid = 3
    message.exception_details = message.metadata = object()

class Spoils(Task):
    def pre_op(self, message):
        spoil(message, "pre_op")

    def on_success(self, message, result):
        spoil(message, "on_success")

@task(broker, result_store=result_store, status_tracker=status_tracker, max_retries=0, base_task=Spoils)
def pay(message: Message) -> str:
    with (HERE / "runs").open("a") as file:
        file.write("x")
    spoil(message, "function")
    return "paid"
"""
    )
    worker = project.worker(pool=pool)
    message = tasks.pay.generate()
    assert tasks.result_store.get(message, timeout=60_000) == "paid"
    assert tasks.status_tracker.wait_for(message, timeout=60_000).name == "SUCCEEDED"
    assert not tasks.broker.exists(message)
    assert (project.folder / "runs").read_text() == "x"
    assert worker.stop() == 0
    assert "refused" not in worker.log


@pytest.mark.parametrize("how", ["the pool first", "the tasks' processes first"])
@pytest.mark.parametrize(
    "pool", [["thread-pool"], ["process-pool"], ["process-pool", "--tasks_per_process", "5"]]
)
def test_a_stop_that_reaches_every_process_lets_tasks_finish(
    sqlite_project: Project, pool: list[str], how: str
) -> None:
    """As when the pool alone is told, in whatever order they hear of it; nothing is charged, and the exit code is 0."""
    tasks = sqlite_project.write(
        """
import alsek.core.worker.process_executor.lost_jobs as lost_jobs
import alsek.core.worker.process_executor.task_runner as task_runner

if __name__ == "tasks":  # in the pool: how long the signals may take to reach all
    lost_jobs.STOP_REACHES_ALL_MS = task_runner.STOP_REACHES_ALL_MS = 20_000

@task(broker, result_store=result_store, status_tracker=status_tracker, max_retries=0)
def work() -> str:
    (HERE / f"begun-{os.getpid()}-{time.monotonic_ns()}").touch()
    while not (HERE / "go").exists():
        time.sleep(0.1)
    return "done"
"""
    )
    kind, *options = pool
    worker = sqlite_project.worker("--n_processes", "2", *options, pool=kind)
    messages = [tasks.work.generate() for _ in range(2)]
    eventually(lambda: len(list(sqlite_project.folder.glob("begun-*"))) == 2)
    levels = [[worker.process.pid]]
    while levels[-1]:
        levels.append([child for parent in levels[-1] for child in children_of(parent)])
    order = levels if how == "the pool first" else levels[::-1]
    for level in order:
        for pid in level:
            os.kill(pid, signal.SIGTERM)
        if how != "the pool first":
            time.sleep(0.1)
    worker.logged("Stopping: running tasks have")
    (sqlite_project.folder / "go").touch()
    assert worker.process.wait(timeout=60) == 0
    assert [tasks.result_store.get(each) for each in messages] == ["done", "done"]
    assert [tasks.status_tracker.get(each).name for each in messages] == ["SUCCEEDED", "SUCCEEDED"]
    assert "ERROR" not in worker.log


@pytest.mark.parametrize("pool", ["thread-pool", "process-pool"])
def test_what_a_task_forks_ends_like_any_program(sqlite_project: Project, pool: str) -> None:
    """By its own exit status, and with a traceback on stderr; no hook runs in it, and nothing is reported by it."""
    tasks = sqlite_project.write(
        """
import sys
from alsek.core.task import Task

class Notes(Task):
    def post_op(self, message, result):
        with (HERE / "hooks").open("a") as file:
            file.write("x")

@task(broker, result_store=result_store, max_retries=0, base_task=Notes)
def forks(how: str) -> int:
    pid = os.fork()
    if not pid:
        if how == "exit":
            sys.exit(3)
        if how == "raise":
            raise ValueError("the child's work failed")
        return -1
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""
    )
    worker = sqlite_project.worker(pool=pool)
    messages = [tasks.forks.generate(args=(how,)) for how in ("exit", "raise", "return")]
    assert [tasks.result_store.get(each, timeout=60_000) for each in messages] == [3, 1, 0]
    assert worker.stop() == 0
    assert (sqlite_project.folder / "hooks").read_text() == "xxx"
    assert "ValueError: the child's work failed" in worker.log
    assert "refused" not in worker.log


@pytest.mark.parametrize("code", [0, 75, 78])
@pytest.mark.parametrize("pool", ["thread-pool", "process-pool"])
def test_an_exit_code_tells_nothing(sqlite_project: Project, pool: str, code: int) -> None:
    """A task that ends its process with a code that the pool itself uses is charged as with any other, at once."""
    tasks = sqlite_project.write(
        f"""
@task(broker, result_store=result_store, max_retries=0)
def ends() -> None:
    os._exit({code})
"""
    )
    worker = sqlite_project.worker(pool=pool)
    with pytest.raises(TaskFailedError, match=f"exit code {code}"):
        tasks.result_store.get(tasks.ends.generate(), timeout=60_000)
    assert worker.stop() == 0


@pytest.mark.parametrize(
    "pool", [["thread-pool", "--n_threads", "1"], ["process-pool", "--tasks_per_process", "9"]]
)
def test_context_variables_are_no_ones_but_their_messages(sqlite_project: Project, pool: list[str]) -> None:
    """In one thread or process, each message finds what the start hooks left, and its hooks what it has set."""
    tasks = sqlite_project.write(
        """
from contextvars import ContextVar
from alsek.core.task import Task

variable: ContextVar[str] = ContextVar("variable", default="unset")

@on_worker_start
def begin() -> None:
    variable.set("begun")

class Shares(Task):
    def pre_op(self, message):
        variable.set(variable.get() + " pre_op")

    def on_success(self, message, result):
        with (HERE / "seen").open("a") as file:
            file.write(variable.get() + "\\n")

@task(broker, result_store=result_store, base_task=Shares)
def work() -> str:
    before = variable.get()
    variable.set(before + " function")
    return before
"""
    )
    kind, *options = pool
    worker = sqlite_project.worker("--n_processes", "1", *options, pool=kind)
    messages = [tasks.work.generate() for _ in range(4)]
    assert [tasks.result_store.get(each, timeout=60_000) for each in messages] == 4 * ["begun pre_op"]
    assert worker.stop() == 0
    seen = (sqlite_project.folder / "seen").read_text().splitlines()
    assert seen == 4 * ["begun pre_op function"]
