"""Makes a client from what a user gives as connection, and describes where a client connects to."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any, Final, TypeAlias

import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry

from alsek.core.loggers import guarded_logger
from alsek.exceptions import ValidationError
from alsek.storage.backends.lazy import LazyClient
from alsek.storage.backends.redis.client.errors import CLIENT_ERRORS
from alsek.storage.backends.redis.client.failover_url import (
    check_failover_url,
    is_failover_url,
    open_failover,
)
from alsek.storage.backends.redis.client.interruptions import let_through
from alsek.storage.backends.redis.client.url import check_url, refuse

log = guarded_logger(__name__)

#: redis.Redis or RedisCluster: their type parameters differ between releases of redis-py.
Client: TypeAlias = Any

DEFAULT_URL: Final = "redis://localhost:6379"
_HEALTH_CHECK_S = 15

#: Module and class of objects that can't be used as a client, and what to give instead.
_NO_CLIENTS: Final = (
    (
        "redis.asyncio",
        "",
        "give a url, or a redis.Redis or redis.RedisCluster client: Alsek's asynchronous methods open asyncio "
        "connections with the same options",
    ),
    ("redis.client", "Pipeline", "a pipeline only collects commands: give the client that it was made by"),
    ("redis.cluster", "ClusterPipeline", "a pipeline only collects commands: give the client that it was made by"),
    ("redis.sentinel", "Sentinel", "give the client of its service: sentinel.master_for('name of the service')"),
    ("redis.connection", "ConnectionPool", "give redis.Redis(connection_pool=...)"),
)  # fmt: skip


def check(connection: object) -> None:
    """Raise an error if this can't be used as a connection.

    Raises:
        ValidationError: It says what is expected, and shows no password.
    """
    if connection is None or isinstance(connection, LazyClient):
        return
    if isinstance(connection, str):
        if is_failover_url(connection):
            check_failover_url(connection)
            return
        check_url(connection)
        _check_options(connection)
        return
    for kind in type(connection).__mro__:
        for module, name, remedy in _NO_CLIENTS:
            if (kind.__module__ == module and kind.__name__ == name) or (
                not name and f"{kind.__module__}.".startswith(f"{module}.")
            ):
                raise ValidationError(f"connection: {_kind(connection)} can't be used as a client; {remedy}")
    if not isinstance(connection, (redis.Redis, RedisCluster)):
        raise ValidationError(
            f"connection: expected a url, a redis.Redis or redis.RedisCluster client, or a LazyClient, "
            f"got {_kind(connection)}"
        )
    if getattr(getattr(connection, "connection_pool", None), "is_master", True) is False:
        raise ValidationError(
            "connection: this client is sent to replicas, which can't be written to; give sentinel.master_for(...)"
        )


def _kind(connection: object) -> str:
    if isinstance(connection, type):
        return f"the class {connection.__name__}, not a client made of it"
    return f"a {type(connection).__module__}.{type(connection).__qualname__}"


def _check_options(url: str) -> None:
    """Raise an error if a url has options that redis-py does not know, or can't read."""
    try:
        pool = _from_url(url, 1_000).connection_pool
        pool.connection_class(**connection_options(pool))
    except ValidationError:
        raise
    except (TypeError, ValueError, AttributeError, redis.RedisError) as error:
        found = re.search(r"(?:argument|for) ['`](\w+)['`]", str(error))
        what = f"its option {found[1]!r}" if found is not None else "one of its options"
        raise refuse(url, f"{what} is unknown, or has a value that can't be read") from None


def open_client(connection: str | LazyClient[Any] | Client | None, timeout_ms: int) -> Client:
    """The client; nothing is sent yet. A client made from a url has timeouts, keepalive and health checks.

    Raises:
        ValidationError: A :class:`LazyClient` returned something that is not a client.
        BackendUnavailableError: No node of a cluster answers that is named by a url.
    """
    if isinstance(connection, LazyClient):
        connection = connection.get()
        if connection is None or isinstance(connection, LazyClient):
            raise ValidationError(
                f"connection: the function of the LazyClient returned {connection!r}; it must return a client or a url"
            )
        check(connection)
    if connection is None:
        connection = DEFAULT_URL
    return _from_url(connection, timeout_ms) if isinstance(connection, str) else connection


def _from_url(url: str, timeout_ms: int) -> Client:
    options: dict[str, Any] = {
        "socket_timeout": timeout_ms / 1000,
        "socket_connect_timeout": timeout_ms / 1000,
        "health_check_interval": _HEALTH_CHECK_S,
        "retry": Retry(NoBackoff(), 0),
    }
    if not url.startswith("unix://"):
        options["socket_keepalive"] = True
    if is_failover_url(url):
        return open_failover(url, **options)
    return redis.Redis.from_url(url, **options)


def connection_options(pool: Any) -> dict[str, Any]:
    """The options of a pool's connections, without those of the pool itself and of redis-py's own retries."""
    return {
        name: value
        for name, value in pool.connection_kwargs.items()
        if not name.startswith(("maint_", "orig_", "retry", "himport_"))
    }


def is_cluster(client: Client) -> bool:
    """Whether the client is one of a cluster."""
    return isinstance(client, RedisCluster)


def node_pool(cluster: Client, key: str) -> Any:
    """The connection pool of the cluster node that has this key, as far as the client knows.

    Raises:
        redis.RedisClusterException: No node has it at the moment.
    """
    return cluster.get_redis_connection(cluster.get_node_from_key(key)).connection_pool


def node_name(cluster: Client, key: str) -> str | None:
    """Host and port of the cluster node that has this key, as far as the client knows; None if it knows of none."""
    try:
        node = cluster.get_node_from_key(key)
    except CLIENT_ERRORS as error:
        let_through(error)
        return None
    return None if node is None else str(node.name)


def any_pool(client: Client) -> Any:
    """A connection pool of the client: its own, or that of some node of a cluster, which all have the same options."""
    if not is_cluster(client):
        return client.connection_pool
    return client.get_redis_connection(client.get_default_node()).connection_pool


def refresh_nodes(cluster: Client) -> None:
    """Let a cluster's client ask again which node has which slots. If no node answers, nothing changes."""
    try:
        cluster.nodes_manager.initialize()
    except CLIENT_ERRORS as error:
        let_through(error)
        log.debug("no node of the cluster answers: %s", error)


def close_client(client: Client) -> None:
    """Close the connections of a client, and those to its sentinels."""
    client.close()
    manager = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
    for sentinel in manager.sentinels if manager is not None else ():
        sentinel.close()


def database_of(client: Client) -> int:
    """The number of the database that a client uses. A cluster has only one."""
    options = getattr(getattr(client, "connection_pool", None), "connection_kwargs", None)
    return int(options.get("db") or 0) if isinstance(options, dict) else 0


def identity_of(client: Client) -> Hashable:
    """Equal for two clients of the same database."""
    if is_cluster(client):
        return ("cluster", *sorted(node.name for node in client.get_nodes()))
    pool: Any = getattr(client, "connection_pool", None)
    options = getattr(pool, "connection_kwargs", None)
    if not isinstance(options, dict):
        return (type(client).__name__, id(client))
    if options.get("server") is not None:  # a fake within this process
        return (type(client).__name__, id(options["server"]), options.get("db"))
    database = database_of(client)
    if hasattr(pool, "service_name"):
        return ("sentinel", pool.service_name, database)
    if "path" in options:
        return ("unix", options["path"], database)
    return ("tcp", options.get("host", "localhost"), int(options.get("port", 6379)), database)


def describe(client: Client) -> str:
    """Where a client connects to, without user name and password."""
    match identity_of(client):
        case ("cluster", *nodes):
            return f"Redis cluster at {', '.join(str(node) for node in nodes[:3])}"
        case ("sentinel", service, database):
            return f"Redis by sentinel, service {service}, db {database}"
        case ("unix", path, database):
            return f"Redis at unix://{path}?db={database}"
        case ("tcp", host, port, database):
            return f"Redis at {host}:{port}/{database}"
        case _:
            return f"Redis by {type(client).__name__}"


def has_sockets(pool: Any) -> bool:
    """Whether this pool's connections are redis-py's own, over a socket, so that they can be used directly."""
    kind = getattr(pool, "connection_class", None)
    return kind is not None and str(kind.__module__).startswith("redis.")
