"""A master that a sentinel watches, and that dies."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from redis.sentinel import MasterNotFoundError, Sentinel

from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.defaults import DEFAULT_QUEUE
from alsek.storage.backends.redis import RedisBackend
from tests.conftest import RedisServer, free_port, redis_binary
from tests.waiting import eventually

pytestmark = pytest.mark.redis

_SERVICE = "payments"


@pytest.fixture
def watched(redis_server: Callable[..., RedisServer]) -> Iterator[tuple[Sentinel, RedisServer, RedisServer]]:
    """A sentinel, the master that it watches, and its replica."""
    master = redis_server()
    replica = redis_server(replicaof=f"127.0.0.1 {master.port}", **{"repl-diskless-sync-delay": "0"})
    with tempfile.TemporaryDirectory(prefix="alsek-sentinel-") as folder:
        settings, port = Path(folder) / "sentinel.conf", free_port()
        settings.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor {_SERVICE} 127.0.0.1 {master.port} 1\n"
            f"sentinel down-after-milliseconds {_SERVICE} 500\n"
            f"sentinel failover-timeout {_SERVICE} 3000\n"
        )
        process = subprocess.Popen([redis_binary(), str(settings), "--sentinel"], stdout=subprocess.DEVNULL)
        sentinel = Sentinel([("127.0.0.1", port)], socket_timeout=1)
        try:
            eventually(lambda: _knows_both(sentinel))
            yield sentinel, master, replica
        finally:
            process.kill()
            process.wait()


def _knows_both(sentinel: Sentinel) -> bool:
    try:
        return bool(sentinel.discover_master(_SERVICE)) and len(sentinel.discover_slaves(_SERVICE)) == 1
    except (MasterNotFoundError, redis.RedisError):
        return False


def test_a_service_goes_on_at_its_replica(watched: tuple[Sentinel, RedisServer, RedisServer]) -> None:
    """With `sentinel.master_for`, a call waits until the replica has taken over; what had reached it is there."""
    sentinel, master, replica = watched
    client = sentinel.master_for(_SERVICE, socket_timeout=2)
    backend = RedisBackend(client, timeout=25_000)
    broker = Broker(backend)
    backend.ping()
    assert _SERVICE in backend.describe()
    first = Message("work")
    broker.submit(first)
    # WAIT counts for the connection that wrote: Alsek's own is not the client's, so the replica's state is asked.
    looking = RedisBackend(replica.url)
    eventually(lambda: looking.messages.exists(first.queue, first.uuid))
    master.kill()
    second = Message("work")
    broker.submit(second)
    assert {message.uuid for message in (first, second)} == {
        stored.uuid for stored in backend.messages.browse(first.queue)
    }
    assert looking.messages.exists(second.queue, second.uuid)
    backend.close()
    looking.close()
    client.close()


def test_a_url_of_sentinels_finds_the_master(watched: tuple[Sentinel, RedisServer, RedisServer]) -> None:
    """`redis+sentinel://` is asked for the master as `master_for` is; a sentinel that is away does not matter."""
    sentinel, _, _ = watched
    options = sentinel.sentinels[0].connection_pool.connection_kwargs
    backend = RedisBackend(f"redis+sentinel://127.0.0.1:1,127.0.0.1:{options['port']}/{_SERVICE}/0")
    Broker(backend).submit(Message("work"))
    assert backend.messages.count(DEFAULT_QUEUE) == 1
    backend.close()


def test_an_event_loop_goes_on_at_the_replica(watched: tuple[Sentinel, RedisServer, RedisServer]) -> None:
    """Asynchronous calls and subscriptions find the new master as synchronous ones do."""
    sentinel, master, replica = watched
    backend = RedisBackend(sentinel.master_for(_SERVICE, socket_timeout=2), timeout=25_000)
    looking = RedisBackend(replica.url)

    async def main() -> None:
        driver = backend.loop_driver()
        assert type(driver).__name__ == "RedisLoopDriver"
        news = await driver.subscribe("a")
        await driver.ask(backend.values.put, "n", b"1")
        await asyncio.to_thread(eventually, lambda: looking.values.get("n") == b"1")
        master.kill()
        await asyncio.gather(*(driver.ask(backend.values.put, f"n{number}", b"2") for number in range(10)))
        assert await news.wait(25_000) is None
        looking.publish("a", b"3")
        while (note := await news.wait(25_000)) is None:
            pass
        assert note.data == b"3"
        assert await driver.ask(backend.values.get, "n") == b"1"

    asyncio.run(asyncio.wait_for(main(), 90))
    assert looking.values.get("n9") == b"2"
    looking.close()
