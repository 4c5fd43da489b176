"""Results and statuses on another store than the messages, and through an overridden `set`."""

from __future__ import annotations

import pytest

from alsek import TaskStatus
from alsek.exceptions import TaskFailedError
from tests.integration.conftest import Project

WAIT_MS = 60_000

ELSEWHERE = """
from alsek.storage.backends.sqlite import SQLiteBackend

elsewhere = SQLiteBackend(HERE / "elsewhere.db")
other_results = ResultStore(elsewhere)
other_tracker = StatusTracker(elsewhere)

@task(broker, result_store=other_results, status_tracker=other_tracker, max_retries=1, backoff=None)
def divide(a: int, b: int) -> float:
    return a / b

@task(broker, result_store=other_results, status_tracker=other_tracker)
def half(message: Message) -> float:
    return message.previous_result / 2
"""


def test_guide_results_and_statuses_elsewhere(project: Project) -> None:
    """Messages in the project's store, the rest in a file of its own: results, callbacks and statuses all come."""
    tasks = project.write(ELSEWHERE)
    project.worker("--n_processes", "1")
    last = tasks.half.defer().generate()
    first = tasks.divide.generate(args=(1, 2), callback=last)
    assert tasks.other_results.get(last, timeout=WAIT_MS, keep=True) == 0.25
    assert tasks.other_tracker.wait_for(last, timeout=WAIT_MS) is TaskStatus.SUCCEEDED
    assert tasks.other_tracker.get(first) is TaskStatus.SUCCEEDED
    assert tasks.other_results.get(first, descendants=True) == [0.5, 0.25]
    assert tasks.status_tracker.get(first) is TaskStatus.UNKNOWN  # nothing of it is in the broker's store
    assert not tasks.result_store.exists(first)


def test_guide_a_failure_elsewhere(project: Project) -> None:
    """A failed message ends as FAILED in the other store; its letter is in the broker's, so that a `get` can't know."""
    tasks = project.write(ELSEWHERE)
    project.worker("--n_processes", "1")
    message = tasks.divide.generate(args=(1, 0))
    assert tasks.other_tracker.wait_for(message, timeout=WAIT_MS) is TaskStatus.FAILED
    assert tasks.broker.in_dlq(message)
    with pytest.raises(TimeoutError):
        tasks.other_results.get(message, timeout=10)
    with pytest.raises(TaskFailedError):
        tasks.result_store.get(message, timeout=WAIT_MS)


def test_guide_an_overridden_set_is_called(project: Project) -> None:
    """A subclass whose `set` is overridden has it called for every transition, in order, and for each result."""
    tasks = project.write(
        """
class Loud(StatusTracker):
    def set(self, message, status, details=None):
        with (HERE / "statuses.txt").open("a") as file:
            file.write(status.name + " ")
        super().set(message, status, details)

class Careful(ResultStore):
    def set(self, message, result):
        super().set(message, [result, "checked"])

careful, loud = Careful(backend), Loud(backend)

@task(broker, result_store=careful, status_tracker=loud, backoff=None)
def second_time(message: Message) -> int:
    if message.retries == 0:
        raise ValueError("not yet")
    return message.retries
"""
    )
    message = tasks.second_time.generate()
    project.worker("--n_processes", "1")
    assert tasks.careful.get(message, timeout=WAIT_MS) == [1, "checked"]
    assert tasks.loud.wait_for(message, timeout=WAIT_MS) is TaskStatus.SUCCEEDED
    said = (project.folder / "statuses.txt").read_text().split()
    assert said == ["SUBMITTED", "RUNNING", "RETRYING", "RUNNING", "SUCCEEDED"]
