"""ARQ. "Pessimistic execution": a job stays in the queue until it has succeeded or failed, so it is at-least-once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import measurements
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings

_settings = RedisSettings.from_dsn(os.environ["BENCH_STORE"])
_pool: ArqRedis


async def noop(ctx: Any) -> int:
    """Nothing."""
    measurements.tick()
    return 1


async def compute(ctx: Any) -> None:
    """Ten milliseconds of computing."""
    measurements.compute()
    measurements.tick()


async def stamp(ctx: Any, index: int) -> None:
    """When it started."""
    measurements.stamp(index)


async def echo(ctx: Any) -> int:
    """Something to wait for."""
    return 1


async def take(ctx: Any, text: str) -> None:
    """Nothing, with something to carry."""
    measurements.tick()


async def nap(ctx: Any, milliseconds: int) -> None:
    """Waiting."""
    await asyncio.sleep(milliseconds / 1000)
    measurements.tick()


class WorkerSettings:
    """It polls (https://arq-docs.helpmanuel.io): each 500 ms by default, which would hide all else; here each 10."""

    functions = (noop, compute, stamp, echo, take, nap)
    redis_settings = _settings
    max_jobs = int(os.environ["BENCH_AT_ONCE"])
    poll_delay = 0.01
    keep_result = 3600 if os.environ["BENCH_KEEP"] == "1" else 0
    log_results = False


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    """As a producer."""
    global _pool
    _pool = await create_pool(_settings)
    yield
    await _pool.aclose()


async def one_by_one(n: int) -> None:
    """A call for each."""
    for _ in range(n):
        await _pool.enqueue_job("noop")


async def computing(n: int) -> None:
    """As many that compute."""
    for _ in range(n):
        await _pool.enqueue_job("compute")


async def sized(n: int, size: int) -> None:
    """As many, each with an argument of so many bytes."""
    text = "x" * size
    for _ in range(n):
        await _pool.enqueue_job("take", text)


async def waiting(n: int, milliseconds: int) -> None:
    """As many that wait."""
    for _ in range(n):
        await _pool.enqueue_job("nap", milliseconds)


async def start(index: int) -> None:
    """Submit a stamp."""
    await _pool.enqueue_job("stamp", index)


async def start_later(index: int, delay_ms: int) -> None:
    """Submit a stamp that is delayed."""
    await _pool.enqueue_job("stamp", index, _defer_by=delay_ms / 1000)


async def round_trip() -> None:
    """Submit, and have the result; it polls."""
    job = await _pool.enqueue_job("echo")
    assert job is not None
    assert await job.result(timeout=20, poll_delay=0.001) == 1
