"""The tasks that benchmarks run, on the store that ALSEK_BENCH_STORE names (a URL, or a path)."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

from alsek import Broker, Concurrency, Message, ResultStore, StatusTracker, task

if TYPE_CHECKING:
    from alsek.storage.backends.abstract import Backend


def open_store(where: str) -> Backend:
    """The backend for a Redis URL or the path of a SQLite file."""
    if "://" in where:
        from alsek.storage.backends.redis import RedisBackend

        partitions = int(os.environ.get("ALSEK_BENCH_PARTITIONS", "1"))
        return RedisBackend(where, namespace=f"alsek{partitions}", partitions=partitions)
    from alsek.storage.backends.sqlite import SQLiteBackend

    return SQLiteBackend(where)


backend = open_store(os.environ["ALSEK_BENCH_STORE"])
broker = Broker(backend)
results = ResultStore(backend)
statuses = StatusTracker(backend)


@task(broker, mechanism="thread")
def noop() -> None:
    """Nothing."""


@task(broker, mechanism="thread", limits=Concurrency(1_000_000, key="never full"))
def limited() -> None:
    """Nothing, under a limit that is never full."""


@task(broker)
def anywhere() -> None:
    """Nothing, on whichever kind of pool."""


@task(broker, mechanism="thread", result_store=results, status_tracker=statuses)
def tracked() -> int:
    """Nothing, with its status tracked and its result kept."""
    return 1


@task(broker, mechanism="thread")
def nap(milliseconds: int) -> None:
    """Sleep."""
    time.sleep(milliseconds / 1000)


@task(broker, mechanism="thread", result_store=results)
def started_at(message: Message) -> int:
    """When it started: nanoseconds, on the clock that all processes of a machine share."""
    return time.monotonic_ns()


@task(broker, result_store=results)
def late_by(message: Message) -> float:
    """How long after its schedule's tick it started: milliseconds."""
    return time.time_ns() / 1e6 - message.created_at


@task(broker, result_store=results)
async def dream(seconds: float) -> tuple[float, float]:
    """Sleep, and tell from when to when, on the clock that all processes of a machine share."""
    began = time.monotonic()
    await asyncio.sleep(seconds)
    return began, time.monotonic()
