"""Opens connections of an event loop: redis-py's asyncio classes connect and log in, with the client's options."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from functools import cache
from typing import Any, Final

import redis.asyncio.connection as redis_connections
import redis.cluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from alsek.storage.backends.redis.client.address import any_pool, connection_options
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.reply_reader import new_reply_reader
from alsek.storage.backends.redis.event_loop.pipeline import OnMessage, Pipeline

#: By the name of the synchronous class. A sentinel is asked for the address before.
_CLASSES: Final[Mapping[str, Any]] = {
    "Connection": redis_connections.Connection,
    "SSLConnection": redis_connections.SSLConnection,
    "UnixDomainSocketConnection": redis_connections.UnixDomainSocketConnection,
    "SentinelManagedConnection": redis_connections.Connection,
    "SentinelManagedSSLConnection": redis_connections.SSLConnection,
}

#: Makes errors of a cluster's answers in releases whose other parsers don't know them.
_CLUSTER_PARSER: Final = getattr(redis.cluster, "ClusterParser", None)

#: Options whose values are made for the synchronous classes; their defaults are as good here.
_OTHERWISE: Final = frozenset({"parser_class", "command_packer", "connection_pool", "event_dispatcher"})


def can_open(link: Link) -> bool:
    """Whether asyncio's connections can be made as those of this link are."""
    pool = any_pool(link.client)
    kind = pool.connection_class
    if str(kind.__module__) not in ("redis.connection", "redis.sentinel") or kind.__name__ not in _CLASSES:
        return False
    options = _options(link, pool)
    return options.get("redis_connect_func") is None and not _unknown(_CLASSES[kind.__name__], options)


async def open_pipeline(
    link: Link,
    timeout_s: float,
    executor: Executor | None = None,
    on_message: OnMessage | None = None,
    on_lost: Callable[[], None] | None = None,
) -> Pipeline:
    """A new connection to the server of this link.

    Args:
        link: Its options are used.
        timeout_s: For each step of connecting and logging in.
        executor: Where sentinels are asked which server is the master; None for that of the loop.
        on_message: See :class:`~alsek.storage.backends.redis.event_loop.pipeline.Pipeline`.
        on_lost: Likewise.

    Raises:
        redis.RedisError, OSError: As redis-py raises them.
    """
    loop = asyncio.get_running_loop()
    pool = link.pool
    kind = _CLASSES[pool.connection_class.__name__]
    options = {name: value for name, value in _options(link, pool).items() if name in _parameters(kind)}
    options.update(
        decode_responses=False,
        protocol=2,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        health_check_interval=0,
        retry=Retry(NoBackoff(), 0),
    )
    if hasattr(pool, "get_master_address"):
        options["host"], options["port"] = await loop.run_in_executor(executor, pool.get_master_address)
    connection = kind(**options)
    before = _cancellations()
    try:
        await connection.connect()
        if _cancellations() > before:  # Python 3.11's wait_for, which redis-py uses, may swallow one
            raise asyncio.CancelledError
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    reader, writer = connection._reader, connection._writer  # noqa: SLF001
    if reader.at_eof() or writer.is_closing():
        await connection.disconnect(nowait=True)
        raise ConnectionResetError("the server closed the connection")
    parser = _CLUSTER_PARSER if link.cluster and _CLUSTER_PARSER else connection._parser  # noqa: SLF001
    replies = new_reply_reader(parser.parse_error)
    pipeline = Pipeline(loop, replies, link.timeout / 2000, on_message, on_lost)
    connection._reader = connection._writer = None  # noqa: SLF001 - it is the pipeline's from here on
    pipeline.take_over(writer)
    return pipeline


def _cancellations() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def _options(link: Link, pool: Any) -> dict[str, Any]:
    options = {name: value for name, value in connection_options(pool).items() if name not in _OTHERWISE}
    if link.cluster:
        # The client's own function, with which it lets replicas answer: only masters are asked here.
        options["redis_connect_func"] = link.client.user_on_connect_func
    return options


def _unknown(kind: Any, options: Mapping[str, Any]) -> list[str]:
    """The options that this class does not know, and that are not just switched off."""
    known = _parameters(kind)
    return [name for name, value in options.items() if name not in known and value]


@cache
def _parameters(kind: Any) -> frozenset[str]:
    """The options that a class of connections and its bases take."""
    found: set[str] = set()
    for each in kind.__mro__:
        if "__init__" in vars(each):
            found.update(inspect.signature(each.__init__).parameters)
    return frozenset(found)
