"""The backend on a Redis server, version 6.2 or newer."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from alsek.core.bounds import check_number
from alsek.defaults import DEFAULT_NAMESPACE, DEFAULT_SUBMIT_TIMEOUT
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.findings import Finding
from alsek.storage.backends.lazy import LazyClient
from alsek.storage.backends.redis.client.address import Client
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.exchange import Exchange, command, exchange
from alsek.storage.backends.redis.client.portable import portable
from alsek.storage.backends.redis.client.scan import scan_keys
from alsek.storage.backends.redis.client.script import ScriptCall
from alsek.storage.backends.redis.client.script_text import SERVER_CLOCK, load
from alsek.storage.backends.redis.examination import examine
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.redis.ports.groups import RedisGroups
from alsek.storage.backends.redis.ports.locks import RedisLocks
from alsek.storage.backends.redis.ports.messages import RedisMessages
from alsek.storage.backends.redis.ports.results import RedisResults
from alsek.storage.backends.redis.ports.schedules import RedisSchedules
from alsek.storage.backends.redis.ports.statuses import RedisStatuses
from alsek.storage.backends.redis.ports.transfer.port import RedisTransfer
from alsek.storage.backends.redis.ports.values import RedisValues
from alsek.storage.backends.redis.wakeup.listeners import IdleListeners
from alsek.storage.backends.redis.wakeup.subscription import (
    SocketSubscription,
    new_subscription,
    subscribe_and_read,
)
from alsek.storage.backends.redis.wakeup.watched import result_from, result_reads, status_from
from alsek.storage.backends.subscriptions import ResultWatch, StatusWatch, Subscription
from alsek.storage.serialization import Serializer

if TYPE_CHECKING:
    from alsek.storage.backends.drivers.loop_driver import LoopDriver


class RedisBackend(Backend):
    """Messages, results, statuses and locks on a Redis server.

    No connection is opened before the first operation, and no :class:`LazyClient` is called.

    Args:
        connection: A url (``redis://``, ``rediss://``, ``unix://``, ``redis+sentinel://``, ``redis+cluster://``), a
            ready client (whether it decodes responses or not), or a :class:`LazyClient`; None for
            ``redis://localhost:6379``.
        namespace: Prefix of every name; on a cluster it is the hash tag as well.
        serializer: Turns values into bytes and back.
        max_payload: As for every backend.
        timeout: How long (ms) a call may take, including retries after a lost connection.

    Raises:
        ValidationError: The connection is none of these, or the timeout is not a number of milliseconds.
    """

    #: The text of the Lua function ``now()``: Unix milliseconds on the store's clock. It may use ``P``, the prefix of
    #: the namespace (``"alsek:"``). Tests set another clock.
    _clock_lua: ClassVar[str] = SERVER_CLOCK

    def __init__(
        self,
        connection: str | Client | LazyClient[Any] | None = None,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        serializer: Serializer | None = None,
        max_payload: int | None = None,
        timeout: int = DEFAULT_SUBMIT_TIMEOUT,
    ) -> None:
        super().__init__(namespace=namespace, serializer=serializer, max_payload=max_payload)
        check_number("timeout", timeout, 1, type(self).__name__)
        self._link = Link(connection, timeout, home=Keys(namespace, hash_tag=True).messages())
        self._listeners = IdleListeners(self._link)
        self._opened: _Ports | None = None

    @property
    def _ports(self) -> _Ports:
        """The ports. They are made when first needed, because the client decides whether keys need a hash tag."""
        if self._opened is None:
            self._opened = _Ports(self._link, self.namespace, self._clock_lua)
        return self._opened

    @property
    def identity(self) -> Hashable:
        return ("redis", self._link.identity(), self.namespace)

    def within(self, timeout: int) -> RedisBackend:
        return self._again(self._link.source, timeout)()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the address, which may have a password, and the options. A copy opens its own connections.

        Raises:
            SerializationError: It was given a client that another process can't make.
        """
        return (self._again(portable(self._link.source), self._link.timeout), ())

    def _again(self, connection: Any, timeout: int) -> Callable[[], RedisBackend]:
        """A function that makes another backend of the same store."""
        return partial(
            type(self), connection, namespace=self.namespace, serializer=self.serializer, timeout=timeout
        )

    def describe(self) -> str:
        return f"{self._link.where} (namespace {self.namespace!r})"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._link.description}, namespace={self.namespace!r})"

    @property
    def messages(self) -> RedisMessages:
        return self._ports.messages

    @property
    def results(self) -> RedisResults:
        return self._ports.results

    @property
    def statuses(self) -> RedisStatuses:
        return self._ports.statuses

    @property
    def locks(self) -> RedisLocks:
        return self._ports.locks

    @property
    def values(self) -> RedisValues:
        return self._ports.values

    @property
    def groups(self) -> RedisGroups:
        return self._ports.groups

    @property
    def schedules(self) -> RedisSchedules:
        return self._ports.schedules

    @property
    def transfer(self) -> RedisTransfer:
        return self._ports.transfer

    @exchange
    def ping(self) -> Exchange[None]:
        # PING goes to all nodes of a cluster, so it does not show whether the node of this namespace answers.
        yield from command("EXISTS", self._ports.keys.messages())

    def examine(self) -> Iterator[Finding]:
        return examine(self._link, self._ports.keys)

    def clear_namespace(self) -> int:
        deleted = 0
        for names in scan_keys(self._link, f"{self._ports.keys.prefix}*"):
            deleted += int(self._link.call("UNLINK", *names))
        return deleted

    @exchange
    def publish(self, channel: str, data: bytes) -> Exchange[None]:
        yield from command("PUBLISH", self._ports.keys.channel(channel), data)

    def subscribe_to(self, channels: tuple[str, ...]) -> Subscription:
        return new_subscription(self._link, self._listeners, self._ports.keys, channels)

    def watch_result(self, queue: str, uuid: str) -> ResultWatch:
        keys = self._ports.keys
        reads = result_reads(keys, queue, uuid)
        news, found = subscribe_and_read(self._link, self._listeners, keys, f"results:{uuid}", reads)
        return ResultWatch(news, *result_from(uuid, found))

    def take_watched(self, news: Subscription, uuid: str) -> None:
        if isinstance(news, SocketSubscription):
            news.close_and_ask("DEL", self._ports.keys.result(uuid))
        else:
            super().take_watched(news, uuid)

    def watch_status(self, uuid: str) -> StatusWatch:
        keys = self._ports.keys
        reads = (keys.status(uuid),)
        news, found = subscribe_and_read(self._link, self._listeners, keys, f"statuses:{uuid}", reads)
        return StatusWatch(news, status_from(uuid, found))

    def _new_loop_driver(self) -> LoopDriver:
        link = self._link
        if link.direct:
            from alsek.storage.backends.redis.event_loop.driver import (
                RedisLoopDriver,  # here: it imports asyncio
            )
            from alsek.storage.backends.redis.event_loop.opening import can_open

            if can_open(link):
                return RedisLoopDriver(self, link, self._ports.keys, self._threads_of_operations())
        return super()._new_loop_driver()

    def close(self) -> None:
        self._listeners.close()
        self._link.close()
        self._forget_loops()


class _Ports:
    """The ports of one namespace on one server.

    Args:
        link: The connection to the server.
        namespace: The namespace, as the user gave it.
        clock: The text of the Lua function ``now()``.
    """

    def __init__(self, link: Link, namespace: str, clock: str) -> None:
        self._link = link
        self._clock = clock
        self.keys = Keys(namespace, hash_tag=link.cluster, database=link.database)
        keys = self.keys
        names = (keys.messages(), keys.queues(), keys.delayed(), keys.workers(), keys.counters())
        self._shared = tuple(name.encode() for name in names)
        self.messages = RedisMessages(link, keys, self._call)
        self.results = RedisResults(link, keys, self._call)
        self.statuses = RedisStatuses(link, keys, self._call)
        self.locks = RedisLocks(link, self._call)
        self.values = RedisValues(link, keys)
        self.groups = RedisGroups(link, keys, self._call)
        self.schedules = RedisSchedules(link, keys, self._call)
        self.transfer = RedisTransfer(link, keys, self._call)

    def _call(self, script: str, keys: Sequence[bytes] = (), fixed: Sequence[bytes] = ()) -> ScriptCall:
        source = load(script, self._clock, self.keys.channels)
        if source.one_key:
            return ScriptCall(self._link, source, self._shared[:1], fixed, self._link.cluster)
        prefix = self.keys.prefix.encode()
        return ScriptCall(self._link, source, (*self._shared, *keys), (prefix, *fixed), self._link.cluster)
