"""Sentinels and a cluster that speak TLS: `rediss+sentinel://` and `rediss+cluster://`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.redis import RedisBackend
from tests.conftest import RedisServer, SentinelServer, free_port
from tests.unit.redis.certificates import self_signed
from tests.waiting import eventually

pytestmark = pytest.mark.redis


@pytest.fixture(autouse=True)
def server_with_tls(redis_url: str) -> None:
    """Some servers are built without."""
    with redis.Redis.from_url(redis_url) as admin:
        if not admin.config_get("tls-port"):
            pytest.skip("this redis-server was built without TLS")


def _works(url: str, certificate: str) -> None:
    """Calls, notes and event loops; not without trust in the certificate."""
    backend = RedisBackend(f"{url}?ssl_ca_certs={certificate}", timeout=10_000)
    assert backend.set("a", 1)
    with backend.subscribe("c") as subscription:
        backend.pub("c", 2)
        note = subscription.wait(60_000)
        assert note is not None
        assert note.data == b"2"

    async def main() -> None:
        assert await backend.loop_driver().ask(backend.values.get, "a") == b"1"
        await backend.aclose()

    asyncio.run(main())
    with pytest.raises(BackendUnavailableError):
        RedisBackend(url, timeout=300).ping()


def test_a_cluster_with_tls(redis_server: Callable[..., RedisServer], tmp_path: Path) -> None:
    """All connections are encrypted, those to the nodes that the first one names as well."""
    options, port = self_signed(tmp_path), free_port(with_bus=True)
    tls = {"cluster-enabled": "yes", "tls-cluster": "yes", "tls-port": str(port), **options}
    server = redis_server(**tls)
    with redis.Redis.from_url(server.url) as admin:
        admin.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16_383)
        eventually(lambda: admin.execute_command("CLUSTER INFO")["cluster_state"] == "ok")
    _works(f"rediss+cluster://127.0.0.1:{port}", options["tls-cert-file"])


@pytest.fixture
def sentinel(
    redis_server: Callable[..., RedisServer], tmp_path: Path
) -> Iterator[tuple[int, dict[str, str]]]:
    """The port for TLS of a sentinel, which watches a server by TLS."""
    options, port, own = self_signed(tmp_path), free_port(), free_port()
    redis_server(**{"tls-port": str(port), **options})
    made = SentinelServer(
        **{
            "sentinel monitor": f"mine 127.0.0.1 {port} 1",
            "tls-replication": "yes",
            "tls-port": str(own),
            **options,
        }
    )
    try:
        made.start()
        yield own, options
    finally:
        made.discard()


def test_sentinels_with_tls(sentinel: tuple[int, dict[str, str]]) -> None:
    """The sentinels and the server that they name are spoken to by TLS."""
    port, options = sentinel
    _works(f"rediss+sentinel://127.0.0.1:{port}/mine", options["tls-cert-file"])
