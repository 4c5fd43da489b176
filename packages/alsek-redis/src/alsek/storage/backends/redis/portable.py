"""A connection as another process can make it."""

from __future__ import annotations

import pickle
from functools import partial
from typing import Any

import redis

from alsek.exceptions import SerializationError
from alsek.storage.backends.lazy import LazyClient

_REMEDY = "give RedisBackend a url, or LazyClient(function) with a function at the top level of a module"


def portable(connection: Any) -> Any:
    """What gives the same connection in another process: a url, None, or a :class:`LazyClient`.

    A client is taken apart into the options of its connections, and made anew from them when it is needed.

    Raises:
        SerializationError: It can't be, with what to give instead.
    """
    if connection is None or isinstance(connection, str):
        return connection
    if isinstance(connection, LazyClient):
        if not _can_be_pickled(connection):
            raise SerializationError(f"{connection!r} can't be pickled: {_REMEDY}")
        return connection
    pool: Any = getattr(connection, "connection_pool", None)
    if str(type(pool).__module__) != redis.ConnectionPool.__module__:
        raise SerializationError(
            f"a client of the kind {type(connection).__name__} can't be pickled: {_REMEDY}"
        )
    options: dict[str, Any] = {}
    for name, value in pool.connection_kwargs.items():
        if _can_be_pickled(value):
            options[name] = value
        elif not type(value).__module__.startswith("redis."):  # those of redis-py are its own, and made anew
            raise SerializationError(
                f"the client's option {name!r} ({type(value).__name__}) can't be pickled: {_REMEDY}"
            )
    return LazyClient(partial(_client, type(connection), pool.connection_class, options))


def _client(kind: Any, connection_class: Any, options: dict[str, Any]) -> Any:
    return kind(connection_pool=redis.ConnectionPool(connection_class=connection_class, **options))


def _can_be_pickled(value: Any) -> bool:
    try:
        pickle.dumps(value)
    except Exception:  # noqa: BLE001  each kind of object refuses in its own way
        return False
    return True
