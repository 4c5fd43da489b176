"""Projects whose store is a cluster of several masters, and masters without replicas."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import redis

from alsek.core.identifiers import new_uuid
from alsek.storage.backends.locations import LOCATIONS, at_location
from alsek.storage.backends.ports import Waiter
from tests.clusters import ClusterOfServers
from tests.contract.workers import Actor, a_message, add, succeeded, uuids
from tests.integration.conftest import HEADER, Project
from tests.waiting import rings

#: A client that knows all masters: whichever is struck, a program that starts then finds the others.
_BACKEND = """from redis.cluster import ClusterNode, RedisCluster
from alsek.storage.backends.redis import RedisBackend
nodes = [ClusterNode("127.0.0.1", port) for port in {ports!r}]
backend = RedisBackend(RedisCluster(startup_nodes=nodes, socket_timeout=2), namespace={namespace!r}, timeout=60_000,
                       partitions={partitions})"""


@contextlib.contextmanager
def project_on(cluster: ClusterOfServers, folder: Path, partitions: int = 1) -> Iterator[Project]:
    """A project in a namespace of its own."""
    ports = [server.port for server in cluster.servers[:3]]
    backend = _BACKEND.format(ports=ports, namespace=f"it{uuid4().hex[:12]}", partitions=partitions)
    project = Project(folder, "cluster", HEADER.format(backend=backend))
    try:
        yield project
    finally:
        project.close()


def without_replicas(cluster: ClusterOfServers) -> None:
    """End the replicas, and let each master answer though others do not."""
    for server in cluster.servers[3:]:
        server.kill()
    for server in cluster.servers[:3]:
        with redis.Redis.from_url(server.url) as admin:
            admin.config_set("cluster-require-full-coverage", "no")


def partitions_by_master(cluster: ClusterOfServers, backend: Any) -> dict[int, list[int]]:
    """The numbers of the partitions of each of the three masters."""
    client, found = backend._link.client, dict[int, list[int]]()
    for number, part in enumerate(backend._ports.parts.unchecked):
        server = cluster.master_of(client, part.keys.messages())
        found.setdefault(cluster.servers.index(server), []).append(number)
    return found


def uuid_of(partition: int, partitions: int) -> str:
    """A new uuid of this partition."""
    return at_location(new_uuid(), partition * LOCATIONS // partitions + 7)


def is_woken_from(backend: Any, actor: Actor, waiter: Waiter, partition: int, partitions: int) -> None:
    """Check that a message of this partition wakes a worker that sleeps, which then claims that and ends it."""
    message = a_message(uuid_of(partition, partitions))
    add(backend, message)
    assert rings(waiter)
    claimed = actor.step().claimed
    assert uuids(claimed) == [message.uuid]
    actor.step(*map(succeeded, claimed))
