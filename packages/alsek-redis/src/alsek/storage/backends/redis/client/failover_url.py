"""Urls of what moves between servers: a service that sentinels watch, and a cluster.

``redis+sentinel://host:port,host:port/service/db`` names the sentinels; ``redis+cluster://host:port,host:port`` some
nodes of the cluster. With ``rediss+`` all connections use TLS. User name and password are those of the Redis servers;
sentinels that want others take them from the options ``sentinel_username`` and ``sentinel_password``.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

import redis.cluster
import redis.connection
import redis.sentinel

from alsek.core.clock import monotonic_ms
from alsek.storage.backends.redis.client.errors import CLIENT_ERRORS, is_transient, server_error, unavailable
from alsek.storage.backends.redis.client.interruptions import let_through
from alsek.storage.backends.redis.client.url import refuse

# redis-py does not say the types of these.
_parse_url: Final[Any] = redis.connection.parse_url
_sentinel: Final[Any] = redis.sentinel.Sentinel
_node: Final[Any] = redis.cluster.ClusterNode

_SCHEME: Final = re.compile(r"redis(?P<tls>s?)\+(?P<kind>sentinel|cluster)://")
_PORTS: Final = {"sentinel": 26_379, "cluster": 6_379}
#: A sentinel, or a node that is asked which one has which slots, is given at most so long.
_ANSWERS_WITHIN_S: Final = 1.0
#: Options of a pool, which its connections don't take.
_OF_THE_POOL: Final = frozenset({"max_connections", "timeout"})


class FailoverUrl(NamedTuple):
    """What such a url says.

    Attributes:
        kind: Whether it names sentinels or nodes of a cluster.
        hosts: Those that it names, with their ports.
        service: The name by which sentinels know the servers; empty for a cluster.
        options: Of connections to the servers.
        sentinel_options: Of connections to the sentinels.
    """

    kind: Literal["sentinel", "cluster"]
    hosts: tuple[tuple[str, int], ...]
    service: str
    options: dict[str, Any]
    sentinel_options: dict[str, Any]

    @property
    def where(self) -> str:
        """What it names, without secrets, for logs and errors."""
        hosts = ", ".join(f"{host}:{port}" for host, port in self.hosts[:3])
        return (
            f"Redis cluster at {hosts}"
            if self.kind == "cluster"
            else f"Redis service {self.service} by sentinel at {hosts}"
        )


def is_failover_url(url: str) -> bool:
    """Whether a url has the form of one of these."""
    return _SCHEME.match(url) is not None


def parse(url: str) -> FailoverUrl:
    """Read a url. Nothing is connected.

    Raises:
        ValidationError: It says what is wrong and what is expected, and shows the url without secrets.
    """
    scheme = _SCHEME.match(url)
    assert scheme is not None
    if re.search(r"\s", url):
        raise refuse(url, "it has white space in it")
    kind: Literal["sentinel", "cluster"] = "sentinel" if scheme["kind"] == "sentinel" else "cluster"
    place, question, query = url[scheme.end() :].partition("?")
    user, at, place = place.rpartition("@")
    names, _, path = place.partition("/")
    service, database = _service_and_database(url, kind, path)
    try:
        options = _parse_url(f"redis{scheme['tls']}://{user}{at}host/{database}{question}{query}")
        hosts = tuple(_host(name, _PORTS[kind]) for name in names.split(","))
    except ValueError:
        raise refuse(url, "a host, a port or an option in it can't be read") from None
    del options["host"]
    if options.pop("connection_class", None) is not None:
        options["ssl"] = True
    if kind == "cluster":
        options.pop("db", None)
    sentinel_options = {
        name: options.pop(f"sentinel_{name}")
        for name in ("username", "password")
        if f"sentinel_{name}" in options
    }
    if options.get("ssl"):
        sentinel_options["ssl"] = True
        sentinel_options |= {name: value for name, value in options.items() if name.startswith("ssl_")}
    return FailoverUrl(kind, hosts, service, options, sentinel_options)


def check_failover_url(url: str) -> None:
    """Raise an error if this url can't be used, or has options that redis-py does not know.

    Raises:
        ValidationError: As of :func:`parse`.
    """
    given = parse(url)
    options = {name: value for name, value in given.options.items() if name not in _OF_THE_POOL}
    connection = redis.SSLConnection if options.pop("ssl", False) else redis.Connection
    try:
        connection(**options)
    except (TypeError, ValueError, AttributeError, *CLIENT_ERRORS):
        raise refuse(url, "one of its options is unknown, or has a value that can't be read") from None


def open_failover(url: str, **options: Any) -> Any:
    """A client of what the url names.

    Args:
        url: The url.
        options: Of all connections. What the url says goes before.

    Raises:
        BackendUnavailableError: None of the nodes of a cluster answers. (Sentinels are asked later.)
        BackendError: They refuse this user.
    """
    given = parse(url)
    options |= given.options
    # One that is away must not use up the time for the others, nor redis-py ask it again and again.
    patience = min(_ANSWERS_WITHIN_S, options["socket_timeout"] / (len(given.hosts) + 1))
    if given.kind == "sentinel":
        asking = {"socket_timeout": patience, "socket_connect_timeout": patience, "retry": options["retry"]}
        sentinel = _sentinel(given.hosts, sentinel_kwargs=asking | given.sentinel_options)
        return sentinel.master_for(given.service, **options)
    options.pop("retry", None)  # it is that of the whole client here
    # Its connections only ask for the nodes: those that Alsek opens for calls have timeouts of their own.
    options |= {"socket_timeout": patience, "socket_connect_timeout": patience}
    begun = monotonic_ms()
    try:
        return redis.RedisCluster(startup_nodes=[_node(*host) for host in given.hosts], **options)
    except CLIENT_ERRORS as error:
        let_through(error)
        cause = error.__cause__
        if isinstance(cause, CLIENT_ERRORS) and not is_transient(cause):
            raise server_error(given.where, cause) from error
        raise unavailable(given.where, monotonic_ms() - begun, error) from error


def _service_and_database(url: str, kind: str, path: str) -> tuple[str, str]:
    parts = path.rstrip("/").split("/") if path.strip("/") else []
    if kind == "cluster":
        if parts not in ([], ["0"]):
            raise refuse(url, "a cluster has only the database 0")
        return "", ""
    if not parts or not parts[0] or len(parts) > 2:
        raise refuse(url, "the name of the service that the sentinels watch must follow the hosts")
    database = parts[1] if len(parts) == 2 else ""
    if database and not re.fullmatch(r"\d+", database):
        raise refuse(url, "its database must be a number")
    return parts[0], database


def _host(text: str, default_port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.port == 0:
        raise ValueError(text)
    return parts.hostname, parts.port or default_port
