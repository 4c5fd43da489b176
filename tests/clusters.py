"""A Redis Cluster of real servers: three masters with a replica each."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import redis
from redis.cluster import ClusterNode, RedisCluster

_MASTERS = 3
_SLOTS = 16_384
_NODE_TIMEOUT_MS = 1_500
_WITHIN_S = 60.0


class ClusterOfServers:
    """Servers that form a cluster. The first three begin as masters, the others as their replicas, in this order.

    Args:
        make_server: Makes one that is not started yet, from options of redis-server.
        more: Further options of all.
        node_timeout_ms: How long a node that says nothing counts as up, once they form a cluster. Others take one
            that only waits for a processor for dead too.
    """

    def __init__(
        self,
        make_server: Callable[..., Any],
        more: Mapping[str, str] | None = None,
        node_timeout_ms: int = _NODE_TIMEOUT_MS,
    ) -> None:
        self._node_timeout_ms = node_timeout_ms
        options = {
            **(more or {}),
            "cluster-enabled": "yes",
            "cluster-node-timeout": str(_NODE_TIMEOUT_MS),
            "repl-diskless-sync": "yes",
            "repl-diskless-sync-delay": "0",
        }
        self.servers = [make_server(**options) for _ in range(2 * _MASTERS)]

    def start(self) -> None:
        """Start all, form the cluster, and return once each node knows that all is well."""
        for server in self.servers:
            server.start()
        admins = [redis.Redis.from_url(server.url, decode_responses=True) for server in self.servers]
        for n, admin in enumerate(admins):
            admin.execute_command("CLUSTER SET-CONFIG-EPOCH", n + 1)
            if n:
                admin.execute_command("CLUSTER MEET", "127.0.0.1", self.servers[0].port)
        for n, admin in enumerate(admins[:_MASTERS]):
            slots = range(n * _SLOTS // _MASTERS, (n + 1) * _SLOTS // _MASTERS)
            admin.execute_command("CLUSTER ADDSLOTS", *slots)
        _until(lambda: all(_info(admin)["cluster_known_nodes"] == str(len(admins)) for admin in admins))
        ids = [admin.execute_command("CLUSTER MYID") for admin in admins]
        for n, admin in enumerate(admins[_MASTERS:]):
            admin.execute_command("CLUSTER REPLICATE", ids[n])
        _until(lambda: all(_is_well(admin) for admin in admins))
        for admin in admins:
            admin.config_set("cluster-node-timeout", self._node_timeout_ms)
            admin.close()

    def client(self, **options: Any) -> RedisCluster:
        """A client that knows all of them."""
        nodes = [ClusterNode("127.0.0.1", server.port) for server in self.servers]
        return RedisCluster(startup_nodes=nodes, **options)

    @property
    def url(self) -> str:
        """Of the first node."""
        url: str = self.servers[0].url
        return url

    def master_of(self, client: RedisCluster, key: str) -> Any:
        """The server that holds a key now, as the client has it."""
        node = client.get_node_from_key(key)
        assert node is not None
        return next(server for server in self.servers if server.port == node.port)

    def until_replicated(self, client: RedisCluster, key: str) -> None:
        """Wait until the replica of a key's master has what the master has now."""
        with contextlib.closing(redis.Redis.from_url(self.master_of(client, key).url)) as admin:
            written = admin.info("replication")["master_repl_offset"]
            _until(lambda: admin.info("replication").get("slave0", {}).get("offset", -1) >= written)

    def begin_move(self, client: RedisCluster, key: str) -> SlotMove:
        """Begin to move the slot of a key from its master to the next one; nothing of it is there yet."""
        source = self.master_of(client, key)
        masters = {node.port for node in client.get_primaries()}
        target = next(server for server in self.servers if server.port in masters - {source.port})
        return SlotMove(self, source, target, client.keyslot(key))

    def discard(self) -> None:
        """End all, and delete their folders."""
        for server in self.servers:
            server.discard()


class SlotMove:
    """A slot on its way to another master, as ``redis-cli --cluster reshard`` moves it.

    Args:
        cluster: Of which.
        source: Its master.
        target: Its master from :meth:`finish` on.
        slot: Its number.
    """

    def __init__(self, cluster: ClusterOfServers, source: Any, target: Any, slot: int) -> None:
        self._cluster = cluster
        self._target_port = target.port
        self._slot = slot
        self._admins = {
            server.port: redis.Redis.from_url(server.url, decode_responses=True)
            for server in cluster.servers
            if server.running
        }
        self._source, self._target = self._admins[source.port], self._admins[target.port]
        self._target_id = self._target.execute_command("CLUSTER MYID")
        source_id = self._source.execute_command("CLUSTER MYID")
        self._target.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", source_id)
        self._source.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", self._target_id)

    def carry(self, most: int) -> int:
        """Bring up to so many keys over; return how many."""
        keys = self._source.execute_command("CLUSTER GETKEYSINSLOT", self._slot, most)
        if keys:
            self._source.execute_command(
                "MIGRATE", "127.0.0.1", self._target_port, "", 0, 5_000, "KEYS", *keys
            )
        return len(keys)

    def finish(self) -> None:
        """Bring the rest over, and let the target have the slot."""
        while self.carry(100):
            pass
        rest = [admin for admin in self._admins.values() if admin not in (self._target, self._source)]
        for admin in (self._target, self._source, *rest):
            with contextlib.suppress(redis.ResponseError):  # a replica hears of it from its master
                admin.execute_command("CLUSTER SETSLOT", self._slot, "NODE", self._target_id)
        for admin in self._admins.values():
            admin.close()


def _info(admin: Any) -> dict[str, str]:
    info: dict[str, str] = admin.execute_command("CLUSTER INFO")
    return info


def _is_well(admin: Any) -> bool:
    nodes: dict[str, dict[str, Any]] = admin.execute_command("CLUSTER NODES")
    replicas = sum("slave" in node["flags"] for node in nodes.values())
    linked = admin.info("replication").get("master_link_status", "up") == "up"
    return _info(admin)["cluster_state"] == "ok" and replicas == _MASTERS and linked


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _WITHIN_S
    while not done():
        assert time.monotonic() < deadline, "the cluster did not get there"
        time.sleep(0.02)
