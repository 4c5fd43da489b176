"""Huey. It has no acknowledgements: what a killed worker held is lost."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext

import measurements
from huey import RedisHuey, SqliteHuey

_where = os.environ["BENCH_STORE"]
_keep = os.environ["BENCH_KEEP"] == "1"
if "://" in _where:
    # notify_result: https://huey.readthedocs.io/en/latest/api.html#RedisHuey (results are awaited without polling)
    huey = RedisHuey("bench", url=_where, results=_keep, notify_result=_keep)
else:
    # The defaults: WAL, a cache of 8 MB; https://huey.readthedocs.io/en/latest/api.html#SqliteHuey
    huey = SqliteHuey("bench", filename=_where, results=_keep)


@huey.task()
def noop() -> int:
    """Nothing."""
    measurements.tick()
    return 1


@huey.task()
def compute() -> None:
    """Ten milliseconds of computing."""
    measurements.compute()
    measurements.tick()


@huey.task()
def stamp(index: int) -> None:
    """When it started."""
    measurements.stamp(index)


@huey.task()
def echo() -> int:
    """Something to wait for."""
    return 1


@huey.task()
def take(text: str) -> None:
    """Nothing, with something to carry."""
    measurements.tick()


@huey.task()
def nap(milliseconds: int) -> None:
    """Waiting."""
    time.sleep(milliseconds / 1000)
    measurements.tick()


session = nullcontext


def one_by_one(n: int) -> None:
    """A call for each."""
    for _ in range(n):
        noop()


def computing(n: int) -> None:
    """As many that compute."""
    for _ in range(n):
        compute()


def sized(n: int, size: int) -> None:
    """As many, each with an argument of so many bytes."""
    text = "x" * size
    for _ in range(n):
        take(text)


def waiting(n: int, milliseconds: int) -> None:
    """As many that wait."""
    for _ in range(n):
        nap(milliseconds)


def start(index: int) -> None:
    """Submit a stamp."""
    stamp(index)


def start_later(index: int, delay_ms: int) -> None:
    """Submit a stamp that is delayed."""
    stamp.schedule((index,), delay=delay_ms / 1000)


def round_trip() -> None:
    """Submit, and have the result."""
    assert echo().get(blocking=True, timeout=20) == 1
