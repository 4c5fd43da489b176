"""The worker of a test: runs messages when the test says so, in its thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self, TypedDict, Unpack

from alsek.core.event_loops import close_main_loop, is_in_loop
from alsek.core.lookup import uuid_of
from alsek.core.message import Message
from alsek.core.short_repr import shown
from alsek.core.status import TaskStatus
from alsek.core.task import AnyTask
from alsek.exceptions import ValidationError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.memory import MemoryBackend
from alsek.testing.failures import Failures
from alsek.testing.runner import MOST_RUNS, Runner
from alsek.testing.stand_in import put_in
from alsek.testing.store import TestStore
from alsek.testing.targets import backends_of, brokers_of, tasks_of
from alsek.testing.virtual_clock import VirtualClock
from alsek.types import Ending

_FAILED_ENDINGS: Final = ("failed", "revoked", "expired")


class Span(TypedDict, total=False):
    """A time in parts, as ``timedelta`` takes them."""

    days: float
    hours: float
    minutes: float
    seconds: float
    milliseconds: float


class TestWorker:
    """Runs messages in the thread of a test, on stores in memory, with a clock that only the test moves.

    While it is open, all brokers, stores, trackers and locks of the backends of its tasks work in memory; what is on
    disk or on a server is not touched. Two backends of one namespace of one store share their memory. A message runs
    as in a pool: with hooks, middleware, callbacks, groups, retries, unique keys and limits. What differs: one message
    runs at a time, a task's timeout is not enforced, and the hooks of pools (``on_worker_start``) don't run.

    Args:
        targets: Modules that define tasks, packages (with all modules below), names of such, or tasks.

    Raises:
        ValidationError: A target is something else, or two tasks have one name.
        NoTasksFoundError: There is no task.
    """

    __test__ = False

    def __init__(self, *targets: Any) -> None:
        self._clock = VirtualClock()
        self._failures = Failures()
        self._stores: dict[Hashable, TestStore] = {}
        self._memories: dict[Hashable, MemoryBackend] = {}
        self._taken: dict[int, Backend] = {}
        self._undo: list[Callable[[], None]] = []
        self._runner = Runner(self._clock, self._stores.values())
        self._tasks: dict[str, AnyTask] = {}
        try:
            self.add(*targets)
        except BaseException:
            self.close()
            raise

    def add(self, *targets: Any) -> None:
        """Have it run the tasks of these targets too, from now on."""
        tasks = tasks_of(targets)
        new = {name: task for name, task in tasks.items() if self._tasks.get(name) is not task}
        for name in new:
            if name in self._tasks:
                raise ValidationError(f"two tasks are named {name!r}: a worker can have one of them")
        for backend in backends_of(targets, new.values()):
            self._take(backend)
        for broker in brokers_of(new.values()):
            identity = broker.backend.identity
            store = self._stores.get(identity)
            if store is None:
                memory = next(each for each in self._memories.values() if each.identity == identity)
                store = self._stores[identity] = TestStore(memory, broker, self._failures)
            store.add(task for task in new.values() if task.broker.backend.identity == identity)
        self._tasks |= new

    def _take(self, backend: Backend) -> None:
        if id(backend) in self._taken:
            return
        identity = backend.identity
        memory = self._memories.get(identity)
        if memory is None:
            memory = self._memories[identity] = MemoryBackend(
                namespace=backend.namespace, serializer=backend.serializer, clock=self._clock
            )
        self._taken[id(backend)] = backend
        self._undo.append(put_in(backend, memory, self._runner))

    # Running

    def run(self, most: int = MOST_RUNS) -> int:
        """Run everything that is ready, and what becomes ready by it, in this thread; return how many attempts ran.

        Raises:
            ValidationError: More than `most` attempts ran, so there may be no end.
            EventLoopError: An event loop runs in this thread: await :meth:`arun`.
        """
        return self._runner.run(most)

    async def arun(self, most: int = MOST_RUNS) -> int:
        """As :meth:`run`: ``async def`` tasks run on the loop of this thread, others in other threads."""
        return await self._runner.arun(most)

    def advance(self, duration: timedelta = timedelta(), **parts: Unpack[Span]) -> int:
        """Run what is ready, then move the clock, from one time at which something is due to the next, and run that.

        Returns:
            How many attempts ran.

        Raises:
            ValidationError, EventLoopError: As :meth:`run`; or the time is negative.
        """
        return self._runner.advance(duration + timedelta(**parts))

    async def aadvance(self, duration: timedelta = timedelta(), **parts: Unpack[Span]) -> int:
        """As :meth:`advance`, by :meth:`arun`."""
        return await self._runner.aadvance(duration + timedelta(**parts))

    def redeliver(self, message: Message | str) -> None:
        """Run a message, drop the report as if the worker had died before it was sent, and run the message again.

        What is ready before it runs first.

        Raises:
            ValidationError: The message is not ready.
        """
        self._runner.redeliver(uuid_of(message))

    # Looking

    @property
    def now(self) -> int:
        """The time on the test's clock: Unix milliseconds."""
        return self._clock()

    def submitted(self, task: AnyTask | str | None = None) -> list[Message]:
        """Return the messages of a task (None: of all) that were submitted since the worker was opened, first first.

        Callbacks, members of groups and messages of schedules are among them.
        """
        name = task if isinstance(task, str) or task is None else task.name
        return [
            message
            for store in self._stores.values()
            for message in store.submitted
            if name is None or message.task_name == name
        ]

    def fail_next(
        self, task: AnyTask | str, exception: BaseException | type[BaseException], times: int = 1
    ) -> None:
        """Let the next attempts of a task raise this in place of calling its function. Its hooks run as always.

        Raises:
            ValidationError: The worker has no such task, or `exception` is none, or `times` is no number above 0.
        """
        name = task if isinstance(task, str) else task.name
        if name not in self._tasks:
            raise ValidationError(
                f"fail_next({shown(name)}): the worker has {', '.join(sorted(self._tasks))}"
            )
        self._failures.add(name, exception, times)

    def status(self, message: Message | str) -> TaskStatus:
        """Return the status of a message: as it is kept, or, if none is, as the store and this worker know it."""
        uuid = uuid_of(message)
        for memory in self._memories.values():
            (record,) = memory.statuses.get([uuid])
            if record is not None:
                return record.status
        for memory in self._memories.values():
            located = memory.messages.find(uuid)
            if located is not None:
                begun = self._runner.endings.get(uuid) == "retrying"
                running = located.worker is not None
                return (
                    TaskStatus.RUNNING if running else TaskStatus.RETRYING if begun else TaskStatus.SUBMITTED
                )
        ending = self.outcome(uuid)
        if ending == "succeeded":
            return TaskStatus.SUCCEEDED
        return TaskStatus.FAILED if ending in _FAILED_ENDINGS else TaskStatus.UNKNOWN

    def outcome(self, message: Message | str) -> Ending | None:
        """Return how a message has ended: ``"succeeded"``, ``"failed"``, ``"revoked"`` or ``"expired"``.

        ``"retrying"`` if its last attempt has failed, and another one is to come; ``"lost"`` after a lost report; None
        if no attempt has ended.
        """
        uuid = uuid_of(message)
        if uuid not in self._runner.endings and any(
            each.messages.find_dead(uuid) for each in self._memories.values()
        ):
            return "failed"  # by hand
        return self._runner.endings.get(uuid)

    def exception(self, message: Message | str) -> BaseException | None:
        """Return what the last failed attempt of a message raised; None if none failed."""
        return self._runner.exceptions.get(uuid_of(message))

    # The end

    def close(self) -> None:
        """Put the backends back as they were. What was in memory is gone."""
        for store in self._stores.values():
            store.close()
        while self._undo:
            self._undo.pop()()
        self._stores.clear()
        self._memories.clear()
        self._taken.clear()
        if threading.current_thread() is threading.main_thread() and not is_in_loop():
            close_main_loop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()
