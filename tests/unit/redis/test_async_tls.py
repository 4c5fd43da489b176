"""Connections of an event loop with TLS: certificates are checked, and loops end without a warning."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
import redis

from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.redis import RedisBackend
from tests.conftest import RedisServer, free_port
from tests.unit.redis.certificates import self_signed
from tests.unit.redis.loops import leaving_nothing, run
from tests.unit.redis.test_loop_listener import note_of

pytestmark = pytest.mark.redis


@pytest.fixture
def encrypted(redis_server: Any, tmp_path: Path) -> tuple[RedisServer, str]:
    """A server with a port for TLS, and the url of that."""
    options = self_signed(tmp_path)
    server = redis_server()
    port = free_port()
    client = redis.Redis(port=server.port)
    try:
        for name, value in options.items():
            client.config_set(name, value)
        client.config_set("tls-port", port)
    except redis.ResponseError:
        pytest.skip("this redis-server was built without TLS")
    client.close()
    return server, f"rediss://127.0.0.1:{port}/1?ssl_ca_certs={options['tls-cert-file']}"


def test_calls_and_subscriptions_are_encrypted(encrypted: tuple[RedisServer, str]) -> None:
    """Calls, large replies, notes and a lost connection: as without TLS."""
    backend = RedisBackend(encrypted[1], timeout=10_000)
    large = b"v" * 3_000_000

    async def main() -> None:
        driver = backend.loop_driver()
        async with await driver.subscribe("a") as news:
            writes = (driver.ask(backend.values.put, f"n{number}", large) for number in range(5))
            assert await asyncio.gather(*writes) == [True] * 5
            assert await driver.ask(backend.values.get, "n3") == large
            backend.publish("a", large)
            assert (await note_of(news)).data == large
            backend._link.call("CLIENT", "KILL", "SKIPME", "yes", "TYPE", "pubsub")
            backend._link.call("CLIENT", "KILL", "SKIPME", "yes", "TYPE", "normal")
            assert await driver.ask(backend.values.get, "n3") == large
            assert await news.wait(60_000) is None
            backend.publish("a", b"1")
            assert (await note_of(news)).data == b"1"

    run(main())


def test_a_certificate_that_is_not_trusted_is_refused(
    encrypted: tuple[RedisServer, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Without the authority's certificate the connection is not used, and the log tells of the outage."""
    url = encrypted[1].partition("?")[0]
    backend = RedisBackend(url, timeout=3_000)

    async def main() -> None:
        with pytest.raises(BackendUnavailableError):
            await backend.loop_driver().ask(backend.values.get, "n")

    run(main())
    assert "can't be reached" in caplog.text  # redis-py 5.0.1 does not say why


def test_a_loop_that_is_closed_leaves_nothing(encrypted: tuple[RedisServer, str]) -> None:
    """A loop that is closed without shutting anything down leaves no warning and no connection."""
    server, url = encrypted
    backend = RedisBackend(url, timeout=10_000)
    looking = redis.Redis(port=server.port)

    def use() -> None:
        loop = asyncio.new_event_loop()

        async def main() -> None:
            await backend.loop_driver().ask(backend.values.get, "n")
            await backend.loop_driver().subscribe("c")

        loop.run_until_complete(main())
        loop.close()
        backend.close()

    leaving_nothing(use)
    deadline = time.monotonic() + 60
    while len(looking.client_list()) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    looking.close()
