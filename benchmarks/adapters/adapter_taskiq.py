"""TaskIQ on a Redis stream, the one of its Redis brokers that acknowledges."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import measurements
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

_where = os.environ["BENCH_STORE"]
_keep = os.environ["BENCH_KEEP"] == "1"
# https://github.com/taskiq-python/taskiq-redis#readme: "RedisStreamBroker … supports acknowledgement"
broker = RedisStreamBroker(_where)
if _keep:
    broker = broker.with_result_backend(RedisAsyncResultBackend(_where, result_ex_time=3600))


@broker.task
async def noop() -> int:
    """Nothing."""
    measurements.tick()
    return 1


@broker.task
async def compute() -> None:
    """Ten milliseconds of computing."""
    measurements.compute()
    measurements.tick()


@broker.task
async def stamp(index: int) -> None:
    """When it started."""
    measurements.stamp(index)


@broker.task
async def echo() -> int:
    """Something to wait for."""
    return 1


@broker.task
async def take(text: str) -> None:
    """Nothing, with something to carry."""
    measurements.tick()


@broker.task
async def nap(milliseconds: int) -> None:
    """Waiting."""
    await asyncio.sleep(milliseconds / 1000)
    measurements.tick()


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    """As a producer."""
    await broker.startup()
    yield
    await broker.shutdown()


async def one_by_one(n: int) -> None:
    """A call for each."""
    for _ in range(n):
        await noop.kiq()


async def computing(n: int) -> None:
    """As many that compute."""
    for _ in range(n):
        await compute.kiq()


async def sized(n: int, size: int) -> None:
    """As many, each with an argument of so many bytes."""
    text = "x" * size
    for _ in range(n):
        await take.kiq(text)


async def waiting(n: int, milliseconds: int) -> None:
    """As many that wait."""
    for _ in range(n):
        await nap.kiq(milliseconds)


async def start(index: int) -> None:
    """Submit a stamp."""
    await stamp.kiq(index)


async def round_trip() -> None:
    """Submit, and have the result. It polls; 1 ms is the best it can do without hurting others."""
    task = await echo.kiq()
    assert (await task.wait_result(check_interval=0.001, timeout=20)).return_value == 1
