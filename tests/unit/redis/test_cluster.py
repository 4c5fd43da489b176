"""A cluster, as small as it can be."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from redis.cluster import RedisCluster

from alsek.storage.backends.records import Submission, Succeeded, TaskStatus, Worker
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.connection import Link

pytestmark = pytest.mark.redis


def _start(redis_server: Any) -> Any:
    """A server in cluster mode. Its second port is 10,000 above the first, which not every free port allows."""
    for _ in range(20):
        try:
            return redis_server(**{"cluster-enabled": "yes"})
        except pytest.fail.Exception as error:
            if "port number too high" not in str(error):
                raise
    pytest.fail("no free port was low enough")


@pytest.fixture
def cluster(redis_server: Any) -> RedisCluster:
    """One node that serves all slots."""
    server = _start(redis_server)
    link = Link(server.url, 5_000)
    link.call("CLUSTER", "ADDSLOTS", *range(16384))
    deadline = time.monotonic() + 20
    while b"cluster_state:ok" not in link.call("CLUSTER", "INFO"):
        assert time.monotonic() < deadline, "the cluster did not come up"
        time.sleep(0.02)
    return RedisCluster.from_url(server.url)


def test_a_message_lives_its_whole_life_on_one_slot(
    cluster: RedisCluster, new_worker: Callable[..., Worker], submission: Callable[..., Submission]
) -> None:
    """All that belongs to a namespace has its hash tag, so that each step is one script there too."""
    backend = RedisBackend(cluster, namespace="ns")
    worker = new_worker()
    messages = backend.messages
    messages.register(worker)
    assert messages.add([submission("a", status_ttl=60_000), submission("b", delay=60_000)], "r") == [
        True,
        True,
    ]
    (claimed,) = messages.step(worker, 1, [], 8).claimed
    step = messages.step(worker, 2, [Succeeded("a", "q", claimed.token, b"result", 60_000, "root")], 8)
    assert step.refused == []
    assert [record.uuid for record in backend.results.descendants("root")] == ["a"]
    assert [record.status for record in backend.statuses.scan()] == [TaskStatus.SUCCEEDED]
    assert messages.bury("q", "b", b"{}", 60_000)
    with backend.subscribe("c") as subscription:
        backend.pub("c", 1)
        note = subscription.wait(5_000)
        assert note is not None
        assert note.data == b"1"
    names = list(cluster.scan_iter(match="*"))
    assert names
    assert all(name.startswith(b"{ns}:") for name in names)
    assert backend.clear_namespace() == len(names)
