"""The one connection of an event loop for a purpose: opened when it is needed, by one coroutine for all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from alsek.storage.backends.redis.event_loop.pipeline import Pipeline

_CANCELLED: Final = Exception("the coroutine that opened the connection was cancelled")


class SharedConnection:
    """A connection that is opened again when it is lost.

    One coroutine opens it, and those that need it meanwhile share the outcome. No task is made for that: if the one
    that opens it is cancelled, another one begins anew.

    Args:
        open_one: Opens a connection within some seconds.
    """

    def __init__(self, open_one: Callable[[float], Awaitable[Pipeline]]) -> None:
        self._open = open_one
        self._waiting: list[asyncio.Future[Exception | None]] | None = None
        self._present: Pipeline | None = None

    @property
    def present(self) -> Pipeline | None:
        """The connection if there is one that can be used."""
        pipeline = self._present
        return pipeline if pipeline is not None and pipeline.usable else None

    async def get(self, within_s: float) -> Pipeline:
        """The connection; opened now if there is none.

        Raises:
            Exception: What was raised when it was opened, by this coroutine or another one.
        """
        while (pipeline := self.present) is None:
            if self._waiting is None:
                return await self._open_for_all(within_s)
            outcome: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
            self._waiting.append(outcome)
            error = await outcome
            if error is _CANCELLED:
                continue
            if error is not None:
                raise error.with_traceback(None)
            if self._present is None:
                raise ConnectionResetError("the connection was closed")
            return self._present
        return pipeline

    async def _open_for_all(self, within_s: float) -> Pipeline:
        self._waiting = []
        outcome: Exception | None = _CANCELLED
        try:
            pipeline = self._present = await self._open(within_s)
            outcome = None
        except Exception as error:
            outcome = error
            raise
        finally:
            waiting, self._waiting = self._waiting, None
            for each in waiting:
                if not each.done():
                    each.set_result(outcome)
        return pipeline

    def drop(self, pipeline: Pipeline) -> None:
        """Use this one for no further command; those that it carries may get their replies."""
        if self._present is pipeline:
            self._present = None
        pipeline.retire()

    async def close(self) -> None:
        """Close the connection. The next who needs one opens it."""
        pipeline, self._present = self._present, None
        if pipeline is not None:
            pipeline.close()
            await asyncio.wait([pipeline.closed], timeout=1)

    def abandon(self, inherited: bool) -> None:
        """Close the connection. Its loop is closed, or this process is a forked child, which has `inherited` it."""
        pipeline, self._present = self._present, None
        if pipeline is not None:
            pipeline.abandon(inherited)
