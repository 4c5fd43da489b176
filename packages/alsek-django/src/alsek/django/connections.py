"""Closing database connections between tasks, as Django does between requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from typing import Any

from asgiref.sync import AsyncToSync, ThreadSensitiveContext, sync_to_async
from django.db import close_old_connections, connections, reset_queries

from alsek.core.message import Message
from alsek.core.middleware import Middleware


class DatabaseConnections(Middleware):
    """Closes connections that are too old or broken, before and after each attempt of a message.

    ``manage.py alsek`` gives it to the brokers of all tasks that it runs. Elsewhere give it to yours:
    ``Broker(backend, middleware=[DatabaseConnections()])``.

    A connection stays open for the next attempt in its thread as long as ``CONN_MAX_AGE`` says. An ``async def`` task
    has a thread of its own for its calls of the ORM, whose connections are closed when the attempt ends.
    """

    def attempt(self, message: Message) -> AbstractContextManager[Any] | AbstractAsyncContextManager[Any]:
        """Return what closes connections around the attempt."""
        return _around_coroutine() if message.is_async else _around_call()


def close_all() -> None:
    """Close all connections of this process, so that no child that is forked later has one of them, too."""
    connections.close_all()


@contextmanager
def closing_old_connections() -> Generator[None]:
    """Close connections that are too old or broken, at the beginning and at the end."""
    close_old_connections()
    try:
        yield
    finally:
        close_old_connections()


@contextmanager
def _around_call() -> Generator[None]:
    reset_queries()  # with DEBUG, Django keeps the queries since the beginning of a request
    with closing_old_connections():
        yield


@asynccontextmanager
async def _around_coroutine() -> AsyncGenerator[None]:
    if asyncio.get_running_loop() in AsyncToSync.loop_thread_executors:
        # The loop serves synchronous code, as an asynchronous test is: the connections are those of its thread.
        yield
        return
    async with ThreadSensitiveContext():
        try:
            yield
        finally:
            await sync_to_async(connections.close_all, thread_sensitive=True)()
