"""Alsek: everything is on that it has; there is nothing to tune."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from typing import Any

import measurements

from alsek import Broker, ResultStore, StatusTracker, task
from alsek.storage.backends.abstract import Backend

_where = os.environ["BENCH_STORE"]
_backend: Backend
if "://" in _where:
    from alsek.storage.backends.redis import RedisBackend

    _backend = RedisBackend(_where)
else:
    from alsek.storage.backends.sqlite import SQLiteBackend

    _backend = SQLiteBackend(_where)

_broker = Broker(_backend)
_results = ResultStore(_backend)
_kept: dict[str, Any] = {}
if os.environ["BENCH_KEEP"] == "1":
    _kept = {"result_store": _results, "status_tracker": StatusTracker(_backend)}


def _nothing() -> int:
    measurements.tick()
    return 1


async def _nothing_async() -> int:
    measurements.tick()
    return 1


noop = task(_broker, name="noop", **_kept)(
    _nothing_async if os.environ["BENCH_COROUTINES"] == "1" else _nothing
)


@task(_broker)
def compute() -> None:
    """Ten milliseconds of computing."""
    measurements.compute()
    measurements.tick()


@task(_broker)
def stamp(index: int) -> None:
    """When it started."""
    measurements.stamp(index)


@task(_broker, result_store=_results)
def echo() -> int:
    """Something to wait for."""
    return 1


@task(_broker, result_store=_results)
async def echo_async() -> int:
    """Something to await."""
    return 1


@task(_broker)
def take(text: str) -> None:
    """Nothing, with something to carry."""
    measurements.tick()


@task(_broker)
def nap(milliseconds: int) -> None:
    """Waiting."""
    time.sleep(milliseconds / 1000)
    measurements.tick()


session = nullcontext


def one_by_one(n: int) -> None:
    """A call for each."""
    for _ in range(n):
        noop.generate()


def bulk(n: int) -> None:
    """One call for a thousand."""
    for first in range(0, n, 1_000):
        batch = [noop.generate(submit=False) for _ in range(min(1_000, n - first))]
        assert _broker.submit_many(batch) == []


def computing(n: int) -> None:
    """As many that compute."""
    for _ in range(n):
        compute.generate()


def sized(n: int, size: int) -> None:
    """As many, each with an argument of so many bytes."""
    text = "x" * size
    for _ in range(n):
        take.generate(args=(text,))


def waiting(n: int, milliseconds: int) -> None:
    """As many that wait."""
    for _ in range(n):
        nap.generate(args=(milliseconds,))


def queued(n: int, queues: int) -> None:
    """As many, in so many queues in turn."""
    for index in range(n):
        noop.generate(queue=f"q{index % queues}")


def start(index: int) -> None:
    """Submit a stamp."""
    stamp.generate(args=(index,))


def start_later(index: int, delay_ms: int) -> None:
    """Submit a stamp that is delayed."""
    stamp.generate(args=(index,), delay=delay_ms)


def round_trip() -> None:
    """Submit, and have the result."""
    assert _results.get(echo.generate(), timeout=20_000) == 1
