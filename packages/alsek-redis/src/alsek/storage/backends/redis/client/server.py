"""The server that a backend was given: its client, made when it is first needed, and what is known of it."""

from __future__ import annotations

import threading
from typing import Any

from alsek.core.this_process import this_process
from alsek.storage.backends.redis.client.address import (
    Client,
    check,
    database_of,
    describe,
    has_sockets,
    identity_of,
    is_cluster,
    open_client,
)
from alsek.storage.backends.redis.client.failover_url import is_failover_url, parse


class Server:
    """One server, for all threads of a process and, after a fork, for its children.

    Args:
        connection: As the backend's.
        timeout: How long (ms) a call may take in all.
    """

    def __init__(self, connection: Any, timeout: int) -> None:
        check(connection)
        self._source = connection
        self._client: Client | None = None
        self._where: str | None = None
        self.timeout = timeout
        #: Whether the server knows ``#!lua flags=…``; None until it was tried.
        self.knows_flags: bool | None = None
        #: Digests of the scripts that this user is known to have all rights for.
        self.permitted: set[bytes] = set()
        self._direct = False
        self._reset()

    def _reset(self) -> None:
        """Begin anew in this process: locks and sockets of a parent process can't be used here."""
        self._lock = threading.Lock()
        self._pid = (
            this_process.pid
        )  # last: until then another thread must not use what is left of the parent's

    @property
    def client(self) -> Client:
        """The client, made when it is first needed."""
        if self._pid != this_process.pid:
            self._reset()
        if self._client is None:
            with self._lock:
                if self._client is None:
                    client = open_client(self._source, self.timeout)
                    self._direct = is_cluster(client) or has_sockets(client.connection_pool)
                    self._client = client
        return self._client

    @property
    def direct(self) -> bool:
        """Whether connections are used directly, not through the client."""
        return self.client is not None and self._direct

    @property
    def cluster(self) -> bool:
        """Whether this is a cluster."""
        return is_cluster(self.client)

    @property
    def database(self) -> int:
        """The number of the database."""
        return database_of(self.client)

    @property
    def where(self) -> str:
        """Where the client connects to, for logs and errors; never with a password."""
        if self._where is None:
            source = self._source
            named = isinstance(source, str) and is_failover_url(source)
            self._where = parse(source).where if named else describe(self.client)
        return self._where

    @property
    def source(self) -> Any:
        """What was given as connection. It may hold a password, so it must not be logged."""
        return self._source

    @property
    def description(self) -> str:
        """What was given as connection, for a repr: no client is made for it, and no url is shown."""
        if self._client is not None:
            return self.where
        if self._source is None or isinstance(self._source, str):
            return "<url>"
        return f"<{type(self._source).__name__}>"

    def identity(self) -> Any:
        """Equal for two of the same database."""
        return identity_of(self.client)
