"""A backend on a Redis server, 6.2 or newer."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from typing import Any, ClassVar

from alsek.core.bounds import check_number
from alsek.defaults import DEFAULT_NAMESPACE, DEFAULT_SUBMIT_TIMEOUT
from alsek.storage.backends.abstract import Backend, LazyClient, ResultWatch, StatusWatch, Subscription
from alsek.storage.backends.records import ResultRecord, StatusRecord, TaskStatus
from alsek.storage.backends.redis.client.address import Client
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.portable import portable
from alsek.storage.backends.redis.client.resp import Argument
from alsek.storage.backends.redis.client.scan import scan_keys
from alsek.storage.backends.redis.client.script import SERVER_CLOCK, ScriptCall, load
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.redis.ports.locks import RedisLocks
from alsek.storage.backends.redis.ports.messages import RedisMessages
from alsek.storage.backends.redis.ports.results import RedisResults
from alsek.storage.backends.redis.ports.statuses import RedisStatuses
from alsek.storage.backends.redis.wakeup.listeners import IdleListeners
from alsek.storage.backends.redis.wakeup.subscription import (
    SocketSubscription,
    new_subscription,
    subscribe_and_read,
)
from alsek.storage.serialization import Serializer, dump

_PIECE = 500


class RedisBackend(Backend):
    """Messages, results, statuses and locks on a Redis server.

    Nothing is sent before the first operation: neither a url nor a :class:`LazyClient` is touched until then.

    Args:
        connection: A url (``redis://``, ``rediss://``, ``unix://``), a ready client (whether it decodes
            responses or not), or a :class:`LazyClient`; None for ``redis://localhost:6379``.
        namespace: Prefix of every name; on a cluster it is the hash tag as well.
        serializer: Turns values into bytes and back.
        timeout: How long (ms) a call may take, repetitions after a lost connection included.

    Raises:
        ValidationError: The connection is none of these, or the timeout no number of milliseconds.
    """

    #: The text of a Lua function ``now()``: Unix milliseconds on the store's clock. It may use ``P``, the
    #: namespace's prefix (``"alsek:"``). Tests put another clock here.
    _clock_lua: ClassVar[str] = SERVER_CLOCK

    def __init__(
        self,
        connection: str | Client | LazyClient[Any] | None = None,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        serializer: Serializer | None = None,
        timeout: int = DEFAULT_SUBMIT_TIMEOUT,
    ) -> None:
        super().__init__(namespace=namespace, serializer=serializer)
        check_number("timeout", timeout, 1, type(self).__name__)
        self._link = Link(connection, timeout, home=Keys(namespace, hash_tag=True).messages())
        self._ears = IdleListeners(self._link)
        self._rooms: _Rooms | None = None

    @property
    def _open(self) -> _Rooms:
        """The ports. Made late, because only the client tells whether keys need a hash tag."""
        if self._rooms is None:
            self._rooms = _Rooms(self._link, self.namespace, self._clock_lua)
        return self._rooms

    @property
    def identity(self) -> Hashable:
        return ("redis", self._link.identity(), self.namespace)

    def within(self, timeout: int) -> RedisBackend:
        return self._again(self._link.origin, timeout)()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as the address and the options: it makes connections of its own. The address may have a password.

        Raises:
            SerializationError: It was given a client that can't be made again elsewhere.
        """
        return (self._again(portable(self._link.origin), self._link.timeout), ())

    def _again(self, connection: Any, timeout: int) -> Callable[[], RedisBackend]:
        """Makes another one of the same store."""
        return partial(
            type(self), connection, namespace=self.namespace, serializer=self.serializer, timeout=timeout
        )

    def describe(self) -> str:
        return f"{self._link.where} (namespace {self.namespace!r})"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._link.given}, namespace={self.namespace!r})"

    @property
    def messages(self) -> RedisMessages:
        return self._open.messages

    @property
    def results(self) -> RedisResults:
        return self._open.results

    @property
    def statuses(self) -> RedisStatuses:
        return self._open.statuses

    @property
    def locks(self) -> RedisLocks:
        return self._open.locks

    def ping(self) -> None:
        # PING goes to every node of a cluster, and tells nothing of the one that holds this namespace.
        self._link.call("EXISTS", self._open.keys.messages())

    def exists(self, name: str) -> bool:
        return bool(self._link.call("EXISTS", self._value(name)))

    def set(self, name: str, value: Any, *, nx: bool = False, ttl: int | None = None) -> bool:
        command: list[Argument] = ["SET", self._value(name), dump(self.serializer, value)]
        if ttl is not None:
            command += ["PX", ttl]
        if nx:
            command.append("NX")
        # Sent twice, "only if there is none" would meet what was stored the first time.
        return self._link.call(*command, repeat=not nx) is not None

    def get(self, name: str, default: Any = None) -> Any:
        data = self._link.call("GET", self._value(name))
        return default if data is None else self.serializer.reverse(data)

    def delete(self, name: str, missing_ok: bool = False) -> bool:
        if self._link.call("DEL", self._value(name)):
            return True
        if missing_ok:
            return False
        raise KeyError(name)

    def scan(self, pattern: str = "*") -> Iterator[str]:
        prefix = self._open.keys.value("")
        for names in scan_keys(self._link, prefix + self.short_name(pattern), _PIECE):
            yield from (name.removeprefix(prefix) for name in names)

    def count(self, name: str) -> int:
        name = self.short_name(name)
        room, _, queue = name.partition(":")
        if room == "queues" and queue:
            return self.messages.count(queue)
        if room == "dead" and queue:
            return self.messages.dead_count(queue)
        return int(self.exists(name))

    def clear_namespace(self) -> int:
        deleted = 0
        for names in scan_keys(self._link, f"{self._open.keys.prefix}*", _PIECE):
            deleted += int(self._link.call("UNLINK", *names))
        return deleted

    def pub(self, channel: str, value: Any = None) -> None:
        self._link.call(
            "PUBLISH", self._open.keys.channel(self.short_name(channel)), dump(self.serializer, value)
        )

    def subscribe(self, *channels: str) -> Subscription:
        names = tuple(map(self.short_name, channels))
        return new_subscription(self._link, self._ears, self._open.keys, names)

    def watch_result(self, queue: str, uuid: str) -> ResultWatch:
        keys = self._open.keys
        reads = (keys.result(uuid), keys.letter(queue, uuid), keys.status(uuid))
        news, (result, letter, status) = subscribe_and_read(
            self._link, self._ears, keys, f"results:{uuid}", reads
        )
        record = None if result is None else ResultRecord.unpack(uuid, result)
        present = None if status is None else StatusRecord.unpack(uuid, status).status
        ended = letter is not None or present in (TaskStatus.FAILED, TaskStatus.UNKNOWN)
        return ResultWatch(news, record, ended)

    def take_watched(self, news: Subscription, uuid: str) -> None:
        if isinstance(news, SocketSubscription):
            news.close_and_ask("DEL", self._open.keys.result(uuid))
        else:
            super().take_watched(news, uuid)

    def watch_status(self, uuid: str) -> StatusWatch:
        keys = self._open.keys
        news, (status,) = subscribe_and_read(
            self._link, self._ears, keys, f"statuses:{uuid}", (keys.status(uuid),)
        )
        return StatusWatch(news, None if status is None else StatusRecord.unpack(uuid, status))

    def close(self) -> None:
        self._ears.close()
        self._link.close()

    def _value(self, name: str) -> str:
        return self._open.keys.value(self.short_name(name))


class _Rooms:
    """The ports of one namespace on one server, and what they share.

    Args:
        link: To the server.
        namespace: As the user gave it.
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
        self.locks = RedisLocks(self._call)

    def _call(self, script: str, keys: Sequence[bytes] = (), fixed: Sequence[bytes] = ()) -> ScriptCall:
        source = load(script, self._clock, self.keys.channels)
        return ScriptCall(self._link, source, (*self._shared, *keys), (self.keys.prefix.encode(), *fixed))
