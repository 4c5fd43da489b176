"""A namespace gets another number of partitions while it is in use: by the steps of ``docs/partitions.md``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from apscheduler.triggers.cron import CronTrigger

from alsek.storage.backends.abstract import Backend
from tests.clusters import ClusterOfServers
from tests.integration.conftest import HEADER, Project
from tests.waiting import eventually

pytestmark = [pytest.mark.redis, pytest.mark.slow]

_BACKEND = """from alsek.storage.backends.redis import RedisBackend
backend = RedisBackend({url!r}, namespace={namespace!r}, partitions={partitions})"""

_TASKS = """
def note(message, **_):
    with (HERE.parent / "runs.txt").open("a") as runs:
        runs.write(f"{message.uuid}\\n")

@task(broker, result_store=result_store, status_tracker=status_tracker, max_retries=0)
def double(n: int, message: Message) -> int:
    note(message)
    if n < 0:
        raise ValueError(n)
    return 2 * n
"""


@pytest.fixture
def made(tmp_path: Path, redis_url: str) -> Iterator[Callable[..., tuple[Project, Any]]]:
    """Makes a project on a new namespace with so many partitions, and its tasks."""
    projects: list[Project] = []

    def make(partitions: int, url: str = redis_url) -> tuple[Project, Any]:
        namespace = f"it{uuid4().hex[:12]}"
        backend = _BACKEND.format(url=url, namespace=namespace, partitions=partitions)
        project = Project(tmp_path / namespace, "redis", HEADER.format(backend=backend))
        projects.append(project)
        return project, project.write(_TASKS)

    yield make
    for project in projects:
        project.close()


def _waiting(backend: Backend) -> int:
    return sum(backend.messages.count(queue) for queue in backend.messages.queues())


@pytest.mark.deep
def test_on_a_cluster(
    made: Callable[..., tuple[Project, Any]], redis_cluster: ClusterOfServers, tmp_path: Path
) -> None:
    """A move takes what waits on all nodes to the partitions of another number; a pool runs it there, once."""
    url = redis_cluster.url.replace("redis://", "redis+cluster://").removesuffix("/0")
    (old, before), (new, after) = made(6, url), made(4, url)
    messages = list(before.double.generate_many((n,) for n in range(60)))
    chain = before.double.generate(args=(70,), callback=before.double.generate(args=(80,), submit=False))
    assert len({part.link.pool for part in before.backend._ports.parts.all}) == 3
    stores = ["--from", url, "--from-namespace", before.backend.namespace, "--to", url]
    stores += ["--to-namespace", after.backend.namespace, "--to-partitions", "4"]
    moved = old.run("move", *stores)
    assert moved.returncode == 0, moved.stderr
    pool = new.worker()
    for n, message in enumerate(messages):
        assert after.result_store.get(message, timeout=60_000) == 2 * n
    assert after.result_store.get(chain, timeout=60_000) == 140
    eventually(lambda: _waiting(after.backend) == 0, 60)
    assert pool.stop() == 0, pool.log
    runs = (tmp_path / "runs.txt").read_text().split()
    assert len(runs) == len(set(runs)) == len(messages) + 2


@pytest.mark.deep
def test_a_namespace_runs_dry_beside_its_successor(
    made: Callable[..., tuple[Project, Any]], tmp_path: Path, redis_url: str
) -> None:
    """Producers and pools go over to the new one without a stop; the rest is moved. All runs once, and is found."""
    (old, before), (new, after) = made(4), made(6)
    olds = list(before.double.generate_many((n,) for n in range(-5, 100)))
    before.double.schedule("nightly", CronTrigger(hour=0, timezone="UTC"), args=(1,))
    old_pool, new_pool = old.worker(), new.worker()
    # The producers go over while the old pool has plenty to do.
    news = list(after.double.generate_many((n,) for n in range(100)))
    chain = after.double.generate(args=(7,), callback=after.double.generate(args=(8,), submit=False))
    eventually(lambda: _waiting(before.backend) == 0, 60)
    assert old_pool.stop() == 0, old_pool.log
    stores = ["--from", redis_url, "--from-namespace", before.backend.namespace, "--to", redis_url]
    moved = old.run("move", *stores, "--to-namespace", after.backend.namespace)
    assert moved.returncode == 0, moved.stderr
    for n, message in enumerate(olds, start=-5):
        if n >= 0:
            assert after.result_store.get(message) == 2 * n
        else:
            assert after.backend.messages.dead_letter(message.queue, message.uuid) is not None
        assert after.status_tracker.get(message).name == ("SUCCEEDED" if n >= 0 else "FAILED")
    for n, message in enumerate(news):
        assert after.result_store.get(message, timeout=60_000) == 2 * n
    assert after.result_store.get(chain, timeout=60_000) == 14
    assert [each.name for each in after.backend.schedules.get()] == ["nightly"]
    assert before.backend.schedules.get() == []
    eventually(lambda: _waiting(after.backend) == 0, 60)
    assert new_pool.stop() == 0, new_pool.log
    runs = (tmp_path / "runs.txt").read_text().split()
    assert len(runs) == len(set(runs)) == len(olds) + len(news) + 2
