"""Backends that keep everything in memory while a test runs.

A backend is known to brokers, stores, locks and to the user's own code, so the object itself must change: for the time
of a test its class is replaced by a subclass whose ports are those of a :class:`MemoryBackend`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.findings import Finding
from alsek.storage.backends.memory import MemoryBackend
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
from alsek.storage.backends.records import ResultRecord
from alsek.storage.backends.subscriptions import Note, ResultWatch, StatusWatch, Subscription

if TYPE_CHECKING:
    from alsek.storage.backends.drivers.loop_driver import LoopDriver


class Runs(Protocol):
    """What runs messages when a test reads results or waits for something."""

    def deadline(self, timeout: int | None) -> int:
        """Return the time on the test's clock that is `timeout` ms from now; one that never comes for None."""
        ...

    def run_ready(self, until: int | None = None) -> bool:
        """Run what is ready. If nothing is, and something is due until then, move the clock there, and run that.

        Returns:
            Whether anything ran, or the clock moved.
        """
        ...

    async def arun_ready(self, until: int | None = None) -> bool:
        """Run what is ready, as :meth:`run_ready`, on the event loop that runs in this thread."""
        ...


#: What a backend has made for event loops.
_OF_LOOPS = ("_loop_drivers", "_operation_threads")


class InMemory(Backend):
    """What a backend is while a test runs. Never made: it becomes the class of backends that exist."""

    shared: ClassVar[bool] = False

    _memory: MemoryBackend
    _runs: Runs

    @property
    def identity(self) -> Hashable:
        return self._memory.identity

    def describe(self) -> str:
        return (
            f"memory of this test, in place of {type(self).__mro__[2].__name__}, namespace {self.namespace!r}"
        )

    @property
    def messages(self) -> MessagePort:
        return self._memory.messages

    @property
    def results(self) -> ResultPort:
        return _ResultsOfRuns(self._memory.results, self._runs)

    @property
    def statuses(self) -> StatusPort:
        return self._memory.statuses

    @property
    def locks(self) -> LockPort:
        return self._memory.locks

    @property
    def values(self) -> ValuePort:
        return self._memory.values

    @property
    def groups(self) -> GroupPort:
        return self._memory.groups

    @property
    def schedules(self) -> SchedulePort:
        return self._memory.schedules

    @property
    def transfer(self) -> TransferPort:
        return self._memory.transfer

    def ping(self) -> None:
        """Do nothing: the memory of this process can always be reached."""

    def examine(self) -> Iterator[Finding]:
        return self._memory.examine()

    def clear_namespace(self) -> int:
        return self._memory.clear_namespace()

    def publish(self, channel: str, data: bytes) -> None:
        self._memory.publish(channel, data)

    def subscribe_to(self, channels: tuple[str, ...]) -> Subscription:
        return _SubscriptionOfRuns(self._memory.subscribe_to(channels), self._runs)

    def watch_result(self, queue: str, uuid: str) -> ResultWatch:
        return Backend.watch_result(self, queue, uuid)

    def take_watched(self, news: Subscription, uuid: str) -> None:
        Backend.take_watched(self, news, uuid)

    def watch_status(self, uuid: str) -> StatusWatch:
        return Backend.watch_status(self, uuid)

    def _new_loop_driver(self) -> LoopDriver:
        from alsek.testing.loop_driver import LoopDriverOfRuns  # here: it imports asyncio

        return LoopDriverOfRuns(self, self._memory.store, self._runs)

    def close(self) -> None:
        """Do nothing: there are no connections."""

    async def aclose(self) -> None:
        """Do nothing: there are no connections."""

    def within(self, timeout: int) -> Backend:
        return self

    def durable(self) -> Backend:
        return self


class _ResultsOfRuns(ResultPort):
    """The results of a store. Before they are read, what is ready runs."""

    def __init__(self, results: ResultPort, runs: Runs) -> None:
        self._results = results
        self._runs = runs

    def put(
        self, uuid: str, payload: bytes, ttl: int = -1, token: int = 0, progenitor: str | None = None
    ) -> bool:
        return self._results.put(uuid, payload, ttl, token, progenitor)

    def get(self, uuids: Sequence[str]) -> list[ResultRecord | None]:
        self._runs.run_ready()
        return self._results.get(uuids)

    def descendants(self, uuid: str) -> list[ResultRecord]:
        self._runs.run_ready()
        return self._results.descendants(uuid)

    def failed_parents(self, uuids: Sequence[str]) -> list[str | None]:
        return self._results.failed_parents(uuids)

    def delete(self, uuids: Sequence[str]) -> int:
        return self._results.delete(uuids)


class _SubscriptionOfRuns(Subscription):
    """A subscription whose waits run what is ready, and move the clock to what is due, before they wait."""

    def __init__(self, subscription: Subscription, runs: Runs) -> None:
        self._subscription = subscription
        self._runs = runs

    def wait(self, timeout: int | None = None) -> Note | None:
        until = self._runs.deadline(timeout)
        while (note := self._subscription.wait(0)) is None:
            if not self._runs.run_ready(until):
                return self._subscription.wait(timeout)
        return note

    def close(self) -> None:
        self._subscription.close()


def put_in(backend: Backend, memory: MemoryBackend, runs: Runs) -> Callable[[], None]:
    """Make a backend keep everything in `memory` from now on, and return what undoes it."""
    before: Any = type(backend)
    state = vars(backend)
    loops = {name: state.pop(name) for name in _OF_LOOPS if name in state}
    kind: Any = type(before.__name__, (InMemory, before), {"__module__": before.__module__})
    backend.__class__ = kind
    state.update(_memory=memory, _runs=runs)

    def undo() -> None:
        backend.__class__ = before
        for name in ("_memory", "_runs", *_OF_LOOPS):
            state.pop(name, None)
        state.update(loops)

    return undo
