"""RQ. One job at a time in each worker; an abandoned job is found by the maintenance of the others."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from datetime import timedelta

import measurements
from redis import Redis
from rq import Queue

_queue = Queue(connection=Redis.from_url(os.environ["BENCH_STORE"]))
_ttl = 500 if os.environ["BENCH_KEEP"] == "1" else 0


def noop() -> int:
    """Nothing."""
    measurements.tick()
    return 1


def compute() -> None:
    """Ten milliseconds of computing."""
    measurements.compute()
    measurements.tick()


def stamp(index: int) -> None:
    """When it started."""
    measurements.stamp(index)


def echo() -> int:
    """Something to wait for."""
    return 1


def take(text: str) -> None:
    """Nothing, with something to carry."""
    measurements.tick()


def nap(milliseconds: int) -> None:
    """Waiting."""
    time.sleep(milliseconds / 1000)
    measurements.tick()


session = nullcontext


def one_by_one(n: int) -> None:
    """A call for each."""
    for _ in range(n):
        _queue.enqueue(noop, result_ttl=_ttl)


def bulk(n: int) -> None:
    """https://python-rq.org/docs/#bulk-job-enqueueing"""
    for first in range(0, n, 1_000):
        size = min(1_000, n - first)
        _queue.enqueue_many([Queue.prepare_data(noop, result_ttl=_ttl) for _ in range(size)])


def computing(n: int) -> None:
    """As many that compute."""
    for _ in range(n):
        _queue.enqueue(compute, result_ttl=_ttl)


def sized(n: int, size: int) -> None:
    """As many, each with an argument of so many bytes."""
    text = "x" * size
    for _ in range(n):
        _queue.enqueue(take, text, result_ttl=_ttl)


def waiting(n: int, milliseconds: int) -> None:
    """As many that wait."""
    for _ in range(n):
        _queue.enqueue(nap, milliseconds, result_ttl=_ttl)


def queued(n: int, queues: int) -> None:
    """As many, in so many queues in turn."""
    for index in range(n):
        Queue(f"q{index % queues}", connection=_queue.connection).enqueue(noop, result_ttl=_ttl)


def start(index: int) -> None:
    """Submit a stamp."""
    _queue.enqueue(stamp, index, result_ttl=_ttl)


def start_later(index: int, delay_ms: int) -> None:
    """Submit a stamp that is delayed."""
    _queue.enqueue_in(timedelta(milliseconds=delay_ms), stamp, index)


def round_trip() -> None:
    """Submit, and have the result, with what blocks in Redis."""
    result = _queue.enqueue(echo, result_ttl=500).latest_result(timeout=20)
    assert result is not None
    assert result.return_value == 1
