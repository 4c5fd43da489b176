"""Celery, with the settings of https://docs.celeryq.dev/en/stable/userguide/optimizing.html.

"Prefetch limits": a multiplier of 64 or 128 for many short tasks; "Reserve one task at a time": acks_late, which makes
it at-least-once.
"""

from __future__ import annotations

import os
import time
from contextlib import nullcontext

import measurements
from celery import Celery

_where = os.environ["BENCH_STORE"]
_keep = os.environ["BENCH_KEEP"] == "1"
app = Celery("bench", broker=_where, backend=_where if _keep else None)
app.conf.update(
    task_acks_late=True,
    task_ignore_result=not _keep,
    worker_prefetch_multiplier=128,
    broker_connection_retry_on_startup=True,
)


@app.task(name="noop")
def noop() -> int:
    """Nothing."""
    measurements.tick()
    return 1


@app.task(name="compute", ignore_result=True)
def compute() -> None:
    """Ten milliseconds of computing."""
    measurements.compute()
    measurements.tick()


@app.task(name="stamp", ignore_result=True)
def stamp(index: int) -> None:
    """When it started."""
    measurements.stamp(index)


@app.task(name="echo")
def echo() -> int:
    """Something to wait for."""
    return 1


@app.task(name="take", ignore_result=True)
def take(text: str) -> None:
    """Nothing, with something to carry."""
    measurements.tick()


@app.task(name="nap", ignore_result=True)
def nap(milliseconds: int) -> None:
    """Waiting."""
    time.sleep(milliseconds / 1000)
    measurements.tick()


session = nullcontext


def one_by_one(n: int) -> None:
    """A call for each."""
    for _ in range(n):
        noop.delay()


def computing(n: int) -> None:
    """As many that compute."""
    for _ in range(n):
        compute.delay()


def sized(n: int, size: int) -> None:
    """As many, each with an argument of so many bytes."""
    text = "x" * size
    for _ in range(n):
        take.delay(text)


def waiting(n: int, milliseconds: int) -> None:
    """As many that wait."""
    for _ in range(n):
        nap.delay(milliseconds)


def queued(n: int, queues: int) -> None:
    """As many, in so many queues in turn."""
    for index in range(n):
        noop.apply_async(queue=f"q{index % queues}")


def start(index: int) -> None:
    """Submit a stamp."""
    stamp.delay(index)


def start_later(index: int, delay_ms: int) -> None:
    """Submit a stamp that is delayed."""
    stamp.apply_async((index,), countdown=delay_ms / 1000)


def round_trip() -> None:
    """Submit, and have the result."""
    assert echo.delay().get(timeout=20) == 1
