"""The stores that the suite runs on, each with a clock that the test moves.

A test speaks to ``store.backend``; what differs between the stores (how time is moved, how a record is
spoilt) is here and nowhere else.
"""

from __future__ import annotations

import importlib
import sqlite3
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from uuid import uuid4

from alsek.storage.backends.abstract import Backend

#: Where every test's clock begins: some day in 2023, so that nothing depends on small numbers.
START = 1_700_000_000_000

#: Where a Redis store's clock stands. `P` is the prefix of the namespace, as the scripts have it; the key is
#: outside of it, so that nothing that a test does to the namespace stops the clock.
_CLOCK_LUA = "local function now() return tonumber(redis.call('GET', 'test-clock:' .. P)) end"

#: A time to live short enough to be waited for where a store counts it in real time.
SHORT = 40


class Recipe(NamedTuple):
    """Opens the same store in another process, on the wall clock."""

    kind: str
    place: str
    namespace: str

    def open(self) -> Backend:
        """Return a backend object for this process."""
        if self.kind == "sqlite":
            module = importlib.import_module("alsek.storage.backends.sqlite")
            backend: Backend = module.SQLiteBackend(self.place, namespace=self.namespace)
        elif self.kind == "cluster":
            client = importlib.import_module("redis.cluster").RedisCluster.from_url(self.place)
            module = importlib.import_module("alsek.storage.backends.redis")
            backend = module.RedisBackend(client, namespace=self.namespace)
        else:
            module = importlib.import_module("alsek.storage.backends.redis")
            backend = module.RedisBackend(self.place, namespace=self.namespace)
        return backend


class Store(ABC):
    """One store, in a namespace that no other test shares."""

    kind: ClassVar[str]
    backend: Backend

    def __init__(self) -> None:
        self.namespace = f"t{uuid4().hex[:12]}"
        self.now = START
        self._opened: list[Backend] = []

    def advance(self, ms: int) -> None:
        """Move the store's clock."""
        self.now += ms

    def outlive(self, ttl: int, gone: Callable[[], bool]) -> None:
        """Wait `ttl` ms until `gone` is true, also on a store that expires keys in real time."""
        self.advance(ttl)
        deadline = time.monotonic() + 60
        while not gone():
            assert time.monotonic() < deadline, f"still there after its time to live of {ttl} ms"
            time.sleep(0.01)

    @abstractmethod
    def open(self, namespace: str | None = None) -> Backend:
        """Another backend object on this store, on this clock."""

    def recipe(self) -> Recipe:
        """Return the recipe with which another process opens this store."""
        raise NotImplementedError(f"no other process can open {self.kind}")

    @abstractmethod
    def spoil(self, queue: str, uuid: str, how: str, backend: Backend | None = None) -> None:
        """Make a stored record unreadable: meaningless ``"bytes"``, or the ``"version"`` of another day.

        Args:
            queue: Where the message is.
            uuid: Which message.
            how: What becomes of its record.
            backend: In the namespace of this one; by default in the store's own.
        """

    def discard(self, backend: Backend) -> None:
        """Clear one of the backends, and close it."""
        backend.clear_namespace()
        backend.close()
        self._opened.remove(backend)

    def finish(self) -> None:
        """Clear the store, and close it."""
        for backend in list(self._opened):
            self.discard(backend)

    def _keep(self, backend: Backend) -> Backend:
        self._opened.append(backend)
        return backend


class InMemory(Store):
    """Plain dicts. Another namespace is another store here."""

    kind = "memory"

    def __init__(self) -> None:
        super().__init__()
        self._module = importlib.import_module("alsek.storage.backends.memory")
        self.backend = self.open()

    def open(self, namespace: str | None = None) -> Backend:
        name = self.namespace if namespace is None else namespace
        return self._keep(self._module.MemoryBackend(namespace=name, clock=lambda: self.now))

    def spoil(self, queue: str, uuid: str, how: str, backend: Backend | None = None) -> None:
        # It has no bytes to spoil: a record is an object.
        messages: Any = (backend or self.backend).messages
        messages.table.messages[uuid].version = 99

    @staticmethod
    def is_tracked(uuid: str, backend: Backend) -> bool:
        """Whether a stored message writes statuses: no port tells."""
        messages: Any = backend.messages
        return bool(messages.table.messages[uuid].submission.status_ttl)


@cache
def _empty_sqlite_file() -> bytes:
    """What a file is after it was made: all its tables take longer to make than most tests take otherwise."""
    module = importlib.import_module("alsek.storage.backends.sqlite")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "empty.db")
        backend: Backend = module.SQLiteBackend(path)
        backend.statuses.get(["none"])
        backend.close()
        return path.read_bytes()


class InSQLite(Store):
    """One file in the test's own folder."""

    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / "alsek.db"
        self.path.write_bytes(_empty_sqlite_file())
        self._module = importlib.import_module("alsek.storage.backends.sqlite")
        self.backend = self.open()

    def open(self, namespace: str | None = None) -> Backend:
        name = self.namespace if namespace is None else namespace
        return self._keep(self._module.SQLiteBackend(self.path, namespace=name, clock=lambda: self.now))

    def recipe(self) -> Recipe:
        return Recipe(self.kind, str(self.path), self.namespace)

    def spoil(self, queue: str, uuid: str, how: str, backend: Backend | None = None) -> None:
        version = "no number" if how == "bytes" else 99
        namespace = (backend or self.backend).namespace
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(
                "UPDATE messages SET version = ? WHERE uuid = ? AND ns = (SELECT id FROM namespaces WHERE name = ?)",
                (version, uuid, namespace),
            )


class InRedis(Store):
    """A namespace of a real server."""

    kind = "redis"

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self._redis: Any = self._client()
        self._class = self._make_class()
        self.backend = self.open()
        self.advance(0)

    def _make_class(self) -> Any:
        return _clocked_redis_backend()

    def _client(self) -> Any:
        return importlib.import_module("redis").Redis.from_url(self.url)

    def _connection(self) -> Any:
        return self.url

    def advance(self, ms: int) -> None:
        super().advance(ms)
        for namespace in {backend.namespace for backend in self._opened}:
            self._set_clock(namespace)

    def open(self, namespace: str | None = None) -> Backend:
        name = self.namespace if namespace is None else namespace
        made = self._keep(self._class(self._connection(), namespace=name))
        self._set_clock(name)
        return made

    def _set_clock(self, namespace: str) -> None:
        self._redis.set(f"test-clock:{self._prefix(namespace)}", self.now)

    def _prefix(self, namespace: str) -> str:
        """The prefix of the names of a namespace."""
        return f"{namespace}:"

    def recipe(self) -> Recipe:
        return Recipe(self.kind, self.url, self.namespace)

    def spoil(self, queue: str, uuid: str, how: str, backend: Backend | None = None) -> None:
        key = f"{self._prefix((backend or self.backend).namespace)}messages"
        record: bytes = self._redis.hget(key, uuid)
        spoilt = b"\xff\x00 no header" if how == "bytes" else record.replace(b"1|", b"99|", 1)
        self._redis.hset(key, uuid, spoilt)

    def discard(self, backend: Backend) -> None:
        super().discard(backend)
        if backend.namespace not in {other.namespace for other in self._opened}:
            self._redis.delete(f"test-clock:{self._prefix(backend.namespace)}")

    def finish(self) -> None:
        super().finish()
        self._redis.close()


class _OnCluster(InRedis):
    """Over a cluster of several nodes.

    Args:
        cluster: Its servers.
    """

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        super().__init__(cluster.url)

    def _client(self) -> Any:
        return self._cluster.client()

    def _connection(self) -> Any:
        return self._redis


class InCluster(_OnCluster):
    """A namespace of a cluster."""

    kind = "cluster"

    def _prefix(self, namespace: str) -> str:
        return f"{{{namespace}}}:"


class InPartitions(InRedis):
    """A namespace over several partitions, with all that a test names in one of them.

    So all that the contract says must hold, over three partitions that are empty. What holds over several full ones is
    in ``tests/unit/redis/test_partitions.py``.
    """

    kind = "partitions"
    partitions = 4

    def __init__(self, url: str) -> None:
        super().__init__(url)

    def open(self, namespace: str | None = None) -> Backend:
        name = self.namespace if namespace is None else namespace
        made = self._keep(self._class(self._connection(), namespace=name, partitions=self.partitions))
        # The test moves the clock, of which a worker's process knows nothing.
        rounds_of = made.messages._rounds_of
        made.messages._rounds_of = lambda worker: rounds_of(worker._replace(thorough=True))
        self._set_clock(name)
        return made

    def _set_clock(self, namespace: str) -> None:
        for number in range(self.partitions):
            self._redis.set(f"test-clock:{{{namespace}%p{number}}}:", self.now)

    def _prefix(self, namespace: str) -> str:
        return f"{{{namespace}%p2}}:"

    def _make_class(self) -> Any:
        class InOnePartition(super()._make_class()):  # type: ignore[misc]
            def location_of(self, name: str) -> int:
                return 40_000

        return InOnePartition

    def recipe(self) -> Recipe:
        return Store.recipe(self)


class InPartitionsOfCluster(_OnCluster, InPartitions):
    """The same over a cluster, where workers sleep in another way."""


class InFakeRedis(InRedis):
    """The same scripts on fakeredis, which is quicker. The proof is the store ``redis``."""

    kind = "fakeredis"

    def __init__(self) -> None:
        self._server = importlib.import_module("fakeredis").FakeServer()
        super().__init__("")

    def _client(self) -> Any:
        return importlib.import_module("fakeredis").FakeRedis(server=self._server)

    def _connection(self) -> Any:
        return self._client()

    def recipe(self) -> Recipe:
        return Store.recipe(self)


def _clocked_redis_backend() -> Any:
    """`RedisBackend`, reading the time from a key that the test sets."""
    module: Any = importlib.import_module("alsek.storage.backends.redis")

    class ClockedRedisBackend(module.RedisBackend):  # type: ignore[misc]
        _clock_lua = _CLOCK_LUA

    return ClockedRedisBackend
