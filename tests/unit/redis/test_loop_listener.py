"""All subscriptions of an event loop share one connection, which is opened again when it is lost."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest
import redis

from alsek.core.message import Message
from alsek.core.status import StatusTracker, TaskStatus
from alsek.exceptions import BackendError
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.event_loop import listener as listener_module
from alsek.storage.backends.subscriptions import Note
from alsek.storage.result import ResultStore
from tests.unit.redis.loops import alone, connections, each_moment, leaving_nothing, run

pytestmark = pytest.mark.redis

__all__ = ["alone"]


async def subscribed(backend: RedisBackend, channels: int) -> None:
    """Return once so many channels have a subscriber."""
    while len(await asyncio.to_thread(backend._link.call, "PUBSUB", "CHANNELS")) != channels:  # noqa: ASYNC110 - the server tells nobody
        await asyncio.sleep(0.01)


async def note_of(news: Any) -> Note:
    """The next note, though some may be missed before."""
    while True:
        note: Note | None = await news.wait(60_000)
        if note is not None:
            return note


def cut(backend: RedisBackend) -> None:
    """End the connections that listen."""
    backend._link.call("CLIENT", "KILL", "TYPE", "pubsub")


def test_a_thousand_waiters_need_two_connections(alone: RedisBackend) -> None:
    """1,000 coroutines wait for a result each, and get it: over two connections, without a thread."""
    store = ResultStore(alone)
    messages = [Message("t") for _ in range(1_000)]

    async def main() -> None:
        threads = threading.active_count()
        waiting = [asyncio.create_task(store.aget(message, timeout=60_000)) for message in messages]
        await subscribed(alone, 1_000)
        assert connections(alone) - 1 <= 2, "but for the one of to_thread"
        assert threading.active_count() - threads <= 3, "of to_thread"
        for number, message in enumerate(messages):
            store.set(message, number)
        assert await asyncio.gather(*waiting) == list(range(1_000))
        await subscribed(alone, 0)

    run(main())


def test_a_status_is_waited_for(alone: RedisBackend) -> None:
    """What the tracker streams arrives, whether it was set before or after the waiter came."""
    tracker = StatusTracker(alone)
    message = Message("t")

    async def main() -> None:
        waiting = asyncio.create_task(tracker.await_for(message, timeout=60_000))
        await subscribed(alone, 1)
        tracker.set(message, TaskStatus.RUNNING)
        tracker.set(message, TaskStatus.SUCCEEDED)
        assert await waiting is TaskStatus.SUCCEEDED
        assert await tracker.await_for(message, timeout=60_000) is TaskStatus.SUCCEEDED

    run(main())


def test_a_lost_connection_loses_no_result(alone: RedisBackend) -> None:
    """Those who wait subscribe again, and read what was stored meanwhile."""
    store = ResultStore(alone)
    messages = [Message("t") for _ in range(100)]

    async def main() -> None:
        waiting = [asyncio.create_task(store.aget(message, timeout=60_000)) for message in messages]
        await subscribed(alone, 100)
        for message in messages:  # the loop does not run: nobody hears of these in time
            cut(alone)
            store.set(message, 1)
        assert await asyncio.gather(*waiting) == [1] * 100
        assert connections(alone) <= 4

    run(main())


def test_who_waits_is_told_that_notes_may_be_missing(alone: RedisBackend) -> None:
    """After a lost connection a wait ends, with the subscription in force again; also one that begins only then."""

    async def main() -> None:
        driver = alone.loop_driver()
        first, second = await driver.subscribe("a"), await driver.subscribe("b")
        waiting = asyncio.create_task(first.wait(60_000))
        await asyncio.sleep(0)
        cut(alone)
        assert await waiting is None
        assert await second.wait(60_000) is None
        alone.publish("a", b"1")
        alone.publish("b", b"2")
        assert await first.wait(60_000) == Note("a", b"1")
        assert await second.wait(60_000) == Note("b", b"2")

    run(main())


def test_a_wait_that_is_cancelled_loses_no_note(alone: RedisBackend) -> None:
    """Cancelled at whatever moment, also while it connects again, the next wait tells what this one would have told."""

    async def main() -> None:
        driver = alone.loop_driver()
        news = await driver.subscribe("a")

        def wait() -> Any:
            cut(alone)
            return news.wait(60_000)

        async def check() -> None:
            if driver._listener.connected:  # type: ignore[attr-defined]
                alone.publish("a", b"1")
                assert await note_of(news) == Note("a", b"1")
            else:
                assert await news.wait(60_000) is None

        assert await each_moment(wait, check) >= 3

    run(main())


def test_a_subscription_that_is_cancelled_is_not_kept(alone: RedisBackend) -> None:
    """Cancelled at whatever moment, subscribing leaves no channel behind, at the server or here."""

    async def main() -> None:
        driver = alone.loop_driver()
        kept = await driver.subscribe("kept")

        async def subscribe_and_close() -> None:
            await (await driver.subscribe("a")).close()

        async def check() -> None:
            await subscribed(alone, 1)
            alone.publish("kept", b"1")
            assert await note_of(kept) == Note("kept", b"1")

        assert await each_moment(subscribe_and_close, check) >= 1
        assert driver._listener._subscriptions.channels == ["kept"]  # type: ignore[attr-defined]

    run(main())


def test_one_channel_can_have_many_subscribers(alone: RedisBackend) -> None:
    """Each gets every note, until it closes; the others go on."""

    async def main() -> None:
        driver = alone.loop_driver()
        one, other = await asyncio.gather(driver.subscribe("a", "b"), driver.subscribe("a"))
        alone.publish("a", b"1")
        assert (await note_of(one), await note_of(other)) == (Note("a", b"1"), Note("a", b"1"))
        await one.close()
        await one.close()
        await subscribed(alone, 1)
        alone.publish("b", b"2")
        alone.publish("a", b"3")
        assert await note_of(other) == Note("a", b"3")
        await other.close()
        await subscribed(alone, 0)
        async with await driver.subscribe("a") as again:
            alone.publish("a", b"4")
            assert await note_of(again) == Note("a", b"4")

    run(main())


def test_a_server_that_says_nothing_is_noticed(
    alone: RedisBackend, redis_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that does not answer a ping is gone: who waits hears of it."""
    monkeypatch.setattr(listener_module, "_PING_AFTER_S", 0.05)
    server = redis_server()
    backend = RedisBackend(server.url, timeout=3_000)

    async def main() -> None:
        news = await backend.loop_driver().subscribe("a")
        waiting = asyncio.create_task(news.wait())
        await asyncio.sleep(0.3)
        assert not waiting.done(), "it answers its pings"
        server.pause()
        with pytest.raises(BackendError):
            await waiting
        server.resume()
        assert await news.wait(60_000) is None
        backend.publish("a", b"1")
        assert await note_of(news) == Note("a", b"1")

    run(main())


def test_who_may_not_subscribe_is_told(redis_server: Any) -> None:
    """A user without the right to the channels gets an error that says so, and the connection serves the others."""
    server = redis_server()
    redis.Redis(port=server.port).execute_command(
        "ACL", "SETUSER", "someone", "on", ">secret", "~*", "+@all", "resetchannels", "&alsek:a"
    )
    backend = RedisBackend(server.url.replace("127", "someone:secret@127"), timeout=5_000)

    async def main() -> None:
        driver = backend.loop_driver()
        news = await driver.subscribe("a")
        with pytest.raises(BackendError, match="lacks a permission"):
            await driver.subscribe("b")
        backend.publish("a", b"1")
        assert await note_of(news) == Note("a", b"1")

    run(main())


def test_a_backend_that_is_forgotten_closes_its_connections(alone: RedisBackend, redis_url: str) -> None:
    """Without close(), and while its loop goes on: nothing of a backend that nobody uses is left."""

    async def main() -> None:
        def new() -> RedisBackend:
            return RedisBackend(alone._link.source)

        backend = new()
        news = await backend.loop_driver().subscribe("a")
        await backend.loop_driver().ask(backend.values.get, "n")
        assert connections(alone) == 2
        del backend, news
        while connections(alone):
            gc.collect()
            await asyncio.sleep(0.01)

    leaving_nothing(lambda: asyncio.run(asyncio.wait_for(main(), 60)))
