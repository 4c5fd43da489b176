"""Drivers: operations and subscriptions for code that is written once for synchronous and asynchronous callers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar

import pytest

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.drivers.blocking import BlockingDriver, iterate_blocking, run_blocking
from alsek.storage.backends.drivers.driver import Driver
from alsek.storage.backends.subscriptions import Note
from tests.contract.workers import a_message, add

T = TypeVar("T")

#: Runs what is written over a driver of a backend.
Run = Callable[[Backend, Callable[[Driver], Awaitable[Any]]], Any]


def _blocking(backend: Backend, code: Callable[[Driver], Any]) -> Any:
    return run_blocking(code(BlockingDriver(backend)))


def _in_a_loop(backend: Backend, code: Callable[[Driver], Any]) -> Any:
    async def run() -> Any:
        return await asyncio.wait_for(code(backend.loop_driver()), 60)

    return asyncio.run(run())


@pytest.fixture(params=[_blocking, _in_a_loop], ids=["blocking", "loop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs code with each kind of driver."""
    given: Run = request.param
    return given


def test_an_operation_is_answered(backend: Backend, run: Run) -> None:
    """What an operation returns, and what it raises, comes back."""

    async def code(driver: Driver) -> None:
        assert await driver.ask(backend.values.put, "name", b"value")
        assert await driver.ask(backend.values.get, "name") == b"value"
        assert not await driver.ask(backend.values.put, "name", b"other", only_new=True)
        with pytest.raises(TypeError):
            await driver.ask(backend.values.get)  # type: ignore[call-arg]

    run(backend, code)


def test_an_iterator_is_read_to_its_end(backend: Backend, run: Run) -> None:
    """Everything that an operation yields is yielded, however much that is."""
    add(backend, *(a_message(f"m{number}") for number in range(250)))
    for number in range(250):
        backend.messages.fail("q", f"m{number}", b"{}", 1_000_000)

    async def code(driver: Driver) -> list[str]:
        return [letter.uuid async for letter in driver.each(backend.messages.dead_letters, "q")]

    assert run(backend, code) == [f"m{number}" for number in range(250)]


def test_what_is_published_arrives(backend: Backend, run: Run) -> None:
    """A note on one of the channels arrives, one on another does not, and a wait ends in time."""

    async def code(driver: Driver) -> None:
        async with await driver.subscribe("a", "b") as news:
            backend.publish("c", b"0")
            backend.publish("b", b"1")
            backend.publish("a", b"2")
            assert [await _next(news) for _ in range(2)] == [Note("b", b"1"), Note("a", b"2")]
            assert await news.wait(1) is None

    run(backend, code)


def test_a_large_note_arrives(backend: Backend, run: Run) -> None:
    """A note of any size arrives as it was published."""
    data = bytes(range(256)) * 2_000

    async def code(driver: Driver) -> None:
        async with await driver.subscribe("a") as news:
            backend.publish("a", data)
            assert await _next(news) == Note("a", data)

    run(backend, code)


def test_a_result_is_watched(backend: Backend, run: Run) -> None:
    """The stored result is there at once; a later one is announced; taking one deletes it."""

    async def code(driver: Driver) -> None:
        news, record, _ = await driver.watch_result("q", "m")
        async with news:
            assert record is None
            backend.results.put("m", b"1")
            await _next(news)
        news, record, _ = await driver.watch_result("q", "m")
        assert record is not None
        assert record.payload == b"1"
        await driver.take_watched(news, "m")
        assert backend.results.get(["m"]) == [None]

    run(backend, code)


def test_many_wait_in_one_loop_without_a_thread_each(backend: Backend) -> None:
    """200 coroutines that wait for different channels each get their own note, and take a few threads at most."""

    async def wait_for(number: int, ready: asyncio.Semaphore) -> bytes:
        async with await backend.loop_driver().subscribe(f"n{number}") as news:
            ready.release()
            return (await _next(news)).data

    async def main() -> None:
        before = threading.active_count()
        ready = asyncio.Semaphore(0)
        waiting = [asyncio.create_task(wait_for(number, ready)) for number in range(200)]
        for _ in range(200):
            await ready.acquire()
        assert threading.active_count() - before <= 12
        for number in range(200):
            await backend.loop_driver().ask(backend.publish, f"n{number}", b"%d" % number)
        assert await asyncio.gather(*waiting) == [b"%d" % number for number in range(200)]

    asyncio.run(asyncio.wait_for(main(), 60))


async def _next(news: Any) -> Note:
    """The next note, though it may be told that some are missing before."""
    while True:
        note: Note | None = await news.wait(60_000)
        if note is not None:
            return note


def test_an_iteration_that_is_left_is_closed_at_once() -> None:
    """What it reads from lets go of the store then, not when it is collected."""
    ended: list[bool] = []

    async def items() -> AsyncGenerator[int]:
        try:
            yield 1
            yield 2
        finally:
            ended.append(True)

    source = items()
    iteration: Any = iterate_blocking(source)
    assert next(iteration) == 1
    assert not ended
    iteration.close()
    assert ended
