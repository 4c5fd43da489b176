"""Who is charged with what ends a process, and what the store is told: real pools, and tasks that misbehave."""

from __future__ import annotations

import pytest

from alsek.exceptions import TaskFailedError
from tests.integration.conftest import Project

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
    deadline = time.monotonic() + 5
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
        tasks.result_store.get(culprit, timeout=30_000)
    assert caught.value.details["name"] == "WorkerLostError"
    assert "max_losses" not in caught.value.details["text"]
    assert tasks.result_store.get(innocent, timeout=30_000) == 0
    assert worker.stop() == 0


def test_a_thread_that_was_given_up_charges_nobody_when_it_ends_the_process(project: Project) -> None:
    """Its own message has been concluded; the one that runs beside it then is suspected, and runs again, uncharged."""
    tasks = project.write(
        CRASHES
        + """
@task(broker, result_store=result_store, max_retries=0, timeout=100)
def culprit() -> None:
    until = time.monotonic() + 3
    while time.monotonic() < until:
        try:
            time.sleep(0.05)
        except TimeoutError:
            pass
    crash()

@task(broker, result_store=result_store, max_retries=0)
def bystander(message: Message) -> int:
    with (HERE / "runs").open("a") as file:
        file.write("x")
    time.sleep(2.5)
    return message.retries
"""
    )
    worker = project.worker("--n_threads", "4", "--n_processes", "1")
    culprit = tasks.culprit.generate()
    with pytest.raises(TaskFailedError, match="TaskTimeoutError"):
        tasks.result_store.get(culprit, timeout=30_000)
    bystander = tasks.bystander.generate()
    assert tasks.result_store.get(bystander, timeout=30_000) == 0
    assert (project.folder / "runs").read_text() == "xx"
    assert worker.stop() == 0


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
    assert tasks.result_store.get(message, timeout=20_000) == "paid"
    assert tasks.status_tracker.wait_for(message, timeout=20_000).name == "SUCCEEDED"
    assert not tasks.broker.exists(message)
    assert (project.folder / "runs").read_text() == "x"
    assert worker.stop() == 0
    assert "refused" not in worker.log
