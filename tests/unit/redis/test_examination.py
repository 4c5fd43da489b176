"""What `RedisBackend.examine()` finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
import redis

from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.findings import Finding, clock_finding
from alsek.storage.backends.records import Submission
from alsek.storage.backends.redis import RedisBackend
from tests.clusters import ClusterOfServers
from tests.conftest import RedisServer

pytestmark = pytest.mark.redis


@pytest.fixture
def server(redis_server: Callable[..., RedisServer]) -> RedisServer:
    """A server that is as it should be."""
    return redis_server(appendonly="yes")


@pytest.fixture
def backend(server: RedisServer) -> Iterator[RedisBackend]:
    """A backend on it."""
    made = RedisBackend(server.url)
    yield made
    made.close()


def _found(backend: RedisBackend) -> dict[str, Finding]:
    return {finding.subject: finding for finding in backend.examine()}


def _set(server: RedisServer, **options: str) -> None:
    client: Any = redis.Redis.from_url(server.url)
    for name, value in options.items():
        client.config_set(name.replace("_", "-"), value)
    client.close()


def test_a_good_server_has_no_faults(backend: RedisBackend) -> None:
    """Each subject is looked at, and well."""
    found = _found(backend)
    assert [*found] == [
        "reachable",
        "rights",
        "version",
        "role",
        "eviction",
        "persistence",
        "memory",
        "clock",
        "namespace",
    ]
    assert {finding.level for finding in found.values()} == {"ok"}


def test_an_eviction_policy_is_an_error(server: RedisServer, backend: RedisBackend) -> None:
    """With any policy but noeviction, a full server deletes messages."""
    _set(server, maxmemory_policy="volatile-lru")
    found = _found(backend)["eviction"]
    assert found.level == "error"
    assert "volatile-lru" in found.text


def test_no_persistence_is_an_error(server: RedisServer, backend: RedisBackend) -> None:
    """Snapshots alone are a warning, and nothing on disk is an error."""
    _set(server, appendonly="no", save="3600 1")
    assert _found(backend)["persistence"].level == "warning"
    _set(server, save="")
    assert _found(backend)["persistence"].level == "error"


def test_a_full_server_is_an_error(server: RedisServer, backend: RedisBackend) -> None:
    """Once it uses all of its memory, it refuses messages."""
    _set(server, maxmemory="500000")
    found = _found(backend)["memory"]
    assert found.level == "error"
    assert "of maxmemory" in found.text


def test_a_replica_is_an_error(server: RedisServer, redis_server: Callable[..., RedisServer]) -> None:
    """It takes no writes; the text names its master."""
    backend = RedisBackend(redis_server(replicaof=f"127.0.0.1 {server.port}").url)
    found = _found(backend)["role"]
    assert found.level == "error"
    assert f"a replica of 127.0.0.1:{server.port}" in found.text
    backend.close()


def test_records_of_a_newer_version_are_an_error(
    server: RedisServer, backend: RedisBackend, submission: Callable[..., Submission]
) -> None:
    """This version can't read them, so it must not work there."""
    backend.messages.add([submission("a")], "r")
    assert _found(backend)["namespace"].level == "ok"
    client: Any = redis.Redis.from_url(server.url)
    client.hset(f"{backend.namespace}:messages", "a", b"7|whatever\nx")
    client.close()
    found = _found(backend)["namespace"]
    assert found.level == "error"
    assert "record version 7" in found.text


def test_a_user_without_rights_is_told_what_cannot_be_known(server: RedisServer) -> None:
    """Managed servers refuse CONFIG, or INFO as well: that is a warning, and all else is looked at."""
    admin: Any = redis.Redis.from_url(server.url)
    admin.execute_command("ACL", "SETUSER", "some", "on", ">pw", "~*", "&*", "+@all", "-config")
    admin.execute_command("ACL", "SETUSER", "few", "on", ">pw", "~*", "&*", "+@all", "-info", "-config")
    admin.config_set("appendonly", "no")
    levels = {}
    for user in ("some", "few"):
        backend = RedisBackend(f"redis://{user}:pw@127.0.0.1:{server.port}")
        levels[user] = {name: finding.level for name, finding in _found(backend).items()}
        backend.close()
    assert levels["some"]["persistence"] == "warning"
    assert levels["few"] == {
        "reachable": "ok",
        "rights": "ok",
        "server": "warning",
        "clock": "ok",
        "namespace": "ok",
    }
    admin.close()


def test_the_node_of_a_cluster_is_examined(redis_cluster: ClusterOfServers) -> None:
    """It is the one that has the namespace."""
    backend = RedisBackend(redis_cluster.client(), namespace=f"t{uuid4().hex[:12]}")
    found = _found(backend)
    assert found["role"].text == "The server is a master; replicas: 1."
    assert found["persistence"].level == "error"
    backend.close()


def test_a_server_that_is_away_cannot_be_examined() -> None:
    """That is an error of its own, not a finding."""
    with pytest.raises(BackendUnavailableError):
        next(RedisBackend("redis://127.0.0.1:1", timeout=50).examine())


@pytest.mark.parametrize(
    ("store", "said"), [(900, None), (-500, None), (-5_000, "5.0 s behind"), (90_000, "ahead of")]
)
def test_clocks_that_differ_by_more_than_a_second_are_reported(store: int, said: str | None) -> None:
    """The time that the question takes does not count."""
    before = 1_000_000_000_000
    finding = clock_finding(before + store, before, before + 50)
    assert finding.level == ("ok" if said is None else "error")
    assert said is None or said in finding.text
