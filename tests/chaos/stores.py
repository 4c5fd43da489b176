"""The stores under test, each with an audit that the store itself keeps: what it accepted, in order.

SQLite keeps it by triggers, in the very transactions that they tell of. Redis has it anyway: its append-only file is
the history of all effects, and scripts write there all or nothing. Those with replicas are in ``replicated.py``.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import redis

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.sqlite import SQLiteBackend
from tests.chaos.proxy import Proxy
from tests.conftest import RedisServer

StoreKind: TypeAlias = Literal[
    "sqlite",
    "redis",
    "partitions",
    "cluster",
    "sentinel",
    "partitions on a cluster",
    "partitions and sentinels",
]

#: How many partitions the stores have that have some.
PARTITIONS = 4

_NAMESPACE = "chaos"

_TRIGGERS = """
CREATE TABLE IF NOT EXISTS audit (id INTEGER PRIMARY KEY, what TEXT, uuid TEXT, token INTEGER);
CREATE TRIGGER IF NOT EXISTS audit_in AFTER INSERT ON messages
BEGIN INSERT INTO audit (what, uuid, token) VALUES ('in', NEW.uuid, 0); END;
CREATE TRIGGER IF NOT EXISTS audit_out AFTER DELETE ON messages
BEGIN INSERT INTO audit (what, uuid, token) VALUES ('out', OLD.uuid, 0); END;
CREATE TRIGGER IF NOT EXISTS audit_result AFTER INSERT ON results
BEGIN INSERT INTO audit (what, uuid, token) VALUES ('result', NEW.uuid, NEW.token); END;
CREATE TRIGGER IF NOT EXISTS audit_replaced AFTER UPDATE ON results
BEGIN INSERT INTO audit (what, uuid, token) VALUES ('result', NEW.uuid, NEW.token); END;
CREATE TRIGGER IF NOT EXISTS audit_dead AFTER INSERT ON dead
BEGIN INSERT INTO audit (what, uuid, token) VALUES ('dead', NEW.uuid, 0); END;
"""


AOF = {"appendonly": "yes", "auto-aof-rewrite-percentage": "0", "aof-use-rdb-preamble": "no"}


class Entry(NamedTuple):
    """What a store accepted.

    Attributes:
        what: ``in``: a message was taken in; ``out``: it is gone; ``result``: a result was written; ``dead``: a
            dead letter was.
        uuid: Of the message.
        token: Of the claim under which a result was written.
    """

    what: str
    uuid: str
    token: int


def open_backend(settings: dict[str, Any]) -> Backend:
    """The backend that :attr:`Store.settings` describe."""
    if settings["store"] == "sqlite":
        return SQLiteBackend(settings["path"], namespace=_NAMESPACE)
    return RedisBackend(settings["url"], namespace=_NAMESPACE, partitions=settings.get("partitions", 1))


class Store(ABC):
    """A store of one scenario, with all that can befall it."""

    kind: StoreKind

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What a worker needs to open it."""

    @property
    @abstractmethod
    def direct(self) -> dict[str, Any]:
        """What the judge needs: the way past all proxies."""

    @abstractmethod
    def audit(self) -> list[Entry]:
        """All that it accepted, in order."""

    @property
    def failovers(self) -> int:
        """How often sentinels have promoted a server."""
        return 0

    @abstractmethod
    def close(self) -> None:
        """End it, and delete its data."""


class SQLiteStore(Store):
    """A file.

    Args:
        folder: Where to put it.
    """

    kind: StoreKind = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "alsek.db"
        self.settings_now = {"store": "sqlite", "path": str(self.path)}
        backend = open_backend(self.settings)
        backend.ping()
        backend.close()
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            connection.executescript(_TRIGGERS)

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.settings_now)

    @property
    def direct(self) -> dict[str, Any]:
        return self.settings

    def audit(self) -> list[Entry]:
        with contextlib.closing(sqlite3.connect(self.path, timeout=10)) as connection:
            rows = connection.execute("SELECT what, uuid, token FROM audit ORDER BY id").fetchall()
        return [Entry(*row) for row in rows]

    def close(self) -> None:
        return


class RedisStore(Store):
    """A server with an append-only file, behind a proxy if asked for."""

    kind: StoreKind = "redis"

    def __init__(self, *, behind_proxy: bool = False, seed: int = 0, addresses: Sequence[str] = ()) -> None:
        self._replaced: list[RedisServer] = []
        reachable = {"bind": " ".join(("127.0.0.1", *addresses)), "protected-mode": "no"} if addresses else {}
        self.server = RedisServer(**AOF, **reachable)
        self.server.start()
        self.proxy = Proxy(self.server.port, seed) if behind_proxy else None

    @property
    def settings(self) -> dict[str, Any]:
        port = self.proxy.port if self.proxy is not None else self.server.port
        return {"store": "redis", "url": f"redis://127.0.0.1:{port}/0"}

    @property
    def direct(self) -> dict[str, Any]:
        return {"store": "redis", "url": self.server.url}

    def client(self) -> redis.Redis:
        """A client that goes past the proxy."""
        return redis.Redis(port=self.server.port, socket_timeout=10)

    def shutdown(self) -> None:
        """``SHUTDOWN NOSAVE``: what it keeps is its append-only file."""
        with contextlib.closing(self.client()) as client:
            client.shutdown(nosave=True)
        self.server.kill()

    def add_replica(self) -> RedisServer:
        """A server that follows this one, and has heard all that it was told."""
        replica = RedisServer(
            **AOF, replicaof=f"127.0.0.1 {self.server.port}", **{"repl-diskless-sync-delay": "0"}
        )
        self._replaced.append(replica)  # so that it is discarded in any case
        replica.start()
        with contextlib.closing(self.client()) as client:
            deadline = time.monotonic() + 60
            while not client.wait(1, 100):
                assert time.monotonic() < deadline, "the replica did not catch up"
        return replica

    def fail_over(self, replica: RedisServer) -> None:
        """``FAILOVER``: the two swap their parts, with nothing lost; clients are not told."""
        with contextlib.closing(self.client()) as client:
            client.execute_command("FAILOVER")  # type: ignore[no-untyped-call]
        self._replaced.remove(replica)
        self._replaced.append(self.server)
        self.server = replica
        with contextlib.closing(self.client()) as client:
            deadline = time.monotonic() + 60
            while client.info("replication")["role"] != "master":
                assert time.monotonic() < deadline, "the replica was not promoted"
                time.sleep(0.01)

    def audit(self) -> list[Entry]:
        return told_by([self.server])

    def close(self) -> None:
        if self.proxy is not None:
            self.proxy.close()
        for server in (self.server, *self._replaced):
            server.discard()


class PartitionedStore(RedisStore):
    """A server whose namespace has partitions."""

    kind: StoreKind = "partitions"

    @property
    def settings(self) -> dict[str, Any]:
        return {**super().settings, "partitions": PARTITIONS}

    @property
    def direct(self) -> dict[str, Any]:
        return {**super().direct, "partitions": PARTITIONS}


def told_by(servers: Sequence[RedisServer]) -> list[Entry]:
    """What servers accepted that had the messages one after the other, as their append-only files tell it."""
    entries: list[Entry] = []
    living: set[bytes] = set()
    for server in servers:
        _await_writes(server)
        folder = server.folder / "appendonlydir"
        files = sorted(folder.glob("*.incr.aof"), key=lambda path: int(path.name.split(".")[-3]))
        if not folder.exists():  # before Redis 7 it is one file
            files = [server.folder / "appendonly.aof"]
        for file in files:
            for command in _commands(file.read_bytes()):
                entries += _entries(command, living)
    return entries


def _await_writes(server: RedisServer) -> None:
    """Wait until its file has all that it accepted: it writes up to two seconds later while the disk is busy."""
    deadline = time.monotonic() + 60
    with (
        contextlib.closing(redis.Redis(port=server.port, socket_timeout=10)) as client,
        contextlib.suppress(redis.ConnectionError),
    ):
        while client.info("persistence")["aof_buffer_length"]:
            assert time.monotonic() < deadline, "the server does not write its file"
            time.sleep(0.01)


def _commands(data: bytes) -> Iterator[list[bytes]]:
    """The commands in an append-only file; one that was cut short at its end is none."""
    at = 0
    while at < len(data):
        if data[at : at + 1] == b"#":
            at = data.index(b"\n", at) + 1
            continue
        end = data.find(b"\r\n", at)
        if end < 0:
            return
        count, at = int(data[at + 1 : end]), end + 2
        command = []
        for _ in range(count):
            end = data.find(b"\r\n", at)
            if end < 0:
                return
            size, at = int(data[at + 1 : end]), end + 2
            if at + size + 2 > len(data):
                return
            command.append(data[at : at + size])
            at += size + 2
        yield command


def _entries(command: Sequence[bytes], living: set[bytes]) -> Iterator[Entry]:
    """What a command tells; `living` are the messages there are."""
    name = command[0].upper()
    key = command[1].partition(b":")[2] if len(command) > 1 else b""
    if key == b"messages" and name in (b"HSET", b"HMSET"):
        for uuid in command[2::2]:
            if uuid not in living:
                living.add(uuid)
                yield Entry("in", uuid.decode(), 0)
    elif key == b"messages" and name == b"HDEL":
        for uuid in command[2:]:
            if uuid in living:
                living.remove(uuid)
                yield Entry("out", uuid.decode(), 0)
    elif name == b"SET" and key.startswith(b"results:"):
        _, token, _ = command[2].split(b"|", 2)
        yield Entry("result", key.removeprefix(b"results:").decode(), int(token.partition(b"^")[0]))
    elif name == b"SET" and key.startswith(b"letters:"):
        yield Entry("dead", key.removeprefix(b"letters:").split(b"\n")[0].decode(), 0)


def temporary_folder() -> Path:
    """A folder for one scenario."""
    return Path(tempfile.mkdtemp(prefix="alsek-chaos-"))
