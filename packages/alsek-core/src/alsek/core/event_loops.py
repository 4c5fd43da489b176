"""Running coroutines to their end for synchronous code, on an event loop that lasts.

Libraries keep connections that belong to one event loop. So all coroutines that synchronous code of a process starts
run on the same one: in a group of a thread pool on the group's loop, which runs in a thread of its own
(:func:`use_shared_loop`); elsewhere on a loop of the main thread, which lasts as long as the process. Another thread
has a loop of its own for each call.

``asyncio`` takes longer to import than all of alsek: it is imported when there is something to run.
"""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from inspect import isawaitable, iscoroutine
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from alsek.exceptions import EventLoopError

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

#: How long what is left on a loop may take to end when that is closed.
CLOSE_WITHIN_S: Final = 2.0

_NOTHING: Final = object()


class SharedLoop(Protocol):
    """An event loop that runs in a thread of its own."""

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run the coroutine on the loop, wait for its end in the calling thread, and return its result."""
        ...


class _Loops:
    """The loops of this process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.shared: SharedLoop | None = None
        self.main: OwnLoop | None = None


_loops = _Loops()
#: Loops of the process from which this one was forked. They are neither used nor closed, nor collected, which would
#: close them: parent and child share the descriptor in which the kernel keeps what a loop waits for.
_inherited: Final[list[_Loops]] = []


def use_shared_loop(loop: SharedLoop | None) -> None:
    """Run the coroutines of synchronous code of this process on `loop` from now on; None for the main thread's own."""
    _of_this_process().shared = loop


def run_coroutine(
    coroutine: Coroutine[Any, Any, T], on_exit: Callable[[BaseException], None] | None = None
) -> T:
    """Run the coroutine to its end, in the context variables of the caller, and return its result.

    If the caller is interrupted by an exception, the coroutine is cancelled.

    Args:
        coroutine: The coroutine.
        on_exit: On a loop of this thread: called with what a callback raises to end the program (``SystemExit`` or
            ``KeyboardInterrupt``), and the loop goes on. Without it that is such an interruption.

    Raises:
        EventLoopError: An event loop runs in this thread; it would stand still meanwhile.
    """
    if is_in_loop():
        name = getattr(coroutine, "__qualname__", repr(coroutine))
        coroutine.close()
        raise EventLoopError(
            f"{name} is a coroutine, and is called by synchronous code in the thread of a running event loop, which "
            "would stand still until it ends: await it, by a method whose name begins with 'a' (agenerate, aget, …), "
            "or call the synchronous code with asyncio.to_thread()"
        )
    loops = _of_this_process()
    if loops.shared is not None:
        return loops.shared.run(coroutine)
    if threading.current_thread() is threading.main_thread():
        if loops.main is None or loops.main.closed:
            loops.main = OwnLoop()
            atexit.register(close_main_loop)  # once more does no harm
        return loops.main.run(coroutine, on_exit)
    own = OwnLoop()
    try:
        return own.run(coroutine, on_exit)
    finally:
        own.close()


def run_or_return(coroutine: Coroutine[Any, Any, T]) -> T | Coroutine[Any, Any, T]:
    """Run the coroutine to its end; in the thread of a running event loop return it, for the caller to await."""
    return coroutine if is_in_loop() else run_coroutine(coroutine)


def finish(returned: Any) -> Any:
    """Return what a user's function has returned to synchronous code; if that is awaitable, run it, as above."""
    if not isawaitable(returned):
        return returned
    return run_coroutine(returned if iscoroutine(returned) else awaited(returned))


async def awaited(awaitable: Awaitable[T]) -> T:
    """Await anything that can be awaited: makes a coroutine of it."""
    return await awaitable


def is_in_loop() -> bool:
    """Return True if an event loop runs in this thread."""
    asyncio = sys.modules.get("asyncio")  # if it is not imported, none does
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def close_main_loop() -> None:
    """Close the loop of the main thread, if there is one: cancel what is left on it, and wait for that a moment."""
    loops = _loops
    if loops.main is not None and loops.pid == os.getpid():
        loops.main.close()
        loops.main = None


class OwnLoop:
    """An event loop that runs while synchronous code of one thread waits for a coroutine."""

    def __init__(self) -> None:
        import asyncio  # see above

        self._loop = asyncio.new_event_loop()

    @property
    def closed(self) -> bool:
        """Whether it is closed: user code may do that."""
        return self._loop.is_closed()

    def run(
        self, coroutine: Coroutine[Any, Any, T], on_exit: Callable[[BaseException], None] | None = None
    ) -> T:
        """Run the coroutine on the loop to its end, also if it stops the loop, and return its result."""
        import asyncio

        loop = self._loop
        context = contextvars.copy_context()
        task = asyncio.Task(coroutine, loop=loop, context=context)
        task.add_done_callback(lambda _: loop.stop())
        try:
            while not task.done():
                try:
                    loop.run_forever()
                except (SystemExit, KeyboardInterrupt) as error:
                    if on_exit is None:
                        raise
                    on_exit(error)
            return task.result()
        except BaseException:
            # KeyboardInterrupt, for example: it must not go on with the next one's.
            cancel_and_wait(loop, [task])
            raise
        finally:
            take_over(context)

    def close(self) -> None:
        """Cancel what is left on the loop, and close it."""
        import asyncio

        loop = self._loop
        if loop.is_closed():
            return
        cancel_and_wait(loop, asyncio.all_tasks(loop))
        _run_to_end(loop, asyncio.wait_for(loop.shutdown_asyncgens(), CLOSE_WITHIN_S))
        if not asyncio.all_tasks(loop):
            loop.close()


def cancel_and_wait(
    loop: asyncio.AbstractEventLoop, tasks: list[asyncio.Task[Any]] | set[asyncio.Task[Any]]
) -> None:
    """Cancel those tasks of a loop that have not ended, and let it run until they have, for a moment at most."""
    import asyncio

    left = [task for task in tasks if not task.done()]
    for task in left:
        task.cancel()
    if left and not loop.is_closed():
        _run_to_end(loop, asyncio.wait(left, timeout=CLOSE_WITHIN_S))
    for task in left:
        if task.done() and not task.cancelled():
            task.exception()  # so that it is not reported as never looked at


def _run_to_end(loop: asyncio.AbstractEventLoop, closing: Coroutine[Any, Any, Any]) -> None:
    """Run what closes a loop to its end: it has a time limit. Callbacks of users may raise anything meanwhile."""
    task = loop.create_task(closing)
    while not (task.done() or loop.is_closed()):
        with contextlib.suppress(Exception, SystemExit, KeyboardInterrupt):
            loop.run_until_complete(task)


def take_over(context: contextvars.Context) -> None:
    """Set the variables of the calling context to what they are in `context`, which was a copy of it."""
    for variable in context:
        value = context[variable]
        if variable.get(_NOTHING) is not value:
            variable.set(value)


def _of_this_process() -> _Loops:
    global _loops
    if _loops.pid != os.getpid():
        _inherited.append(_loops)
        _loops = _Loops()
    return _loops
