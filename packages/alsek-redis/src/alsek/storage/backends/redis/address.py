"""From what a user gives as connection to a client, and from a client to how it is named."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final, TypeAlias

import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry

from alsek.exceptions import ValidationError
from alsek.storage.backends.lazy import LazyClient

#: redis.Redis or RedisCluster: their type parameters differ between releases of redis-py.
Client: TypeAlias = Any

DEFAULT_URL: Final = "redis://localhost:6379"
_SCHEMES = ("redis://", "rediss://", "unix://")
_HEALTH_CHECK_SECONDS = 15


def check(connection: object) -> None:
    """Refuse what can't be a connection.

    Raises:
        ValidationError: With what is expected. A url's text is not shown beyond its scheme: it may hold a password.
    """
    if connection is None or isinstance(connection, LazyClient):
        return
    if isinstance(connection, str):
        if not connection.startswith(_SCHEMES):
            scheme = connection.split("://")[0] if "://" in connection else None
            shown = f"the scheme {scheme!r}" if scheme is not None else "a text without a scheme"
            raise ValidationError(
                f"connection: {shown} is no url of a Redis server; give redis://host:port/db, "
                f"rediss://… (TLS) or unix://path"
            )
        return
    if not callable(getattr(connection, "execute_command", None)):
        raise ValidationError(
            f"connection: expected a url, a redis.Redis client or a LazyClient, got {type(connection).__name__}"
        )


def open_client(connection: str | LazyClient[Any] | Client | None, timeout_ms: int) -> Client:
    """The client; nothing is sent yet. One made from a url has timeouts, keepalive and health checks."""
    if isinstance(connection, LazyClient):
        connection = connection.get()
        check(connection)
    if connection is None:
        connection = DEFAULT_URL
    if not isinstance(connection, str):
        return connection
    options: dict[str, Any] = {
        "socket_timeout": timeout_ms / 1000,
        "socket_connect_timeout": timeout_ms / 1000,
        "health_check_interval": _HEALTH_CHECK_SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }
    if not connection.startswith("unix://"):
        options["socket_keepalive"] = True
    try:
        return redis.Redis.from_url(connection, **options)
    except ValueError as error:
        raise ValidationError("connection: this url can't be read; give redis://host:port/db") from error


def is_cluster(client: Client) -> bool:
    """Whether a key's slot decides where it lives."""
    return isinstance(client, RedisCluster)


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
    if options.get("server") is not None:  # an imitation, that lives in this process
        return (type(client).__name__, id(options["server"]), options.get("db"))
    database = database_of(client)
    if hasattr(pool, "service_name"):
        return ("sentinel", pool.service_name, database)
    if "path" in options:
        return ("unix", options["path"], database)
    return ("tcp", options.get("host", "localhost"), int(options.get("port", 6379)), database)


def describe(client: Client) -> str:
    """Where a client connects to; never with user name or password."""
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


def speaks_plainly(pool: Any) -> bool:
    """Whether this pool's connections are redis-py's own over a socket, that can be used directly."""
    kind = getattr(pool, "connection_class", None)
    return kind is not None and str(kind.__module__).startswith("redis.")
