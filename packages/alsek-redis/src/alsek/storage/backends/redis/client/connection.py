"""The way to the server: connections, repetition, outages, forks.

redis-py's ``execute_command`` costs 82 µs of CPU, its ``Connection`` used directly 48 µs, with the same
answer. So every call takes a connection of redis-py's own class, made from the options of the user's
client but never from its pool: text is not decoded, RESP2 is spoken, and a fork or the user's own use of
the client can't get in the way. On a cluster the connections go to the node that a namespace is on: all its
keys share one slot. Clients that this can't serve (a fake) use ``execute_command``.

A call whose reply was lost is sent again, on a fresh connection: everything that this package sends can be
repeated, except what says ``repeat=False``. The first repetition is immediate (the server may have
restarted while the connection idled); those after it wait with growing, jittered pauses, up to `timeout`
in all. An outage is logged once, and once more when it is over.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from alsek.core.clock import real_time as time
from alsek.core.loggers import guarded_logger
from alsek.core.pauses import Pauses
from alsek.exceptions import AlsekError
from alsek.storage.backends.redis.client.address import (
    connection_options,
    look_again,
    node_pool,
)
from alsek.storage.backends.redis.client.errors import (
    CLIENT_ERRORS,
    is_connection_lost,
    is_transient,
    server_error,
    unavailable,
)
from alsek.storage.backends.redis.client.interruptions import let_through
from alsek.storage.backends.redis.client.readiness import comes
from alsek.storage.backends.redis.client.resp import Argument, encode
from alsek.storage.backends.redis.client.server import Server

log = guarded_logger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0


class Link(Server):
    """Calls to one server, over connections that are kept between calls.

    Args:
        connection: As the backend's.
        timeout: How long (ms) a call may take in all before `BackendUnavailableError` is raised.
        home: A key: on a cluster all calls go to the node that it is on.
    """

    def __init__(self, connection: Any, timeout: int, home: str = "") -> None:
        self._home = home
        super().__init__(connection, timeout)

    def _reset(self) -> None:
        self._idle: deque[Any] = deque()
        self._outage_since: float | None = None
        super()._reset()

    def call(self, *arguments: Argument, repeat: bool = True) -> Any:
        """Send one command and return its reply, undecoded.

        Raises:
            BackendUnavailableError: No answer within `timeout`; with ``repeat=False`` also if the reply was lost.
            BackendError: The server answered with an error.
        """
        return self.send(arguments, None, repeat)

    def send(self, arguments: Sequence[Argument], packed: bytes | None, repeat: bool = True) -> Any:
        """As :meth:`call`, of a command that may be packed already. ``NOSCRIPT`` errors pass unchanged."""
        if not self.direct:
            return self._retry(lambda _: self._ask_client(arguments, repeat))
        if packed is None:
            packed = encode(arguments)
        try:
            connection = self._idle.pop()
        except IndexError:
            return self._retry(lambda left: self._ask_fresh(packed, left, repeat))
        try:
            if not repeat and comes(connection, 0):
                raise ConnectionResetError("the idle connection was closed")
            connection.send_packed_command((packed,))
        except CLIENT_ERRORS as error:
            connection.disconnect()
            self._raise_permanent(error)
            return self._retry(lambda left: self._ask_fresh(packed, left, repeat))
        try:
            reply = connection.read_response(disable_decoding=True)
        except CLIENT_ERRORS as error:
            if not self._drop_if_lost(connection, error):
                self._idle.append(connection)
            self._raise_permanent(error)
            if not repeat:
                raise unavailable(self.where, 0, error, sent=True) from error
            return self._retry(lambda left: self._ask_fresh(packed, left, repeat))
        self._idle.append(connection)
        if self._outage_since is not None:
            self._end_outage()
        return reply

    def connect(self, socket_timeout: float | None, connect_timeout: float) -> Any:
        """A connection of one's own, connected. The caller closes it.

        Raises:
            redis.RedisError, OSError: As the client has them.
        """
        connection = self._make(socket_timeout, connect_timeout)
        connection.connect()
        return connection

    def close(self) -> None:
        """Close idle connections; the next call connects anew."""
        if self._pid != os.getpid():
            self._reset()
        while self._idle:
            self._idle.pop().disconnect()
        if self._client is not None and (self._source is None or isinstance(self._source, str)):
            self._client.close()

    def translate(self, error: Exception) -> AlsekError:
        """The error of ours for one of the client's, met outside of :meth:`call`.

        Raises:
            BaseException: An interruption that the client took for an error
                (:mod:`alsek.storage.backends.redis.client.interruptions`).
        """
        let_through(error)
        return unavailable(self.where, 0, error) if is_transient(error) else server_error(self.where, error)

    def _make(self, socket_timeout: float | None, connect_timeout: float) -> Any:
        pool = node_pool(self.client, self._home) if self.cluster else self.client.connection_pool
        options = connection_options(pool)
        options.update(
            decode_responses=False,
            protocol=2,
            socket_timeout=socket_timeout,
            socket_connect_timeout=connect_timeout,
            retry=Retry(NoBackoff(), 0),
        )
        return pool.connection_class(**options)

    def _ask_fresh(self, packed: bytes, left: float, repeat: bool) -> Any:
        """One attempt on a new connection. Its timeouts are what is `left`, so it is kept only if that is plenty."""
        usual = self.timeout / 2000
        connection = self._make(min(usual, left), min(usual, left))
        try:
            connection.connect()
        except BaseException:
            connection.disconnect()
            raise
        try:
            connection.send_packed_command((packed,))
            reply = connection.read_response(disable_decoding=True)
        except CLIENT_ERRORS as error:
            if not is_connection_lost(error) and left >= usual:
                self._idle.append(connection)
            else:
                connection.disconnect()
            if is_transient(error) and not repeat:
                raise unavailable(self.where, 0, error, sent=True) from error
            raise
        if left >= usual:
            self._idle.append(connection)
        else:
            connection.disconnect()
        return reply

    def _ask_client(self, arguments: Sequence[Argument], repeat: bool) -> Any:
        name = arguments[0]
        if isinstance(name, bytes):  # a cluster looks it up as text
            name = name.decode()
        try:
            return self.client.execute_command(name, *arguments[1:], NEVER_DECODE=True)
        except CLIENT_ERRORS as error:
            if is_transient(error) and not repeat:
                raise unavailable(self.where, 0, error, sent=True) from error
            raise

    def _retry(self, ask: Callable[[float], Any]) -> Any:
        """Ask until there is an answer, or the time is up."""
        begun = time.monotonic()
        pauses: Pauses | None = None
        while True:
            left = self.timeout / 1000 - (time.monotonic() - begun)
            try:
                reply = ask(max(left, 0.05))
            except CLIENT_ERRORS as error:
                self._raise_permanent(error)
                self._begin_outage(error)
                pauses = pauses or Pauses(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
                nap = pauses.next()
                waited = time.monotonic() - begun
                if waited + nap >= self.timeout / 1000:
                    raise unavailable(self.where, int(waited * 1000), error) from error
                time.sleep(nap)
                continue
            if self._outage_since is not None:
                self._end_outage()
            return reply

    def _raise_permanent(self, error: Exception) -> None:
        """Raise what does not pass by itself."""
        let_through(error)
        if isinstance(error, NoScriptError):
            raise error
        if not is_transient(error):
            raise server_error(self.where, error) from error
        if self.cluster:
            look_again(self.client)

    def _drop_if_lost(self, connection: Any, error: Exception) -> bool:
        if not is_connection_lost(error):
            return False
        connection.disconnect()
        return True

    def _begin_outage(self, error: BaseException) -> None:
        with self._lock:
            if self._outage_since is not None:
                return
            self._outage_since = time.monotonic()
        log.warning("%s can't be reached (%s); trying again", self.where, error)

    def _end_outage(self) -> None:
        with self._lock:
            if self._outage_since is None:
                return
            lasted = time.monotonic() - self._outage_since
            self._outage_since = None
        log.warning("%s is back after %.1f s", self.where, lasted)
