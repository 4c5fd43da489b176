"""Sets the stage on which the blocks of a page run: their own text stays as it is, what they connect to is the test's.

The store is named by the environment: ``ALSEK_STAGE=redis://…`` or ``ALSEK_STAGE=/path/to/alsek.db``. On either, a
block may say ``RedisBackend()``, ``RedisBackend("<connection_url>")``, ``SQLiteBackend("alsek.db")`` and ``task(...)``;
where it says ``Redis()`` on SQLite, nothing is connected to.
"""

from __future__ import annotations

import os
from typing import Any

import redis

import alsek.core.task
import alsek.storage.backends.redis
import alsek.storage.backends.redis.standard
import alsek.storage.backends.sqlite
from alsek.core.broker import Broker
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.redis.standard import RedisBackend
from alsek.storage.backends.sqlite import SQLiteBackend

VARIABLE = "ALSEK_STAGE"


def stage_backend(place: str | None = None) -> Backend:
    """A backend on the stage's store."""
    place = place or os.environ[VARIABLE]
    return RedisBackend(place) if place.startswith("redis:") else SQLiteBackend(place)


def set_stage() -> None:
    """Let the names that blocks import mean this stage's store. For a process that runs blocks and nothing else."""
    place = os.environ[VARIABLE]
    stand_in: Any
    if place.startswith("redis:"):
        stand_in = _redis_here(place)
        alsek.storage.backends.sqlite.SQLiteBackend = _file_in_redis(place)  # type: ignore[misc, assignment]
    else:
        stand_in = _sqlite_here(place)
    for module in (alsek.storage.backends.redis, alsek.storage.backends.redis.standard):
        module.RedisBackend = stand_in  # type: ignore[attr-defined, misc]
    real_task: Any = alsek.core.task.task

    def task(broker: Any, *args: Any, **kwargs: Any) -> Any:
        return real_task(Broker(stand_in()) if broker is Ellipsis else broker, *args, **kwargs)

    alsek.core.task.task = task  # type: ignore[assignment]
    vars(alsek).pop("task", None)


def _redis_here(place: str) -> type[Backend]:
    port = int(place.rpartition(":")[2].partition("/")[0])
    real_init = redis.Redis.__init__

    def init(self: Any, host: str = "127.0.0.1", port: int = port, **kwargs: Any) -> None:
        real_init(self, host, port, **kwargs)

    redis.Redis.__init__ = init  # type: ignore[method-assign, assignment]

    class Here(RedisBackend):
        """On the test's server, where a block names none."""

        def __init__(self, connection: Any = None, **kwargs: Any) -> None:
            super().__init__(place if connection in (None, "<connection_url>") else connection, **kwargs)

    return Here


def _sqlite_here(place: str) -> type[Backend]:
    class Here(SQLiteBackend):
        """On the test's file. There is no client to make here: what connects is not asked."""

        def __init__(self, connection: Any = None, **kwargs: Any) -> None:
            super().__init__(place, **kwargs)

    return Here


def _file_in_redis(place: str) -> type[Backend]:
    class Here(RedisBackend):
        """On the test's server. Another file than ``alsek.db`` is another store: a database of its own."""

        def __init__(self, path: str, *, timeout: int = 5_000, **kwargs: Any) -> None:
            database = "0" if path == "alsek.db" else "1"
            kwargs.pop("synchronous", None)
            super().__init__(place.rpartition("/")[0] + "/" + database, timeout=timeout, **kwargs)

    return Here
