"""A connection as another process can make it."""

from __future__ import annotations

from functools import partial
from types import FunctionType
from typing import Any, Final

import redis

from alsek.exceptions import SerializationError
from alsek.storage.backends.lazy import LazyClient

_REMEDY: Final = (
    "give RedisBackend a url, or LazyClient(function) with a function at the top level of a module"
)

#: What a pool of redis-py adds to the options of its connections for itself. The next pool adds its own.
_OF_THE_POOL: Final = frozenset({"himport_registry", "maint_notifications_pool_handler", "event_dispatcher"})


def portable(connection: Any) -> Any:
    """What gives the same connection in another process: a url, None, or a :class:`LazyClient`.

    A client is taken apart into the options of its connections, and made anew from them when it is needed.

    Raises:
        SerializationError: It can't be, with what to give instead.
    """
    if connection is None or isinstance(connection, str):
        return connection
    if isinstance(connection, LazyClient):
        _refuse_local("LazyClient", connection.client_func)
        return connection
    pool: Any = getattr(connection, "connection_pool", None)
    if str(type(pool).__module__) != redis.ConnectionPool.__module__:
        raise SerializationError(
            f"a client of the kind {type(connection).__name__} can't be pickled: {_REMEDY}"
        )
    options = {name: value for name, value in pool.connection_kwargs.items() if name not in _OF_THE_POOL}
    for name, value in options.items():
        _refuse_local(f"the client's option {name!r}", value)
    return LazyClient(partial(_client, type(connection), pool.connection_class, options))


def _client(kind: Any, connection_class: Any, options: dict[str, Any]) -> Any:
    return kind(connection_pool=redis.ConnectionPool(connection_class=connection_class, **options))


def _refuse_local(what: str, value: Any) -> None:
    """Another process can't import a lambda, nor a function that is defined inside another."""
    if isinstance(value, FunctionType) and "<" in value.__qualname__:
        raise SerializationError(
            f"{what} is the local function {value.__qualname__}, which can't be pickled: {_REMEDY}"
        )
