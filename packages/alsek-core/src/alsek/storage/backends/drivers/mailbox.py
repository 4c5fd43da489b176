"""Notes that wait for a coroutine."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from alsek.storage.backends.subscriptions import Note


class Mailbox:
    """Keeps the notes of one subscription until its coroutine takes them, one at a time.

    Args:
        loop: The event loop of the coroutine.
    """

    __slots__ = ("_loop", "_notes", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._notes: deque[Note | None] = deque()
        self._waiting: asyncio.Future[None] | None = None

    def __bool__(self) -> bool:
        """Whether there is a note."""
        return bool(self._notes)

    def put(self, note: Note | None) -> None:
        """Add a note; None if one may have been missed. In the loop's thread."""
        self._notes.append(note)
        _end(self._waiting)

    def put_from_thread(self, note: Note | None) -> None:
        """Add a note, from any thread. Does nothing if the loop is closed."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.put, note)

    async def take(self, timeout: int | None = None) -> Note | None:
        """Return the next note, as soon as there is one; None after `timeout` ms, or if one may have been missed.

        A call that is cancelled takes none.
        """
        if not self._notes:
            await self._wait(timeout)
        return self._notes.popleft() if self._notes else None

    async def _wait(self, timeout: int | None) -> None:
        waiting = self._waiting = self._loop.create_future()
        timer = None if timeout is None else self._loop.call_later(max(timeout, 0) / 1000, _end, waiting)
        try:
            await waiting
        finally:
            self._waiting = None
            if timer is not None:
                timer.cancel()


def _end(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
