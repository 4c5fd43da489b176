"""Pools on a Redis Cluster of several nodes, and a master that dies."""

from __future__ import annotations

import logging
import time
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis

from alsek.storage.backends.records import FOR_EVER, Worker
from alsek.storage.backends.redis import RedisBackend
from tests.clusters import ClusterOfServers
from tests.conftest import RedisServer
from tests.integration.partitioned_clusters import project_on, without_replicas
from tests.waiting import eventually

pytestmark = pytest.mark.redis

_TASKS = """
@task(broker, result_store=result_store, status_tracker=status_tracker)
def double(n: int) -> int:
    return 2 * n
"""


@pytest.mark.parametrize("pool", ["thread-pool", "process-pool"])
def test_a_pool_works_on_a_cluster(pool: str, redis_cluster: ClusterOfServers, tmp_path: Path) -> None:
    """It starts, is woken, runs what is submitted, and ends at a signal."""
    with project_on(redis_cluster, tmp_path) as project:
        tasks = project.write(_TASKS)
        worker = project.worker(pool=pool)
        for n in range(3):
            assert tasks.result_store.get(tasks.double.generate(args=(n,)), timeout=60_000) == 2 * n
        messages = tasks.double.generate_many((n,) for n in range(50))
        got = [tasks.result_store.get(message, timeout=60_000) for message in messages]
        assert got == [2 * n for n in range(50)]
        assert worker.stop() == 0, worker.log


@pytest.mark.deep
@pytest.mark.slow
def test_partitions_are_on_all_nodes(own_cluster: ClusterOfServers, tmp_path: Path) -> None:
    """One pool serves all of them; when a master dies, what had reached its replica is run, and all goes on."""
    with project_on(own_cluster, tmp_path, partitions=6) as project:
        tasks = project.write(_TASKS)
        backend: Any = tasks.backend
        client = backend._link.client
        parts = backend._ports.parts.all
        nodes = {client.get_node_from_key(part.keys.messages()).name for part in parts}
        assert len(nodes) == 3
        before = list(tasks.double.generate_many((n,) for n in range(60)))
        assert all(part.messages.count("alsek_queue") for part in parts)
        worker = project.worker()
        for n, message in enumerate(before[:30]):
            assert tasks.result_store.get(message, timeout=60_000) == 2 * n
        key = parts[0].keys.messages()
        own_cluster.until_replicated(client, key)
        own_cluster.master_of(client, key).kill()
        after = list(tasks.double.generate_many((n,) for n in range(60)))
        for n, message in [*list(enumerate(before))[30:], *enumerate(after)]:
            assert tasks.result_store.get(message, timeout=60_000) == 2 * n
        eventually(lambda: backend.count("queues:alsek_queue") == 0)
        assert worker.process.poll() is None
        assert worker.stop() == 0, worker.log


_LONG = """
@task(broker, result_store=result_store)
def hold(n: int) -> int:
    with (HERE / "begun.txt").open("a") as begun:
        begun.write(f"{n}\\n")
    while not (HERE / "go").exists():
        time.sleep(0.02)
    return n
"""


@pytest.mark.deep
@pytest.mark.slow
def test_what_runs_elsewhere_is_kept_while_partitions_are_away(
    own_cluster: ClusterOfServers, tmp_path: Path
) -> None:
    """A master hangs for longer than the lease, without a replica: messages of the other masters run on, and once.

    Somebody who takes over what has lost its lease is at work there all the time.
    """
    lease_s = 10
    with project_on(own_cluster, tmp_path, partitions=12) as project:
        tasks = project.write(_LONG)
        backend: Any = tasks.backend
        client, parts = backend._link.client, backend._ports.parts
        without_replicas(own_cluster)
        away = own_cluster.servers[0]
        messages = list(tasks.hold.generate_many((n,) for n in range(24)))
        there = [own_cluster.master_of(client, parts.of(each.uuid).keys.messages()) for each in messages]
        elsewhere = [n for n, server in enumerate(there) if server is not away]
        assert len(elsewhere) < len(messages)
        worker = project.worker("--n_threads", "12", "--n_processes", "2", "--lease", str(1_000 * lease_s))
        begun = tmp_path / "begun.txt"
        eventually(lambda: begun.exists() and len(set(begun.read_text().split())) == len(messages))
        others = [
            part for part in parts.all if own_cluster.master_of(client, part.keys.messages()) is not away
        ]
        heir = Worker(uuid4().hex, "any", (), 600_000, FOR_EVER)
        for part in others:
            part.messages.register(heir)
        away.pause()
        taken_over: list[Any] = []
        until, seq = time.monotonic() + 2 * lease_s, 0
        while time.monotonic() < until:  # the leases of the away ones must have ended
            seq += 1
            for part in others:
                taken_over += part.messages.step(heir, seq, (), {}).taken_over
            time.sleep(0.2)
        away.resume()
        assert taken_over == [], worker.log
        (tmp_path / "go").touch()
        for n, message in enumerate(messages):
            assert tasks.result_store.get(message, timeout=60_000) == n
        eventually(lambda: backend.count("queues:alsek_queue") == 0)
        runs = Counter(map(int, begun.read_text().split()))
        assert {n: runs[n] for n in elsewhere if runs[n] > 1} == {}, worker.log
        for part in others:
            part.messages.retire(heir)
        assert worker.stop() == 0, worker.log


def test_a_master_that_dies_is_replaced(own_cluster: ClusterOfServers, tmp_path: Path) -> None:
    """What was submitted, and had reached the replica, is run; producers and pools go on by themselves."""
    with project_on(own_cluster, tmp_path) as project:
        tasks = project.write(_TASKS)
        backend: Any = tasks.backend
        client = backend._link.client
        before = tasks.double.generate_many((n,) for n in range(20))
        key = backend.messages._keys.messages()
        own_cluster.until_replicated(client, key)
        worker = project.worker()
        assert tasks.result_store.get(before[0], timeout=60_000) == 0
        own_cluster.until_replicated(client, key)
        own_cluster.master_of(client, key).kill()
        after = tasks.double.generate(args=(100,))
        assert tasks.result_store.get(after, timeout=60_000) == 200
        for n, message in enumerate(before[1:], 1):
            assert tasks.result_store.get(message, timeout=60_000) == 2 * n
        eventually(lambda: backend.count("queues:alsek_queue") == 0)
        assert worker.process.poll() is None
        assert worker.stop() == 0, worker.log


def _serves_nothing(asked: RedisServer, server: RedisServer) -> bool:
    """Whether one node of a cluster has heard that another is no master any more: until all have, they contradict."""
    with redis.Redis.from_url(asked.url) as client:
        nodes = client.execute_command("CLUSTER NODES")
    address = server.url.removeprefix("redis://").partition("/")[0]
    return "slave" in nodes[address]["flags"]


def test_a_master_that_steps_down_is_followed(
    own_cluster: ClusterOfServers, caplog: pytest.LogCaptureFixture
) -> None:
    """The node that has the slot now is asked at once: that is no outage, and who listens goes on."""
    client = own_cluster.client()
    backend = RedisBackend(client, namespace="steps-down")
    backend.set("n", 1)
    key = backend.messages._keys.messages()
    before = own_cluster.master_of(client, key)
    successor = own_cluster.servers[own_cluster.servers.index(before) + 3]
    admin = redis.Redis.from_url(successor.url)
    with backend.subscribe("c") as subscription:
        admin.execute_command("CLUSTER FAILOVER")
        eventually(lambda: all(_serves_nothing(server, before) for server in own_cluster.servers))
        with caplog.at_level(logging.WARNING):
            assert backend.get("n") == 1
            assert backend.set("n", 2)
        assert own_cluster.master_of(client, key) is successor
        backend.pub("c", 1)
        eventually(lambda: subscription.wait(100) is not None)
    assert not caplog.records, [record.getMessage() for record in caplog.records]
    admin.close()
    backend.close()
