"""What a pool says of itself before it starts."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.task import task
from alsek.core.worker.pool import WorkerPool
from alsek.core.worker.process import ProcessWorkerPool
from alsek.core.worker.thread import ThreadWorkerPool
from alsek.storage.backends.redis import RedisBackend


def introduction(caplog: pytest.LogCaptureFixture, kind: type[WorkerPool], **options: Any) -> str:
    """The first lines of a pool with a task of each mechanism."""
    broker = Broker(RedisBackend("redis://me:secret@localhost:6390/3", namespace="shop"))
    names: list[Any] = [None, "thread", "process"]
    tasks = [task(broker, name=f"{name}_task", mechanism=name)(lambda: None) for name in names]
    pool = kind(tasks, **options)
    with caplog.at_level(logging.INFO, "alsek"):
        pool._introduce()
    return caplog.text


def test_it_says_its_store_and_no_password(caplog: pytest.LogCaptureFixture) -> None:
    """Where it is, and the namespace."""
    text = introduction(caplog, ThreadWorkerPool)
    assert "This thread pool is on " in text
    assert "localhost:6390" in text
    assert "'shop'" in text
    assert "secret" not in text


@pytest.mark.parametrize(
    ("kind", "own", "other"),
    [(ThreadWorkerPool, "thread", "process"), (ProcessWorkerPool, "process", "thread")],
)
def test_it_says_its_queues_and_tasks(
    caplog: pytest.LogCaptureFixture, kind: type[WorkerPool], own: str, other: str
) -> None:
    """And those of its tasks that it can't run."""
    text = introduction(caplog, kind, queues=["b", "a"])
    assert "Queues: b, a." in text
    assert f"Tasks: None_task, {own}_task." in text
    assert f"name another mechanism than {own!r}: {other}_task." in text


def test_it_says_that_it_serves_all_queues(caplog: pytest.LogCaptureFixture) -> None:
    """If none is named."""
    assert "Queues: all." in introduction(caplog, ThreadWorkerPool)
