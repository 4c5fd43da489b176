"""The result store: what tasks have returned."""

from __future__ import annotations

from typing import Any

from alsek.core.bounds import check_integer, milliseconds
from alsek.core.groups.group import Group
from alsek.core.message import Message
from alsek.core.seconds import LEAST_LIFETIME_MS, warn_of_seconds
from alsek.defaults import DEFAULT_RESULT_TTL, MAX_DURATION
from alsek.exceptions import TaskFailedError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.checks import expect_backend
from alsek.storage.backends.drivers.blocking import BlockingDriver, run_blocking
from alsek.storage.backends.records import FOR_EVER
from alsek.storage.result_reader import ResultReader
from alsek.storage.serialization import dump
from alsek.types import Duration


class ResultStore:
    """Keeps the results of tasks.

    With the broker's own store, and unless a subclass overrides :meth:`set`, a result is written in the same step that
    completes its message. Otherwise :meth:`set` is called before that step; the result of an older claim never
    replaces that of a newer one.

    Args:
        backend: The store that keeps the results.
        ttl: How long (ms) each result is kept, unless the message has a ``result_ttl``; None for ever.
    """

    #: The backends of the messages whose results are kept here.
    _brokers: tuple[Backend, ...] = ()

    def __init__(self, backend: Backend, ttl: Duration | None = DEFAULT_RESULT_TTL) -> None:
        expect_backend("ResultStore", backend)
        warn_of_seconds("ttl", ttl, LEAST_LIFETIME_MS, "ResultStore")
        ttl = milliseconds(ttl)
        check_integer("ttl", ttl, 1, "ResultStore", optional=True)
        self.backend = backend
        self.ttl = ttl

    def serve(self, backend: Backend) -> None:
        """Note that `backend` has messages whose results are kept here. Called by each task."""
        if not any(known is backend for known in self._brokers):
            self._brokers = (*self._brokers, backend)

    @property
    def apart(self) -> bool:
        """True if a task of this process has its messages in another store, so that this one knows nothing of them."""
        return not all(self.backend.same_store(known) for known in self._brokers)

    def is_atomic_with(self, backend: Backend) -> bool:
        """Return True if the steps of `backend` can write the results themselves."""
        return type(self).set is ResultStore.set and self.backend.same_store(backend)

    def wire_ttl(self, message: Message) -> int:
        """Return how long the result of this message is kept, as a store takes it."""
        ttl = self.ttl if message.result_ttl is None else message.result_ttl
        return FOR_EVER if ttl is None else min(ttl, MAX_DURATION)

    def set(self, message: Message, result: Any) -> None:
        """Store a result for the message.

        Raises:
            SerializationError: The backend's serializer can't take the result.
        """
        self.backend.results.put(*self._entry(message, result))

    async def aset(self, message: Message, result: Any) -> None:
        """Store a result, as :meth:`set` does. A subclass that overrides only that has it called in a thread."""
        driver = self.backend.loop_driver()
        if type(self).set is not ResultStore.set:
            await driver.settle(await driver.call(self.set, message, result))
        else:
            await driver.ask(self.backend.results.put, *self._entry(message, result))

    def _entry(self, message: Message, result: Any) -> tuple[str, bytes, int, int, str | None]:
        """The arguments of :meth:`ResultPort.put`."""
        return (
            message.uuid,
            dump(self.backend.serializer, result),
            self.wire_ttl(message),
            message.token or 0,
            message.progenitor_uuid,
        )

    def exists(self, message: Message | str, descendants: bool = False) -> bool:
        """Return True if a result of the message is stored; with `descendants`, one of it or of any descendant."""
        return run_blocking(self._blocking().exists(message, descendants))

    async def aexists(self, message: Message | str, descendants: bool = False) -> bool:
        """As :meth:`exists`, without blocking the event loop."""
        return await self._for_loop().exists(message, descendants)

    def delete(self, message: Message | str, descendants: bool = False) -> int:
        """Delete the result of the message, with `descendants` those of its descendants too; return how many."""
        return run_blocking(self._blocking().delete(message, descendants))

    async def adelete(self, message: Message | str, descendants: bool = False) -> int:
        """As :meth:`delete`, without blocking the event loop."""
        return await self._for_loop().delete(message, descendants)

    def get(
        self,
        message: Message | str | Group,
        timeout: Duration | None = None,
        keep: bool = False,
        with_metadata: bool = False,
        descendants: bool = False,
        type: Any = None,  # noqa: A002
    ) -> Any:
        """Return what the message's task returned, and delete it from the store unless `keep`.

        Args:
            message: The message; or a group: then what is returned is the list of its members' results, in their order,
                with None for one that did not succeed. The results of a group stay in the store, and its members' too.
            timeout: How long (ms) to wait for the result at most; None to not wait.
            keep: Leave the result in the store.
            with_metadata: Return ``{"result": …, "uuid": …, "timestamp": …}`` (Unix ms, the store's clock).
            descendants: Return a list of the message's own result and those of all its descendants (callbacks,
                later ticks of a trigger) that are stored, oldest write first. With `timeout` it waits until all
                callbacks have ended, or will not run: ``do_callback`` returned False, or one was removed.
            type: The type of the result, such as a dataclass or ``list[Invoice]``: it is built again from the stored
                data, as arguments are. None leaves the data as it is.

        Raises:
            ValidationError: The timeout is no number of milliseconds >= 0; or the result does not fit `type`: then it
                stays in the store.
            KeyError: There is no result, and `timeout` is None.
            TimeoutError: There is no result after `timeout`; with `descendants` also if a callback has not ended by
                then. Nothing is deleted.
            TaskFailedError: With `timeout`, as soon as the store has it: the message, or with `descendants` one of its
                callbacks, has failed for good, was revoked or has expired; or the message was removed. Or it is a
                callback that will not be submitted, since a message before it has failed.
            GroupFailedError: The group has failed because of a member, or was revoked.
        """
        return run_blocking(self._blocking().get(message, timeout, keep, with_metadata, descendants, type))

    async def aget(
        self,
        message: Message | str | Group,
        timeout: Duration | None = None,
        keep: bool = False,
        with_metadata: bool = False,
        descendants: bool = False,
        type: Any = None,  # noqa: A002
    ) -> Any:
        """As :meth:`get`, without blocking the event loop.

        If it is cancelled in the moment in which it deletes the result, that may be gone: `keep` it if that matters.
        """
        return await self._for_loop().get(message, timeout, keep, with_metadata, descendants, type)

    def failure(self, message: Message, told: bool = False) -> TaskFailedError | None:
        """Return why the message will have no result; None if it may have one, as far as this backend knows.

        Args:
            message: The message.
            told: True if the store has published that the message ended or was revoked.
        """
        return run_blocking(self._blocking().failure(message, told))

    async def afailure(self, message: Message, told: bool = False) -> TaskFailedError | None:
        """As :meth:`failure`, without blocking the event loop."""
        return await self._for_loop().failure(message, told)

    def _blocking(self) -> ResultReader:
        return ResultReader(self, BlockingDriver(self.backend))

    def _for_loop(self) -> ResultReader:
        return ResultReader(self, self.backend.loop_driver())
