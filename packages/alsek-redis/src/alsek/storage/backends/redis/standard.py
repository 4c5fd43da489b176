"""The backend on a Redis server, version 6.2 or newer."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from alsek.core.bounds import check_integer, check_number
from alsek.defaults import DEFAULT_NAMESPACE, DEFAULT_SUBMIT_TIMEOUT
from alsek.exceptions import ValidationError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.findings import Finding
from alsek.storage.backends.lazy import LazyClient
from alsek.storage.backends.locations import MOST_PARTITIONS, location_of
from alsek.storage.backends.ports import (
    GroupPort,
    LockPort,
    MessagePort,
    ResultPort,
    SchedulePort,
    StatusPort,
    TransferPort,
    ValuePort,
)
from alsek.storage.backends.redis.client.address import Client
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.exchange import Exchange, beside, command, exchange
from alsek.storage.backends.redis.client.portable import portable
from alsek.storage.backends.redis.client.prompt_link import PromptLink
from alsek.storage.backends.redis.client.scan import scan_keys
from alsek.storage.backends.redis.client.script_text import SERVER_CLOCK
from alsek.storage.backends.redis.examination import examine, examine_partitions
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.redis.partitions.marker import (
    Marker,
    forget_note,
    refuse_partitions,
    stored_partitions,
)
from alsek.storage.backends.redis.partitions.port_sets import PartitionedPorts
from alsek.storage.backends.redis.ports.port_set import PortSet
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
        partitions: Over how many hash tags the namespace is spread: see ``docs/partitions.md``. The store remembers the
            number, and refuses a backend with another one. None for the number that it remembers, or 1; it is asked
            when the store is first used.

    Raises:
        ValidationError: The connection is none of these, the timeout is not a number of milliseconds, or `partitions`
            is not from 1 to 1024.
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
        partitions: int | None = 1,
    ) -> None:
        super().__init__(namespace=namespace, serializer=serializer, max_payload=max_payload)
        check_number("timeout", timeout, 1, type(self).__name__)
        check_integer("partitions", partitions, 1, type(self).__name__, optional=True)
        if partitions is not None and partitions > MOST_PARTITIONS:
            raise ValidationError(
                f"partitions={partitions} of {type(self).__name__}: must be at most {MOST_PARTITIONS}"
            )
        self._given_partitions = partitions
        self.partitions = partitions or 1
        self._link = Link(connection, timeout, home=Keys(namespace, hash_tag=True).messages())
        self._listeners = IdleListeners(self._link)
        self._opened: PortSet | PartitionedPorts | None = None

    @property
    def _ports(self) -> PortSet | PartitionedPorts:
        """The ports. They are made when first needed, because the client decides whether keys need a hash tag."""
        if self._opened is None:
            if self._given_partitions is None:
                keys = Keys(self.namespace, self._link.cluster)
                self.partitions = stored_partitions(self._link, keys) or 1
            self._opened = self._partitioned() if self.partitions > 1 else self._port_set(self._link)
        return self._opened

    def _port_set(self, link: Link, partition: int | None = None) -> PortSet:
        listeners = self._listeners if link is self._link else IdleListeners(link)
        keys = Keys(self.namespace, link.cluster, link.database, partition)
        tells = partition is not None and link.cluster
        return PortSet(link, keys, self._clock_lua, listeners, tells)

    def _partitioned(self) -> PartitionedPorts:
        sets = [self._port_set(self._link_of(number), number) for number in range(self.partitions)]
        keys, link = Keys(self.namespace, self._link.cluster), self._link
        if not link.cluster:
            return PartitionedPorts(sets, Marker(link, keys, self.describe()), self.location_of)
        prompt = PromptLink(LazyClient(lambda: link.client), link.timeout, keys.messages())
        marker = Marker(link, keys, self.describe(), prompt)
        make_prompt = self._prompt_sets
        return PartitionedPorts(sets, marker, self.location_of, make_prompt)

    def _prompt_sets(self) -> list[PortSet]:
        """The ports of each partition of a cluster, over links whose calls never wait for long."""
        return [
            self._port_set(self._link_of(number, PromptLink), number) for number in range(self.partitions)
        ]

    def _link_of(self, partition: int, kind: type[Link] = Link) -> Link:
        """The connections of a partition: a node of a cluster has its own. All of them share one client."""
        if not self._link.cluster:
            return self._link
        home = Keys(self.namespace, partition=partition).messages()
        return kind(LazyClient(lambda: self._link.client), self._link.timeout, home)

    def _port_sets(self) -> tuple[PortSet, ...]:
        """The ports of each partition, or the only ones."""
        ports = self._ports
        return ports.parts.all if isinstance(ports, PartitionedPorts) else (ports,)

    def location_of(self, name: str) -> int:
        return location_of(name)

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
            type(self),
            connection,
            namespace=self.namespace,
            serializer=self.serializer,
            timeout=timeout,
            partitions=self._given_partitions,
        )

    def describe(self) -> str:
        return f"{self._link.where} (namespace {self.namespace!r})"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._link.description}, namespace={self.namespace!r})"

    @property
    def messages(self) -> MessagePort:
        return self._ports.messages

    @property
    def results(self) -> ResultPort:
        return self._ports.results

    @property
    def statuses(self) -> StatusPort:
        return self._ports.statuses

    @property
    def locks(self) -> LockPort:
        return self._ports.locks

    @property
    def values(self) -> ValuePort:
        return self._ports.values

    @property
    def groups(self) -> GroupPort:
        return self._ports.groups

    @property
    def schedules(self) -> SchedulePort:
        return self._ports.schedules

    @property
    def transfer(self) -> TransferPort:
        return self._ports.transfer

    def _pinging(self) -> Exchange[None]:
        yield from command("EXISTS", self._ports.keys.messages())

    @beside(_pinging)
    def ping(self) -> None:
        # PING goes to all nodes of a cluster, so it does not show whether the node of this namespace answers.
        if isinstance(self._ports, PartitionedPorts):
            self._ports.parts.ping()
        else:
            self._link.call("EXISTS", self._ports.keys.messages())

    def examine(self) -> Iterator[Finding]:
        parts = [(part.link, part.keys) for part in self._port_sets()]
        yield from examine(*parts[0]) if len(parts) == 1 else examine_partitions(parts)

    def clear_namespace(self) -> int:
        deleted = 0
        ports = self._ports
        if isinstance(ports, PartitionedPorts):
            for part in ports.parts.all:
                forget_note(part.link, part.keys)
                deleted += _cleared(part)
            ports.parts.forget()
            return deleted
        refuse_partitions(self._link, ports.keys, self.describe())
        return _cleared(ports)

    @exchange
    def publish(self, channel: str, data: bytes) -> Exchange[None]:
        yield from command("PUBLISH", self._ports.keys.channel(channel), data)

    def subscribe_to(self, channels: tuple[str, ...]) -> Subscription:
        return new_subscription(self._link, self._listeners, self._ports.keys, channels)

    def watch_result(self, queue: str, uuid: str) -> ResultWatch:
        part = self._ports.of(uuid)
        reads = result_reads(part.keys, queue, uuid)
        news, found = subscribe_and_read(part.link, part.listeners, part.keys, f"results:{uuid}", reads)
        return ResultWatch(news, *result_from(uuid, found))

    def take_watched(self, news: Subscription, uuid: str) -> None:
        if isinstance(news, SocketSubscription):
            news.close_and_ask("DEL", self._ports.of(uuid).keys.result(uuid))
        else:
            super().take_watched(news, uuid)

    def watch_status(self, uuid: str) -> StatusWatch:
        part = self._ports.of(uuid)
        reads = (part.keys.status(uuid),)
        news, found = subscribe_and_read(part.link, part.listeners, part.keys, f"statuses:{uuid}", reads)
        return StatusWatch(news, status_from(uuid, found))

    def _new_loop_driver(self) -> LoopDriver:
        link = self._link
        if link.direct and self.partitions == 1:
            from alsek.storage.backends.redis.event_loop.driver import (
                RedisLoopDriver,  # here: it imports asyncio
            )
            from alsek.storage.backends.redis.event_loop.opening import can_open

            if can_open(link):
                return RedisLoopDriver(self, link, self._ports.keys, self._threads_of_operations())
        return super()._new_loop_driver()

    def close(self) -> None:
        if isinstance(self._opened, PartitionedPorts):
            self._opened.close()
        self._listeners.close()
        self._link.close()
        self._forget_loops()


def _cleared(part: PortSet) -> int:
    """Delete all keys of a partition, or of the only one; return how many there were."""
    deleted = 0
    for names in scan_keys(part.link, f"{part.keys.prefix}*"):
        deleted += int(part.link.call("UNLINK", *names))
    return deleted
