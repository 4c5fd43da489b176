"""Runs what asks the store in a few threads, so that no event loop waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")

#: So many calls at once. They are the dashboard's own: a store that hangs does not take up those of the application.
_MOST: Final = 4

NAME: Final = "alsek-dashboard"


class StoreThreads:
    """A few threads that start when they are first needed."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_MOST, thread_name_prefix=NAME)

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Return what the function returns, or raise what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *args)
