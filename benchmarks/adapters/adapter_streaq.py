"""streaQ, on a stream whose idle entries are claimed by others: at-least-once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import measurements
from streaq import Worker

worker = Worker(redis_url=os.environ["BENCH_STORE"], concurrency=int(os.environ["BENCH_AT_ONCE"]))
_ttl = 300 if os.environ["BENCH_KEEP"] == "1" else 0


@worker.task(ttl=_ttl, silent=True)
async def noop() -> int:
    """Nothing."""
    measurements.tick()
    return 1


@worker.task(ttl=_ttl, silent=True)
async def compute() -> None:
    """Ten milliseconds of computing."""
    measurements.compute()
    measurements.tick()


@worker.task(ttl=_ttl, silent=True)
async def stamp(index: int) -> None:
    """When it started."""
    measurements.stamp(index)


@worker.task(silent=True)
async def echo() -> int:
    """Something to wait for."""
    return 1


@worker.task(ttl=_ttl, silent=True)
async def take(text: str) -> None:
    """Nothing, with something to carry."""
    measurements.tick()


@worker.task(ttl=_ttl, silent=True)
async def nap(milliseconds: int) -> None:
    """Waiting."""
    await asyncio.sleep(milliseconds / 1000)
    measurements.tick()


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    """As a producer."""
    async with worker:
        yield


async def one_by_one(n: int) -> None:
    """A call for each."""
    for _ in range(n):
        await noop.enqueue()


async def bulk(n: int) -> None:
    """Worker.enqueue_many: "more efficient than awaiting each individual task"."""
    for first in range(0, n, 1_000):
        await worker.enqueue_many([noop.enqueue() for _ in range(min(1_000, n - first))])


async def computing(n: int) -> None:
    """As many that compute."""
    for _ in range(n):
        await compute.enqueue()


async def sized(n: int, size: int) -> None:
    """As many, each with an argument of so many bytes."""
    text = "x" * size
    for _ in range(n):
        await take.enqueue(text)


async def waiting(n: int, milliseconds: int) -> None:
    """As many that wait."""
    for _ in range(n):
        await nap.enqueue(milliseconds)


async def start(index: int) -> None:
    """Submit a stamp."""
    await stamp.enqueue(index)


async def start_later(index: int, delay_ms: int) -> None:
    """Submit a stamp that is delayed."""
    await stamp.enqueue(index).start(delay=timedelta(milliseconds=delay_ms))


async def round_trip() -> None:
    """Submit, and have the result."""
    task = await echo.enqueue()
    assert (await task.result(20)).result == 1
