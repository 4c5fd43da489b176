"""Workers that sleep on the partitions of a cluster: a connection to each node, whatever becomes of the nodes."""

from __future__ import annotations

import contextlib
import logging
import select
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis

from alsek.core.identifiers import new_uuid
from alsek.exceptions import BackendError
from alsek.storage.backends.locations import LOCATIONS, at_location
from alsek.storage.backends.redis import RedisBackend
from tests.clusters import ClusterOfServers
from tests.conftest import redis_version
from tests.contract.workers import Actor, a_message, add, an_actor, succeeded, uuids, who_rings
from tests.integration.conftest import HEADER, Project
from tests.integration.partitioned_clusters import is_woken_from
from tests.waiting import eventually, rings

pytestmark = [
    pytest.mark.redis,
    pytest.mark.slow,
    pytest.mark.deep,
    pytest.mark.skipif(redis_version() < (7,), reason="sharded publications are Redis 7's"),
]

_PARTITIONS = 16

_BACKEND = """from redis.cluster import RedisCluster
from alsek.storage.backends.redis import RedisBackend
backend = RedisBackend(RedisCluster.from_url({url!r}), namespace={namespace!r}, partitions={partitions})"""


class Sleeper:
    """A worker that sleeps.

    Args:
        cluster: The servers.
        namespace: Of the worker.
        told: Whether it waits by subscription.
    """

    def __init__(self, cluster: ClusterOfServers, namespace: str, told: bool = True) -> None:
        self.cluster = cluster
        self.backend: Any = RedisBackend(
            cluster.client(), namespace=namespace, partitions=_PARTITIONS, timeout=60_000
        )
        if not told:
            self.backend.messages._telling.miss("the cluster")
        self.actor: Actor = an_actor(self.backend)
        self.actor.step()
        self.waiter: Any = self.actor.waiter()
        self.fall_asleep()

    def fall_asleep(self) -> None:
        """Step until nothing has woken it and all partitions would."""

        def sleeps() -> bool:
            self.waiter.arm()
            if any(getattr(each, "_asked", None) for each in self.waiter._waits.waiters):
                select.select([self.waiter.fileno()], [], [], 1)
            if self.waiter.drain():
                self.actor.step()
                return False
            return all(self.waiter.listens_to(number) for number in range(_PARTITIONS)) and not any(
                getattr(each, "_asked", None) for each in self.waiter._waits.waiters
            )

        eventually(sleeps)

    def is_woken_from(self, partition: int) -> None:
        """Check that a message of this partition wakes it, which claims that and falls asleep again."""
        is_woken_from(self.backend, self.actor, self.waiter, partition, _PARTITIONS)
        self.fall_asleep()

    @property
    def connections(self) -> int:
        """How many it waits on, as this process has it."""
        return sum(each.fileno() is not None for each in self.waiter._waits.waiters)

    def key(self, partition: int) -> str:
        """A key of a partition."""
        key: str = self.backend._ports.parts.all[partition].keys.messages()
        return key

    def close(self) -> None:
        """End it, and leave nothing behind."""
        self.waiter.close()
        with contextlib.suppress(BackendError):
            self.backend.clear_namespace()
        self.backend.close()


def _waiting(cluster: ClusterOfServers) -> list[dict[str, Any]]:
    """What all servers say of connections that have subscribed by slot, or are blocked."""
    found = []
    for server in cluster.servers:
        with redis.Redis.from_url(server.url) as admin:
            found += [
                client | {"server": server.port}
                for client in admin.client_list()
                if client["ssub"] != "0" or client["cmd"] == "blpop"
            ]
    return found


def _kill(clients: list[dict[str, Any]]) -> None:
    """Close these connections, on the side of their servers."""
    for client in clients:
        with redis.Redis(port=client["server"]) as admin:
            admin.client_kill_filter(_id=client["id"])


@pytest.fixture
def sleeper(redis_cluster: ClusterOfServers) -> Iterator[Sleeper]:
    """A worker that sleeps on a cluster."""
    made = Sleeper(redis_cluster, f"it{uuid4().hex[:12]}")
    yield made
    made.close()


@pytest.fixture
def harmed(own_cluster: ClusterOfServers) -> Iterator[Sleeper]:
    """The same on a cluster that may be harmed."""
    made = Sleeper(own_cluster, f"it{uuid4().hex[:12]}")
    yield made
    made.close()


def test_each_partition_wakes_it_over_a_connection_to_its_node(sleeper: Sleeper) -> None:
    """The servers know of three connections, with a subscription for each partition, and none waits on lists."""
    clients = _waiting(sleeper.cluster)
    assert len({client["server"] for client in clients}) == len(clients) == sleeper.connections == 3
    assert sum(int(client["ssub"]) for client in clients) == _PARTITIONS
    assert not [client for client in clients if client["cmd"] == "blpop"]
    for partition in range(_PARTITIONS):
        sleeper.is_woken_from(partition)
    assert len(_waiting(sleeper.cluster)) == 3


def test_a_pool_has_a_connection_to_each_node_for_each_group(
    redis_cluster: ClusterOfServers, tmp_path: Path
) -> None:
    """Two groups that sleep on sixteen partitions of three masters: six connections."""
    backend = _BACKEND.format(
        url=redis_cluster.url, namespace=f"it{uuid4().hex[:12]}", partitions=_PARTITIONS
    )
    project = Project(tmp_path, "cluster", HEADER.format(backend=backend))
    try:
        tasks = project.write(
            "@task(broker, result_store=result_store)\ndef double(n: int) -> int:\n    return 2 * n\n"
        )
        worker = project.worker("--n_threads", "2", "--n_processes", "2")
        messages = list(tasks.double.generate_many((n,) for n in range(64)))
        for n, message in enumerate(messages):
            assert tasks.result_store.get(message, timeout=60_000) == 2 * n
        groups = len(tasks.backend.messages.workers())

        def counted() -> bool:
            clients = _waiting(redis_cluster)
            subscriptions = sum(int(client["ssub"]) for client in clients)
            return len(clients) == 3 * groups and subscriptions == _PARTITIONS * groups

        eventually(counted, explain=lambda: f"{groups} groups, {_waiting(redis_cluster)}, {worker.log}")
        assert worker.stop() == 0, worker.log
    finally:
        project.close()


def test_workers_of_both_kinds_share_what_is_there(redis_cluster: ClusterOfServers) -> None:
    """One message wakes the one that is told, and only that; a second one of the same partition wakes the other."""
    namespace = f"it{uuid4().hex[:12]}"
    sleepers = [Sleeper(redis_cluster, namespace), Sleeper(redis_cluster, namespace, told=False)]
    try:
        assert [each.connections for each in sleepers] == [3, _PARTITIONS]
        for partition in range(0, _PARTITIONS, 5):
            for each in sleepers:
                each.fall_asleep()
            uuids_there = [
                at_location(new_uuid(), partition * LOCATIONS // _PARTITIONS + 3) for _ in range(2)
            ]
            add(sleepers[0].backend, a_message(uuids_there[0]))
            assert who_rings([each.waiter for each in sleepers]) == [0]
            add(sleepers[0].backend, a_message(uuids_there[1], queue="r"))
            assert who_rings([sleepers[1].waiter]) == [0]
            claimed = [uuid for each in sleepers for uuid in uuids(each.actor.step().claimed)]
            assert sorted(claimed) == sorted(uuids_there)
            for each in sleepers:
                each.actor.step(*map(succeeded, each.actor.held()))
    finally:
        for each in sleepers:
            each.close()


def test_a_connection_that_is_killed_is_replaced(sleeper: Sleeper) -> None:
    """The worker is woken at once, and by the next message as before."""
    for client in _waiting(sleeper.cluster):
        _kill([client])
        assert rings(sleeper.waiter)
        sleeper.actor.step()
        sleeper.fall_asleep()
    for partition in range(_PARTITIONS):
        sleeper.is_woken_from(partition)
    assert len(_waiting(sleeper.cluster)) == 3


def test_a_slot_that_moves_is_followed(harmed: Sleeper) -> None:
    """The worker is woken when the slot has gone; a message of that partition wakes it from where it is now."""
    cluster, client = harmed.cluster, harmed.backend._link.client
    for partition in (3, 11):
        move = cluster.begin_move(client, harmed.key(partition))
        add(harmed.backend, a_message(at_location(new_uuid(), 0)))
        assert rings(harmed.waiter)
        claimed = uuids(harmed.actor.step(limit=1).claimed)
        assert len(claimed) == 1
        move.finish()
        assert rings(harmed.waiter)
        harmed.actor.step(*map(succeeded, harmed.actor.held()))
        harmed.fall_asleep()
        for each in range(_PARTITIONS):
            harmed.is_woken_from(each)
    assert len(_waiting(cluster)) == harmed.connections == 3
    _kill(_waiting(cluster))  # each is opened again to the node that it was to
    assert rings(harmed.waiter)
    harmed.actor.step()
    harmed.fall_asleep()
    for each in range(_PARTITIONS):
        harmed.is_woken_from(each)
    assert len(_waiting(cluster)) == harmed.connections == 3


def test_a_master_that_steps_down_is_left(harmed: Sleeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connections stay open, and tell no more: that is noticed when the worker says again that it is to be told."""
    cluster, client = harmed.cluster, harmed.backend._link.client
    before = cluster.master_of(client, harmed.key(5))
    successor = cluster.servers[cluster.servers.index(before) + 3]
    with redis.Redis.from_url(successor.url) as admin:
        admin.execute_command("CLUSTER FAILOVER")
        eventually(lambda: admin.info("replication")["role"] == "master")
    monkeypatch.setattr("alsek.storage.backends.redis.wakeup.node_waiter._RENEWED_AFTER_MS", 0)

    def follows() -> bool:
        harmed.waiter.arm()
        select.select([harmed.waiter.fileno()], [], [], 0.1)
        if harmed.waiter.drain():
            harmed.actor.step()
        return successor.port in {each["server"] for each in _waiting(cluster)}

    eventually(follows)
    monkeypatch.undo()
    harmed.fall_asleep()
    for partition in range(_PARTITIONS):
        harmed.is_woken_from(partition)
    assert len(_waiting(cluster)) == harmed.connections == 3


def test_a_master_that_dies_is_replaced(harmed: Sleeper) -> None:
    """While it is away, messages of the other masters wake the worker; then those of its successor do."""
    cluster, client = harmed.cluster, harmed.backend._link.client
    for server in cluster.servers:
        with redis.Redis.from_url(server.url) as admin:
            admin.config_set("cluster-require-full-coverage", "no")
    dead = cluster.master_of(client, harmed.key(5))
    elsewhere = next(n for n in range(_PARTITIONS) if cluster.master_of(client, harmed.key(n)) is not dead)
    dead.kill()
    assert rings(harmed.waiter)
    harmed.waiter.arm()
    eventually(lambda: not harmed.waiter.listens_to(5))
    assert harmed.waiter.listens_to(elsewhere)
    harmed.fall_asleep()
    for partition in range(_PARTITIONS):
        harmed.is_woken_from(partition)
    assert harmed.connections == 3


def test_a_user_who_may_not_subscribe_waits_in_the_other_way(
    redis_cluster: ClusterOfServers, caplog: pytest.LogCaptureFixture
) -> None:
    """That is logged, with what it costs."""
    admins = [redis.Redis.from_url(server.url) for server in redis_cluster.servers]
    for admin in admins:
        admin.execute_command(
            "ACL", "SETUSER", "no-subscriber", "reset", "on", ">pw", "~*", "&*", "+@all", "-ssubscribe"
        )
    url = redis_cluster.url.replace("redis://", "redis+cluster://no-subscriber:pw@")
    backend: Any = RedisBackend(url.removesuffix("/0"), namespace=f"it{uuid4().hex[:12]}", partitions=4)
    try:
        actor = an_actor(backend)
        actor.step()
        waiter: Any = actor.waiter()
        with caplog.at_level(logging.WARNING):
            waiter.arm()
            select.select([waiter.fileno()], [], [], 60)
            waiter.drain()
            waiter.arm()
        (record,) = caplog.records
        assert "a connection for each partition" in record.getMessage()
        assert len(waiter._waits.waiters) == 4
        actor.step()
        for partition in range(4):
            is_woken_from(backend, actor, waiter, partition, 4)
            waiter.arm()
        waiter.close()
    finally:
        backend.clear_namespace()
        backend.close()
        for admin in admins:
            admin.execute_command("ACL", "DELUSER", "no-subscriber")
            admin.close()
