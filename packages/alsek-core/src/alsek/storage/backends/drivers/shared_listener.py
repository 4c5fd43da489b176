"""One subscription that blocks, for all coroutines of an event loop that wait for what is published.

A subscription has its channels from its beginning. So when a coroutine waits on a further channel, a new one with all
channels takes the place of the present one, which ends once what it had received is handed on. A note that both of
them receive is handed on twice; notes are hints, so that does no harm.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from alsek.core.clock import real_time as time
from alsek.core.loggers import guarded_logger
from alsek.exceptions import AlsekError
from alsek.storage.backends.drivers.loop_subscriptions import (
    LoopSubscription,
    LoopSubscriptions,
    unreported,
)
from alsek.storage.backends.drivers.operation_threads import OperationThreads
from alsek.storage.backends.subscriptions import Note, Subscription

if TYPE_CHECKING:
    from alsek.storage.backends.abstract import Backend

log = guarded_logger(__name__)

#: How often a listening thread checks whether it is to end.
_SLICE_MS: Final = 50

#: So many subscriptions may be about to end when another takes the place of the present one.
_MOST_ENDING: Final = 8

#: How often coroutines are told that they may have missed something, and to how many of them, in turn.
_SAFETY_NET_S: Final = 5.0
_MOST_TOLD: Final = 100


class SharedListener:
    """Receives what is published on the channels of all subscriptions of one event loop.

    Args:
        backend: Whose channels.
        loop: The event loop.
        threads: In which subscriptions are begun.
    """

    def __init__(self, backend: Backend, loop: asyncio.AbstractEventLoop, threads: OperationThreads) -> None:
        self._backend = backend
        self._loop = loop
        self._threads = threads
        self._pid = os.getpid()
        self.subscriptions = LoopSubscriptions(loop, removed=self._removed)
        self._present: _Generation | None = None
        self._ending: set[_Generation] = set()
        self._one_has_ended = asyncio.Event()
        self._renewal: asyncio.Task[None] | None = None

    async def subscribe(self, channels: Iterable[str]) -> LoopSubscription:
        """Return a subscription to what is published on `channels` from now on.

        Raises:
            BackendError: The store did not take it.
        """
        subscription = self.subscriptions.add(channels)
        try:
            while self._present is None or not subscription.channels <= self._present.channels:
                if self._renewal is None:
                    self._renewal = unreported(self._loop.create_task(self._renew()))
                # Shielded: another coroutine may wait for it too.
                await asyncio.shield(self._renewal)
        except BaseException:
            subscription.cancel()
            raise
        return subscription

    async def _renew(self) -> None:
        try:
            while len(self._ending) >= _MOST_ENDING:
                self._one_has_ended.clear()
                await self._one_has_ended.wait()
            channels = self.subscriptions.channels
            if not channels:
                return
            beginning = self._threads.executor.submit(self._begin, channels)
            try:
                begun = await asyncio.wrap_future(beginning)
            except BaseException:  # cancelled, with the loop: a thread may still subscribe
                beginning.add_done_callback(_close)
                raise
            self._end_present()
            self._present = begun
            begun.start(self._loop)
        finally:
            self._renewal = None

    def _begin(self, channels: list[str]) -> _Generation:
        return _Generation(self, self._backend.subscribe(*channels), channels)

    def _removed(self, _channels: list[str]) -> None:
        if not len(self.subscriptions) and self._renewal is None:
            self._end_present()

    def _end_present(self) -> None:
        ending, self._present = self._present, None
        if ending is not None:
            ending.end()
            self._ending.add(ending)

    def heard(self, note: Note | None) -> None:
        """Hand a note on; None if one may have been missed. In the loop's thread."""
        if note is None:
            self.subscriptions.missed(_MOST_TOLD)
        else:
            self.subscriptions.receive(note)

    def has_ended(self, generation: _Generation) -> None:
        """Note that a thread has ended. In the loop's thread."""
        self._ending.discard(generation)
        self._one_has_ended.set()
        if (
            generation is self._present
        ):  # its subscription has failed: those who wait look, and a new one begins
            self._present = None
            self.subscriptions.missed()
            if len(self.subscriptions) and self._renewal is None:
                self._renewal = unreported(self._loop.create_task(self._renew()))

    def close(self) -> None:
        """End the subscription. In a forked child, only close what was copied."""
        generations = [*self._ending, self._present] if self._present is not None else [*self._ending]
        self._present = None
        self._ending.clear()
        self._one_has_ended.set()
        for generation in generations:
            generation.end()
            if self._pid != os.getpid():
                with suppress(AlsekError, OSError):
                    generation.news.close()


class _Generation:
    """A subscription to certain channels, and the thread that waits on it."""

    def __init__(self, listener: SharedListener, news: Subscription, channels: Iterable[str]) -> None:
        self._listener = listener
        self.news = news
        self.channels = frozenset(channels)
        self._over = threading.Event()
        self._told_at = time.monotonic()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, args=(loop,), name="alsek-listener", daemon=True).start()

    def end(self) -> None:
        """Let the thread hand on what was received, and end."""
        self._over.set()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        with suppress(RuntimeError):  # the loop is closed
            try:
                self._listen(loop)
            except Exception:  # the store's, and whatever a backend of a user raises
                log.warning("%s: waiting for what is published has failed.", self._listener, exc_info=True)
            loop.call_soon_threadsafe(self._listener.has_ended, self)

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        with self.news as news:
            while not self._over.is_set():
                begun = time.monotonic()
                note = news.wait(_SLICE_MS)
                if note is not None or self._may_have_missed(begun):
                    loop.call_soon_threadsafe(self._listener.heard, note)
            while (note := news.wait(0)) is not None:
                loop.call_soon_threadsafe(self._listener.heard, note)

    def _may_have_missed(self, begun: float) -> bool:
        """Return True if a wait without a note has ended early, and from time to time."""
        now = time.monotonic()
        if now - begun < _SLICE_MS / 1000 * 0.9 or now - self._told_at >= _SAFETY_NET_S:
            self._told_at = now
            return True
        return False


def _close(begun: Future[_Generation]) -> None:
    """Close the subscription that was begun for a loop that has ended."""
    if not begun.cancelled() and begun.exception() is None:
        begun.result().news.close()
