"""Stores that outlive one of their servers: a cluster, and servers that sentinels watch.

What the messages went through is told by the file of the server that has them in the end: a replica writes down all
that it hears. (What only a master that died had accepted is not in it: that is what a failover takes back.)
"""

from __future__ import annotations

import contextlib
import time
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import redis

from tests.chaos.stores import AOF, PARTITIONS, Entry, Store, StoreKind, told_by
from tests.clusters import ClusterOfServers, SlotMove
from tests.conftest import RedisServer, SentinelServer
from tests.sentinels import SentinelGroup

_WITHIN_S = 60.0


class ReplicatedStore(Store):
    """Servers of which one has the messages, and others follow it."""

    def __init__(self) -> None:
        #: Servers that had the messages before they were moved, oldest first.
        self._before: list[RedisServer] = []

    @property
    @abstractmethod
    def servers(self) -> list[Any]:
        """All of them."""

    @property
    @abstractmethod
    def master(self) -> RedisServer:
        """The server that has the messages now."""

    @property
    def direct(self) -> dict[str, Any]:
        return self.settings

    def replicas(self) -> list[RedisServer]:
        """Those that follow the master and have heard of it."""
        master = self.master
        return [
            server
            for server in self.servers
            if server.running
            and (told := _replication(server))["role"] == "slave"
            and told["master_port"] == master.port
        ]

    def until_replicated(self) -> None:
        """Wait until all replicas have what the master has accepted up to now: whichever may be promoted."""
        master = self.master
        offset = _replication(master)["master_repl_offset"]

        def have_it() -> bool:
            told = [
                each
                for name, each in _replication(master).items()
                if name.startswith("slave") and isinstance(each, dict)
            ]
            return bool(told) and all(
                each.get("state") == "online" and each["offset"] >= offset for each in told
            )

        until(have_it, "not all replicas have caught up")

    def cut_off(self) -> list[RedisServer]:
        """Let all replicas hang, and hear nothing more from the master; return them."""
        replicas = self.replicas()
        for server in replicas:
            server.pause()
        # What the master has sent waits with them until they go on: so it must not send more.
        with contextlib.closing(redis.Redis(port=self.master.port)) as client:
            client.client_kill_filter(_type="replica")
        return replicas

    def until_another_is_master(self, than: RedisServer) -> None:
        """Wait until a failover away from this server is over."""
        until(lambda: self.master is not than, "no replica was promoted")

    def until_a_replica(self, server: RedisServer) -> None:
        """Wait until this server follows the master."""
        until(lambda: server in self.replicas(), "it did not become a replica")

    def audit(self) -> list[Entry]:
        return told_by([*self._before, self.master])


class ClusterStore(ReplicatedStore):
    """A cluster of three masters and three replicas."""

    kind: StoreKind = "cluster"
    #: Keys that have the messages.
    homes: tuple[str, ...] = ("{chaos}:messages",)

    def __init__(self) -> None:
        super().__init__()
        self.cluster = ClusterOfServers(RedisServer, AOF)
        try:
            self.cluster.start()
            self.client: Any = self.cluster.client(socket_timeout=1)
        except BaseException:
            self.cluster.discard()
            raise

    @property
    def settings(self) -> dict[str, Any]:
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in self.cluster.servers)
        return {"store": "cluster", "url": f"redis+cluster://{hosts}"}

    @property
    def servers(self) -> list[Any]:
        return self.cluster.servers

    @property
    def master(self) -> RedisServer:
        with contextlib.suppress(redis.RedisError):
            self.client.nodes_manager.initialize()
        server: RedisServer = self.cluster.master_of(self.client, self.homes[0])
        return server

    def let_partitions_be_away(self) -> None:
        """Let each master answer though others do not."""
        for server in self.servers:
            with contextlib.closing(redis.Redis(port=server.port)) as client:
                client.config_set("cluster-require-full-coverage", "no")

    def begin_move(self) -> SlotMove:
        """Begin to move the messages to another master."""
        self._before.append(self.master)
        return self.cluster.begin_move(self.client, self.homes[0])

    def close(self) -> None:
        self.client.close()
        self.cluster.discard()


class PartitionedClusterStore(ClusterStore):
    """The same with a namespace over several partitions, some on each master; its first one is struck."""

    kind: StoreKind = "partitions on a cluster"
    homes = tuple(f"{{chaos%p{number}}}:messages" for number in range(PARTITIONS))

    @property
    def settings(self) -> dict[str, Any]:
        return {**super().settings, "partitions": PARTITIONS}

    def partitions_beside(self, server: RedisServer) -> list[int]:
        """The partitions that other servers have."""
        masters = [self.cluster.master_of(self.client, home) for home in self.homes]
        return [number for number, master in enumerate(masters) if master is not server]

    def audit(self) -> list[Entry]:
        self.client.nodes_manager.initialize()
        masters = [self.cluster.master_of(self.client, home) for home in self.homes]
        return told_by(list(dict.fromkeys([*self._before, *masters])))


class SentinelStore(ReplicatedStore):
    """A master, two replicas and three sentinels."""

    kind: StoreKind = "sentinel"

    def __init__(self) -> None:
        super().__init__()
        self.group = SentinelGroup(RedisServer, SentinelServer, options=AOF)
        try:
            self.group.start()
        except BaseException:
            self.group.discard()
            raise

    @property
    def settings(self) -> dict[str, Any]:
        return {"store": "sentinel", "url": self.group.url}

    @property
    def servers(self) -> list[Any]:
        return self.group.servers

    @property
    def master(self) -> RedisServer:
        server: RedisServer = self.group.master
        return server

    @property
    def failovers(self) -> int:
        return self.group.failovers

    def close(self) -> None:
        self.group.discard()


class PartitionedSentinelStore(SentinelStore):
    """The same with a namespace over several partitions."""

    kind: StoreKind = "partitions and sentinels"

    @property
    def settings(self) -> dict[str, Any]:
        return {**super().settings, "partitions": PARTITIONS}


def _replication(server: RedisServer) -> dict[str, Any]:
    with contextlib.closing(redis.Redis(port=server.port, socket_timeout=5)) as client:
        told: dict[str, Any] = client.info("replication")
        return told


def until(holds: Callable[[], bool], fault: str) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + _WITHIN_S
    while not holds():
        assert time.monotonic() < deadline, fault
        time.sleep(0.05)
