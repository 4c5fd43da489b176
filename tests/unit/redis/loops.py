"""Event loops of tests: what they leave behind, and cancellation at a chosen moment."""

from __future__ import annotations

import asyncio
import gc
import logging
import warnings
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

import pytest

from alsek.storage.backends.redis import RedisBackend

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T], seconds: float = 60) -> T:
    """Run a coroutine in a loop of its own; fail if that leaves a warning, or something that nobody looked at."""
    return leaving_nothing(lambda: asyncio.run(asyncio.wait_for(main, seconds)))


def leaving_nothing(action: Callable[[], T]) -> T:
    """Call it; fail if Python warns, or if asyncio reports something, until all is collected."""
    reports: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = reports.append  # type: ignore[method-assign]
    logger = logging.getLogger("asyncio")
    logger.addHandler(handler)
    gc.collect()
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            result = action()
            gc.collect()
    finally:
        logger.removeHandler(handler)
    of_concern = [one for one in warned if issubclass(one.category, (ResourceWarning, RuntimeWarning))]
    assert [str(warning.message) for warning in of_concern] == []
    assert [record.getMessage() for record in reports if record.levelno >= logging.WARNING] == []
    return result


class CancelledAt:
    """Awaits a coroutine, and cancels the task when it suspends for the n-th time.

    Attributes:
        count: How often it has suspended.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, Any], moment: int) -> None:
        self._coroutine = coroutine
        self._moment = moment
        self.count = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._coroutine.__await__()
        error: BaseException | None = None
        while True:
            try:
                waiting = next(steps) if error is None else steps.throw(error)  # type: ignore[attr-defined]
            except StopIteration as end:
                return end.value
            self.count += 1
            if self.count == self._moment:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            error = None
            try:
                yield waiting
            except BaseException as raised:  # noqa: BLE001 - it is passed on
                error = raised


async def each_moment(
    begin: Callable[[], Coroutine[Any, Any, Any]], after: Callable[[], Coroutine[Any, Any, Any]]
) -> int:
    """Cancel what `begin` begins at its first suspension, then at its second, … until it ends; `after` each of them.

    Returns:
        How often it suspends in all.
    """
    moment = 0
    while True:
        moment += 1
        attempt = CancelledAt(begin(), moment)

        async def main(attempt: CancelledAt = attempt) -> None:
            await attempt

        task = asyncio.ensure_future(main())
        try:
            await task
        except asyncio.CancelledError:
            assert attempt.count >= moment
            await after()
            continue
        await after()
        return moment - 1


def connections(backend: RedisBackend) -> int:
    """How many connections the server has, beside the one that asks."""
    return len(backend._link.call("CLIENT", "LIST").splitlines()) - 1


@pytest.fixture
def alone(redis_server: Any) -> RedisBackend:
    """A backend on a server that nobody else uses."""
    return RedisBackend(redis_server().url, timeout=5_000)
