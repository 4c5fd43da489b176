"""Calls to the server: connections, retries, outages, forks.

redis-py's ``execute_command`` costs 82 µs of CPU, its ``Connection`` used directly 48 µs, with the same answer. So each
call uses the socket of a connection (:mod:`~alsek.storage.backends.redis.client.wire`) of redis-py's own class, made
with the options of the user's client but not taken from its pool: replies are not decoded, the protocol is RESP2, and
neither a fork nor the user's own use of the client interferes. On a cluster the connections go to one node, because all
keys of a namespace share one slot. For clients without such connections (a fake), ``execute_command`` is used.

A call whose reply was lost is sent again, on a new connection: all that this package sends can be repeated, except
calls with ``repeat=False``. The first retry is immediate, because the server may have restarted while the connection
was idle. Before each further one there is a pause that grows, with jitter, up to `timeout` in all. An outage is logged
when it begins and when it ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from alsek.core.clock import real_time as time
from alsek.core.loggers import guarded_logger
from alsek.core.pauses import Pauses
from alsek.core.this_process import this_process
from alsek.exceptions import AlsekError
from alsek.storage.backends.redis.client.address import (
    close_client,
    connection_options,
    node_name,
    node_pool,
    refresh_nodes,
)
from alsek.storage.backends.redis.client.errors import (
    CLIENT_ERRORS,
    is_connection_lost,
    is_transient,
    reason,
    server_error,
    unavailable,
)
from alsek.storage.backends.redis.client.interruptions import let_through
from alsek.storage.backends.redis.client.resp import Argument, encode
from alsek.storage.backends.redis.client.server import Server
from alsek.storage.backends.redis.client.wire import Wire

log = guarded_logger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0


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
        self._idle: deque[Wire] = deque()
        #: When the present outage began; None if the server answers.
        self.outage_since: float | None = None
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
        # Asked twice, because the first is enough for nearly all calls, and costs no call.
        if not (self._direct and self._pid == this_process.pid) and not self.direct:
            return self._retry(lambda _: self._ask_client(arguments, repeat))
        if packed is None:
            packed = encode(arguments)
        try:
            wire = self._idle.pop()
        except IndexError:
            return self._retry(lambda left: self._ask_fresh(packed, left, repeat))
        try:
            if not repeat:
                wire.check()
            reply = wire.ask(packed)
        except CLIENT_ERRORS as error:
            self._keep_or_close(wire, error)
            self.raise_permanent(error)
            self.look_around()
            if not repeat and not wire.unsent:
                raise unavailable(self.where, 0, error, sent=True) from error
            return self._retry(lambda left: self._ask_fresh(packed, left, repeat), error)
        self._idle.append(wire)
        if self.outage_since is not None:
            self.end_outage()
        return reply

    def connect(self, socket_timeout: float | None, connect_timeout: float) -> Any:
        """A new connection, connected. The caller closes it.

        Raises:
            redis.RedisError, OSError: As redis-py raises them.
        """
        connection = self._make(socket_timeout, connect_timeout)
        connection.connect()
        return connection

    def close(self) -> None:
        """Close the idle connections. The next call opens a new one."""
        if self._pid != this_process.pid:
            self._reset()
        while self._idle:
            self._idle.pop().close()
        if self._client is not None and (self._source is None or isinstance(self._source, str)):
            close_client(self._client)

    def translate(self, error: Exception) -> AlsekError:
        """Alsek's error for one of redis-py's that was raised outside of :meth:`call`.

        Raises:
            BaseException: An interruption that redis-py took for an error
                (:mod:`alsek.storage.backends.redis.client.interruptions`).
        """
        let_through(error)
        return unavailable(self.where, 0, error) if is_transient(error) else server_error(self.where, error)

    @property
    def pool(self) -> Any:
        """The pool whose options connections have; on a cluster that of the node which has this namespace.

        Raises:
            redis.RedisClusterException: No node has it at the moment.
        """
        return node_pool(self.client, self._home) if self.cluster else self.client.connection_pool

    @property
    def node(self) -> str | None:
        """Which node of a cluster has this namespace, as far as is known: host and port."""
        return node_name(self.client, self._home)

    def look_around(self) -> None:
        """Ask a cluster which node has which slots now. If no node answers, nothing changes."""
        if self.cluster:
            refresh_nodes(self.client)

    def shares_node(self, other: Link) -> bool:
        """Whether both speak to one node, as far as is known: what keeps one from answering keeps the other too."""
        try:
            return self is other or self.pool is other.pool
        except CLIENT_ERRORS:
            return False

    def _make(self, socket_timeout: float | None, connect_timeout: float) -> Any:
        pool = self.pool
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
        """One attempt on a new connection. It is kept for other calls only if it has the usual timeouts."""
        usual = self.timeout / 2000
        connection = self._make(min(usual, left), min(usual, left))
        try:
            connection.connect()
        except BaseException:
            connection.disconnect()
            raise
        wire = Wire(connection)
        lasting = left >= usual
        try:
            reply = wire.ask(packed)
        except CLIENT_ERRORS as error:
            self._keep_or_close(wire, error, lasting)
            if is_transient(error) and not repeat:
                raise unavailable(self.where, 0, error, sent=True) from error
            raise
        self._keep_or_close(wire, None, lasting)
        return reply

    def _ask_client(self, arguments: Sequence[Argument], repeat: bool) -> Any:
        name = arguments[0]
        if isinstance(name, bytes):  # a cluster's client looks it up as text
            name = name.decode()
        try:
            return self.client.execute_command(name, *arguments[1:], NEVER_DECODE=True)
        except CLIENT_ERRORS as error:
            if is_transient(error) and not repeat:
                raise unavailable(self.where, 0, error, sent=True) from error
            raise

    def _retry(self, ask: Callable[[float], Any], failure: Exception | None = None) -> Any:
        """Call `ask` until there is an answer, or `timeout` has passed.

        Args:
            ask: Makes one attempt, which may take so many seconds.
            failure: Why an idle connection did not do.
        """
        begun = time.monotonic()
        pauses: Pauses | None = None
        while True:
            left = self.timeout / 1000 - (time.monotonic() - begun)
            try:
                reply = ask(max(left, 0.05))
            except CLIENT_ERRORS as error:
                self.raise_permanent(error)
                self.look_around()
                self.begin_outage(error)
                pauses = pauses or Pauses(FIRST_PAUSE_S, LONGEST_PAUSE_S)
                nap = pauses.next()
                waited = time.monotonic() - begun
                if waited + nap >= self.timeout / 1000:
                    raise unavailable(self.where, int(waited * 1000), error) from error
                time.sleep(nap)
                continue
            if self.outage_since is not None:
                self.end_outage()
            return reply

    def raise_permanent(self, error: Exception) -> None:
        """Raise an error that a retry would not help against; return after all others."""
        let_through(error)
        if isinstance(error, NoScriptError):
            raise error
        if not is_transient(error):
            raise server_error(self.where, error) from error

    def _keep_or_close(self, wire: Wire, error: Exception | None, lasting: bool = True) -> None:
        """Keep a connection for further calls, unless this error has broken it, or it has unusual timeouts."""
        if lasting and (error is None or not is_connection_lost(error)):
            self._idle.append(wire)
        else:
            wire.close()

    def begin_outage(self, error: BaseException) -> None:
        """Log that an outage has begun, if it is not known yet."""
        with self._lock:
            if self.outage_since is not None:
                return
            self.outage_since = time.monotonic()
        log.warning("%s can't be reached (%s); trying again", self.where, reason(error))

    def end_outage(self) -> None:
        """Log that the outage is over."""
        with self._lock:
            if self.outage_since is None:
                return
            lasted = time.monotonic() - self.outage_since
            self.outage_since = None
        log.warning("%s is back after %.1f s", self.where, lasted)
