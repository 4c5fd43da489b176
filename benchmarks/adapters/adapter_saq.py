"""SAQ. What a killed worker held is taken over by its sweep."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import measurements
from saq import Queue

queue = Queue.from_url(os.environ["BENCH_STORE"])
# https://saq-py.readthedocs.io: a job's ttl of -1 keeps nothing of it, 600 is the default
_ttl = 600 if os.environ["BENCH_KEEP"] == "1" else -1


async def noop(ctx: Any) -> int:
    """Nothing."""
    measurements.tick()
    return 1


async def compute(ctx: Any) -> None:
    """Ten milliseconds of computing."""
    measurements.compute()
    measurements.tick()


async def stamp(ctx: Any, *, index: int) -> None:
    """When it started."""
    measurements.stamp(index)


async def echo(ctx: Any) -> int:
    """Something to wait for."""
    return 1


async def take(ctx: Any, *, text: str) -> None:
    """Nothing, with something to carry."""
    measurements.tick()


async def nap(ctx: Any, *, milliseconds: int) -> None:
    """Waiting."""
    await asyncio.sleep(milliseconds / 1000)
    measurements.tick()


settings = {
    "queue": queue,
    "functions": [noop, compute, stamp, echo, take, nap],
    "concurrency": int(os.environ["BENCH_AT_ONCE"]),
}


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    """As a producer."""
    await queue.connect()
    yield
    await queue.disconnect()


async def one_by_one(n: int) -> None:
    """A call for each."""
    for _ in range(n):
        await queue.enqueue("noop", ttl=_ttl)


async def computing(n: int) -> None:
    """As many that compute."""
    for _ in range(n):
        await queue.enqueue("compute", ttl=_ttl)


async def sized(n: int, size: int) -> None:
    """As many, each with an argument of so many bytes."""
    text = "x" * size
    for _ in range(n):
        await queue.enqueue("take", text=text, ttl=_ttl)


async def waiting(n: int, milliseconds: int) -> None:
    """As many that wait."""
    for _ in range(n):
        await queue.enqueue("nap", milliseconds=milliseconds, ttl=_ttl)


async def start(index: int) -> None:
    """Submit a stamp."""
    await queue.enqueue("stamp", index=index, ttl=_ttl)


async def start_later(index: int, delay_ms: int) -> None:
    """Submit a stamp that is delayed: whole seconds are all that SAQ knows."""
    await queue.enqueue("stamp", index=index, ttl=_ttl, scheduled=time.time() + delay_ms / 1000)


async def round_trip() -> None:
    """Submit, and have the result. It polls: each 500 ms by default, here each 1."""
    assert await queue.apply("echo", timeout=20, poll_interval=0.001, ttl=_ttl) == 1
