"""What is published, for all coroutines of an event loop: one datagram socket and one slot of the registry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from typing import Any, Final, NamedTuple

from alsek.core.loggers import guarded_logger
from alsek.exceptions import BackendError
from alsek.storage.backends.drivers.loop_subscriptions import (
    LoopSubscription,
    LoopSubscriptions,
    unreported,
)
from alsek.storage.backends.drivers.operation_threads import OperationThreads
from alsek.storage.backends.ports import ResultPort
from alsek.storage.backends.sqlite.channels import fetch_data
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.wakeup.datagrams import LARGEST, LOOK, NOTE, SPOOLED, unpack
from alsek.storage.backends.sqlite.wakeup.listener_slots import ListenerSlot
from alsek.storage.backends.sqlite.wakeup.registry import AWAKE, LISTENING, WakeupRegistry
from alsek.storage.backends.sqlite.wakeup.slot_records import name_hash
from alsek.storage.backends.subscriptions import Note

log = guarded_logger(__name__)

#: How often to check whether the file has changed, in case a datagram was lost; and how many coroutines then look.
_CHECK_EVERY_S: Final = 1.0
_MOST_TOLD: Final = 100

_RESULTS: Final = "results:"


class _Seen(NamedTuple):
    """The registry, a slot of it (None where there can be none), and a number that each commit changes."""

    registry: WakeupRegistry | None
    slot: ListenerSlot | None
    version: int


class SQLiteLoopListener:
    """The subscriptions of one event loop. Used in the loop's thread.

    Once a second while the file is being changed, up to a hundred of those who wait are told that they may have missed
    something, in turn: see :class:`~alsek.storage.backends.sqlite.wakeup.subscription.SQLiteSubscription`.

    Args:
        database: The file and the namespace.
        results: Its results.
        loop: The event loop.
        threads: In which the file is read.
    """

    def __init__(
        self,
        database: Database,
        results: ResultPort,
        loop: asyncio.AbstractEventLoop,
        threads: OperationThreads,
    ) -> None:
        self._database = database
        self._results = results
        self._loop = loop
        self._threads = threads
        self._subscriptions = LoopSubscriptions(loop, self._added, self._removed)
        self._slot: ListenerSlot | None = None
        self._version: int | None = None
        self._opening: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def subscribe(self, channels: Iterable[str]) -> LoopSubscription:
        """Return a subscription to what is published on `channels` from now on.

        Raises:
            BackendError: The file can't be used.
        """
        subscription = self._subscriptions.add(channels)
        try:
            while self._timer is None:
                if self._slot is not None and self._slot.registry.is_current():
                    self._listen()
                else:
                    await asyncio.shield(self._begin_opening())  # another coroutine may wait for it too
        except BaseException:
            subscription.cancel()
            raise
        return subscription

    def _begin_opening(self) -> asyncio.Task[None]:
        if self._opening is None:
            self._opening = unreported(self._loop.create_task(self._open()))
        return self._opening

    async def _open(self) -> None:
        """Take a slot, and listen."""
        try:
            self._drop_slot()
            looking = self._threads.executor.submit(self._look, True)
            try:
                seen = await asyncio.wrap_future(looking)
            except BaseException:  # cancelled, with the loop: a thread may still take a slot
                looking.add_done_callback(_release)
                raise
            self._slot, self._version = seen.slot, seen.version
            if seen.slot is not None:
                self._loop.add_reader(seen.slot.receiver.fileno(), self._readable)
            if len(self._subscriptions):
                self._listen()
        finally:
            self._opening = None

    def _look(self, take: bool) -> _Seen:
        """Look at registry and file, in a thread; with `take` also take a slot."""
        database = self._database
        if take:
            database.ping()
        registry = database.notifier.registry()
        slot = None
        if take and registry is not None:
            try:
                slot = database.notifier.listener_slots.take(registry)
            except OSError:  # all are taken
                slot = None
        return _Seen(registry, slot, database.version())

    def _listen(self) -> None:
        """Say to which channels, and check again in a second."""
        if self._slot is not None:
            registry, slot = self._slot.registry, self._slot.slot
            channels = [name_hash(name) for name in self._subscriptions.channels]
            registry.records.describe_listener(slot, self._database.notifier.namespace, channels)
            registry.set_state(slot, LISTENING)
        self._timer = self._loop.call_later(_CHECK_EVERY_S, self._start, self._check)

    def _added(self, channels: list[str]) -> None:
        if self._timer is not None and self._slot is not None:
            for channel in channels:
                self._slot.registry.records.also_listen_to(self._slot.slot, name_hash(channel))

    def _removed(self, _channels: list[str]) -> None:
        # The filter keeps the channels of ended subscriptions for up to a second: too many in it do no harm.
        if not len(self._subscriptions):
            self._rest()

    def _rest(self) -> None:
        """Stop listening, and keep the slot."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._slot is not None:
            self._slot.registry.set_state(self._slot.slot, AWAKE)

    def _readable(self) -> None:
        """Hand on what has arrived."""
        slot = self._slot
        if slot is None:
            return
        lost = False
        while True:
            try:
                datagram = slot.receiver.recv(LARGEST)
            except BlockingIOError:
                break
            if datagram[:1] in (NOTE, SPOOLED):
                kind, namespace, channel, data = unpack(datagram)
                if namespace != self._database.notifier.namespace:
                    continue
                if kind == NOTE:
                    self._subscriptions.receive(Note(channel, data))
                elif self._subscriptions.has(channel):
                    self._start(self._fetch, channel, int(data))
            elif datagram == LOOK:
                lost = True
        if slot.registry.take_overflow(slot.slot) or lost:
            self._start(self._look_again)

    async def _fetch(self, channel: str, row: int) -> None:
        """Hand on a note of which only the number of its row was sent."""
        data = await self._ask(fetch_data, self._database, row)
        if data is None:
            self._subscriptions.tell([channel])
        else:
            self._subscriptions.receive(Note(channel, data))

    async def _look_again(self) -> None:
        """Datagrams were lost: find the results that are there by one read; whoever waits for something else looks."""
        channels = self._subscriptions.channels
        uuids = [name.removeprefix(_RESULTS) for name in channels if name.startswith(_RESULTS)]
        self._subscriptions.tell(name for name in channels if not name.startswith(_RESULTS))
        for uuid, record in zip(uuids, await self._ask(self._results.get, uuids), strict=True):
            if record is not None:
                self._subscriptions.receive(Note(f"{_RESULTS}{uuid}", b""))

    async def _check(self) -> None:
        """Let some look if the file has changed; take another slot if the registry was replaced. Then wait again."""
        timer = self._timer
        seen: _Seen = await self._ask(self._look, False)
        if self._timer is not timer:  # nobody listens any more, or again since then
            return
        if seen.version != self._version:
            self._version = seen.version
            self._subscriptions.missed(_MOST_TOLD)
        if self._slot is not None and not self._slot.registry.is_current():
            self._timer = None
            await asyncio.shield(self._begin_opening())
        else:
            self._listen()

    async def _ask(self, operation: Callable[..., Any], *args: Any) -> Any:
        return await self._loop.run_in_executor(self._threads.executor, operation, *args)

    def _start(self, work: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        task = self._loop.create_task(self._guarded(work(*args)))
        self._tasks.add(task)  # the loop itself has only a weak reference
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """If the file can't be read, all who wait look themselves, and so learn why."""
        try:
            await work
        except BackendError as error:
            log.debug("What was published is not known: %s", error)
            self._subscriptions.missed()
            if self._timer is not None:
                self._timer.cancel()
            if len(self._subscriptions):
                self._timer = self._loop.call_later(_CHECK_EVERY_S, self._start, self._check)

    def close(self) -> None:
        """Give the slot back, while the loop runs. Whoever still waits looks, and subscribes no more."""
        self._rest()
        for task in self._tasks:
            task.cancel()
        self._drop_slot()

    def forget(self) -> None:
        """Give the slot back after the loop was closed; in a forked child, only close the copy of the socket."""
        slot, self._slot = self._slot, None
        if slot is not None:
            slot.release()

    def _drop_slot(self) -> None:
        slot, self._slot = self._slot, None
        if slot is not None:
            self._loop.remove_reader(slot.receiver.fileno())
            self._database.notifier.listener_slots.put_back(slot)


def _release(looked: Future[_Seen]) -> None:
    """Free the slot that was taken for a loop that has ended."""
    if not looked.cancelled() and looked.exception() is None:
        slot = looked.result().slot
        if slot is not None:
            slot.release()
