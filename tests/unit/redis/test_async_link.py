"""Calls from an event loop: one connection for all, the rules of synchronous calls, and cancellation anywhere."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from alsek import Broker, Lock, Message
from alsek.exceptions import BackendError, BackendUnavailableError
from alsek.storage.backends.records import ACCEPTED, Submission
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.event_loop.driver import RedisLoopDriver
from tests.unit.redis.loops import alone, connections, each_moment, leaving_nothing, run

pytestmark = pytest.mark.redis

__all__ = ["alone"]


def driver_of(backend: RedisBackend) -> RedisLoopDriver:
    """The driver of the running loop."""
    driver = backend.loop_driver()
    assert isinstance(driver, RedisLoopDriver)
    return driver


def test_many_calls_share_one_connection(alone: RedisBackend) -> None:
    """A thousand calls at once each get their own reply, over one connection."""

    async def main() -> None:
        driver = driver_of(alone)

        async def one(number: int) -> None:
            assert await driver.ask(alone.values.put, f"v{number}", b"%d" % number)
            assert await driver.ask(alone.values.get, f"v{number}") == b"%d" % number

        await asyncio.gather(*(one(number) for number in range(1_000)))
        assert connections(alone) == 1

    run(main())


def test_a_call_that_is_cancelled_leaves_the_connection_usable(alone: RedisBackend) -> None:
    """Cancelled at whatever moment, a submission is complete or absent, and the next calls get their own replies."""
    numbers = iter(range(10_000))
    submitted: list[str] = []

    async def main() -> None:
        driver = driver_of(alone)

        def submit() -> Any:
            submitted.append(f"m{next(numbers)}")
            return driver.ask(alone.messages.add, [Submission(submitted[-1], "q", b"payload")], submitted[-1])

        async def check() -> None:
            await driver.ask(alone.values.put, "n", submitted[-1].encode())
            assert await driver.ask(alone.values.get, "n") == submitted[-1].encode()
            stored = await driver.ask(alone.messages.get, "q", submitted[-1])
            assert stored is None or stored.payload == b"payload"
            assert await driver.ask(
                alone.messages.add, [Submission(submitted[-1], "q", b"payload")], submitted[-1]
            ) == [ACCEPTED]
            assert connections(alone) == 1

        assert await each_moment(submit, check) >= 1
        await driver.close()  # from here on each attempt begins with connecting

        async def check_and_close() -> None:
            await check()
            await driver.close()

        assert await each_moment(submit, check_and_close) >= 3

    run(main())


def test_a_follower_goes_on_if_the_one_that_connects_is_cancelled(alone: RedisBackend) -> None:
    """Many calls wait for one to connect: if it is cancelled, another one connects, and none fails."""

    async def main() -> None:
        driver = driver_of(alone)
        calls = [asyncio.create_task(driver.ask(alone.values.get, "n")) for _ in range(10)]
        await asyncio.sleep(0)
        for call in calls[:3]:
            call.cancel()
            await asyncio.sleep(0)
        assert await asyncio.gather(*calls[3:]) == [None] * 7
        assert connections(alone) == 1

    run(main())


def test_a_server_that_forgot_its_scripts_is_told_them_again(alone: RedisBackend) -> None:
    """After SCRIPT FLUSH the same calls work, however many come at once."""

    async def main() -> None:
        driver = driver_of(alone)

        async def submit(number: int, turn: int) -> None:
            name = f"m{turn}-{number}"
            assert await driver.ask(alone.messages.add, [Submission(name, "q", b"p")], name) == [ACCEPTED]

        for turn in range(2):
            await asyncio.gather(*(submit(number, turn) for number in range(20)))
            await driver.ask(alone.ping)
            alone._link.call("SCRIPT", "FLUSH")
        assert await driver.ask(alone.messages.count, "q") == 40

    run(main())


def test_a_restart_is_not_noticed(redis_server: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A connection that died while it idled is replaced without a word."""
    server = redis_server()
    backend = RedisBackend(server.url, timeout=5_000)

    async def main() -> None:
        driver = driver_of(backend)
        assert await driver.ask(backend.values.put, "n", b"1", only_new=True)
        server.stop()
        server.start()
        with caplog.at_level(logging.WARNING):
            assert await driver.ask(backend.values.put, "n", b"1", only_new=True)
            server.stop()
            server.start()
            assert await driver.ask(backend.values.get, "n") is None
        assert not caplog.records

    run(main())


def test_an_outage_is_outlived_and_logged_once(redis_server: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Calls that meet an outage are answered when the server is back; the log has its begin and its end."""
    server = redis_server()
    backend = RedisBackend(server.url, timeout=15_000)

    async def main() -> None:
        driver = driver_of(backend)
        await driver.ask(backend.values.get, "n")
        server.stop()
        with caplog.at_level(logging.WARNING):
            calls = [
                asyncio.create_task(
                    driver.ask(backend.messages.add, [Submission(f"m{n}", "q", b"p")], f"m{n}")
                )
                for n in range(30)
            ]
            while not caplog.records:  # noqa: ASYNC110 - a log is no event
                await asyncio.sleep(0.005)
            await asyncio.to_thread(server.start)
            assert await asyncio.gather(*calls) == [[ACCEPTED]] * 30
        assert [("back" in record.getMessage()) for record in caplog.records] == [False, True]
        assert connections(backend) == 1

    run(main())


def test_a_server_that_hangs_does_not_hang_its_callers(redis_server: Any) -> None:
    """Without an answer the error comes within the timeout, to all at the same time."""
    server = redis_server()
    backend = RedisBackend(server.url, timeout=600)

    async def main() -> None:
        driver = driver_of(backend)
        await driver.ask(backend.values.get, "n")
        server.pause()
        begun = time.monotonic()
        reads = [asyncio.create_task(driver.ask(backend.messages.queues)) for _ in range(50)]
        with pytest.raises(BackendUnavailableError, match="not known whether"):
            await driver.ask(backend.values.put, "n", b"1", only_new=True)
        for outcome in await asyncio.gather(*reads, return_exceptions=True):
            assert isinstance(outcome, BackendUnavailableError)
        assert time.monotonic() - begun < 25, "they waited one after the other, which takes half a minute"
        server.resume()
        assert await driver.ask(backend.messages.queues) == []

    run(main())


def test_a_loop_that_stands_still_is_no_outage(alone: RedisBackend) -> None:
    """Code that blocks the loop for longer than the timeout, at whatever moment of a call, makes no call fail."""

    async def main() -> None:
        for turns in (1, 2, 3, 5, 8):
            backend = alone.within(1_500)
            asking = asyncio.create_task(driver_of(backend).ask(backend.values.get, "n"))
            for _ in range(turns):
                await asyncio.sleep(0)
            time.sleep(1.7)  # noqa: ASYNC251  it blocks the loop
            assert await asking is None
            await driver_of(backend).close()

    run(main())


def test_a_reply_that_was_lost_is_asked_for_again(alone: RedisBackend) -> None:
    """If the connection ends between a command and its reply, what can be repeated is repeated."""

    async def main() -> None:
        driver = driver_of(alone)
        await driver.ask(alone.values.get, "n")
        alone._link.call("CLIENT", "PAUSE", 300)
        calls = [
            asyncio.create_task(driver.ask(alone.messages.add, [Submission(f"m{n}", "q", b"p")], f"m{n}"))
            for n in range(10)
        ]
        await asyncio.sleep(0.05)
        driver._link._connection.present._transport.abort()  # type: ignore[union-attr]
        assert await asyncio.gather(*calls) == [[ACCEPTED]] * 10
        assert await driver.ask(alone.messages.count, "q") == 10

    run(main())


def test_an_error_is_one_calls_alone(alone: RedisBackend) -> None:
    """An error that the server answers to one of many calls is a BackendError there, and the connection goes on."""
    alone._link.call("SET", f"{alone.namespace}:queues", "foreign")

    async def main() -> None:
        driver = driver_of(alone)
        calls = [driver.ask(alone.messages.queues), driver.ask(alone.values.get, "n")]
        failed, read = await asyncio.gather(*calls, return_exceptions=True)
        assert read is None
        assert isinstance(failed, BackendError)
        assert isinstance(failed.__cause__, redis.ResponseError)
        assert connections(alone) == 1

    run(main())


@pytest.mark.parametrize("password", [":wrong@", ""])
def test_wrong_credentials_are_told(redis_server: Any, password: str) -> None:
    """A password that is refused, or missing, is no outage: the error comes at once."""
    server = redis_server()
    redis.Redis(port=server.port).config_set("requirepass", "right")
    backend = RedisBackend(server.url.replace("127", f"{password}127"), timeout=600_000)

    async def main() -> None:
        for outcome in await asyncio.gather(
            *(driver_of(backend).ask(backend.values.get, "n") for _ in range(5)), return_exceptions=True
        ):
            assert isinstance(outcome, BackendError)
            assert "check user name and password" in str(outcome)
        with pytest.raises(BackendError, match="check user name and password"):
            await Lock("long", backend=backend).aacquire(wait=600_000)
        with pytest.raises(BackendError, match="check user name and password"):
            await Broker(backend).asubmit(Message("t"))

    run(main())


@pytest.mark.parametrize("connection", ["user", "database", "unix", "client"])
def test_what_the_connection_says_holds(redis_server: Any, connection: str) -> None:
    """User, database, unix sockets and a ready client's options are the same as for synchronous calls."""
    server = redis_server(unixsocket="redis.sock")
    redis.Redis(port=server.port).config_set("requirepass", "secret")
    places: dict[str, Callable[[], Any]] = {
        "user": lambda: server.url.replace("127", "default:secret@127"),
        "database": lambda: server.url.replace("127", ":secret@127").replace("/0", "/3"),
        "unix": lambda: f"unix://:secret@{server.folder}/redis.sock?db=2",
        "client": lambda: redis.Redis(port=server.port, password="secret", db=4, decode_responses=True),
    }
    backend = RedisBackend(places[connection](), timeout=5_000)

    async def main() -> None:
        driver = driver_of(backend)
        async with await driver.subscribe("c") as news:
            assert await driver.ask(backend.values.put, "n", b"1")
            assert backend.values.get("n") == b"1"
            backend.publish("c", b"2")
            note = await news.wait(60_000)
            assert note is not None
            assert note.data == b"2"

    run(main())
    backend.close()


def test_a_replica_is_told_as_an_outage(redis_server: Any) -> None:
    """What can't be written there is not accepted; when it is the primary, it is written on a new connection."""
    primary = redis_server()
    replica = redis_server(replicaof=f"127.0.0.1 {primary.port}")
    backend = RedisBackend(replica.url, timeout=300)

    async def main() -> None:
        driver = driver_of(backend)
        with pytest.raises(BackendUnavailableError):
            await driver.ask(backend.messages.add, [Submission("m", "q", b"p")], "r")
        backend._link.timeout = 20_000
        backend._link.call("REPLICAOF", "NO", "ONE")
        assert await driver.ask(backend.messages.add, [Submission("m", "q", b"p")], "r") == [ACCEPTED]

    run(main())


def test_a_loop_that_is_closed_leaves_nothing(alone: RedisBackend) -> None:
    """A loop may be closed without shutting anything down, with calls and waiters in flight: no warning, no socket."""

    def use() -> None:
        loop = asyncio.new_event_loop()

        async def main() -> None:
            driver = driver_of(alone)
            await driver.ask(alone.values.get, "n")
            await driver.subscribe("c")
            assert connections(alone) == 2

        loop.run_until_complete(main())
        loop.close()
        alone.close()

    leaving_nothing(use)
    deadline = time.monotonic() + 60
    while connections(alone):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_each_loop_has_its_own_connection(alone: RedisBackend) -> None:
    """Loops in several threads at once, and one after another, work, and close what they opened."""

    async def main() -> None:
        driver = driver_of(alone)
        for number in range(50):
            assert await driver.ask(alone.values.put, f"n{number}", b"1")

    async def in_threads() -> None:
        await asyncio.gather(*(asyncio.to_thread(asyncio.run, main()) for _ in range(4)))
        await main()

    run(in_threads())
    run(main())
    assert connections(alone) == 0


def test_a_child_has_connections_of_its_own(alone: RedisBackend) -> None:
    """A child that is forked while a loop runs can run a loop of its own; the parent's goes on, and hears its notes."""

    async def use(name: str) -> bool:
        driver = driver_of(alone)
        return all(
            [
                await driver.ask(alone.values.put, name, b"%d" % n)
                and await driver.ask(alone.values.get, name) == b"%d" % n
                for n in range(50)
            ]
        )

    async def main() -> None:
        driver = driver_of(alone)
        async with await driver.subscribe("c") as news:
            assert await use("parent")
            child = os.fork()
            if child == 0:
                try:
                    os._exit(0 if asyncio.run(use("child")) else 1)
                finally:
                    os._exit(2)
            assert await use("parent")
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0  # noqa: ASYNC222
            alone.publish("c", b"1")
            note = await news.wait(60_000)
            assert note is not None
            assert note.data == b"1"
            assert await use("parent")

    run(main())
