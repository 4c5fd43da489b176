"""A Redis server with two replicas, and three sentinels that watch them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import redis
from redis.sentinel import MasterNotFoundError, Sentinel

SERVICE = "payments"
_FAILOVER_TIMEOUT_MS = 3_000
_WITHIN_S = 60.0


class SentinelGroup:
    """Three servers, of which the first begins as the master, and three sentinels; two of these decide.

    Args:
        make_server: Makes a server that is not started yet, from options of redis-server.
        make_sentinel: Makes a sentinel likewise.
        password: That of the servers, if they have one.
        sentinel_password: That of the sentinels.
        options: Further ones, of the servers.
        down_after_ms: How long a master that says nothing counts as up. Sentinels take one that only waits for a
            processor for dead too; what it had acknowledged alone is lost then.
    """

    def __init__(
        self,
        make_server: Callable[..., Any],
        make_sentinel: Callable[..., Any],
        *,
        password: str = "",
        sentinel_password: str = "",
        options: dict[str, str] | None = None,
        down_after_ms: int = 500,
    ) -> None:
        self._password, self._sentinel_password = password, sentinel_password
        self._make_sentinel = make_sentinel
        self._down_after_ms = down_after_ms
        secret = {"requirepass": password, "masterauth": password} if password else {}
        usual = {"repl-diskless-sync": "yes", "repl-diskless-sync-delay": "0", **secret, **(options or {})}
        master = make_server(**usual)
        following = {"replicaof": f"127.0.0.1 {master.port}", **usual}
        self.servers = [master, make_server(**following), make_server(**following)]
        self.sentinels: list[Any] = []

    def start(self) -> None:
        """Start all, and return once each sentinel knows all others."""
        master = self.servers[0]
        for server in self.servers:
            server.start()
            if server is master:
                for other in self.servers[1:]:  # it may have moved to another port
                    other.options["replicaof"] = f"127.0.0.1 {master.port}"
        settings = {
            "sentinel monitor": f"{SERVICE} 127.0.0.1 {master.port} 2",
            "sentinel down-after-milliseconds": f"{SERVICE} {self._down_after_ms}",
            "sentinel failover-timeout": f"{SERVICE} {_FAILOVER_TIMEOUT_MS}",
        }
        if self._password:
            settings["sentinel auth-pass"] = f"{SERVICE} {self._password}"
        if self._sentinel_password:
            settings["requirepass"] = self._sentinel_password
        self.sentinels = [self._make_sentinel(**settings) for _ in range(3)]
        for sentinel in self.sentinels:
            sentinel.start()
        deadline = time.monotonic() + _WITHIN_S
        while not all(self._knows_all(sentinel) for sentinel in self.sentinels):
            assert time.monotonic() < deadline, "the sentinels did not find each other"
            time.sleep(0.05)

    def _knows_all(self, sentinel: Any) -> bool:
        with contextlib.closing(self._admin(sentinel)) as admin:
            try:
                known = admin.sentinel_master(SERVICE)
                replicas = admin.sentinel_slaves(SERVICE)
            except redis.RedisError:
                return False
        linked = sum(replica["master-link-status"] == "ok" for replica in replicas)
        return bool(known["num-other-sentinels"] == 2 and linked == 2)

    def _admin(self, sentinel: Any) -> Any:
        return redis.Redis(
            port=sentinel.port,
            password=self._sentinel_password or None,
            socket_timeout=2,
            decode_responses=True,
        )

    def client(self, **options: Any) -> Any:
        """What `Sentinel.master_for` gives."""
        hosts = [("127.0.0.1", sentinel.port) for sentinel in self.sentinels]
        secret = {"password": self._sentinel_password} if self._sentinel_password else {}
        asking: Any = Sentinel(hosts, sentinel_kwargs={"socket_timeout": 1, **secret})
        return asking.master_for(SERVICE, password=self._password or None, **options)

    @property
    def url(self) -> str:
        """All sentinels, their password, and that of the service."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        user = f":{quote(self._password, safe='')}@" if self._password else ""
        secret = f"?sentinel_password={quote(self._sentinel_password)}" if self._sentinel_password else ""
        return f"redis+sentinel://{user}{hosts}/{SERVICE}/0{secret}"

    @property
    def master(self) -> Any:
        """The server that most sentinels name."""
        named = []
        for sentinel in self.sentinels:
            if sentinel.running:
                with (
                    contextlib.closing(self._admin(sentinel)) as admin,
                    contextlib.suppress(MasterNotFoundError),
                ):
                    named.append(int(admin.sentinel_get_master_addr_by_name(SERVICE)[1]))
        port = max(named, key=named.count)
        return next(server for server in self.servers if server.port == port)

    @property
    def failovers(self) -> int:
        """How many there have been, as the sentinels know."""
        epochs = []
        for sentinel in self.sentinels:
            with contextlib.closing(self._admin(sentinel)) as admin:
                epochs.append(int(admin.sentinel_master(SERVICE)["config-epoch"]))
        return max(epochs)

    def told(self) -> str:
        """What the servers have, and the sentinels have logged, for a test that fails."""
        lines = []
        for server in self.servers:
            if server.running:
                with contextlib.closing(
                    redis.Redis(port=server.port, password=self._password or None)
                ) as admin:
                    lines.append(f"{server.port}: {admin.info('replication')}, {admin.keys()}")
        lines += [(sentinel.folder / "server.log").read_text()[-3_000:] for sentinel in self.sentinels]
        return "\n".join(lines)

    def discard(self) -> None:
        """End all, and delete their folders."""
        for server in (*self.sentinels, *self.servers):
            server.discard()
