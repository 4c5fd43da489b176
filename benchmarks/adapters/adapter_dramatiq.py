"""Dramatiq. Messages are acknowledged when the actor has returned; that is its only way."""

from __future__ import annotations

import os
from contextlib import nullcontext

import dramatiq
import measurements
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

_where = os.environ["BENCH_STORE"]
_keep = os.environ["BENCH_KEEP"] == "1"
broker = RedisBroker(url=_where)
if _keep:
    # https://dramatiq.io/cookbook.html#results
    broker.add_middleware(Results(backend=RedisBackend(url=_where)))
dramatiq.set_broker(broker)
_options = {"store_results": True} if _keep else {}


@dramatiq.actor(**_options)
def noop() -> int | None:
    """Nothing. Without the middleware Dramatiq warns of each result."""
    measurements.tick()
    return 1 if _keep else None


@dramatiq.actor
def compute() -> None:
    """Ten milliseconds of computing."""
    measurements.compute()
    measurements.tick()


@dramatiq.actor
def stamp(index: int) -> None:
    """When it started."""
    measurements.stamp(index)


@dramatiq.actor(**_options)
def echo() -> int | None:
    """Something to wait for."""
    return 1 if _keep else None


session = nullcontext


def one_by_one(n: int) -> None:
    """A call for each."""
    for _ in range(n):
        noop.send()


def computing(n: int) -> None:
    """As many that compute."""
    for _ in range(n):
        compute.send()


def start(index: int) -> None:
    """Submit a stamp."""
    stamp.send(index)


def start_later(index: int, delay_ms: int) -> None:
    """Submit a stamp that is delayed."""
    stamp.send_with_options(args=(index,), delay=delay_ms)


def round_trip() -> None:
    """Submit, and have the result."""
    assert echo.send().get_result(block=True, timeout=20_000) == 1
