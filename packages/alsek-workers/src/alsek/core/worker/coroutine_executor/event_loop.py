"""The event loop of a worker group, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from alsek.core.event_loops import CLOSE_WITHIN_S, take_over
from alsek.core.execution import forks
from alsek.core.execution.loop_exits import log_exit
from alsek.core.loggers import guarded_logger
from alsek.exceptions import EventLoopError

log = guarded_logger(__name__)

T = TypeVar("T")

#: How often a thread that waits for a coroutine lets an interruption through.
_SLICE_S: Final = 0.05


class EventLoopThread:
    """Runs an event loop in a daemon thread, until it is shut down, whatever user code does to it.

    Attributes:
        loop: The loop.
        thread: Its thread.
        broken: Why the loop can't go on; empty while it can.
        on_break: Called when it can't, in its thread.
    """

    def __init__(self, name: str = "alsek-loop") -> None:
        self.loop = asyncio.new_event_loop()
        self.broken = ""
        self.on_break: Callable[[], None] | None = None
        self._closing = False
        #: The loop itself has only a weak reference to it.
        self._last: asyncio.Task[None] | None = None
        self.thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self.thread.start()
        _alive.add(self)

    def _serve(self) -> None:
        stopped = False
        while not self._ended():
            try:
                self.loop.run_forever()
            except (SystemExit, KeyboardInterrupt) as error:
                log_exit(error)
            except BaseException as error:
                # No callback's exception: the loop is closed, or its selector, and would fail again at once.
                forks.check(error)
                self.broken = (
                    "was closed by a task or a hook" if self.loop.is_closed() else f"fails: {error!r}"
                )
                log.exception("The event loop %s.", self.broken)
                if self.on_break is not None:
                    self.on_break()
                return
            else:
                if not stopped and not self._ended():
                    stopped = True
                    log.warning("The event loop was stopped by a task or a hook: it goes on.")

    def _ended(self) -> bool:
        return self._closing

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Call a function in the thread of the loop. May be called from any thread.

        Raises:
            RuntimeError: User code has closed the loop, or broken it.
        """
        if self.broken:
            raise RuntimeError(f"it {self.broken}")
        self.loop.call_soon_threadsafe(callback)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run the coroutine on the loop, wait for its end in the calling thread, and return its result.

        If the calling thread is interrupted by an exception, the coroutine is cancelled, and the thread waits on; the
        second one ends the wait.

        Raises:
            EventLoopError: User code has closed the loop.
        """
        result: T = _Call(self.loop, coroutine).run(self.call_soon)
        return result

    def shut_down(self) -> None:
        """Cancel what is left on the loop, and end it; wait for that a moment at most."""
        ended = threading.Lock()
        ended.acquire()

        async def end() -> None:
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            with contextlib.suppress(BaseException):  # whatever user code raises
                if left:
                    await asyncio.wait(left, timeout=CLOSE_WITHIN_S)
                await asyncio.wait_for(self.loop.shutdown_asyncgens(), CLOSE_WITHIN_S)
            self._closing = True
            self.loop.stop()
            ended.release()

        ending = end()
        try:
            self.call_soon(lambda: self._keep(asyncio.Task(ending, loop=self.loop)))
        except RuntimeError:
            ending.close()
            return
        if ended.acquire(timeout=2 * CLOSE_WITHIN_S):
            self.thread.join(CLOSE_WITHIN_S)
            if not self.thread.is_alive() and not asyncio.all_tasks(self.loop):
                self.loop.close()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._last = task

    def leave_fork(self) -> None:
        """In a forked child of the loop's thread: end the process as soon as its coroutine gives control to the loop.

        The child has a copy of all coroutines, and shares what the kernel keeps for the loop with its parent.
        """
        ready: Any = getattr(self.loop, "_ready", None)
        if ready is not None:
            ready.clear()
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon(
                forks.leave, EventLoopError("a process that a coroutine has forked can't use the event loop")
            )


class _Call:
    """A coroutine that a thread waits for."""

    def __init__(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._loop = loop
        self._coroutine = coroutine
        self._context = contextvars.copy_context()
        self._task: asyncio.Task[Any] | None = None
        self._result: Any = None
        self._error: BaseException | None = None
        # Not an event: its own lock would stay taken if the waiting thread was interrupted just there.
        self._ended = threading.Lock()
        self._ended.acquire()

    def _begin(self) -> None:
        """Start it. In the thread of the loop."""
        self._task = asyncio.Task(self._run(), loop=self._loop, context=self._context)
        self._task.add_done_callback(self._on_end)

    async def _run(self) -> None:
        try:
            self._result = await self._coroutine
        except BaseException as error:  # noqa: BLE001  SystemExit in a task ends the task, not the loop
            forks.check(error)
            self._error = error
        forks.check()

    def _on_end(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled():  # before it has begun
            self._coroutine.close()
            self._error = asyncio.CancelledError()
        self._ended.release()

    def run(self, call_soon: Callable[[Callable[[], None]], object]) -> Any:
        """Have the loop start it, by `call_soon`, and wait for its end. In the thread that wants its result."""
        closed: RuntimeError | None = None
        try:
            try:
                call_soon(self._begin)
            except RuntimeError as error:
                closed = error
            while closed is None and not self._ended.acquire(timeout=_SLICE_S):
                pass
        except BaseException:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._cancel)
            while not self._ended.acquire(timeout=_SLICE_S):
                pass
            raise
        if closed is not None:
            self._coroutine.close()
            raise EventLoopError(f"the event loop of the group can't be used any more: {closed}")
        take_over(self._context)
        if self._error is not None:
            raise self._error
        return self._result

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
        else:  # the thread was interrupted before it had asked the loop to start it
            self._coroutine.close()
            self._ended.release()


#: The loops of this process, for its forks.
_alive: weakref.WeakSet[EventLoopThread] = weakref.WeakSet()


def _after_fork() -> None:
    for each in list(_alive):
        if each.thread is threading.current_thread():
            each.leave_fork()


os.register_at_fork(after_in_child=_after_fork)
