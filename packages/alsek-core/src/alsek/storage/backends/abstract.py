"""The base class of all backends.

A backend is one namespace of one store: a serializer, channels, and the ports of :mod:`alsek.storage.backends.ports`.
A new backend implements the abstract methods here and the ports, and passes ``tests/contract``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterator
from typing import Any, ClassVar

from alsek.core.bounds import check_integer
from alsek.core.short_repr import shown
from alsek.defaults import DEFAULT_NAMESPACE
from alsek.exceptions import BackendError, ValidationError
from alsek.storage.backends.findings import Finding
from alsek.storage.backends.lazy import LazyClient
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
from alsek.storage.backends.records import FOR_EVER
from alsek.storage.backends.subscriptions import Note, ResultWatch, StatusWatch, Subscription
from alsek.storage.backends.usable_in_loops import UsableInLoops
from alsek.storage.payload_limit import PayloadLimit, without_limit
from alsek.storage.serialization import JsonSerializer, Serializer, dump

__all__ = ["Backend", "LazyClient", "Note", "ResultWatch", "StatusWatch", "Subscription"]

_FORBIDDEN = set("{}*?[]\\ \t\r\n\0")


class Backend(UsableInLoops):
    """One namespace of a store.

    Args:
        namespace: The prefix of every name that this backend writes. Two namespaces of one store share nothing.
        serializer: Turns values into bytes and back.
        max_payload: The most bytes of a message (with its callbacks), a result, a checkpoint or a value. What is larger
            is refused with :class:`~alsek.exceptions.PayloadTooLargeError` before it reaches the store. None for no
            limit.

    Raises:
        ValidationError: The namespace is empty, or has a character that a store could misread; or `max_payload` is no
            whole number above 0.
    """

    #: True if other processes can use the same store. Worker pools need a backend that is shared.
    shared: ClassVar[bool] = True

    #: Over how many parts a store is spread that have no step in common. What has one location is in one of them.
    partitions: int = 1

    def __init__(
        self,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        serializer: Serializer | None = None,
        max_payload: int | None = None,
    ) -> None:
        given: Any = namespace
        if (
            not isinstance(given, str)
            or not given.isprintable()
            or not given
            or not _FORBIDDEN.isdisjoint(given)
        ):
            raise ValidationError(
                f"namespace {shown(given)}: must be text, and must not be empty, nor contain white space, control "
                "characters or any of {}*?[]\\"
            )
        if serializer is not None and not isinstance(serializer, Serializer):
            raise ValidationError(
                f"serializer={shown(serializer)}: must be None or a Serializer; an object, not a class"
            )
        self.namespace = namespace
        check_integer("max_payload", max_payload, 1, type(self).__name__, optional=True)
        self.serializer: Serializer = serializer or JsonSerializer()
        if max_payload is not None:
            self.serializer = PayloadLimit(without_limit(self.serializer), max_payload)

    @property
    def max_payload(self) -> int | None:
        """The most bytes of a message, a result, a checkpoint or a value; None for no limit."""
        return self.serializer.most if isinstance(self.serializer, PayloadLimit) else None

    @property
    @abstractmethod
    def identity(self) -> Hashable:
        """A value that is equal for two backends of the same namespace of the same store."""

    @abstractmethod
    def describe(self) -> str:
        """A text that says where the store is, for logs and errors. Never has a password."""

    @property
    @abstractmethod
    def messages(self) -> MessagePort:
        """The port for messages."""

    @property
    @abstractmethod
    def results(self) -> ResultPort:
        """The port for results."""

    @property
    @abstractmethod
    def statuses(self) -> StatusPort:
        """The port for statuses."""

    @property
    @abstractmethod
    def locks(self) -> LockPort:
        """The port for locks."""

    @property
    @abstractmethod
    def values(self) -> ValuePort:
        """The port for values by name."""

    @property
    def groups(self) -> GroupPort:
        """The port for groups. A backend need not have one.

        Raises:
            BackendError: It has none.
        """
        raise BackendError(
            f"{self.describe()}: {type(self).__name__} has no group port, so it can't keep groups"
        )

    @property
    def schedules(self) -> SchedulePort:
        """The port for schedules. A backend need not have one.

        Raises:
            BackendError: It has none.
        """
        raise BackendError(
            f"{self.describe()}: {type(self).__name__} has no schedule port, so it can't keep schedules"
        )

    @property
    def transfer(self) -> TransferPort:
        """The port for moves to another store. A backend need not have one.

        Raises:
            BackendError: It has none.
        """
        raise BackendError(
            f"{self.describe()}: {type(self).__name__} has no transfer port, so nothing can be moved"
        )

    def location_of(self, name: str) -> int:
        """The location of a name: see :mod:`~alsek.storage.backends.locations`. 0 in a store without partitions."""
        return 0

    def __copy__(self) -> Backend:
        return self

    def __deepcopy__(self, memo: object) -> Backend:
        """Return the backend itself: any thread may use it, and a copy would be of the same store."""
        return self

    def full_name(self, name: str) -> str:
        """`name` with the namespace before it, if it is not there already."""
        return name if name.startswith(f"{self.namespace}:") else f"{self.namespace}:{name}"

    def short_name(self, name: str) -> str:
        """`name` without the namespace."""
        return name.removeprefix(f"{self.namespace}:")

    @abstractmethod
    def ping(self) -> None:
        """Check that the store can be reached and used.

        Raises:
            BackendUnavailableError: It can't. The text says what was tried, where, and what to do.
        """

    def examine(self) -> Iterator[Finding]:
        """What the operator of this store should know, the most basic things first. Changes nothing.

        Raises:
            BackendError: The store can't be reached or used at all.
        """
        self.ping()
        yield Finding("reachable", "ok", f"{self.describe()} answers.")

    def exists(self, name: str) -> bool:
        """True if there is a value of this name."""
        return self.values.exists(self.short_name(name))

    def set(self, name: str, value: Any, *, nx: bool = False, ttl: int | None = None) -> bool:
        """Store a value, serialized, for `ttl` ms (None: without end); with `nx` only if there is none.

        Returns:
            Whether it was stored.
        """
        data = dump(self.serializer, value)
        return self.values.put(self.short_name(name), data, FOR_EVER if ttl is None else ttl, nx)

    def get(self, name: str, default: Any = None) -> Any:
        """The value of this name, or `default`."""
        data = self.values.get(self.short_name(name))
        return default if data is None else self.serializer.reverse(data)

    def delete(self, name: str, missing_ok: bool = False) -> bool:
        """Delete a value; returns whether there was one.

        Raises:
            KeyError: There was none, and `missing_ok` is False.
        """
        found = self.values.delete(self.short_name(name))
        if not found and not missing_ok:
            raise KeyError(name)
        return found

    def scan(self, pattern: str = "*") -> Iterator[str]:
        """The names (without the namespace) of values that match a glob pattern, each once."""
        return self.values.scan(self.short_name(pattern))

    def count(self, name: str) -> int:
        """The number of entries of a collection.

        ``count("queues:<queue>")`` is the number of messages of that queue, waiting or held; ``count("dead:<queue>")``
        the number of its dead letters. Any other name counts as a value: 1 if it exists, else 0.
        """
        name = self.short_name(name)
        collection, _, queue = name.partition(":")
        if queue and collection == "queues":
            return self.messages.count(queue)
        if queue and collection == "dead":
            return self.messages.dead_count(queue)
        return int(self.values.exists(name))

    @abstractmethod
    def clear_namespace(self) -> int:
        """Delete everything in this namespace: messages, results, statuses, locks, values.

        Returns:
            The number of deleted entries, as the store counts them.
        """

    def pub(self, channel: str, value: Any = None) -> None:
        """Publish `value`, serialized, to all present subscribers of `channel` in this namespace."""
        self.publish(self.short_name(channel), dump(self.serializer, value))

    def subscribe(self, *channels: str) -> Subscription:
        """A subscription to what is published on `channels` from now on."""
        return self.subscribe_to(tuple(map(self.short_name, channels)))

    @abstractmethod
    def publish(self, channel: str, data: bytes) -> None:
        """Publish bytes on a channel. The name of the channel is without the namespace."""

    @abstractmethod
    def subscribe_to(self, channels: tuple[str, ...]) -> Subscription:
        """A subscription to channels. Their names are without the namespace."""

    def watch_result(self, queue: str, uuid: str) -> ResultWatch:
        """Subscribe to the result of a message, then read the result, so that no result is missed.

        A store that can do both in one round trip overrides this method.
        """
        news = self.subscribe(f"results:{uuid}")
        try:
            return ResultWatch(news, self.results.get([uuid])[0])
        except BaseException:
            news.close()
            raise

    def take_watched(self, news: Subscription, uuid: str) -> None:
        """Delete the result of a message after it was received, and close the subscription to it.

        A store that can do both in one round trip overrides this method.
        """
        self.results.delete([uuid])
        news.close()

    def watch_status(self, uuid: str) -> StatusWatch:
        """Subscribe to the statuses of a message, then read the stored one, as :meth:`watch_result` does."""
        news = self.subscribe(f"statuses:{uuid}")
        try:
            return StatusWatch(news, self.statuses.get([uuid])[0])
        except BaseException:
            news.close()
            raise

    def sub(self, channel: str) -> Iterator[Any]:
        """Iterate over the values that are published on `channel`, without end."""
        with self.subscribe(channel) as subscription:
            while True:
                note = subscription.wait()
                if note is not None:
                    yield self.serializer.reverse(note.data)

    def within(self, timeout: int) -> Backend:
        """A backend of the same namespace of the same store, whose calls take at most `timeout` ms each.

        For callers that must not block long. A backend that can't block returns itself.
        """
        return self

    def durable(self) -> Backend:
        """A backend of the same namespace of the same store, whose steps outlast a power cut once they are answered.

        A backend that has no choice returns itself.
        """
        return self

    def same_store(self, other: Backend) -> bool:
        """True if `other` is the same namespace of the same store, so that one step can write to both."""
        return self is other or self.identity == other.identity
