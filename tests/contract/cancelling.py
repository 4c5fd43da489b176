"""Cancelling a coroutine at each of its suspensions, one after the other."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any


@types.coroutine
def _cancelled_at(coroutine: Coroutine[Any, Any, Any], number: int, times: int) -> Generator[Any, Any, Any]:
    """Await a coroutine, and have the task cancelled in the suspension of this number, counted from 1.

    Args:
        coroutine: The coroutine.
        number: Of the suspension.
        times: So many suspensions in a row are cancelled, from this one on.
    """
    task = asyncio.current_task()
    assert task is not None
    suspensions = 0
    go_on: Callable[[], Any] = partial(coroutine.send, None)
    while True:
        try:
            waits_for = go_on()
        except StopIteration as end:
            return end.value
        suspensions += 1
        if number <= suspensions < number + times:
            asyncio.get_running_loop().call_soon(task.cancel)
        try:
            yield waits_for
        except BaseException as error:  # noqa: BLE001  whatever it is, it is the coroutine's
            go_on = partial(coroutine.throw, error)
        else:
            go_on = partial(coroutine.send, None)


async def cancel_everywhere(
    make: Callable[[], Coroutine[Any, Any, Any]],
    check: Callable[[bool], Coroutine[Any, Any, None]],
    times: int = 1,
) -> int:
    """Run a coroutine again and again, cancelled at its first suspension, its second, and so on, until it has fewer.

    Args:
        make: Makes the coroutine.
        check: Called after each run, with True if it was cancelled.
        times: So many suspensions in a row are cancelled.

    Returns:
        How often it was cancelled.
    """
    for number in range(1, 100):
        task = asyncio.create_task(_run(make(), number, times))
        await asyncio.wait([task], timeout=60)
        assert task.done(), f"cancelled at suspension {number}, and did not end"
        await check(task.cancelled())
        if not task.cancelled():
            task.result()
            return number - 1
    raise AssertionError("it suspends without end")


async def _run(coroutine: Coroutine[Any, Any, Any], number: int, times: int) -> Any:
    return await _cancelled_at(coroutine, number, times)
