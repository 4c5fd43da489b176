"""Connections in a form that can be pickled, so that another process can make them."""

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

#: Options that a pool of redis-py adds to its connections itself; the next pool adds its own.
_OF_THE_POOL: Final = frozenset({"himport_registry", "maint_notifications_pool_handler", "event_dispatcher"})


def portable(connection: Any) -> Any:
    """A url, None, or a :class:`LazyClient` that gives the same connection in another process.

    Of a client the options of its connections are kept; a new client is made from them when it is needed.

    Raises:
        SerializationError: The connection can't be pickled. The error says what to give instead.
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
    """Raise an error for a lambda or a nested function, which another process can't import."""
    if isinstance(value, FunctionType) and "<" in value.__qualname__:
        raise SerializationError(
            f"{what} is the local function {value.__qualname__}, which can't be pickled: {_REMEDY}"
        )
