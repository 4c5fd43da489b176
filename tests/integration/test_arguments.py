"""What becomes of a message whose arguments its function can't take, in real pools."""

from __future__ import annotations

import pytest

from alsek import Message
from alsek.exceptions import ArgumentsError, TaskFailedError
from tests.integration.conftest import Project

WAIT_MS = 60_000

TASKS = """
@task(broker, result_store=result_store, max_retries=None)
def send(to: str, copies: int = 1) -> str:
    return to * copies

@task(broker, result_store=result_store)
def sms(message, to):
    return [message, to]

@task(broker, result_store=result_store)
def by_position(message, /, to="x"):
    return [type(message).__name__, to]
"""


@pytest.mark.parametrize("pool", ["thread-pool", "process-pool"])
def test_a_worker_fails_at_once_what_an_older_producer_has_sent(project: Project, pool: str) -> None:
    """Though the task has retries without end, it is a dead letter right away, and says why; the pool goes on."""
    tasks = project.write(TASKS)
    project.worker("--n_processes", "1", pool=pool)
    with pytest.raises(ArgumentsError):
        tasks.send.generate(kwargs={"copies": 2})
    old = Message("send", kwargs={"copies": 2})
    tasks.broker.submit(old)
    with pytest.raises(
        TaskFailedError, match=r"ArgumentsRejectedError: task 'send': 'to' is missing. It takes"
    ) as failed:
        tasks.result_store.get(old, timeout=WAIT_MS)
    assert failed.value.details["name"] == "ArgumentsRejectedError"
    assert tasks.broker.sync_from_backend(old).retries == 0
    assert tasks.result_store.get(tasks.send.generate(("a", 2)), timeout=WAIT_MS) == "aa"
    assert tasks.result_store.get(tasks.sms.generate(("hello", "+44")), timeout=WAIT_MS) == ["hello", "+44"]
    assert tasks.result_store.get(tasks.by_position.generate(("a", "b")), timeout=WAIT_MS) == ["str", "b"]
    assert tasks.result_store.get(tasks.by_position.generate(), timeout=WAIT_MS) == ["Message", "x"]
