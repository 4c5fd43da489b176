"""A master that sentinels watch, and that dies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest

from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.exceptions import BackendError, BackendUnavailableError
from alsek.storage.backends.redis import RedisBackend
from tests.conftest import RedisServer, SentinelServer
from tests.sentinels import SERVICE, SentinelGroup
from tests.waiting import eventually

pytestmark = pytest.mark.redis


@pytest.fixture
def own_sentinels() -> Iterator[SentinelGroup]:
    """A group that a test may harm."""
    made = SentinelGroup(RedisServer, SentinelServer, down_after_ms=3_000)
    try:
        made.start()
        yield made
    finally:
        made.discard()


def failed_over_again(group: SentinelGroup) -> bool:
    """Return True if the sentinels took the new master for dead too, as they may where processes wait for a processor.

    Replication is asynchronous: what that one alone had acknowledged is lost then, as Redis promises no more.
    """
    return group.failovers > 1


def test_a_service_goes_on_at_its_replica(own_sentinels: SentinelGroup) -> None:
    """With `sentinel.master_for`, a call waits until the replica has taken over; what had reached it is there."""
    master = own_sentinels.master
    client = own_sentinels.client(socket_timeout=2)
    backend = RedisBackend(client, timeout=60_000)
    broker = Broker(backend)
    backend.ping()
    assert SERVICE in backend.describe()
    first = Message("work")
    broker.submit(first)
    # WAIT counts for the connection that wrote: Alsek's own is not the client's, so the replica's state is asked.
    replicas = [RedisBackend(server.url) for server in own_sentinels.servers if server is not master]
    eventually(lambda: all(replica.messages.exists(first.queue, first.uuid) for replica in replicas))
    master.kill()
    second = Message("work")
    broker.submit(second)
    looking = RedisBackend(own_sentinels.master.url)
    assert looking.messages.exists(first.queue, first.uuid)
    assert looking.messages.exists(second.queue, second.uuid) or failed_over_again(own_sentinels)
    for each in (backend, looking, *replicas):
        each.close()
    client.close()


def test_a_url_of_sentinels_finds_the_master(redis_sentinels: SentinelGroup) -> None:
    """User, password and the sentinels' own password are in it; a sentinel that is away does not matter."""
    url = redis_sentinels.url.replace("@", "@127.0.0.1:1,", 1)
    backend = RedisBackend(url, namespace=f"t{uuid4().hex[:12]}")
    Broker(backend).submit(Message("work", queue="q"))
    assert backend.messages.count("q") == 1
    backend.clear_namespace()
    backend.close()


@pytest.mark.parametrize(
    ("right", "wrong", "kind", "says"),
    [
        (":of-servers@", ":wrong@", BackendError, "credentials"),
        ("=of-sentinels", "=wrong", BackendUnavailableError, "AuthenticationError.*sentinel_password"),
        (f"/{SERVICE}/", "/other/", BackendUnavailableError, "No master found for 'other'"),
    ],
)
def test_a_wrong_url_of_sentinels_is_told(
    redis_sentinels: SentinelGroup, right: str, wrong: str, kind: type[BackendError], says: str
) -> None:
    """The error names what was refused or not found, and shows no password."""
    backend = RedisBackend(redis_sentinels.url.replace(right, wrong), timeout=300)
    with pytest.raises(kind, match=says) as caught:
        backend.ping()
    assert not any(secret in str(caught.value) for secret in ("of-servers", "of-sentinels", "wrong"))
    backend.close()


def test_an_event_loop_goes_on_at_the_replica(own_sentinels: SentinelGroup) -> None:
    """Asynchronous calls and subscriptions find the new master as synchronous ones do."""
    master = own_sentinels.master
    backend = RedisBackend(own_sentinels.client(socket_timeout=2), timeout=60_000)
    replicas = [RedisBackend(server.url) for server in own_sentinels.servers if server is not master]

    def has_arrived() -> bool:
        return all(replica.values.get("n") == b"1" for replica in replicas)

    async def main() -> None:
        driver = backend.loop_driver()
        assert type(driver).__name__ == "RedisLoopDriver"
        news = await driver.subscribe("a")
        await driver.ask(backend.values.put, "n", b"1")
        await asyncio.to_thread(eventually, has_arrived)
        master.kill()
        await asyncio.gather(*(driver.ask(backend.values.put, f"n{number}", b"2") for number in range(10)))
        assert await news.wait(60_000) is None
        backend.publish("a", b"3")
        while (note := await news.wait(5_000)) is None:
            backend.publish("a", b"3")
        assert note.data == b"3"
        assert await driver.ask(backend.values.get, "n") == b"1"

    asyncio.run(asyncio.wait_for(main(), 120))
    looking = RedisBackend(own_sentinels.master.url)
    assert looking.values.get("n9") == b"2" or failed_over_again(own_sentinels), own_sentinels.told()
    for each in (backend, looking, *replicas):
        each.close()
