"""Dramatiq. Messages are acknowledged when the actor has returned; that is its only way."""

from __future__ import annotations

import os
import time
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


@dramatiq.actor
def take(text: str) -> None:
    """Nothing, with something to carry."""
    measurements.tick()


@dramatiq.actor
def nap(milliseconds: int) -> None:
    """Waiting."""
    time.sleep(milliseconds / 1000)
    measurements.tick()


# An actor has one queue, so there is one for each: https://dramatiq.io/reference.html#dramatiq.actor
_of_queues = [
    dramatiq.actor(noop.fn, actor_name=f"noop{n}", queue_name=f"q{n}")
    for n in range(int(os.environ["BENCH_QUEUES"]))
]


session = nullcontext


def one_by_one(n: int) -> None:
    """A call for each."""
    for _ in range(n):
        noop.send()


def computing(n: int) -> None:
    """As many that compute."""
    for _ in range(n):
        compute.send()


def sized(n: int, size: int) -> None:
    """As many, each with an argument of so many bytes."""
    text = "x" * size
    for _ in range(n):
        take.send(text)


def waiting(n: int, milliseconds: int) -> None:
    """As many that wait."""
    for _ in range(n):
        nap.send(milliseconds)


def queued(n: int, queues: int) -> None:
    """As many, in so many queues in turn."""
    for index in range(n):
        _of_queues[index % queues].send()


def start(index: int) -> None:
    """Submit a stamp."""
    stamp.send(index)


def start_later(index: int, delay_ms: int) -> None:
    """Submit a stamp that is delayed."""
    stamp.send_with_options(args=(index,), delay=delay_ms)


def round_trip() -> None:
    """Submit, and have the result."""
    assert echo.send().get_result(block=True, timeout=20_000) == 1
